"""NiFi processor: recent tweets about each topic of the snapshots that come in, a page at a time."""

import json

from nifiapi.componentstate import Scope
from nifiapi.flowfiletransform import FlowFileTransform, FlowFileTransformResult
from nifiapi.relationship import Relationship
from opslib.x.gate import Gate

from opslib.message import encode
from opslib.x import nifi, walk
from opslib.x.budget import Exhausted
from opslib.x.client import Refused, XError
from opslib.x.walk import Busy, Position, Walker

POSITION = "search.position"


class SearchTweets(FlowFileTransform):
    """Thin adapter: why the pages go round through Kafka is told in opslib.x.walk."""

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
        self._gate = Gate()
        self._x = None

    def getPropertyDescriptors(self):
        return nifi.PROPERTIES + nifi.COLLECTING

    def getRelationships(self):
        return [
            Relationship("success", "A page of messages; has to come back once it is in Kafka"),
            Relationship("finished", "All is searched, or the budget used up", auto_terminated=True),
        ]

    def onScheduled(self, context):
        # Somebody may have mended what X refused.
        self._gate = Gate()

    def onStopped(self, context):
        if self._x is not None:
            self._x[0].close()
            self._x = None

    def transform(self, context, flowfile):
        if nifi.mode_of(context) != "search":
            self._end_walk(context.getStateManager())
            return FlowFileTransformResult("finished", contents=b"")
        if self._gate.closed_for():
            return self._later(context)
        if self._x is None:
            # Properties stay while it runs; a connection for each page would cost more than the page.
            self._x = nifi.client_of(context), nifi.budget_of(context), nifi.rules_of(context)
        client, budget, rules = self._x
        try:
            return self._step(context, flowfile, Walker(client, budget, rules), budget)
        except XError as error:
            self.logger.error(self._gate.shut(error))
            return self._later(context)

    def _end_walk(self, manager):
        """Note that a walk is over that was under way: once this mode is back, others would wait for it."""
        state = dict(manager.getState(Scope.LOCAL).toMap())
        if walk.end(state):
            manager.setState(state, Scope.LOCAL)

    def _later(self, context):
        """Leave the FlowFile as it is, to be tried again, and rest meanwhile."""
        context.yield_resources()
        return FlowFileTransformResult("failure")

    def _step(self, context, flowfile, walker, budget):
        manager = context.getStateManager()
        state = dict(manager.getState(Scope.LOCAL).toMap())
        told = flowfile.getAttribute(POSITION)
        if told:
            position = walker.arrived(state, Position.from_text(told))
            if position is None:
                self.logger.warn("another walk has taken over: this one ends")
                return FlowFileTransformResult("finished", contents=b"")
        else:
            lines = bytes(flowfile.getContentsAsBytes()).split(b"\n")
            try:
                uuid = flowfile.getAttribute("uuid")
                position = walker.begin(state, uuid, [json.loads(line) for line in lines if line])
            except Busy:
                # NiFi penalizes it, and the walk that is under way goes on.
                return FlowFileTransformResult("failure")
            if walker.search(state, position) is None:
                self.logger.warn(f"no topic is searched for: the budget leaves {budget.left_today()} today")
        manager.setState(state, Scope.LOCAL)
        page = self._next_page(walker, state, position, budget)
        if page is None:
            walker.finish(state, position.walk)
            manager.setState(state, Scope.LOCAL)
            return FlowFileTransformResult("finished", contents=b"")
        return page

    def _next_page(self, walker, state, position, budget):
        """Return the next page; nothing if the walk is through, for now or for today."""
        while True:
            search = walker.search(state, position)
            if search is None:
                return None
            try:
                messages, position, page = walker.page(search, position)
            except Exhausted as exhausted:
                self.logger.warn(str(exhausted))
                return None
            except Refused as refused:
                if refused.status != 400:
                    raise
                self.logger.warn(f"{search.query} is not searched for: {refused}")
                position = walker.skip(state, position)
                continue
            self._gate.answered(self._x[0].spent_until)
            for error in page.errors:
                self.logger.warn(f"X left something out of {search.query}: {error.get('detail') or error}")
            return FlowFileTransformResult(
                "success",
                contents=b"\n".join(encode(message) for message in messages),
                attributes={
                    "mime.type": "application/x-ndjson",
                    "tweets.count": str(len(messages)),
                    "search.query": search.query,
                    POSITION: position.to_text(),
                    **nifi.attributes_of(budget),
                },
            )
