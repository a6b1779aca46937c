"""What is known of the last backups: a file that whoever makes them keeps, and others look at."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

STATUS = "status.json"


def read(folder: Path) -> dict[str, Any]:
    """Return what is known; nothing before the first backup.

    Moments are Unix time: ``first`` and ``ended`` of whole backups, ``verified`` of one that came back whole;
    ``failed`` and ``verify_failed`` say whether the last attempt did.
    """
    with suppress(FileNotFoundError, ValueError):
        status: dict[str, Any] = json.loads((folder / STATUS).read_text())
        return status
    return {}
