"""NiFi processor: tweets about the topics of the snapshots that come in, from X's filtered stream."""

from nifiapi.flowfiletransform import FlowFileTransform
from nifiapi.properties import PropertyDescriptor, StandardValidators
from nifiapi.relationship import Relationship

from opslib.x import carry, nifi
from opslib.x.turns.stream import StreamTurns


class StreamTweets(FlowFileTransform):
    """Carries turns to and from NiFi: what they do is told in opslib.x.turns.stream."""

    class Java:
        implements = ["org.apache.nifi.python.processor.FlowFileTransform"]

    class ProcessorDetails:
        # Stays: NiFi takes running processors of another version than it finds for missing ones.
        version = "1"
        description = (
            "Follows the topics of the snapshots of CollectTrends in X's filtered stream. The first one goes "
            "round: it takes along the tweets that have come, one a line, has to come back once they are in "
            "Kafka, and takes the next. Later snapshots say what to follow from then on. What a disconnect "
            "or a restart has missed is searched for. X charges for each tweet that the stream sends."
        )
        tags = ["x", "twitter", "stream", "trendlake"]
        dependencies = []

    MARGIN = PropertyDescriptor(
        name="Budget Margin",
        description=(
            "How many posts before the budget's limit the stream is left: X goes on sending, and charging, "
            "until it notices."
        ),
        required=True,
        default_value="100",
        validators=[StandardValidators.NON_NEGATIVE_INTEGER_VALIDATOR],
    )

    def __init__(self, **kwargs):
        self._clients = ()
        self._turns = None

    def getPropertyDescriptors(self):
        return [*nifi.PROPERTIES, *nifi.COLLECTING, self.MARGIN]

    def getRelationships(self):
        return [
            Relationship("success", "Messages; has to come back once they are in Kafka"),
            Relationship("waiting", "Nothing has come yet; has to come back"),
            Relationship("finished", "A snapshot that has been read", auto_terminated=True),
        ]

    def onScheduled(self, context):
        # The stream's connects are made beside the calls.
        self._clients = nifi.client_of(context), nifi.client_of(context)
        self._turns = StreamTurns.of(
            *self._clients,
            nifi.budget_of(context),
            nifi.policy_of(context),
            int(carry.value_of(context, self.MARGIN)),
            nifi.mode_of(context),
        )

    def onStopped(self, context):
        if self._turns is not None:
            self._turns.leave()
        for client in self._clients:
            client.close()

    def transform(self, context, flowfile):
        return carry.with_state(context, self.logger, flowfile, self._turns.turn)
