"""The turns of ``CollectTrends``: each wake asks for what is due, and each place and call waits for itself.

The processor wakes every few seconds. A place is due at the beginning of each interval, and until it has
answered: a call that failed is made again after its own delay, while the other places go on. What X says of
its calls as a whole, that there are no more in this window, holds for all places; so does the budget.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Callable

from opslib.message import trends_message
from opslib.x.backoff import Backoff
from opslib.x.budget import Exhausted, utc_now
from opslib.x.client import RateLimited, XError
from opslib.x.turns import Turn, lines_of, told_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from opslib.x.budget import Budget
    from opslib.x.client import XClient

_RECONCILE = timedelta(hours=1)
# NiFi cannot stop a processor within a turn: where X is slow, other places wait for the next wake.
_LONGEST = timedelta(seconds=30)


@dataclass
class _Call:
    """A call that is made again and again: when it is due, and how long it is to be left alone."""

    due: datetime
    every: timedelta
    backoff: Backoff
    failed_at: datetime | None = None

    def is_due(self, now: datetime) -> bool:
        # It is due further ahead than that only where the clock was set back.
        return not now < self.due <= now + self.every and not self.backoff.seconds()


class TrendsTurns:
    """Asks for the trends of *places* (name by WOEID) every *interval*.

    X charges for the request, so all that there are are asked for and kept as ranks; tweets are to be
    collected for the first *searched* of each place.
    """

    def __init__(
        self,
        client: XClient,
        budget: Budget,
        places: Mapping[int, str],
        searched: int,
        interval: timedelta,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self._client = client
        self._budget = budget
        self._names = dict(places)
        self._searched = searched
        self._interval = interval
        self._clock = clock
        self._began = clock()
        self._usage = _Call(self._began, _RECONCILE, Backoff(clock))
        self._places = {woeid: _Call(self._began, interval, Backoff(clock)) for woeid in places}
        # X counts calls for trends whatever the place.
        self._window = Backoff(clock)

    def turn(self) -> Turn:
        """Ask for what is due, and return the snapshots that came."""
        turn = Turn()
        self._reconcile(turn)
        snapshots = self._snapshots(turn)
        if snapshots:
            turn.relationship = "success"
            turn.content = lines_of(snapshots)
            turn.attributes = {
                "mime.type": "application/x-ndjson",
                "trends.places": str(len(snapshots)),
                **told_of(self._budget),
            }
        return turn

    def _snapshots(self, turn: Turn) -> list[dict[str, Any]]:
        now = self._clock()
        snapshots = []
        # A place that has failed keeps no other waiting, not even one that failed before it.
        due = sorted(
            (woeid for woeid, place in self._places.items() if place.is_due(now)),
            key=lambda woeid: self._places[woeid].failed_at or self._began - self._interval,
        )
        for woeid in due:
            if self._window.seconds() or self._clock() - now > _LONGEST:
                break
            place, name = self._places[woeid], self._names[woeid]
            try:
                trends = self._trends(woeid)
            except Exhausted as exhausted:
                turn.warnings.append(str(exhausted))
                self._pause(exhausted.until)
                break
            except RateLimited as error:
                turn.errors.append(f"trends of {name} ({woeid}): {self._window.failed(error)}")
                break
            except XError as error:
                turn.errors.append(f"trends of {name} ({woeid}): {place.backoff.failed(error)}")
                place.failed_at = self._clock()
                continue
            self._window.succeeded(self._client.spent_until)
            place.backoff.succeeded()
            place.due, place.failed_at = self._next_interval(), None
            snapshots.append(trends_message(woeid, name, trends, self._clock(), self._searched))
            if self._window.seconds() and len(snapshots) < len(due):
                turn.warnings.append(f"X has no more calls for trends after {name}: the rest waits its turn")
        return snapshots

    def _trends(self, woeid: int) -> list[dict[str, Any]]:
        with self._budget.call({"trend": 1}) as came:
            trends = self._client.trends(woeid)
            came({"trend": [str(woeid)]})
        return trends

    def _next_interval(self) -> datetime:
        passed = math.floor((self._clock() - self._began) / self._interval)
        return self._began + (passed + 1) * self._interval

    def _pause(self, until: datetime) -> None:
        """Ask for none of the places that are due before the next interval, or before there is a budget."""
        now, then = self._clock(), min(until, self._next_interval())
        for place in self._places.values():
            if place.due <= now:
                place.due = then

    def _reconcile(self, turn: Turn) -> None:
        """Hold what was counted against X's own count; a token without that right is no reason to stop."""
        now = self._clock()
        if not self._usage.is_due(now):
            return
        try:
            self._budget.reconcile(self._client.usage())
        except XError as error:
            failed = self._usage.backoff.failed(error)
            turn.warnings.append(f"X's own count of posts cannot be asked for: {failed}")
        else:
            self._usage.backoff.succeeded()
            self._usage.due = now + _RECONCILE
