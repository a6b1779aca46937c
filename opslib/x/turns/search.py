"""The turns of ``SearchTweets``: one page each; why pages go round through Kafka is told in opslib.x.walk."""

from __future__ import annotations

from typing import TYPE_CHECKING, Callable

from opslib.x import walk
from opslib.x.backfill import Backfiller
from opslib.x.backoff import Backoff
from opslib.x.budget import CapReached, Exhausted, utc_now
from opslib.x.client import Refused, XError
from opslib.x.follows import readable
from opslib.x.problems import said
from opslib.x.turns import FOLLOWS, FOLLOWS_AT, Turn, described, lines_of, objects_in, told_of
from opslib.x.walk import Busy, Position, Walker

if TYPE_CHECKING:
    from datetime import datetime

    from opslib.x.budget import Budget
    from opslib.x.client import XClient
    from opslib.x.turns import FlowFile, State
    from opslib.x.walk import CollectionPolicy

POSITION = "search.position"
LOOKED_UP = "backfill.position"
_BAD_REQUEST = 400


class SearchTurns:
    """Searches for the topics of snapshots, as long as *mode* is ``search``, and for what is followed so."""

    def __init__(
        self,
        client: XClient,
        budget: Budget,
        policy: CollectionPolicy,
        mode: str = "search",
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self._client = client
        self._budget = budget
        self._walker = Walker(client, budget, policy, clock)
        self._backfiller = Backfiller(client, budget, policy, clock)
        self._mode = mode
        self._backoff = Backoff(clock)

    def turn(self, state: State, flowfile: FlowFile) -> Turn:
        """Search for the next page of the walk that *flowfile* stands for; *state* may be changed."""
        if flowfile.attribute(LOOKED_UP):
            return self._looked_up(state, flowfile)
        # It keeps its attributes when it goes round.
        told = bool(flowfile.attribute(FOLLOWS)) and not flowfile.attribute(POSITION)
        if told and walk.newer(state, flowfile.attribute(FOLLOWS_AT)):
            lines, number = objects_in(flowfile.content()), int(flowfile.attribute(FOLLOWS))
            walk.note_follows(state, filter(None, map(readable, lines[:number])))
            self._backfiller.note(state, lines[number:])
        if self._mode != "search":
            if walk.of_trends(state):
                # Once this mode is back, others would wait for it.
                walk.end(state)
            if not told and not flowfile.attribute(POSITION):
                return Turn("finished", b"", state=state)
        if self._backoff.seconds():
            return Turn("failure", rest=True)
        turn = Turn("finished", b"", state=state)
        try:
            self._step(turn, state, flowfile)
        except Busy:
            # NiFi penalizes it, and the walk that is under way goes on.
            return Turn("failure")
        except XError as error:
            errors = [self._backoff.failed(error)]
            return Turn("failure", state=state, warnings=turn.warnings, errors=errors, rest=True)
        return turn

    def _step(self, turn: Turn, state: State, flowfile: FlowFile) -> None:
        if flowfile.attribute(FOLLOWS) and not flowfile.attribute(POSITION):
            number = flowfile.attribute("uuid")
            due = self._walker.due(state, number, alone=self._mode != "search")
            if not due:
                self._look_up(turn, state, number)
                return
            position: Position | None = self._walker.begin(state, number, (), due)
        else:
            position = self._position(turn, state, flowfile)
        if position is None:
            if self._mode == "search":
                turn.warnings.append("another walk has taken over: this one ends")
        elif not self._page(turn, state, position):
            self._walker.finish(state, position.walk)

    # ---- looking back

    def _looked_up(self, state: State, flowfile: FlowFile) -> Turn:
        """Go on looking back, with a page that is safe now."""
        turn = Turn("finished", b"", state=state)
        loop = flowfile.attribute("uuid")
        position = flowfile.attribute(LOOKED_UP)
        if self._backfiller.arrived(state, loop, position):
            self._look_up(turn, state, loop)
        return turn

    def _look_up(self, turn: Turn, state: State, loop: str) -> None:
        """Make *turn* the next page of what is looked up, if anything is."""
        if not self._backfiller.takes_up(state, loop):
            return
        page = self._backfiller.page(state)
        turn.warnings += page.said
        if page.wait:
            # NiFi penalizes it: X allows a call a second.
            turn.relationship, turn.content = "failure", None
        elif page.position:
            turn.relationship, turn.content = "success", lines_of(page.messages)
            turn.attributes = {
                **described(page.messages),
                LOOKED_UP: page.position,
                **told_of(self._budget),
            }

    def _position(self, turn: Turn, state: State, flowfile: FlowFile) -> Position | None:
        """Return where the walk of *flowfile* goes on, which begins if it holds snapshots of trends."""
        told = flowfile.attribute(POSITION)
        if told:
            return self._walker.arrived(state, Position.from_text(told))
        position = self._walker.begin(state, flowfile.attribute("uuid"), objects_in(flowfile.content()))
        if self._walker.search(state, position) is None:
            left = self._budget.left_today()
            turn.warnings.append(f"no topic is searched for: the budget leaves {left} today")
        return position

    def _page(self, turn: Turn, state: State, position: Position) -> bool:
        """Make *turn* the next page; tell whether there is one, for now and for today."""
        while True:
            search = self._walker.search(state, position)
            if search is None:
                return False
            if self._walker.withdrawn(state, search):
                position = self._walker.skip(state, position)
                continue
            account = self._walker.account(state, search)
            try:
                messages, position, page = self._walker.page(search, position, account)
            except CapReached:
                position = self._walker.skip(state, position)
                continue
            except Exhausted as exhausted:
                turn.warnings.append(str(exhausted))
                return False
            except Refused as refused:
                if refused.status != _BAD_REQUEST:
                    raise
                turn.warnings.append(f"{search.query} is not searched for: {refused}")
                position = self._walker.skip(state, position)
                continue
            self._backoff.succeeded(self._client.spent_until)
            turn.warnings += [f"X left something out of {search.query}: {line}" for line in said(page.errors)]
            turn.relationship = "success"
            turn.content = lines_of(messages)
            turn.attributes = {
                **described(messages),
                "search.query": search.query,
                POSITION: position.to_text(),
                **told_of(self._budget),
            }
            return True
