"""``opslib x``: the X API, and the local one that stands in for it."""

from __future__ import annotations

import json
import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING

import click

from opslib.cli._options import with_settings
from opslib.settings import has_credential, secret

if TYPE_CHECKING:
    from opslib.settings import Settings
    from opslib.x.simulate.tweets import Source


@click.group()
def command() -> None:
    """Talk to X, or stand in for it."""


@command.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=8090, show_default=True, type=click.IntRange(0, 65535))
@click.option(
    "--tweets",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Serve these: NDJSON objects with a text, or plain texts, one a line. Otherwise tweets are made up.",
)
@click.option("--lang", default="pt", show_default=True, help="Language of plain texts.")
@click.option(
    "--span", default=6.0, show_default=True, help="Hours that texts without a time are spread over."
)
@click.option("--seed", default=1, show_default=True, help="Another seed makes up other tweets.")
@click.option(
    "--rate",
    default=2.0,
    show_default=True,
    type=click.FloatRange(0, 10_000, min_open=True),
    help="Made-up tweets a second.",
)
@click.option("--backlog", default=1.0, show_default=True, help="Hours of made-up tweets to begin with.")
@click.option("--token", help="The bearer token to accept; otherwise the credential x_token, otherwise any.")
@click.option("--no-limits", is_flag=True, help="Without X's rate limits.")
def simulate(
    host: str,
    port: int,
    tweets: Path | None,
    lang: str,
    span: float,
    seed: int,
    rate: float,
    backlog: float,
    token: str | None,
    no_limits: bool,
) -> None:
    """Serve the local X API: trends by WOEID and recent search of X API v2, for free.

    It can be asked like the real one, and answers like it: pages, fields, errors, rate limits. Each place
    has the same trends, the hashtags of most tweets. GET /_control/ledger tells what was offered and given.
    """
    import uvicorn

    from opslib.x.simulate.app import Limits, application
    from opslib.x.simulate.generator import Generator
    from opslib.x.simulate.tweets import BadFile, FileSource, Store, end_of_span

    def clock() -> datetime:
        return datetime.now(timezone.utc)

    source: Source
    if tweets is None:
        source = Generator(seed, rate, clock(), timedelta(hours=backlog))
    else:
        try:
            source = FileSource(tweets, end_of_span(tweets, clock()), timedelta(hours=span), lang)
        except BadFile as error:
            raise click.ClickException(str(error)) from error
    store = Store(source, clock)
    known = sum(1 for _ in store.newest_first())
    if token is None and has_credential("x_token"):
        token = secret("x_token")
    click.echo(f"the local X API has {known} tweets and listens on http://{host}:{port}", err=True)
    uvicorn.run(
        application(store, token, None if no_limits else Limits()),
        host=host,
        port=port,
        log_level="warning",
        access_log=False,
    )


@command.command()
@click.option(
    "--format", "output_format", type=click.Choice(["text", "json"]), default="text", show_default=True
)
@click.option("--woeid", default=1, show_default=True, help="The place whose trends are asked for.")
@with_settings
def check(output_format: str, woeid: int, settings: Settings) -> None:
    """Verify the bearer token (the credential x_token): what it may call, the limits left, the budget spent.

    Asks for the usage, for one trend and for a page of ten posts without expansions: 0.06 USD at most, at the
    prices of 2026. Exit code 1 if a call that collecting needs is refused.
    """
    from opslib.x.check import calls, summary

    findings = calls(settings.x, secret("x_token"), woeid)
    found = summary(settings.x, findings)
    if output_format == "json":
        click.echo(json.dumps(found))
    else:
        for finding in found["calls"]:
            told = "ok" if finding["ok"] else "refused"
            left = "" if finding["left"] is None else f", {finding['left']} of {finding['limit']} calls left"
            click.echo(f"{told:8} {finding['call']:8} {finding['text']}{left}")
        click.echo(f"this check cost {found['cost_usd']:.3f} USD at most")
        if found["spent_today_usd"] is not None:
            click.echo(f"collecting has cost {found['spent_today_usd']:.3f} USD today (`opslib stats`)")
    sys.exit(0 if all(finding["ok"] or not finding["needed"] for finding in findings) else 1)
