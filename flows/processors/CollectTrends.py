"""NiFi processor: the trending topics of places, one snapshot a place."""

from datetime import datetime, timedelta, timezone

from nifiapi.flowfilesource import FlowFileSource, FlowFileSourceResult
from nifiapi.properties import PropertyDescriptor, StandardValidators
from opslib.x.gate import Gate

from opslib.message import encode, trends_message
from opslib.x import nifi
from opslib.x.budget import Exhausted
from opslib.x.client import Refused, XError

RECONCILE = timedelta(hours=1)


class CollectTrends(FlowFileSource):
    """Thin adapter: what is asked and what becomes of it is in opslib.x and opslib.message."""

    class Java:
        implements = ["org.apache.nifi.python.processor.FlowFileSource"]

    class ProcessorDetails:
        # Stays: NiFi takes running processors of another version than it finds for missing ones.
        version = "1"
        description = (
            "Asks X for the topics that are trending in places, by their WOEID, and emits one FlowFile with "
            "a snapshot a line. X charges for each trend returned: the schedule decides what a day costs. "
            "Once an hour what was counted is held against X's own count."
        )
        tags = ["x", "twitter", "trends", "trendlake"]
        dependencies = []

    PLACES = PropertyDescriptor(
        name="Places",
        description="WOEID and name of each place, separated by commas: 23424768:Brazil,1:World",
        required=True,
        validators=[StandardValidators.NON_EMPTY_VALIDATOR],
    )
    MAX_TRENDS = PropertyDescriptor(
        name="Topics per Place",
        description="How many topics are asked for a place, 1 to 50. Each one returned is charged.",
        required=True,
        default_value="20",
        validators=[StandardValidators.POSITIVE_INTEGER_VALIDATOR],
    )

    def __init__(self, **kwargs):
        self._gate = Gate()
        self._reconciled = None

    def getPropertyDescriptors(self):
        return [*nifi.PROPERTIES, self.PLACES, self.MAX_TRENDS]

    def onScheduled(self, context):
        # Somebody may have mended what X refused.
        self._gate = Gate()

    def create(self, context):
        if self._gate.closed_for():
            return None
        client, budget = nifi.client_of(context), nifi.budget_of(context)
        snapshots = []
        try:
            self._reconcile(client, budget)
            for place in nifi.value_of(context, self.PLACES).split(","):
                woeid, _, name = place.strip().partition(":")
                trends = self._trends(client, budget, woeid, int(nifi.value_of(context, self.MAX_TRENDS)))
                snapshots.append(trends_message(int(woeid), name, trends, datetime.now(timezone.utc)))
                self._gate.answered(client.spent_until)
                if self._gate.closed_for():
                    self.logger.warn(f"X has no more calls for trends after {name}: the rest waits its turn")
                    break
        except Exhausted as exhausted:
            self.logger.warn(str(exhausted))
        except XError as error:
            self.logger.error(self._gate.shut(error))
        finally:
            client.close()
        if not snapshots:
            return None
        return FlowFileSourceResult(
            "success",
            contents=b"\n".join(encode(snapshot) for snapshot in snapshots),
            attributes={
                "mime.type": "application/x-ndjson",
                "trends.places": str(len(snapshots)),
                **nifi.attributes_of(budget),
            },
        )

    def _trends(self, client, budget, woeid, number):
        with budget.call({"trend": number}) as came:
            trends = client.trends(int(woeid), number)
            came({"trend": [trend["trend_name"] for trend in trends]})
        return trends

    def _reconcile(self, client, budget):
        """Hold what was counted against X's own count; a token without that right is no reason to stop."""
        now = datetime.now(timezone.utc)
        if self._reconciled is not None and now - self._reconciled < RECONCILE:
            return
        self._reconciled = now
        try:
            budget.reconcile(client.usage())
        except Refused as refused:
            self.logger.warn(f"X's own count of posts cannot be asked for: {refused}")
