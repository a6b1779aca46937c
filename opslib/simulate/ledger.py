"""What X would have on its bill: what was returned, how often, and what that is charged.

X charges for resources. A post, a user or a medium is free when the same one is read again within a UTC day.
Trends and counts are charged by the request, every time. What comes in ``includes`` is charged unless that is
switched off: X's documents do not say.
"""

from __future__ import annotations

from collections import Counter
from datetime import date
from typing import TYPE_CHECKING, Any, Callable

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

Json = dict[str, Any]

# USD for each resource, or each request for trends and counts, as X charges since June 2026.
PRICES = {
    "posts": 0.005,
    "users": 0.010,
    "trends": 0.010,
    "counts": 0.005,
    "counts_all": 0.010,
    "media": 0.005,
}
# Posts that one project may read in a month.
MONTHLY_CAP = 3_000_000
# How far back the usage endpoint can be asked.
USAGE_DAYS = 90
_HOW = ("returned", "streamed", "looked_up", "cut")
# How a route gives posts out, by the name that the ledger has for it.
_OF_ROUTE = {"search": "returned", "search_all": "returned", "stream": "streamed", "lookup": "looked_up"}


class Ledger:
    """Counts what was given out and what is charged for it; days are those of *now*, in UTC."""

    def __init__(
        self, now: Callable[[], datetime], includes_charged: bool = True, monthly_cap: int = MONTHLY_CAP
    ) -> None:
        self._now = now
        self.monthly_cap = monthly_cap
        self._includes_charged = includes_charged
        self._times: dict[str, Counter[str]] = {how: Counter() for how in _HOW}
        self._charged: dict[date, Counter[str]] = {}
        self._charged_today: set[str] = set()
        # On how many days each post was charged.
        self._days_charged: Counter[str] = Counter()

    def enter(self, route: str, answer: Json, cut: bool = False) -> None:
        """Enter what *answer* gives out; *cut* if the caller got no more than a part of it."""
        if route in ("trends", "counts", "counts_all"):
            self._charge_each(route, 1)
        elif route in _OF_ROUTE:
            self._enter_posts(_OF_ROUTE[route], answer, cut)

    def _enter_posts(self, how: str, answer: Json, cut: bool) -> None:
        data = answer.get("data", [])
        posts = [data["id"]] if isinstance(data, dict) else [post["id"] for post in data]
        self._times["cut" if cut else how].update(posts)
        self._charge_once("posts", posts)
        if self._includes_charged:
            includes: Mapping[str, list[Json]] = answer.get("includes", {})
            self._charge_once("posts", [post["id"] for post in includes.get("tweets", ())])
            self._charge_once("users", [user["id"] for user in includes.get("users", ())])
            self._charge_once("media", [medium["media_key"] for medium in includes.get("media", ())])

    def _today(self) -> Counter[str]:
        today = self._now().date()
        if today not in self._charged:
            self._charged_today.clear()
            self._charged[today] = Counter()
            for day in [day for day in self._charged if (today - day).days > USAGE_DAYS]:
                del self._charged[day]
        return self._charged[today]

    def _charge_each(self, kind: str, number: int) -> None:
        self._today()[kind] += number

    def _charge_once(self, kind: str, ids: list[str]) -> None:
        today = self._today()
        new = {key for key in (f"{kind}:{identity}" for identity in ids) if key not in self._charged_today}
        self._charged_today |= new
        today[kind] += len(new)
        if kind == "posts":
            self._days_charged.update(key.partition(":")[2] for key in new)

    def summary(self) -> Json:
        """Return what was given out and charged, as ``GET /_control/ledger`` shows it."""
        total: Counter[str] = Counter()
        for day in self._charged.values():
            total.update(day)
        usd = sum(PRICES[kind] * total[kind] for kind in PRICES)
        return {
            **{how: dict(times) for how, times in self._times.items()},
            "charged": {**{kind: total[kind] for kind in PRICES}, "usd": round(usd, 3)},
            "paid_again": {post: days - 1 for post, days in self._days_charged.items() if days > 1},
        }

    def posts_a_day(self) -> dict[date, int]:
        """Return how many posts were charged on each day that had calls."""
        return {day: charged["posts"] for day, charged in self._charged.items()}

    def posts_this_month(self) -> int:
        """Return how many posts were charged in the month of today."""
        today = self._now().date()
        return sum(
            posts
            for day, posts in self.posts_a_day().items()
            if (day.year, day.month) == (today.year, today.month)
        )

    def capped(self) -> bool:
        """Tell whether this month's posts are used up."""
        return self.posts_this_month() >= self.monthly_cap

    def state(self) -> Json:
        """Return all that is needed to go on."""
        return {
            "times": {how: dict(times) for how, times in self._times.items()},
            "charged": {day.isoformat(): dict(charged) for day, charged in self._charged.items()},
            "charged_today": sorted(self._charged_today),
            "days_charged": dict(self._days_charged),
        }

    def restore(self, state: Json) -> None:
        """Go on where *state* was taken."""
        self._times = {how: Counter(state["times"].get(how, {})) for how in _HOW}
        self._charged = {date.fromisoformat(day): Counter(c) for day, c in state["charged"].items()}
        self._charged_today = set(state["charged_today"])
        self._days_charged = Counter(state["days_charged"])
