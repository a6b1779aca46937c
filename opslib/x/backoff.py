"""When X may be asked again after it said no: waits that grow, and never a storm of retries."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Callable, TypeVar

from opslib.x.budget import utc_now
from opslib.x.client import Interrupted, RateLimited, Refused, TooManyConnections, Unavailable, XError

if TYPE_CHECKING:
    from collections.abc import Mapping

Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Delays:
    """The first delay and the longest; each is twice the one before, or longer by the first."""

    first: timedelta
    longest: timedelta
    doubling: bool = True

    def after(self, before: timedelta) -> timedelta:
        """Return the delay that follows *before*."""
        return min(self.longest, max(self.first, before * 2 if self.doubling else before + self.first))


# A refusal is for somebody to mend: asking each hour is often enough.
_REFUSED = Delays(timedelta(minutes=1), timedelta(hours=1))
_FAILED = Delays(timedelta(seconds=5), timedelta(seconds=320))
# X counts calls in windows of 15 minutes: https://docs.x.com/x-api/fundamentals/rate-limits
_WINDOW = timedelta(minutes=15)
# The clocks of two hosts differ, and X tells whole seconds.
_CLOCKS_DIFFER = timedelta(seconds=1)
_LIMITED = Delays(timedelta(seconds=60), _WINDOW)
CALLS: Mapping[type[XError], Delays] = {
    RateLimited: _LIMITED,
    TooManyConnections: _LIMITED,
    Refused: _REFUSED,
    Unavailable: _FAILED,
    Interrupted: _FAILED,
}
# As X asks of those who connect to a stream: https://docs.x.com/x-api/fundamentals/handling-disconnections
STREAM: Mapping[type[XError], Delays] = {
    **CALLS,
    Interrupted: Delays(timedelta(milliseconds=250), timedelta(seconds=16), doubling=False),
}


class Backoff:
    """How long one kind of call, or one place of it, is left alone."""

    def __init__(
        self, clock: Callable[[], datetime] = utc_now, delays: Mapping[type[XError], Delays] = CALLS
    ) -> None:
        self._clock = clock
        self._delays = delays
        self._since = self._until = clock()
        self._delay = timedelta()

    def seconds(self) -> float:
        """Return the seconds until X may be asked again; 0 if it may be now."""
        now = self._clock()
        if now < self._since - _CLOCKS_DIFFER:
            return 0.0  # the clock was set back: what it said is worth nothing
        return max(0.0, (self._until - now).total_seconds())

    def succeeded(self, spent_until: int | None = None) -> None:
        """Note that X has answered: the next delay is the first one again.

        *spent_until* (epoch seconds) ends the window that this answer was the last of.
        """
        self._delay = timedelta()
        if spent_until is not None:
            self._close(self._window_end(spent_until) or self._until)

    def failed(self, error: XError) -> str:
        """Leave X alone for as long as *error* calls for, and return it as a line for people."""
        told = error.reset_at if isinstance(error, RateLimited) else None
        until = None if told is None else self._window_end(told)
        if until is not None:
            self._close(until)
            return f"{error}; X is asked again at {until:%H:%M:%S} UTC"
        self._delay = self._delays[type(error)].after(self._delay)
        self._close(self._clock() + self._delay)
        return f"{error}; X is asked again in {self._delay.total_seconds():g} s"

    def persist(self, ask: Callable[[], Answer], tries: int, wait: Callable[[float], Any]) -> Answer:
        """Return what *ask* returns; while X is unavailable it is asked again, *tries* times in all.

        *wait* gets the seconds before each. What the last try raises is raised, and any other error at once.
        """
        for attempt in range(1, tries + 1):
            wait(self.seconds())
            try:
                answer = ask()
            except Unavailable as error:
                self.failed(error)
                if attempt == tries:
                    raise
            else:
                self.succeeded()
                return answer
        raise AssertionError  # the last attempt returns or raises

    def _close(self, until: datetime) -> None:
        self._since, self._until = self._clock(), until

    def _window_end(self, epoch: int) -> datetime | None:
        """Return when the window that X says ends at *epoch* is over, at most a whole one from now.

        ``None`` for a moment that is past here: one of the two clocks is wrong, and which is not to be known.
        """
        now = self._clock()
        left = epoch - now.timestamp()
        if left <= 0:
            return None
        return now + timedelta(seconds=min(left, _WINDOW.total_seconds())) + _CLOCKS_DIFFER
