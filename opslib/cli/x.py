"""``opslib x``: the X API, and the local one that stands in for it."""

from __future__ import annotations

import sqlite3
import sys
from typing import TYPE_CHECKING

import click

from opslib.cli import _estimate, _simulate
from opslib.cli._options import examples, tell_json, with_format, with_settings
from opslib.cli._terminal import tell
from opslib.settings import SettingsError, secret

if TYPE_CHECKING:
    from opslib.settings import Settings


@click.group()
def command() -> None:
    """Talk to X, or stand in for it."""


command.add_command(_simulate.command, "simulate")
command.add_command(_estimate.command, "estimate")


@command.command(epilog=examples("opslib x check", "opslib x check --woeid 23424768 --format json"))
@with_format
@click.option(
    "--woeid",
    default=1,
    show_default=True,
    type=click.IntRange(1, 2**63 - 1),
    help="The place whose trends are asked for.",
)
@with_settings
def check(form: str, woeid: int, settings: Settings) -> None:
    """Verify the bearer token (the credential x_token): what it may call, the limits left, the budget spent.

    Asks for the usage, for a place's trends and for a page of ten posts without expansions: 0.06 USD at most,
    at the prices of 2026, counted in this host's budget where it has one. Exit code 1 if a call that
    collecting needs is refused.
    """
    from opslib.x.check import calls, summary

    try:
        findings = calls(settings.x, secret("x_token"), woeid)
        found = summary(settings.x, findings)
    except (OSError, sqlite3.Error) as error:
        raise SettingsError(
            f"the budget file {settings.x.budget_file} (x.budget_file) cannot be used: {error}"
        ) from error
    if form == "json":
        tell_json(found)
    else:
        if found["made_up"]:
            tell(f"what comes from {found['base_url']} is made up: it is the local X API")
        for finding in found["calls"]:
            told = "ok" if finding["ok"] else "refused"
            left = "" if finding["left"] is None else f", {finding['left']} of {finding['limit']} calls left"
            tell(f"{told:8} {finding['call']:8} {finding['text']}{left}")
        tell(f"this check cost {found['cost_usd']:.3f} USD at most")
        if found["spent_today_usd"] is not None:
            units = {"resources": "resources", "usd": "USD"}
            rest = [
                f"{left:g} {units[unit]}" for unit, left in found["left_today"].items() if left is not None
            ]
            left = f", {' and '.join(rest)} left" if rest else ", without a limit"
            tell(f"collecting has cost {found['spent_today_usd']:.3f} USD today{left} (`opslib stats`)")
    sys.exit(0 if all(finding["ok"] or not finding["needed"] for finding in findings) else 1)
