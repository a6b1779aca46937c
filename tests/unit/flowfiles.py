"""FlowFiles as NiFi holds them, for tests that trigger turns."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from opslib.message import encode

if TYPE_CHECKING:
    from opslib.x.turns import Turn


@dataclass(frozen=True)
class Held:
    """A FlowFile in a queue."""

    held: bytes = b""
    named: dict[str, str] = field(default_factory=dict)

    def attribute(self, name: str) -> str:
        return self.named.get(name, "")

    def attributes(self) -> dict[str, str]:
        return self.named

    def content(self) -> bytes:
        return self.held

    def after(self, turn: Turn) -> Held:
        """Return it as it leaves *turn*."""
        if turn.relationship == "failure":
            return self
        content = self.held if turn.content is None else turn.content
        return Held(content, {**self.named, **turn.attributes})


def snapshots_of(uuid: str, *places: dict[str, Any]) -> Held:
    """Return a FlowFile with snapshots of trends, as `Collect trends` makes it."""
    return Held(b"\n".join(encode(place) for place in places), {"uuid": uuid, "filename": uuid})


def place(woeid: int, *names: str) -> dict[str, Any]:
    return {"woeid": woeid, "trends": [{"name": name, "tweet_count": None} for name in names]}


def messages_in(content: bytes | None) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (content or b"").splitlines()]
