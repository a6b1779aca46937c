"""When X may be asked again after it said no: waits that grow, and never a storm of retries."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Callable

from opslib.x.budget import utc_now
from opslib.x.client import RateLimited, Refused, XError

if TYPE_CHECKING:
    from collections.abc import Mapping

# First and longest wait by what befell. A refusal is for somebody to mend: asking each hour is often enough.
_WAITS: Mapping[str, tuple[timedelta, timedelta]] = {
    "limited": (timedelta(seconds=60), timedelta(minutes=15)),
    "refused": (timedelta(minutes=1), timedelta(hours=1)),
    "unavailable": (timedelta(seconds=5), timedelta(seconds=320)),
}


class Gate:
    """Closed while X is not to be asked."""

    def __init__(self, clock: Callable[[], datetime] = utc_now) -> None:
        self._clock = clock
        self._until = clock()
        self._wait = timedelta()

    def closed_for(self) -> float:
        """Return the seconds until X may be asked again; 0 if it may be now."""
        return max(0.0, (self._until - self._clock()).total_seconds())

    def answered(self, spent_until: int | None = None) -> None:
        """Note that X has answered: the next wait is the first one again.

        *spent_until* (epoch seconds) closes until then, since that answer was the last of its window.
        """
        self._wait = timedelta()
        if spent_until is not None:
            self._close_until(spent_until)

    def shut(self, error: XError) -> str:
        """Close for as long as *error* calls for, and return it as a line for people."""
        if isinstance(error, RateLimited) and error.reset_at is not None:
            self._close_until(error.reset_at)
            return f"{error}; X is asked again then"
        kind = {RateLimited: "limited", Refused: "refused"}.get(type(error), "unavailable")
        first, longest = _WAITS[kind]
        self._wait = min(longest, max(first, self._wait * 2))
        self._until = self._clock() + self._wait
        return f"{error}; X is asked again in {self._wait.total_seconds():.0f} s"

    def _close_until(self, epoch: int) -> None:
        # A second on top: the clocks of two hosts differ.
        self._until = datetime.fromtimestamp(epoch + 1, timezone.utc)
