"""What a query would bring and cost, from X's counts of the posts that match it.

X counts by hour, a request for 7 days (recent) or 31 (all of them): 0.005 and 0.010 USD, whatever it finds.
What was asked is kept in the budget's file for an hour, so that nobody pays for the same answer twice.
https://docs.x.com/x-api/posts/counts/introduction
"""

from __future__ import annotations

import math
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import stdev
from typing import TYPE_CHECKING, Any, Callable

from opslib.message import moment_of, stamp
from opslib.x.budget import PRICES, utc_now

if TYPE_CHECKING:
    from collections.abc import Iterator

    from opslib.x.budget import Budget
    from opslib.x.client import XClient

RECENT_DAYS = 7
DAYS_A_MONTH = 30
_DAY = timedelta(days=1)
_HOUR = timedelta(hours=1)
_KEPT = timedelta(hours=1)
_MOST_PAGES = 300  # of 31 days: X is 20 years old
# X counts what is ten seconds old; the clocks of two hosts differ.
_BEHIND = timedelta(seconds=30)
# What is older than 7 days when the call comes, X refuses.
_WITHIN_REACH = timedelta(minutes=3)


@dataclass(frozen=True)
class Counted:
    """How many posts match in each hour of a span, and what it cost to know."""

    since: datetime
    until: datetime
    hours: list[tuple[datetime, int]]
    requests: int  # that were paid for

    @property
    def posts(self) -> int:
        """Return how many there are in all."""
        return sum(number for _, number in self.hours)

    def days(self) -> list[tuple[datetime, int]]:
        """Return the posts of each 24 hours from the beginning on; what is left of a day is left out."""
        number = max(1, round((self.until - self.since) / _DAY))
        found = [0] * number
        for at, posts in self.hours:
            place = (at - self.since) // _DAY
            # The hour that the span begins in is a part of the first day.
            found[min(max(place, 0), number - 1)] += posts
        return [(self.since + n * _DAY, posts) for n, posts in enumerate(found)]


class Counter:
    """Asks X how many posts match, within the *budget* of this host, if it has one."""

    def __init__(
        self, client: XClient, budget: Budget | None, clock: Callable[[], datetime] = utc_now
    ) -> None:
        self._client = client
        self._budget = budget
        self._clock = clock

    def last(self, query: str, days: int) -> Counted:
        """Return what the last *days* hold. Raises ``XError`` and ``Exhausted``."""
        now = self._clock()
        until, since = ((at - _BEHIND).replace(second=0, microsecond=0) for at in (now, now - days * _DAY))
        if days == RECENT_DAYS:
            since += _WITHIN_REACH
        return self.between(query, since, until, archive=days > RECENT_DAYS)

    def between(self, query: str, since: datetime, until: datetime, *, archive: bool = True) -> Counted:
        """Return what a span holds, of all posts there are or of the last 7 days'."""
        name = "all" if archive else "recent"
        span = until - since
        question = f"{name} {span.total_seconds():.0f} {until if archive else ''} {query}"
        known = self._budget.answer(question, _KEPT) if self._budget else None
        requests = 0
        if known is None:
            known = {"since": stamp(since), "until": stamp(until), "hours": []}
            token = None
            for _ in range(_MOST_PAGES):
                with self._paid("count_all" if archive else "count") as came:
                    hours, token = self._client.counts(query, since, until, archive=archive, next_token=token)
                    came()
                known["hours"] += [[hour["start"], hour["tweet_count"]] for hour in hours]
                requests += 1
                if not token:
                    break
            if self._budget:
                self._budget.keep_answer(question, known)
        counted = [(moment_of(at), int(number)) for at, number in known["hours"]]
        return Counted(moment_of(known["since"]), moment_of(known["until"]), sorted(counted), requests)

    @contextmanager
    def _paid(self, kind: str) -> Iterator[Callable[[], None]]:
        """Count a request, which is charged by itself, whatever it brings."""
        if self._budget is None:
            yield lambda: None
            return
        with self._budget.call({kind: 1}) as came:
            yield lambda: came({kind: [kind]})

    def price(self, kind: str) -> float:
        """Return the USD of a resource of that kind."""
        return (self._budget.prices if self._budget else PRICES)[kind]


def estimate(counted: Counted, usd_a_post: float, usd_day: float | None = None) -> dict[str, Any]:
    """Return what collecting all of it would bring and cost, and the share that *usd_day* buys.

    ``error`` is the standard error of the posts a day, from how different the days are and how few posts
    there are, as a part of them: twice as much is what to reckon with.
    """
    days = counted.days()
    numbers = [number for _, number in days]
    a_day = sum(numbers) / len(numbers)
    spread = stdev(numbers) / math.sqrt(len(numbers)) if len(numbers) > 1 else a_day
    error = max(spread, math.sqrt(sum(numbers)) / len(numbers))
    cost = a_day * usd_a_post
    return {
        "since": counted.since,
        "until": counted.until,
        "posts": counted.posts,
        "days": [{"since": since, "posts": number} for since, number in days],
        "posts_a_day": round(a_day, 1),
        "error": round(error / a_day, 3) if a_day else None,
        "usd_a_day": round(cost, 4),
        "usd_a_month": round(cost * DAYS_A_MONTH, 2),
        "share": None if usd_day is None else round(min(1.0, usd_day / cost), 4) if cost else 1.0,
    }
