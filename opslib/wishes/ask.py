"""Asking the service: one wish, one answer."""

from __future__ import annotations

import json
import socket
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

MOST_BYTES = 1024 * 1024
# X answers within 30 seconds or not, and Kafka within 30.
_WAIT_SECONDS = 75


class Refused(Exception):  # noqa: N818 - it names what became of a wish
    """A wish that is not carried out; ``why`` is role, limit, stale, input or away, the text says more."""

    def __init__(self, why: str, text: str) -> None:
        super().__init__(text)
        self.why = why


def ask(path: Path, wish: Mapping[str, Any]) -> dict[str, Any]:
    """Return the answer of the service at *path* to a *wish*. Raises :class:`Refused`."""
    try:
        with socket.socket(socket.AF_UNIX) as asking:
            asking.settimeout(_WAIT_SECONDS)
            asking.connect(str(path))
            asking.sendall(json.dumps(dict(wish)).encode() + b"\n")
            with asking.makefile("rb") as answer:
                found = json.loads(answer.readline(MOST_BYTES))
    except (OSError, ValueError) as error:
        raise Refused("away", f"opslib-wishes does not answer: {error}") from error
    if "why" in found:
        raise Refused(str(found["why"]), str(found["text"]))
    return dict(found)
