"""NiFi processor: all that is followed, from the Kafka topic that it is written into."""

from nifiapi.flowfilesource import FlowFileSource

from opslib.x import board, carry, nifi
from opslib.x.turns.follows import FollowsTurns


class CollectFollows(FlowFileSource):
    """Carries turns to and from NiFi: what they do is told in opslib.x.turns.follows."""

    class Java:
        implements = ["org.apache.nifi.python.processor.FlowFileSource"]

    class ProcessorDetails:
        # Stays: NiFi takes running processors of another version than it finds for missing ones.
        version = "1"
        description = (
            "Reads the compacted Kafka topic of what is followed, whose messages `opslib follow` and "
            "site.yml write, and emits all of it as one FlowFile, one a line, whenever it has changed and "
            "once a minute. It belongs to no consumer group and keeps no place."
        )
        tags = ["kafka", "follows", "trendlake"]
        dependencies = []

    def __init__(self, **kwargs):
        self._turns = None

    def getPropertyDescriptors(self):
        return [nifi.KAFKA_SERVERS, nifi.KAFKA_TLS]

    def onScheduled(self, context):
        servers, folder = (carry.value_of(context, it) for it in (nifi.KAFKA_SERVERS, nifi.KAFKA_TLS))
        self._turns = FollowsTurns(lambda: board.connect(servers, folder))

    def onStopped(self, context):
        if self._turns is not None:
            self._turns.close()

    def create(self, context):
        return carry.from_source(context, self.logger, self._turns.turn())
