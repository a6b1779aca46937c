"""``opslib wishes``: what the page asks for about what is followed, carried out."""

from __future__ import annotations

import sqlite3
from datetime import datetime, timezone
from typing import TYPE_CHECKING

import click

from opslib.cli._options import examples, tell_json, with_format, with_settings
from opslib.cli._terminal import one_line, tell
from opslib.settings import SettingsError

if TYPE_CHECKING:
    from opslib.settings import Settings


@click.group(invoke_without_command=True, epilog=examples("opslib wishes", "opslib wishes log"))
@with_settings
def command(settings: Settings) -> None:
    """Carry out what the page asks for about what is followed, until SIGTERM.

    The page itself can write nothing: it asks at the socket wishes.socket, and this adds, pauses, resumes and
    removes follows in Kafka, for analysts and operators, within wishes.follow_usd_day and wishes.usd_day.
    """
    from opslib.cli._journal import log_to_journal
    from opslib.wishes import serve

    log_to_journal()
    serve.run(settings)


@command.command(epilog=examples("opslib wishes log", "opslib wishes log --format json"))
@with_format
@with_settings
def log(settings: Settings, form: str) -> None:
    """Show who changed what is followed from the page: of the last year, the oldest first."""
    from opslib.wishes.serve import journal_of

    try:
        found = journal_of(settings).entries()
    except sqlite3.Error as error:
        raise SettingsError(f"wishes.state: {settings.wishes.state}/journal.sqlite: {error}") from error
    for entry in found:
        at = datetime.fromtimestamp(entry.at, timezone.utc).isoformat(timespec="seconds")
        if form == "json":
            tell_json({**vars(entry), "at": at})
        else:
            said = f"{one_line(entry.name)}: {one_line(entry.said)}; {one_line(entry.outcome)}"
            tell(f"{at}  {entry.user:16} {entry.what:7} {said}")
