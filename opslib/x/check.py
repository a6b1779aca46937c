"""What a token may do: each call that the lake makes, tried once and as cheaply as X allows."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING, Any, Callable

from opslib.x.budget import PRICES, Budget, Exhausted
from opslib.x.client import XClient, XError

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from opslib.settings import X

_CHEAPEST_PAGE = 10


def calls(x: X, token: str, woeid: int) -> list[dict[str, Any]]:
    """Try each call; return what came of it: ``{call, needed, ok, text, limit, left, posts, trends}``.

    Where this host has a budget, they are counted in it, and what it has nothing left for is not asked.
    """
    client = XClient(x.base_url, token, x.timeout)
    budget = Budget.of(x.budget_file) if x.budget_file.is_file() else None
    found: dict[str, Any] = {}

    def usage() -> str:
        days = client.usage()
        return f"X has counted {sum(days.values())} posts in the last {len(days)} days"

    def trends() -> str:
        with _counted(budget, {"trend": 1}) as came:
            trends = client.trends(woeid)
            found["requests"] = 1
            came({"trend": [str(woeid)]})
        found["trends"] = len(trends)
        return f"{found['trends']} trends of the place {woeid}"

    def search() -> str:
        with _counted(budget, {"post": _CHEAPEST_PAGE}) as came:
            page = client.search_recent("the", max_results=_CHEAPEST_PAGE)
            came({"post": [tweet["id"] for tweet in page.tweets]})
        found["posts"] = len(page.tweets)
        return f"{found['posts']} recent posts"

    def rules() -> str:
        return f"{len(client.rules())} rules of the filtered stream"

    tried: list[tuple[str, bool, Callable[[], str]]] = [
        ("usage", False, usage),
        ("trends", True, trends),
        ("search", True, search),
        # The other mode's; connecting would end the stream of a lake that uses it.
        ("rules", False, rules),
    ]
    findings = []
    for name, needed, ask in tried:
        found.clear()
        try:
            ok, text = True, ask()
        except (XError, Exhausted) as error:
            ok, text = False, str(error)
        limit, left = client.limits
        findings.append(
            {"call": name, "needed": needed, "ok": ok, "text": text, "limit": limit, "left": left, **found}
        )
    client.close()
    return findings


def _counted(budget: Budget | None, most: dict[str, int]) -> AbstractContextManager[Callable[..., None]]:
    return nullcontext(lambda _: None) if budget is None else budget.call(most)


def summary(x: X, findings: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the findings with what they cost, and today's budget, spent and left, if this host has one."""
    budget = Budget.of(x.budget_file) if x.budget_file.is_file() else None
    prices = budget.prices if budget else PRICES
    cost = sum(
        finding.get("posts", 0) * prices["post"] + finding.get("requests", 0) * prices["trend"]
        for finding in findings
    )
    return {
        "base_url": x.base_url,
        "made_up": x.made_up,
        "calls": findings,
        "cost_usd": cost,
        "spent_today_usd": budget.spent_today().usd if budget else None,
        "left_today": budget.left_today() if budget else None,
    }
