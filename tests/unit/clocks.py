"""A clock that tests set."""

from __future__ import annotations

from datetime import datetime, timezone

NOON = datetime(2026, 1, 31, 12, tzinfo=timezone.utc)


class Clock:
    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> datetime:
        return self.now
