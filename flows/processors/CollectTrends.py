"""NiFi processor: the trending topics of places, one snapshot a place."""

from nifiapi.flowfilesource import FlowFileSource
from nifiapi.properties import PropertyDescriptor, StandardValidators

from opslib.x import carry, nifi
from opslib.x.parameters import places_in
from opslib.x.turns.trends import TrendsTurns


class CollectTrends(FlowFileSource):
    """Carries turns to and from NiFi: what they do is told in opslib.x.turns.trends."""

    class Java:
        implements = ["org.apache.nifi.python.processor.FlowFileSource"]

    class ProcessorDetails:
        # Stays: NiFi takes running processors of another version than it finds for missing ones.
        version = "1"
        description = (
            "Asks X for the topics that are trending in places, by their WOEID, and emits one FlowFile with "
            "a snapshot a line. X charges for each request: the snapshot interval decides what a day "
            "costs. Scheduled every few seconds, it asks for what is due: each place at its interval, a call "
            "that failed after a while, and once an hour for X's own count, for ours to be held against."
        )
        tags = ["x", "twitter", "trends", "trendlake"]
        dependencies = []

    PLACES = PropertyDescriptor(
        name="Places",
        description="WOEID and name of each place, separated by commas: 23424768:Brazil,1:World",
        required=True,
        validators=[StandardValidators.NON_EMPTY_VALIDATOR],
    )
    SEARCHED = PropertyDescriptor(
        name="Topics per Place",
        description=(
            "For how many of a place's topics tweets are collected, the first ones. All of them, 50 at most, "
            "are asked for and kept as ranks: X charges for the request, not for each."
        ),
        required=True,
        default_value="20",
        validators=[StandardValidators.POSITIVE_INTEGER_VALIDATOR],
    )

    def __init__(self, **kwargs):
        self._client = self._turns = None

    def getPropertyDescriptors(self):
        return [*nifi.PROPERTIES, self.PLACES, self.SEARCHED, nifi.ROUND]

    def onScheduled(self, context):
        self._client = nifi.client_of(context)
        self._turns = TrendsTurns(
            self._client,
            nifi.budget_of(context),
            places_in(carry.value_of(context, self.PLACES)),
            int(carry.value_of(context, self.SEARCHED)),
            nifi.interval_of(context, nifi.ROUND),
        )

    def onStopped(self, context):
        if self._client is not None:
            self._client.close()

    def create(self, context):
        return carry.from_source(context, self.logger, self._turns.turn())
