"""When X may be asked again after it said no: waits that grow, and never a storm of retries."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Callable

from opslib.x.budget import utc_now
from opslib.x.client import Interrupted, RateLimited, Refused, Unavailable, XError

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True)
class Wait:
    """The first wait and the longest; each is twice the one before, or longer by the first."""

    first: timedelta
    longest: timedelta
    doubling: bool = True

    def after(self, before: timedelta) -> timedelta:
        """Return the wait that follows *before*."""
        return min(self.longest, max(self.first, before * 2 if self.doubling else before + self.first))


# A refusal is for somebody to mend: asking each hour is often enough.
_REFUSED = Wait(timedelta(minutes=1), timedelta(hours=1))
_FAILED = Wait(timedelta(seconds=5), timedelta(seconds=320))
CALLS: Mapping[type[XError], Wait] = {
    RateLimited: Wait(timedelta(seconds=60), timedelta(minutes=15)),
    Refused: _REFUSED,
    Unavailable: _FAILED,
    Interrupted: _FAILED,
}
# As X asks of those who connect to a stream: https://docs.x.com/x-api/fundamentals/handling-disconnections
STREAM: Mapping[type[XError], Wait] = {
    **CALLS,
    Interrupted: Wait(timedelta(milliseconds=250), timedelta(seconds=16), doubling=False),
}


class Gate:
    """Closed while X is not to be asked."""

    def __init__(
        self, clock: Callable[[], datetime] = utc_now, waits: Mapping[type[XError], Wait] = CALLS
    ) -> None:
        self._clock = clock
        self._waits = waits
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
        self._wait = self._waits[type(error)].after(self._wait)
        self._until = self._clock() + self._wait
        return f"{error}; X is asked again in {self._wait.total_seconds():g} s"

    def _close_until(self, epoch: int) -> None:
        # A second on top: the clocks of two hosts differ.
        self._until = datetime.fromtimestamp(epoch + 1, timezone.utc)
