"""NiFi processor: recent tweets about each topic of the snapshots that come in, a page at a time."""

from nifiapi.flowfiletransform import FlowFileTransform
from nifiapi.relationship import Relationship

from opslib.x import carry, nifi
from opslib.x.turns.search import SearchTurns


class SearchTweets(FlowFileTransform):
    """Carries turns to and from NiFi: what they do is told in opslib.x.turns.search."""

    class Java:
        implements = ["org.apache.nifi.python.processor.FlowFileTransform"]

    class ProcessorDetails:
        # Stays: NiFi takes running processors of another version than it finds for missing ones.
        version = "1"
        description = (
            "Searches X's recent tweets for every topic of a snapshot of CollectTrends. Each trigger fetches "
            "one page and emits it as messages, one a line; the FlowFile has to come back once they are in "
            "Kafka, and then fetches the next page, until the walk through the topics is finished. How far "
            "each topic has been searched is kept as state; only newer tweets are asked for. X charges for "
            "each tweet returned: what the budget has left is shared out over the topics by their size."
        )
        tags = ["x", "twitter", "search", "trendlake"]
        dependencies = []

    def __init__(self, **kwargs):
        self._client = self._turns = None

    def getPropertyDescriptors(self):
        return nifi.PROPERTIES + nifi.COLLECTING

    def getRelationships(self):
        return [
            Relationship("success", "A page of messages; has to come back once it is in Kafka"),
            Relationship("finished", "All is searched, or the budget used up", auto_terminated=True),
        ]

    def onScheduled(self, context):
        self._client = nifi.client_of(context)
        self._turns = SearchTurns(
            self._client, nifi.budget_of(context), nifi.policy_of(context), nifi.mode_of(context)
        )

    def onStopped(self, context):
        if self._client is not None:
            self._client.close()

    def transform(self, context, flowfile):
        return carry.with_state(context, self.logger, flowfile, self._turns.turn)
