"""`opslib x simulate`, with every answer held against X's contract while it serves.

    python tests/strict_x.py REPORT [options of `opslib x simulate`]

For the tests in which somebody else than a test is the caller. When it ends, REPORT holds
``{"checked": number, "broken": number, "wrong": [text]}``: answers and posts of streams that were looked at,
those that are no JSON or have no end, which is the work of a fault, and what is wrong with others. Without
the contract nothing is checked.
"""

from __future__ import annotations

import json
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from contract import Contracts, ValidationError

from opslib.cli import main
from opslib.simulate import server

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from opslib.simulate.local import LocalX

_STREAM = "/2/tweets/search/stream"


class Strict:
    """An ASGI application around another one, which looks at all that it sends."""

    def __init__(self, app: ASGIApp, contracts: Contracts, x: LocalX) -> None:
        self._app = app
        self._contracts = contracts
        self._x = x
        # The contracts that were spoken so far: a test may change over.
        self._spoken: set[str] = set()
        self.report: dict[str, Any] = {"checked": 0, "broken": 0, "wrong": []}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not scope["path"].startswith("/2/"):
            await self._app(scope, receive, send)
            return
        self._spoken.add(self._x.contract)
        answer = _Answer(self, scope)

        async def looked_at(message: Message) -> None:
            answer.sent(message)
            await send(message)

        await self._app(scope, receive, looked_at)
        answer.over()

    def look(self, scope: Scope, status: int, content_type: str, body: bytes) -> None:
        """Check one answer, or one line of a stream."""
        try:
            content = json.loads(body)
        except ValueError:
            self.report["broken"] += 1
            return
        wrong = self._wrong(self._x.contract, scope, status, content_type, content)
        if wrong is None:
            return
        self.report["checked"] += 1
        # What was changed over while an answer was on its way may have been made by the one before.
        before = [version for version in self._spoken if version != self._x.contract]
        if wrong and not any(
            self._wrong(version, scope, status, content_type, content) == "" for version in before
        ):
            self.report["wrong"].append(f"{scope['method']} {scope['path']} {status}: {wrong}")

    def _wrong(self, version: str, scope: Scope, status: int, content_type: str, content: Any) -> str | None:
        """Return what is wrong with an answer by that contract; ``None`` if it does not have the call."""
        contract = self._contracts[version]
        if contract is None or (status == 200 and not contract.knows(scope["method"], scope["path"])):
            return None
        try:
            if scope["path"] == _STREAM and status == 200:
                contract.check_streamed(content)
            else:
                contract.check_answer(scope["method"], scope["path"], status, content_type, content)
        except (ValidationError, AssertionError, KeyError) as wrong:
            return f"{wrong!r:.500}"
        return ""


class _Answer:
    """What is sent for one call."""

    def __init__(self, strict: Strict, scope: Scope) -> None:
        self._strict = strict
        self._scope = scope
        self._status = 0
        self._content_type = ""
        self._pending = b""
        self._ended = False

    def sent(self, message: Message) -> None:
        """Take a part of it."""
        if message["type"] == "http.response.start":
            self._status = message["status"]
            self._content_type = dict(message["headers"]).get(b"content-type", b"").decode()
            return
        self._pending += message.get("body", b"")
        self._ended = not message.get("more_body")
        if self._scope["path"] == _STREAM and self._status == 200:
            *lines, self._pending = self._pending.split(b"\r\n")
            for line in lines:
                if line:
                    self._look(line)

    def over(self) -> None:
        """Look at it as a whole; of one that has no end, or is the end of a stream, JSON is not asked."""
        if self._ended and self._pending:
            self._look(self._pending)
        elif self._pending:
            self._strict.report["broken"] += 1

    def _look(self, body: bytes) -> None:
        self._strict.look(self._scope, self._status, self._content_type, body)


def serve(report: Path, *arguments: str) -> None:
    """Serve until it is told to end, and write the report."""
    contracts = Contracts()
    plain, made = server.application, []

    def application(x: LocalX, *given: Any) -> ASGIApp:
        made.append(Strict(plain(x, *given), contracts, x))
        return made[0]

    server.application = application
    # uvicorn passes the signal on when it has ended.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    try:
        main(["x", "simulate", *arguments])
    finally:
        if made:
            report.write_text(json.dumps(made[0].report))


if __name__ == "__main__":
    serve(Path(sys.argv[1]), *sys.argv[2:])
