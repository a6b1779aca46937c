"""``opslib stats``: figures of the running lake."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from opslib.cli._options import with_settings
from opslib.stats import budget

if TYPE_CHECKING:
    from opslib.settings import Settings


@click.command()
@click.option(
    "--format", "output_format", type=click.Choice(["text", "json"]), default="text", show_default=True
)
@with_settings
def command(output_format: str, settings: Settings) -> None:
    """Show what collecting has cost today and this month, and what the budget has left.

    Run it on the host of NiFi, as somebody who may read its budget file.
    """
    report = {"budget": budget.report(settings.x)}
    if output_format == "json":
        click.echo(json.dumps(report))
        return
    _print_budget(report["budget"])


def _print_budget(report: dict[str, Any]) -> None:
    limits = report["limits"]
    click.echo(f"X API, UTC day {report['day']}")
    for kind, spent in report["kinds"].items():
        click.echo(f"  {kind + 's':8} {spent['resources']:>9}  {spent['usd']:>10.3f} USD")
    for span, name in (("today", "day"), ("month", "month")):
        spent = report[span]
        of = [f"{limits[f'usd_{name}']:g} USD" if limits[f"usd_{name}"] is not None else "no limit"]
        if limits[f"resources_{name}"] is not None:
            of.append(f"{limits[f'resources_{name}']} resources")
        click.echo(f"  {span:8} {spent['resources']:>9}  {spent['usd']:>10.3f} USD  of {', '.join(of)}")
