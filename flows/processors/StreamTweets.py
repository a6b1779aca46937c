"""NiFi processor: tweets about the topics of the snapshots that come in, from X's filtered stream."""

import json

from nifiapi.componentstate import Scope
from nifiapi.flowfiletransform import FlowFileTransform, FlowFileTransformResult
from nifiapi.properties import PropertyDescriptor, StandardValidators
from nifiapi.relationship import Relationship

from opslib.message import encode
from opslib.x import nifi
from opslib.x.follow import Follower
from opslib.x.stream import Stream

# The FlowFile that goes round, and what is safe once it comes back.
LOOP = "stream.loop"
POSITION = "stream.position"
# How long a turn waits for tweets: NiFi cannot stop the processor meanwhile.
WAIT_SECONDS = 1.0


class StreamTweets(FlowFileTransform):
    """Thin adapter: why one FlowFile goes round through Kafka is told in opslib.x.follow."""

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
        self._clients = self._stream = self._follower = self._budget = None

    def getPropertyDescriptors(self):
        return [*nifi.PROPERTIES, *nifi.COLLECTING, self.MARGIN]

    def getRelationships(self):
        return [
            Relationship("success", "Messages; has to come back once they are in Kafka"),
            Relationship("waiting", "Nothing has come yet; has to come back"),
            Relationship("finished", "A snapshot that has been read", auto_terminated=True),
        ]

    def onScheduled(self, context):
        # Nothing is asked of X before a snapshot has come.
        self._budget = nifi.budget_of(context)
        # The stream's connects are made beside the calls.
        self._clients = nifi.client_of(context), nifi.client_of(context)
        rules, margin = nifi.rules_of(context), int(nifi.value_of(context, self.MARGIN))
        each = rules.resources_a_post()
        self._stream = Stream(self._clients[0], self._budget, each, rules.expansions, margin)
        self._follower = Follower(self._clients[1], self._budget, self._stream, rules, margin)

    def onStopped(self, context):
        if self._stream is not None:
            self._stream.leave()
            for client in self._clients:
                client.close()

    def transform(self, context, flowfile):
        manager = context.getStateManager()
        before = dict(manager.getState(Scope.LOCAL).toMap())
        if nifi.mode_of(context) != "stream":
            self._stream.leave()
            if before:
                manager.clear(Scope.LOCAL)
            return FlowFileTransformResult("finished", contents=b"")
        state = dict(before)
        loop = self._came(state, flowfile)
        position = flowfile.getAttribute(POSITION) or ""
        step = self._follower.step(state, loop, position, WAIT_SECONDS) if loop else None
        if state != before:
            # Before what has come leaves: that a part may be missing is known from here on.
            manager.setState(state, Scope.LOCAL)
        if step is None:
            return FlowFileTransformResult("finished", contents=b"")
        for line in step.said:
            self.logger.warn(line)
        if not step.position:
            if step.idle:
                context.yield_resources()
            return FlowFileTransformResult("waiting", contents=b"", attributes={LOOP: loop, POSITION: ""})
        return FlowFileTransformResult(
            "success",
            contents=b"\n".join(encode(message) for message in step.messages),
            attributes={
                "mime.type": "application/x-ndjson",
                "tweets.count": str(len(step.messages)),
                LOOP: loop,
                POSITION: step.position,
                **nifi.attributes_of(self._budget),
            },
        )

    def _came(self, state, flowfile):
        """Take in what has come; return the id by which it goes round, or nothing if it does not."""
        position, loop = flowfile.getAttribute(POSITION), flowfile.getAttribute(LOOP)
        if position:
            return loop if self._follower.arrived(state, position) else None
        if loop:
            return loop if self._follower.goes_on(state, loop) else None
        lines = bytes(flowfile.getContentsAsBytes()).split(b"\n")
        loop = flowfile.getAttribute("uuid")
        first = self._follower.snapshots(state, loop, [json.loads(line) for line in lines if line])
        return loop if first else None
