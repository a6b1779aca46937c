"""``opslib audit``: who had what taken out, and why."""

from __future__ import annotations

import csv
import io
from datetime import timezone
from typing import TYPE_CHECKING, Any

import click

from opslib.cli._database import database_of
from opslib.cli._options import examples, tell_json, with_settings
from opslib.cli._terminal import one_line, tell
from opslib.cli._times import MOMENT
from opslib.message import stamp
from opslib.store.audit import Filter, lines

if TYPE_CHECKING:
    from opslib.cli._times import Moment
    from opslib.settings import Settings

_COLUMNS = ("at", "who", "why", "reasons", "tweets", "retweets", "authors", "ids")
_MOST_ID = 2**63 - 1


@click.command(
    epilog=examples(
        "opslib audit --since 30d",
        "opslib audit --tweet 1234567890123456789 --format json",
        "opslib audit --who ana --format csv > audit.csv",
    )
)
@click.option("--since", type=MOMENT, help="Only from this moment on; in UTC.")
@click.option("--until", type=MOMENT, help="Only before this moment; in UTC.")
@click.option("--who", help="Only of whoever's name contains this, in any case.")
@click.option("--tweet", type=click.IntRange(1, _MOST_ID), help="Only lines with this tweet.")
@click.option("--author", help="Only lines with this author, by their id.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "csv", "json"]),
    default="text",
    show_default=True,
    help="For people, a table for other programs, or an object a line.",
)
@with_settings
def command(
    settings: Settings,
    since: Moment | None,
    until: Moment | None,
    who: str | None,
    tweet: int | None,
    author: str | None,
    form: str,
) -> None:
    """Show who had tweets or authors taken out of the lake, when and why, the oldest first.

    It reads what `opslib forget`, `opslib recheck` and restores wrote, with an account that can do no more.
    Who logged in to the page, and who changed its users, shows `opslib web user log`.
    """
    wanted = Filter(
        since.within(timezone.utc) if since else None,
        until.within(timezone.utc) if until else None,
        who,
        tweet,
        author,
    )
    number = 0
    if form == "csv":
        tell(_row(_COLUMNS))
    with database_of(settings, "opslib-audit") as database:
        for line in lines(database, wanted):
            number += 1
            _tell(line, form)
    tell(f"{number} lines", err=True)


def _tell(line: dict[str, Any], form: str) -> None:
    if form == "json":
        tell_json(line)
        return
    at, taken = stamp(line["at"]), line["taken"]
    if form == "csv":
        ids = " ".join(map(str, line["tweets"]))
        some = (taken["tweets"], taken["retweets"], " ".join(line["authors"]), ids)
        tell(_row((at, line["who"], line["why"], " ".join(line["reasons"]), *some)))
        return
    what = f"{len(line['tweets'])} tweets" + (
        f", authors {' '.join(line['authors'])}" if line["authors"] else ""
    )
    tell(one_line(f"{at}  {line['who']}  {what}  ({', '.join(line['reasons'])})  {line['why']}"))


def _row(values: tuple[Any, ...]) -> str:
    """Return values as a line of CSV; control characters in them are shown as escapes."""
    out = io.StringIO()
    csv.writer(out, lineterminator="").writerow([one_line(str(value)) for value in values])
    return out.getvalue()
