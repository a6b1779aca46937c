"""Who is told: a webhook and a mail server of the tests, and what came there when."""

from __future__ import annotations

import json
import re
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

from chaos import ROOT

if TYPE_CHECKING:
    from collections.abc import Mapping

PORT = 9480  # as molecule/alarms/vars/alarms.yml has it
_PAGE = ROOT / "docs/alarms.md"
_UNITS = {"minute": 60, "hour": 3600}


def promised(alarm: str) -> int:
    """Return within how many seconds docs/alarms.md says that an alarm is told."""
    section = re.search(rf"^### {alarm}\n\n(.*?)(?=^##|\Z)", _PAGE.read_text(), re.MULTILINE | re.DOTALL)
    assert section, alarm
    within = re.match(r"Within (?:(\d+) )?(?:an? |the )?(minute|hour)", section[1])
    assert within, f"{alarm} does not say within what time"
    return int(within[1] or 1) * _UNITS[within[2]]


@dataclass(frozen=True)
class Told:
    """One alarm in one message."""

    at: float  # monotonic
    alarm: str
    labels: Mapping[str, str]
    status: str  # firing or resolved
    summary: str


@dataclass
class Webhook:
    """Listens on all addresses of this host, and keeps what comes."""

    told: list[Told] = field(default_factory=list)
    # The messages as they came: group, and the alarms with their states.
    messages: list[tuple[str, frozenset[tuple[str, str]]]] = field(default_factory=list)
    lives: list[float] = field(default_factory=list)

    def listen(self) -> None:
        """Begin."""
        webhook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                webhook.take(self.path, json.loads(body))
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                """Keep what pytest shows short."""

        self._server = ThreadingHTTPServer(("0.0.0.0", PORT), Handler)  # noqa: S104 - machines are elsewhere
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        """End."""
        self._server.shutdown()
        self._server.server_close()

    def take(self, path: str, message: dict[str, Any]) -> None:
        """Keep one message."""
        now = time.monotonic()
        if path == "/lives":
            self.lives.append(now)
            return
        alarms = [
            Told(now, one["labels"]["alertname"], one["labels"], one["status"], one["annotations"]["summary"])
            for one in message["alerts"]
        ]
        told = frozenset((json.dumps(one.labels, sort_keys=True), one.status) for one in alarms)
        self.messages.append((message["groupKey"], told))
        self.told += alarms

    def find(self, alarm: str, labels: Mapping[str, str], status: str, since: float) -> Told | None:
        """Return the first of an alarm that came after *since*."""
        return next(
            (
                one
                for one in self.told
                if (one.alarm, one.status) == (alarm, status)
                and one.at > since
                and labels.items() <= one.labels.items()
            ),
            None,
        )

    def repeated(self) -> list[str]:
        """Return the groups of messages that said again what the one before them had said."""
        last: dict[str, frozenset[tuple[str, str]]] = {}
        found = []
        for group, told in self.messages:
            if last.get(group) == told:
                found.append(group)
            last[group] = told
        return found
