"""``opslib stats``: figures of the running lake, and the service that records them."""

from __future__ import annotations

import sqlite3
from contextlib import ExitStack
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.table import Table

from opslib.cli._database import database_of
from opslib.cli._options import examples, tell_json, with_format, with_settings
from opslib.cli._terminal import tell
from opslib.cli._times import SpanType
from opslib.settings import SettingsError
from opslib.stats import budget

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from opslib.cli._times import Span
    from opslib.settings import Settings

_MOST_NAMES = 6


@click.group(
    invoke_without_command=True,
    epilog=examples("opslib stats", "opslib stats --last 30m --last 7d --format json"),
)
@click.option(
    "--last",
    "spans",
    type=SpanType(least=timedelta(minutes=1)),
    multiple=True,
    default=("1h", "1d"),
    show_default=True,
    help="Figures of this span up to now, such as 30m, 6h or 7d; may be repeated.",
)
@with_format
@with_settings
def command(settings: Settings, spans: tuple[Span, ...], form: str) -> None:
    """Show rates, languages, delays, lag and dead letters of the last hour and day, and what it all cost.

    The figures are those that `opslib stats record` wrote to MongoDB. On the host of NiFi, for somebody who
    may read its budget file, the exact cost by kind is added.
    """
    report, missing = _recorded(settings, {span.said: span for span in spans})
    exact, without = _exact_budget(settings)
    if exact is None and report is None:
        raise SettingsError(f"no figures of MongoDB's: {missing}; and no budget: {without}")
    if report is None:
        tell(f"only what collecting cost: {missing}", err=True)
        report = {"budget": None}
    report["budget"] = {**(report["budget"] or {}), **(exact or {})} or None
    report["made_up"] = settings.x.made_up
    if form == "json":
        tell_json(report)
    else:
        _print(report)


@command.command(epilog=examples("opslib stats record"))
@with_settings
def record(settings: Settings) -> None:
    """Record statistics in MongoDB, minute by minute, until SIGTERM.

    One recorder is enough for a lake, and a second one is told so.
    """
    from opslib.cli._journal import log_to_journal
    from opslib.stats import start  # showing figures needs no Kafka

    log_to_journal()
    start.run(settings)


def _recorded(settings: Settings, spans: Mapping[str, timedelta]) -> tuple[dict[str, Any] | None, str]:
    """Return the recorded figures, or why this host has none."""
    try:
        from opslib.stats.report import report
    except ModuleNotFoundError as error:
        return None, f"the package {error.name} is not installed here"
    with ExitStack() as stack:
        try:
            database = stack.enter_context(database_of(settings, "opslib-stats"))
        except SettingsError as error:
            return None, error.message
        return report(database, spans, datetime.now(timezone.utc), settings.stats.group_id), ""


def _exact_budget(settings: Settings) -> tuple[dict[str, Any] | None, str]:
    """Return the budget as NiFi's processors have it, or why this host or this person cannot read it."""
    try:
        return budget.report(settings.x), ""
    except SettingsError as error:
        return None, error.message
    except sqlite3.Error as error:
        return None, f"{settings.x.budget_file}: {error}"


def _print(report: dict[str, Any]) -> None:
    console = Console(highlight=False)
    if report["made_up"]:
        tell("the tweets are made up: this lake is fed by the local X API (x.base_url)\n")
    if "spans" in report:
        console.print(_table(report["spans"]))
        _print_lag(report["lag"])
    _print_budget(report["budget"])


def _table(spans: dict[str, dict[str, Any]]) -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("")
    for name in spans:
        table.add_column(f"last {name}", justify="right")
    for title, cells in _rows(list(spans.values())):
        table.add_row(title, *cells)
    return table


def _rows(spans: list[dict[str, Any]]) -> Iterator[tuple[str, list[str]]]:
    for title, key in (
        ("tweets", "tweets"),
        ("tweets a minute", "tweets_per_minute"),
        ("in the busiest minute", "busiest_minute"),
        ("dead letters", "dead_letters"),
    ):
        yield title, [_said(span[key]) for span in spans]
    for title, key in (("languages", "languages"), ("sources", "sources")):
        yield title, [_largest(span[key]) for span in spans]
    for title, key in (
        ("written until collected", "delay_collected"),
        ("collected until stored", "delay_stored"),
    ):
        for quantile in ("p50", "p95", "p99"):
            yield f"{title}, {quantile}", [_seconds(span[key], quantile) for span in spans]
    yield "minutes recorded", [f"{span['minutes_recorded']} of {span['minutes']}" for span in spans]


def _said(number: float | None) -> str:
    return "-" if number is None else f"{number:,}"


def _largest(counts: dict[str, int]) -> str:
    total = sum(counts.values())
    named = [f"{name} {number / total:.0%}" for name, number in list(counts.items())[:_MOST_NAMES]]
    return "\n".join(named) or "-"


def _seconds(delay: dict[str, float] | None, quantile: str) -> str:
    return "-" if delay is None else f"{delay[quantile]:,.1f} s"


def _print_lag(lag: dict[str, Any] | None) -> None:
    if lag is None:
        return
    tell(f"\nmessages that wait, {lag['at']}")
    for group, messages in sorted(lag["groups"].items()):
        tell(f"  {group:20} {messages:>9,}")


def _print_budget(report: dict[str, Any] | None) -> None:
    if report is None:
        return
    if "kinds" not in report:
        _print_told(report)
        return
    limits = report["limits"]
    tell(f"\nX API, UTC day {report['day']}")
    for kind, spent in report["kinds"].items():
        tell(f"  {kind + 's':8} {spent['resources']:>9}  {spent['usd']:>10.3f} USD")
    for span, name in (("today", "day"), ("month", "month")):
        spent = report[span]
        of = [f"{limits[f'usd_{name}']:g} USD" if limits[f"usd_{name}"] is not None else "no limit"]
        if limits[f"resources_{name}"] is not None:
            of.append(f"{limits[f'resources_{name}']} resources")
        tell(f"  {span:8} {spent['resources']:>9}  {spent['usd']:>10.3f} USD  of {', '.join(of)}")


def _print_told(report: dict[str, Any]) -> None:
    """Print the budget as its headers told it on the newest message."""
    tell(f"\nX API, as of {report['at']}")
    for title, spent in (("today", report["today"]), ("left", report["left"])):
        if spent:
            amounts = (f"{value:g} {'USD' if unit == 'usd' else unit}" for unit, value in spent.items())
            tell(f"  {title:8} {', '.join(amounts)}")
