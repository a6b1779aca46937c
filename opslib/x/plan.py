"""Whether what is to be collected can be paid for: a sum, before anything is asked of X.

Trends are asked for in each round whatever else happens, and what they leave of a day's or a month's budget
is shared out over the rounds of a day (:func:`opslib.x.walk.allowance`). Where a round's share is no page of
posts, X is paid for trends and nothing is collected.
"""

from __future__ import annotations

import math
import re
from datetime import timedelta
from typing import TYPE_CHECKING

from opslib.x.budget import PRICES
from opslib.x.fair import MIN_RESULTS, rounds_a_day
from opslib.x.names import EXPAND_AUTHORS, EXPAND_REFERENCED
from opslib.x.parameters import limits_in, places_in, prices_in
from opslib.x.walk import CollectionPolicy

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

# NiFi's time periods: https://nifi.apache.org/docs/nifi-docs/html/user-guide.html, "Timer driven"
_PERIOD = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([a-z]+)\s*", re.IGNORECASE)
_UNITS = {
    "seconds": ("s", "sec", "secs", "second", "seconds"),
    "minutes": ("m", "min", "mins", "minute", "minutes"),
    "hours": ("h", "hr", "hrs", "hour", "hours"),
    "days": ("d", "day", "days"),
    "weeks": ("w", "wk", "wks", "week", "weeks"),
}


def unworkable(parameters: Mapping[str, str]) -> str | None:
    """Return why a flow with these *parameters* would collect nothing, with the sum; ``None`` if it would.

    Raises :class:`ValueError` for a parameter that says nothing that can be reckoned with.
    """
    interval = period_of(parameters["trends_interval"])
    rounds = rounds_a_day(interval)
    places = len(places_in(parameters["places"]))
    prices = {**PRICES, **prices_in(parameters.get("x_prices", ""))}
    each = _policy(parameters).resources_a_post()
    requests = rounds * places
    for name, limit, trend, post, unit in _limits(parameters, prices, each):
        left = limit - requests * trend
        posts = math.floor(left / post / rounds + 1e-9) if post else MIN_RESULTS
        if posts >= MIN_RESULTS:
            continue
        spare = f"{_said(left, unit)} for {rounds} rounds" if left > 0 else "nothing"
        price = f" x {trend:g} USD" if unit else ""
        return (
            f"the budget cannot work: trends are asked for {rounds} times a day in {places} "
            f"place{'s' * (places > 1)}, {rounds} x {places}{price} = {_said(requests * trend, unit)} a day. "
            f"Of {name} = {_said(limit, unit)} that leaves {spare}, {max(0, posts)} posts a round, and no "
            f"page of X has fewer than {MIN_RESULTS}. Raise it, or ask for trends less often "
            "(trends_interval)"
        )
    return None


def _limits(
    parameters: Mapping[str, str], prices: Mapping[str, float], each: Mapping[str, int]
) -> Iterator[tuple[str, float, float, float, str]]:
    """Yield each limit's parameter, the limit, what a request and a post take of it, and its unit."""
    names = ("usd_day", "usd_month", "resources_day", "resources_month")
    limits = limits_in({name: parameters.get(f"x_budget_{name}", "") for name in names})
    usd = sum(prices[kind] * number for kind, number in each.items())
    for name in names:
        limit = getattr(limits, name)
        if limit is None:
            continue
        if name.startswith("usd"):
            yield f"x_budget_{name}", limit, prices["trend"], usd, " USD"
        else:
            yield f"x_budget_{name}", limit, 1, sum(each.values()), ""


def _said(number: float, unit: str) -> str:
    return f"{number:.2f}{unit}" if unit else f"{number:g}"


def _policy(parameters: Mapping[str, str]) -> CollectionPolicy:
    wanted = (("authors", EXPAND_AUTHORS), ("referenced_tweets", EXPAND_REFERENCED))
    expansions = tuple(expansion for name, expansion in wanted if parameters.get(name) == "true")
    return CollectionPolicy(expansions=expansions)


def period_of(text: str) -> timedelta:
    """Return what NiFi understands by a time period such as ``60 min``. Raises :class:`ValueError`."""
    match = _PERIOD.fullmatch(text)
    unit = next((unit for unit, names in _UNITS.items() if match and match[2].lower() in names), None)
    if match is None or unit is None or not float(match[1]):
        raise ValueError(f"{text!r} is no time such as 60 min")
    # No more often than each second, as the processor itself.
    return max(timedelta(seconds=1), timedelta(**{unit: float(match[1])}))
