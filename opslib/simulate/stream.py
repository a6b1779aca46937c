"""The filtered stream: sends what the rules match, until somebody or a fault ends it."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import orjson

from opslib.simulate.contracts import told
from opslib.simulate.faults import FAULTS, REFUSALS
from opslib.simulate.problems import disconnected, not_found
from opslib.simulate.tweets import MAX_WAITING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from starlette.types import Receive, Scope, Send

    from opslib.simulate.answers import Selection
    from opslib.simulate.local import LocalX

Json = dict[str, Any]

# How often, in seconds, it looks for new tweets: small beside what a network takes.
_POLL = 0.02
# Posts sent at once, before others get their turn.
_BATCH = 500
_FAULTS_OF_POSTS = tuple(fault for fault in FAULTS if fault not in REFUSALS)
_END = b"\r\n"


class _Cut(Exception):  # noqa: N818 - a way out, no error
    """The connection ends in the middle of what is sent; the text is what is still to go."""

    def __init__(self, rest: bytes) -> None:
        super().__init__()
        self.rest = rest


class Stream:
    """One connection: the answer to ``GET /2/tweets/search/stream``."""

    def __init__(
        self, x: LocalX, token: str, selection: Selection, headers: dict[str, str], client_ip: str = ""
    ) -> None:
        self._x = x
        self._selection = selection
        self._headers = headers
        # A post held back, to come behind the next one.
        self._held: bytes | None = None
        self._stall = False
        self._since = x.streams.endings()
        self._queue = x.store.listen()
        self._connection = x.streams.connect(token, x.store.now(), client_ip)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send until the caller goes or the stream ends."""
        del scope
        headers = {"content-type": "application/json; charset=utf-8", **self._headers}
        sending = asyncio.ensure_future(self._send(send, headers))
        leaving = asyncio.ensure_future(_gone(receive))
        try:
            await asyncio.wait({sending, leaving}, return_when=asyncio.FIRST_COMPLETED)
            if sending.done():
                sending.result()
        finally:
            sending.cancel()
            leaving.cancel()
            self._x.store.leave(self._queue)
            self._let_go(leaving.done() and not sending.done())

    def _let_go(self, unnoticed: bool) -> None:
        """Give the place free, some time later where X has not noticed that its caller is gone."""
        streams, now = self._x.streams, self._x.store.now
        wait = self._x.faults.linger_seconds if unnoticed else 0
        if wait:
            loop = asyncio.get_running_loop()
            loop.call_later(wait, lambda: streams.release(self._connection, now()))
        else:
            streams.release(self._connection, now())

    async def _send(self, send: Send, headers: dict[str, str]) -> None:
        raw = [(name.encode(), value.encode()) for name, value in headers.items()]
        await send({"type": "http.response.start", "status": 200, "headers": raw})
        # A first sign, so that the caller has the headers at once.
        await _part(send, _END)
        sent_at = time.monotonic()
        while True:
            try:
                body = b"".join(self._messages())
            except _Cut as cut:
                # Without the end that the protocol asks for, the server closes the connection.
                await _part(send, cut.rest)
                return
            ending = self._x.streams.ending(self._since, self._connection)
            if len(self._queue) > MAX_WAITING:
                ending = "SlowReader"
            if ending is not None:
                last = self._line(disconnected(ending))
                await send({"type": "http.response.body", "body": body + self._behind() + last})
                return
            if body or time.monotonic() - sent_at >= self._x.keep_alive:
                await _part(send, body or self._behind() or _END)
                sent_at = time.monotonic()
            if self._stall:
                self._stall = False
                await asyncio.sleep(self._x.faults.stall_seconds)
            # With more to send, only others get their turn.
            await asyncio.sleep(0 if self._queue else _POLL)

    def _messages(self) -> Iterable[bytes]:
        """Return the lines for what was written since the last time, faults included."""
        self._x.store.refresh()
        lines: list[bytes] = []
        while self._queue and not self._stall and len(lines) < _BATCH:
            tweet = self._queue.popleft()
            rules = self._x.rules.matching(tweet.indexed)
            if not rules or self._x.store.gone(tweet.id):
                continue
            includes, problems = self._selection.expanded(self._x.store, [tweet])
            message: Json = {"data": self._selection.tweet(tweet)}
            if includes:
                message["includes"] = includes
            if problems:
                message["errors"] = problems
            message["matching_rules"] = [rule.reference() for rule in rules]
            try:
                lines += self._with_fault(message)
            except _Cut as cut_in:
                raise _Cut(b"".join(lines) + cut_in.rest) from None
        if lines:
            lines.append(self._behind())
        return lines

    def _line(self, message: Json) -> bytes:
        return orjson.dumps(told(self._x.contract, "stream", message)) + _END

    def _behind(self) -> bytes:
        """Return the post that was held back, if any: it comes behind the next, or when none comes."""
        held, self._held = self._held, None
        return held or b""

    def _with_fault(self, message: Json) -> list[bytes]:
        """Return the lines for one post; raise :class:`_Cut` if the connection ends in it."""
        fault = self._x.faults.draw("stream", _FAULTS_OF_POSTS)
        if fault == "partial":
            message = partial(message)
        line = self._line(message)
        self._x.ledger.enter("stream", message, cut=fault in ("disconnect", "malformed"))
        if fault == "disconnect":
            raise _Cut(cut(line, self._x.faults.part("stream")))
        if fault == "malformed":
            return [cut(line, self._x.faults.part("stream")) + _END]
        if fault == "duplicate":
            self._x.ledger.enter("stream", message)
            return [line, line]
        if fault == "disorder" and self._held is None:
            self._held = line
            return []
        self._stall = fault == "stall"
        return [line]


def cut(body: bytes, part: float) -> bytes:
    """Return the beginning of a *body* that is not all of it."""
    return body[: max(1, int((len(body) - len(_END) - 1) * part))]


def partial(answer: Json) -> Json:
    """Return *answer* as it is when X has only a part: an include is missing, and a problem says so.

    What was asked for itself is all there. Where nothing is included, the problem is of a tweet that some
    other one refers to.
    """
    answer = dict(answer)
    includes = dict(answer.get("includes", {}))
    missing = not_found("tweet", "1", "referenced_tweets.id")
    for kind, name, parameter in (
        ("tweets", "tweet", "referenced_tweets.id"),
        ("users", "user", "author_id"),
    ):
        if includes.get(kind):
            *rest, lost = includes[kind]
            missing = not_found(name, lost["id"], parameter)
            includes.pop(kind)
            includes.update({kind: rest} if rest else {})
            break
    if "includes" in answer:
        del answer["includes"]
    if includes:
        answer["includes"] = includes
    answer["errors"] = [*answer.get("errors", ()), missing]
    return answer


async def _part(send: Send, body: bytes) -> None:
    await send({"type": "http.response.body", "body": body, "more_body": True})


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
