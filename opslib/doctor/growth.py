"""How fast a disk fills up: what was used of it an hour and a day ago, kept in a small file.

The doctor that a timer runs notes it (``opslib doctor --metrics``), at most once an hour for a day; every
other one reads it.
"""

from __future__ import annotations

import json
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

HOUR, DAY = 3600.0, 86400.0

# By path: pairs of a moment and the bytes used then, oldest first.
Noted = dict[str, list[tuple[float, int]]]


def read(path: Path) -> Noted:
    """Return what was noted; nothing if there is no file, or none that can be read."""
    with suppress(OSError, ValueError, TypeError, AttributeError):
        found = json.loads(path.read_text())
        return {name: [(float(at), int(used)) for at, used in pairs] for name, pairs in found.items()}
    return {}


def note(noted: Noted, used: Mapping[str, int], now: float) -> Noted:
    """Return *noted* and, an hour after the last at the earliest, what is used *now*; only of a day."""
    kept: Noted = {}
    for name, size in used.items():
        old = [(at, was) for at, was in noted.get(name, []) if now - DAY - HOUR <= at <= now]
        fresh = bool(old) and now - old[-1][0] < HOUR
        kept[name] = old if fresh else [*old, (now, size)]
    return kept


def days_left(pairs: list[tuple[float, int]], used: int, free: int, now: float) -> float | None:
    """Return after how many days *free* bytes are used at the growth since the oldest of *pairs*.

    ``None`` if what is noted is younger than an hour, or the disk does not fill.
    """
    if not pairs or now - pairs[0][0] < HOUR:
        return None
    grown = (used - pairs[0][1]) / (now - pairs[0][0]) * DAY
    return free / grown if grown > 0 else None
