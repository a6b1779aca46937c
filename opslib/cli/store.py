"""``opslib store``: look after what MongoDB holds."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import TYPE_CHECKING

import click

from opslib.cli._database import database_of
from opslib.cli._options import examples, tell_json, with_format, with_settings
from opslib.cli._progress import progress
from opslib.cli._terminal import tell
from opslib.cli._times import SpanType
from opslib.run.signals import on_signal
from opslib.settings import Settings, SettingsError
from opslib.store import rollups
from opslib.store.before import bring_over
from opslib.store.collections import initialise

if TYPE_CHECKING:
    from opslib.cli._times import Span


@click.group()
def command() -> None:
    """Look after the collections in MongoDB."""


@command.command(epilog=examples("opslib store init --format json"))
@with_format
@with_settings
def init(settings: Settings, form: str) -> None:
    """Create the collections with their validators, indexes and retention.

    Change nothing that is as it should be. Roll-ups of an earlier version are brought over, which can be
    stopped and called again; `opslib store rollup` then counts anew what can be.
    """
    with database_of(settings, "opslib-store") as database:
        changed = initialise(database, settings.store.keep_days())
        brought_over = 0
        with progress("roll-ups of an earlier version") as done:
            for number in bring_over(database):
                brought_over += number
                done(number)
        if brought_over:
            changed.append(f"{brought_over} roll-ups of an earlier version")
    if form == "json":
        tell_json({"changed": changed})
    else:
        tell("\n".join(changed) or "nothing to change")


@command.command(epilog=examples("opslib store rollup", "opslib store rollup --every 30s"))
@click.option(
    "--every",
    type=SpanType("s", least=timedelta(seconds=1), most=timedelta(days=1)),
    help="Go on until SIGTERM, with pauses of this span; a number is seconds. Otherwise count once.",
)
@with_settings
def rollup(settings: Settings, every: Span | None) -> None:
    """Count the words of the minutes, hours and days that have changed, into word_counts.

    What the sink has written is counted within one pause. Several that run at once share the work.
    """
    kept = settings.store
    days = [number for number in (kept.tweets_days, kept.word_counts_days) if number is not None]
    keep = timedelta(days=min(days)) if days else None
    stop = threading.Event()
    on_signal(stop.set)
    while True:
        try:
            with database_of(settings, "opslib-rollup") as database:
                done = rollups.refresh(database, keep=keep)
            counted = ", ".join(f"{number} {unit}s" for unit, number in done.items() if number)
            if counted or every is None:
                tell(f"counted {counted or 'nothing: no roll-up has changed'}", err=True)
        except SettingsError:
            raise
        except click.ClickException as error:
            if every is None:
                raise
            tell(f"trying again: {error.message}", err=True)
        if every is None or stop.wait(every.total_seconds()):
            return
