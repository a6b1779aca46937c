"""The turns of ``StreamTweets``; why one FlowFile goes round through Kafka is told in opslib.x.streaming."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opslib.x import walk
from opslib.x.follows import readable
from opslib.x.stream import Stream
from opslib.x.streaming import Follower
from opslib.x.turns import FOLLOWS, FOLLOWS_AT, Turn, described, lines_of, objects_in, told_of

if TYPE_CHECKING:
    from opslib.x.budget import Budget
    from opslib.x.client import XClient
    from opslib.x.turns import FlowFile, State
    from opslib.x.walk import CollectionPolicy

# The FlowFile that goes round, and what is safe once it comes back.
LOOP = "stream.loop"
POSITION = "stream.position"
# How long a turn waits for tweets: NiFi cannot stop the processor meanwhile.
WAIT_SECONDS = 1.0


class StreamTurns:
    """Follows the topics of snapshots in the stream, if *mode* is ``stream``, and what is followed so."""

    def __init__(
        self,
        stream: Stream,
        follower: Follower,
        budget: Budget,
        mode: str = "stream",
        wait_seconds: float = WAIT_SECONDS,
    ) -> None:
        self._stream = stream
        self._follower = follower
        self._budget = budget
        self._mode = mode
        self._wait_seconds = wait_seconds

    @classmethod
    def of(
        cls,
        streaming: XClient,
        calling: XClient,
        budget: Budget,
        policy: CollectionPolicy,
        margin: int,
        mode: str = "stream",
    ) -> StreamTurns:
        """Return the turns of a stream that *streaming* connects to, with *calling* for all other calls."""
        stream = Stream(streaming, budget, policy.resources_a_post(), policy.expansions, margin)
        return cls(stream, Follower(calling, budget, stream, policy, margin, mode=mode), budget, mode)

    def leave(self) -> None:
        """Leave the stream, and wait until what X has sent is counted."""
        self._stream.leave()

    def turn(self, state: State, flowfile: FlowFile) -> Turn:
        """Take along what has come, if *flowfile* is the one that goes round; *state* may be changed.

        The state that is returned knows that a part of it may be missing: it is kept before that leaves.
        """
        told = bool(flowfile.attribute(FOLLOWS)) and not flowfile.attribute(LOOP)
        if told and walk.newer(state, flowfile.attribute(FOLLOWS_AT)):
            lines = objects_in(flowfile.content())[: int(flowfile.attribute(FOLLOWS))]
            walk.note_follows(state, filter(None, map(readable, lines)))
        if self._mode != "stream" and not self._follower.follows(state):
            self.leave()
            return Turn("finished", b"", state=walk.follows_of(state))
        loop = self._came(state, flowfile)
        if not loop:
            return Turn("finished", b"", state=state)
        step = self._follower.step(state, loop, flowfile.attribute(POSITION), self._wait_seconds)
        if not step.position:
            attributes = {LOOP: loop, POSITION: ""}
            return Turn("waiting", b"", attributes, state, warnings=step.said, rest=step.idle)
        attributes = {
            **described(step.messages),
            LOOP: loop,
            POSITION: step.position,
            **told_of(self._budget),
        }
        return Turn("success", lines_of(step.messages), attributes, state, warnings=step.said)

    def _came(self, state: State, flowfile: FlowFile) -> str:
        """Take in what has come; return the id by which it goes round, empty if it does not."""
        position, loop = flowfile.attribute(POSITION), flowfile.attribute(LOOP)
        if position:
            return loop if self._follower.arrived(state, position) else ""
        if loop:
            return loop if self._follower.goes_on(state, loop) else ""
        loop = flowfile.attribute("uuid")
        if flowfile.attribute(FOLLOWS):
            return loop if self._follower.begins(state, loop) else ""
        return loop if self._follower.snapshots(state, loop, objects_in(flowfile.content())) else ""
