"""NiFi processor: the trending topics of places, one snapshot a place."""

from datetime import datetime, timezone

from nifiapi.flowfilesource import FlowFileSource, FlowFileSourceResult
from nifiapi.properties import ExpressionLanguageScope, PropertyDescriptor, StandardValidators

from opslib.message import encode, trends_message
from opslib.x.client import RateLimited, XClient, XError


class CollectTrends(FlowFileSource):
    """Thin adapter: what is asked and what becomes of it is in opslib.x and opslib.message."""

    class Java:
        implements = ["org.apache.nifi.python.processor.FlowFileSource"]

    class ProcessorDetails:
        version = "1"
        description = (
            "Asks X for the topics that are trending in places, by their WOEID, and emits one FlowFile with "
            "a snapshot a line. X charges for each trend returned: the schedule decides what a day costs."
        )
        tags = ["x", "twitter", "trends", "trendlake"]
        dependencies = []

    BASE_URL = PropertyDescriptor(
        name="X API URL",
        description="Where the X API answers: https://api.x.com, or the address of `opslib x simulate`.",
        required=True,
        validators=[StandardValidators.NON_EMPTY_VALIDATOR],
        expression_language_scope=ExpressionLanguageScope.NONE,
    )
    TOKEN = PropertyDescriptor(
        name="Bearer Token",
        description="Bearer token of the X API.",
        required=True,
        sensitive=True,
        validators=[StandardValidators.NON_EMPTY_VALIDATOR],
    )
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
        pass

    def getPropertyDescriptors(self):
        return [self.BASE_URL, self.TOKEN, self.PLACES, self.MAX_TRENDS]

    def create(self, context):
        value = lambda prop: context.getProperty(prop).getValue()  # noqa: E731
        client = XClient(value(self.BASE_URL), value(self.TOKEN))
        snapshots = []
        try:
            for place in value(self.PLACES).split(","):
                woeid, _, name = place.strip().partition(":")
                trends = client.trends(int(woeid), int(value(self.MAX_TRENDS)))
                snapshots.append(trends_message(int(woeid), name, trends, datetime.now(timezone.utc)))
        except RateLimited as limited:
            self.logger.warn(f"X's limit of trend requests is reached until {limited.reset_at}")
        except XError as error:
            self.logger.error(f"X gave no trends: {error}")
        finally:
            client.close()
        if not snapshots:
            return None
        return FlowFileSourceResult(
            "success",
            contents=b"\n".join(encode(snapshot) for snapshot in snapshots),
            attributes={"mime.type": "application/x-ndjson", "trends.places": str(len(snapshots))},
        )
