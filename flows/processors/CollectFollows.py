"""NiFi processor: all that is followed, from the Kafka topic that it is written into."""

from nifiapi.flowfilesource import FlowFileSource
from nifiapi.properties import PropertyDescriptor, StandardValidators

from opslib.x import board, carry
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

    SERVERS = PropertyDescriptor(
        name="Bootstrap Servers",
        description="Brokers as host:port, separated by commas.",
        required=True,
        validators=[StandardValidators.NON_EMPTY_VALIDATOR],
    )
    TLS_DIRECTORY = PropertyDescriptor(
        name="TLS Directory",
        description="Folder with cert.pem, key.pem and ca.pem. Empty: a connection without TLS.",
        required=False,
    )

    def __init__(self, **kwargs):
        self._turns = None

    def getPropertyDescriptors(self):
        return [self.SERVERS, self.TLS_DIRECTORY]

    def onScheduled(self, context):
        servers, folder = (carry.value_of(context, it) for it in (self.SERVERS, self.TLS_DIRECTORY))
        self._turns = FollowsTurns(lambda: board.connect(servers, folder))

    def onStopped(self, context):
        if self._turns is not None:
            self._turns.close()

    def create(self, context):
        return carry.from_source(context, self.logger, self._turns.turn())
