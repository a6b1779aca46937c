"""What a token may do: each call that the lake makes, tried once and as cheaply as X allows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Callable

from opslib.x.budget import PRICES, Budget
from opslib.x.client import XClient, XError

if TYPE_CHECKING:
    from opslib.settings import X

_CHEAPEST_PAGE = 10


def calls(x: X, token: str, woeid: int) -> list[dict[str, Any]]:
    """Try each call; return what came of it: ``{call, needed, ok, text, limit, left, posts, trends}``."""
    client = XClient(x.base_url, token, x.timeout)
    found: dict[str, Any] = {}

    def usage() -> str:
        days = client.usage()
        return f"X has counted {sum(days.values())} posts in the last {len(days)} days"

    def trends() -> str:
        found["trends"] = len(client.trends(woeid, 1))
        return f"{found['trends']} trend of the place {woeid}"

    def search() -> str:
        found["posts"] = len(client.search_recent("the", max_results=_CHEAPEST_PAGE).tweets)
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
        except XError as error:
            ok, text = False, str(error)
        limit, left = client.limits
        findings.append(
            {"call": name, "needed": needed, "ok": ok, "text": text, "limit": limit, "left": left, **found}
        )
    client.close()
    return findings


def summary(x: X, findings: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the findings with what they cost, and what collecting has cost today if this host knows."""
    cost = sum(
        finding.get("posts", 0) * PRICES["post"] + finding.get("trends", 0) * PRICES["trend"]
        for finding in findings
    )
    spent = Budget.of(x.budget_file).spent_today().usd if x.budget_file.is_file() else None
    return {"base_url": x.base_url, "calls": findings, "cost_usd": cost, "spent_today_usd": spent}
