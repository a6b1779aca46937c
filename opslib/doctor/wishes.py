"""Whether what the page asks for about what is followed is carried out."""

from __future__ import annotations

import json
import os
import socket
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from opslib.doctor.findings import Findings
    from opslib.settings import Settings

_ADVICE = "journalctl -u opslib-wishes"
_WAIT_SECONDS = 20
_MOST_BYTES = 1024 * 1024


def check(settings: Settings, report: Findings) -> None:
    """Ask the service for the list, as the page does."""
    path = settings.wishes.socket
    if not settings.wishes.enabled:
        report.skipped("nothing is followed from a page of this host")
        return
    if path.exists() and not os.access(path, os.W_OK):
        report.skipped(f"{path} is for the page and root")
        return
    try:
        with socket.socket(socket.AF_UNIX) as asking:
            asking.settimeout(_WAIT_SECONDS)
            asking.connect(str(path))
            asking.sendall(b'{"what": "list", "user": "opslib doctor"}\n')
            with asking.makefile("rb") as answer:
                found = json.loads(answer.readline(_MOST_BYTES))
    except (OSError, ValueError) as error:
        report.failed(f"nobody answers at {path}: {error}", _ADVICE)
        return
    if "why" in found:
        report.failed(found["text"], _ADVICE)
    else:
        number = len(found["follows"])
        report.ok(f"{number} follows are listed to the page", follows=number)
