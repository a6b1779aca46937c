"""``opslib x estimate``, and the estimate that `opslib follow` makes before it saves anything."""

from __future__ import annotations

import sqlite3
import sys
from contextlib import contextmanager
from datetime import timedelta
from math import ceil
from typing import TYPE_CHECKING, Any

import click

from opslib.cli import _terminal
from opslib.cli._options import WrongInput, examples, tell_json, with_format, with_settings
from opslib.cli._times import SpanType
from opslib.settings import SettingsError, secret
from opslib.x.budget import Budget, Exhausted
from opslib.x.client import Refused, XClient, XError
from opslib.x.estimate import RECENT_DAYS, Counter, estimate

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from opslib.cli._times import Span
    from opslib.settings import Settings

_BAR = 40
_PARTS = " ▏▎▍▌▋▊▉█"
_BAD_REQUEST = 400


@click.command(
    epilog=examples(
        "opslib x estimate 'supermercado (preço OR fila) lang:pt'",
        "opslib x estimate '\"Pão de Açúcar\"' --days 30 --usd-day 2",
        "opslib x estimate 'pix lang:pt' --also 'pix lang:pt has:media' --format json",
    )
)
@click.argument("query")
@click.option(
    "--days",
    default=f"{RECENT_DAYS}d",
    show_default=True,
    type=SpanType("d", least=timedelta(days=1), most=timedelta(days=3650)),
    help="How far back is counted; a number is days. Up to 7d for 0.005 USD, more for 0.010 USD a 31 days.",
)
@click.option("--usd-day", type=click.FloatRange(0.01, 1e6), help="What it may cost a day.")
@click.option("--also", multiple=True, help="Count this as well, for the price of another count.")
@with_format
@with_settings
def command(
    query: str, days: Span, usd_day: float | None, also: tuple[str, ...], form: str, settings: Settings
) -> None:
    """Say what QUERY brings and costs: posts a day, USD a day and a month, the share that a cap buys.

    Asks X how many posts match, which costs 0.005 USD, counted in this host's budget where it has one; the
    answer is kept for an hour. Without a terminal it prints JSON.
    """
    whole = ceil(days / timedelta(days=1))
    found = last_days(settings, query, whole, usd_day)
    found["also"] = {other: last_days(settings, other, whole, usd_day) for other in also}
    tell(found, form)


def last_days(
    settings: Settings, query: str, days: int = RECENT_DAYS, usd_day: float | None = None
) -> dict[str, Any]:
    """Return the estimate of a query by its last days."""
    with asking(settings) as counter:
        counted = counter.last(query, days)
        told = estimate(counted, counter.price("post"), usd_day)
    return {"query": query, **told, "usd_paid": _paid(counter, counted.requests, archive=days > RECENT_DAYS)}


def of_span(
    settings: Settings, query: str, since: datetime, until: datetime, usd: float | None
) -> dict[str, Any]:
    """Return the estimate of all posts of a span; its ``share`` is what *usd* buy of all of them."""
    with asking(settings) as counter:
        counted = counter.between(query, since, until)
        told = estimate(counted, counter.price("post"))
        cost = counted.posts * counter.price("post")
    told["share"] = None if usd is None else round(min(1.0, usd / cost), 4) if cost else 1.0
    return {"query": query, **told, "usd": round(cost, 2), "usd_paid": _paid(counter, counted.requests)}


def _paid(counter: Counter, requests: int, *, archive: bool = True) -> float:
    return requests * counter.price("count_all" if archive else "count")


@contextmanager
def asking(settings: Settings) -> Iterator[Counter]:
    """Yield who asks X for counts; what it says no to, or the budget, ends the command with its reason."""
    x = settings.x
    client = XClient(x.base_url, secret("x_token"), x.timeout)
    try:
        yield Counter(client, Budget.of(x.budget_file) if x.budget_file.is_file() else None)
    except Refused as refused:
        if refused.status == _BAD_REQUEST:
            raise WrongInput(f"X does not take this query: {refused.detail}") from refused
        raise click.ClickException(str(refused)) from refused
    except (XError, Exhausted) as error:
        raise click.ClickException(str(error)) from error
    except (OSError, sqlite3.Error) as error:
        raise SettingsError(
            f"the budget file {x.budget_file} (x.budget_file) cannot be used: {error}"
        ) from error
    finally:
        client.close()


def tell(found: dict[str, Any], form: str) -> None:
    """Print an estimate: for people at a terminal, or as JSON."""
    if form == "json" or not sys.stdout.isatty():
        tell_json(found)
        return
    for line in lines(found):
        _terminal.tell(line)
    for other, more in found.get("also", {}).items():
        _terminal.tell(f"\n{other}")
        for line in lines(more):
            _terminal.tell(line)


def lines(found: dict[str, Any]) -> list[str]:
    """Return an estimate as people read it: a plot of its days, then what it costs."""
    most = max([day["posts"] for day in found["days"]], default=0)
    plot = [
        f"{day['since']:%Y-%m-%d}  {_bar(day['posts'], most):{_BAR}}  {day['posts']:>9,}"
        for day in found["days"]
    ]
    error = "" if found["error"] is None else f" (±{200 * found['error']:.0f} %)"
    cost = f"{found['usd_a_day']:,.2f} USD a day, {found['usd_a_month']:,.2f} USD a month of 30 days"
    said = [*plot, f"{found['posts_a_day']:,.0f} posts a day{error}: all of them cost {cost}"]
    if "usd" in found:
        said.append(f"{found['posts']:,} posts in all: {found['usd']:,.2f} USD")
    if found["share"] is not None:
        said.append(f"the cap buys {100 * found['share']:.0f} % of them")
    paid = f"{found['usd_paid']:.3f} USD" if found["usd_paid"] else "nothing, the answer was known"
    return [*said, f"this estimate cost {paid}"]


def _bar(number: int, most: int) -> str:
    eighths = round(_BAR * 8 * number / most) if most else 0
    return "█" * (eighths // 8) + (_PARTS[eighths % 8] if eighths % 8 else "")
