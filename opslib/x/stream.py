"""One connection to X's filtered stream, read in a thread of its own, and what to do when it ends.

Who wants its posts calls :meth:`Stream.take` again and again. That is also what keeps it connected: a stream
that nobody has asked for a while ends, so that nothing is paid for that goes nowhere. The thread reads on
while a batch is on its way to Kafka, because what X has sent it has charged.

Posts are counted as they come: some are reserved in the budget before they can come, and what came is settled
soon after. A process that is killed leaves its reservation, which counts as spent. The budget ends a *margin*
before its limit, for the posts that X sends before it notices that the stream was left; they are read,
counted and given out too. A post repeated within a UTC day is counted once, as X charges it.

Waits between connects are X's: https://docs.x.com/x-api/fundamentals/handling-disconnections
"""

from __future__ import annotations

import json
import threading
import time
import uuid
from collections import OrderedDict
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Callable

from opslib.x.backoff import STREAM, Backoff
from opslib.x.budget import Exhausted, utc_now
from opslib.x.client import KEEP_ALIVE_SECONDS, Interrupted, TooManyConnections, XError
from opslib.x.names import normal
from opslib.x.problems import said as lines_of
from opslib.x.search import resources_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from opslib.x.budget import Budget
    from opslib.x.client import Streaming, XClient

Json = dict[str, Any]

# Posts a batch. Batches small enough for a second's delay, large enough to be few.
MAX_BATCH = 1000
_GATHER_SECONDS = 0.2
# A stream that nobody has asked so long has lost its way to Kafka.
_UNASKED_SECONDS = 30.0
_MAX_WAITING = 10_000
# Posts that are reserved at once: what a kill counts as spent too much. More where a second brings more, as
# each reservation waits for the disk.
_RESERVED, _MOST_RESERVED = 100, 5000
_SETTLE = timedelta(seconds=1)
# A connection that lasted so long was a good one: the next wait is the first again.
_STABLE = timedelta(seconds=20)
# Ids by which a repeated post is known.
_REMEMBERED = 10_000


@dataclass
class Arrivals:
    """What the stream brought since the last one."""

    posts: list[Json] = field(default_factory=list)  # as X sends them: data, includes, matching_rules
    # Until when posts may be missing: it was connected anew then, or something came that cannot be read.
    missing_until: datetime | None = None
    # The budget is used up: no posts until it says.
    exhausted: Exhausted | None = None
    # Why it is not connected any more.
    error: XError | None = None
    said: list[str] = field(default_factory=list)  # for people


class Stream:
    """The filtered stream, as long as somebody takes from it.

    *each* is the most resources that a post brings, *margin* the posts that the budget keeps back.
    """

    def __init__(
        self,
        client: XClient,
        budget: Budget,
        each: Mapping[str, int],
        expansions: tuple[str, ...] = (),
        margin: int = 100,
        keep_alive: float = KEEP_ALIVE_SECONDS,
        unasked: float = _UNASKED_SECONDS,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self._client = client
        self._budget = budget
        self._each = dict(each)
        self._expansions = expansions
        self._margin = margin
        self._keep_alive = keep_alive
        self._unasked = unasked
        self._clock = clock
        self._backoff = Backoff(clock, STREAM)
        self._changed = threading.Condition()
        self._arrivals = Arrivals()
        self._asked_at = time.monotonic()
        self._thread: threading.Thread | None = None
        self._streaming: Streaming | None = None
        self._stopping = False
        self._paused_until: datetime | None = None
        # Whether X may hold a connection that is nobody's: before the first of this process, and after one
        # that broke on the way.
        self._may_end = True
        self._remembered: OrderedDict[tuple[str, ...], None] = OrderedDict()
        # The open reservation, and what came of it and is not settled.
        self._reservation: int | None = None
        self._reserved_at = clock()
        self._reserved = _RESERVED
        self._room = 0
        self._came: dict[str, list[str]] = {}

    # ---- for who takes

    @property
    def connected(self) -> bool:
        """Tell whether X has accepted the connection, and it lasts."""
        streaming = self._streaming
        return streaming is not None and not streaming.left

    def closed_for(self) -> float:
        """Return the seconds until it may be connected again, for X and the budget; 0 if it may be now."""
        paused = (self._paused_until - self._clock()).total_seconds() if self._paused_until else 0.0
        return max(paused, self._backoff.seconds())

    def take(self, seconds: float, connect: bool = True) -> Arrivals:
        """Connect if need be, wait for *seconds* at most, and return what has come."""
        deadline = time.monotonic() + seconds
        with self._changed:
            self._asked_at = time.monotonic()
            while not self._something():
                if connect:
                    self._connect()
                left = deadline - time.monotonic()
                if left <= 0:
                    break
                self._changed.wait(min(left, self.closed_for() or left))
            if self._arrivals.posts and len(self._arrivals.posts) < MAX_BATCH:
                # Once something is there, a moment more: fewer batches, each of more posts.
                self._changed.wait_for(lambda: len(self._arrivals.posts) >= MAX_BATCH, _GATHER_SECONDS)
            taken = self._arrivals
            self._arrivals = Arrivals(posts=taken.posts[MAX_BATCH:])
            taken.posts = taken.posts[:MAX_BATCH]
            return taken

    def leave(self) -> None:
        """End the connection, and wait until what was sent before the end has been counted."""
        with self._changed:
            self._stopping = True
            if self._streaming is not None:
                self._streaming.leave()
        if self._thread is not None:
            self._thread.join()
        self._stopping = False

    def _something(self) -> bool:
        batch = self._arrivals
        return bool(batch.posts or batch.missing_until or batch.exhausted or batch.said)

    def _connect(self) -> None:
        """Begin a connection, unless there is one or it is too early."""
        if self._thread is not None and self._thread.is_alive():
            return
        if self.closed_for():
            return
        self._paused_until = None
        self._thread = threading.Thread(target=self._run, name="stream", daemon=True)
        self._thread.start()

    # ---- the thread

    def _run(self) -> None:
        """Connect, read until the end, and note why it ended."""
        began = self._clock()
        try:
            self._reserve()
            with self._client.stream(self._expansions, self._keep_alive) as streaming:
                self._read(streaming)
        except Exhausted as exhausted:
            self._end(exhausted=exhausted)
        except XError as error:
            if self._streaming is not None and self._clock() - began >= _STABLE:
                self._backoff.succeeded()
            ended = isinstance(error, TooManyConnections) and self._ended_another()
            self._end(error=None if ended else error)
        except Exception as error:  # a thread that dies without a word would leave a stream without one
            self._end(error=Interrupted(f"the stream's reader failed: {error!r}", maybe_charged=True))

    def _ended_another(self) -> bool:
        """End the connection in whose place this one would be, once; tell whether there was one.

        A process that was killed leaves it, and X holds it for a while. Done again and again, two lakes with
        one token would throw each other out.
        """
        if not self._may_end:
            return False
        self._may_end = False
        said = ""
        try:
            if self._client.end_streams():
                said = "X held a connection that was left behind: it is ended"
        except XError as error:
            self._say(f"a connection that was left behind cannot be ended: {error}")
        if said:
            self._say(said)
        return bool(said)

    def _say(self, line: str) -> None:
        with self._changed:
            self._arrivals.said.append(line)

    def _end(self, error: XError | None = None, exhausted: Exhausted | None = None) -> None:
        try:
            self._settle()
        except Exception as failed:  # the budget's file cannot be written: no reason to go on as if it could
            error = Interrupted(f"what came cannot be counted: {failed!r}", maybe_charged=True)
        with self._changed:
            left, self._streaming = self._streaming is not None and self._streaming.left, None
            if exhausted is not None:
                self._paused_until = exhausted.until
                self._arrivals.exhausted = exhausted
                self._arrivals.said.append(str(exhausted))
            elif error is not None and not left:
                self._arrivals.error = error
                self._arrivals.said.append(self._backoff.failed(error))
            self._changed.notify_all()

    def _read(self, streaming: Streaming) -> None:
        with self._changed:
            self._streaming = streaming
            self._may_end = False
            self._arrivals.missing_until = self._clock()
            if self._stopping:
                streaming.leave()
            self._changed.notify_all()
        pending = b""
        exhausted: Exhausted | None = None
        try:
            for part in streaming:
                *lines, pending = (pending + part).split(b"\r\n")
                self._arrived([line for line in lines if line.strip()])
                exhausted = exhausted or self._afford(streaming)
                if not streaming.left and self._lost():
                    streaming.leave()
                    with self._changed:
                        self._arrivals.said.append("the stream is left: nobody takes what it brings")
        except Interrupted as interrupted:
            self._may_end = not interrupted.said_by_x
            if pending.strip():
                # It was sent, and charged, though not all of it came; the gap that follows brings it.
                self._arrived([pending])
            if exhausted is not None:
                raise exhausted from None
            raise

    def _lost(self) -> bool:
        """Tell whether nobody takes what comes, or not as fast as it comes."""
        unasked = time.monotonic() - self._asked_at > self._unasked
        return unasked or len(self._arrivals.posts) > _MAX_WAITING

    def _arrived(self, lines: list[bytes]) -> None:
        posts, said, broken = [], [], False
        for line in lines:
            message = _object_in(line)
            if message is None:
                said.append(f"X sent {len(line)} bytes that cannot be read")
                # Charged all the same, whatever it was.
                self._count({"post": [f"unreadable {uuid.uuid4()}"]})
                broken = True
                continue
            if "data" in message:
                self._count(resources_of([message["data"]], message.get("includes") or {}))
                if self._new(message):
                    posts.append(message)
            problems = message.get("errors") or []
            self._client.learn(problems)
            said += [f"X says in the stream: {line}" for line in lines_of(problems)]
        with self._changed:
            self._arrivals.posts += posts
            # Each once: a problem may come with every post.
            self._arrivals.said += [text for text in dict.fromkeys(said) if text not in self._arrivals.said]
            if broken:
                self._arrivals.missing_until = self._clock()
            if posts or broken:
                self._changed.notify_all()

    def _new(self, message: Json) -> bool:
        """Tell whether this post, with these rules, has not come lately."""
        rules = sorted(str(rule.get("id")) for rule in message.get("matching_rules") or ())
        key = (str(message["data"].get("id")), *rules)
        known = key in self._remembered
        self._remembered[key] = None
        self._remembered.move_to_end(key)
        if len(self._remembered) > _REMEMBERED:
            self._remembered.popitem(last=False)
        return not known

    # ---- the budget

    def _count(self, came: Mapping[str, list[str]]) -> None:
        for kind, ids in came.items():
            self._came.setdefault(kind, []).extend(ids)
        self._room -= 1

    def _afford(self, streaming: Streaming) -> Exhausted | None:
        """Settle what came and reserve for what comes; leave the stream when the budget has no more."""
        age = self._clock() - self._reserved_at
        # What was reserved is renewed while nothing comes as well: the budget takes an old one for abandoned.
        due = age > _SETTLE if self._came else age > 60 * _SETTLE
        short = self._room <= self._reserved // 2
        if streaming.left or not (short or due):
            return None
        if short and age < _SETTLE:
            self._reserved = min(_MOST_RESERVED, 2 * self._reserved)
        elif not short:
            self._reserved = max(_RESERVED, self._reserved // 2)
        self._settle()
        try:
            self._reserve()
        except Exhausted as exhausted:
            streaming.leave()
            return exhausted
        return None

    def _settle(self) -> None:
        if self._reservation is not None or self._came:
            self._budget.settle(self._reservation, self._came)
        self._reservation, self._came, self._room = None, {}, 0

    def _reserve(self) -> None:
        """Reserve some posts; :class:`Exhausted` if only the margin is left."""
        keep = self._times(self._margin)
        self._room = max(1, min(self._reserved, self._budget.affordable(self._each, keep)))
        self._reservation = self._budget.reserve(self._times(self._room), keep)
        self._reserved_at = self._clock()

    def _times(self, number: int) -> dict[str, int]:
        return {kind: count * number for kind, count in self._each.items()}


def _object_in(line: bytes) -> Json | None:
    """Return the object in *line* by our names, or nothing if there is none, or only a part of it."""
    try:
        message = json.loads(line)
    except ValueError:
        return None
    return normal(message) if isinstance(message, dict) else None
