"""``opslib search``: the search index of this host, and what it finds."""

from __future__ import annotations

import sqlite3
import time
from typing import TYPE_CHECKING, Any

import click

from opslib.cli._options import WrongInput, examples, tell_json, with_format, with_settings
from opslib.cli._progress import progress
from opslib.cli._terminal import one_line, tell
from opslib.search import find as finding
from opslib.search.folder import Folder
from opslib.search.query import EVERYTHING, QueryError, parse
from opslib.settings import SettingsError

if TYPE_CHECKING:
    from opslib.settings import Settings

_LOOK_SECONDS = 0.5
_MOST = 10_000


@click.group(
    invoke_without_command=True,
    epilog=examples("opslib search", "opslib search find 'carnaval lang:pt'", "opslib search rebuild"),
)
@with_settings
def command(settings: Settings) -> None:
    """Keep the search index of this host, until SIGTERM.

    Reads tweets.raw by itself, in a group of this host, and keeps an index of all that is stored in
    search.directory. Where there is none, or one that is damaged or of an older form, it is made of what
    MongoDB holds, while the one before goes on answering.
    """
    from opslib.cli._journal import log_to_journal
    from opslib.search import start  # finding needs no Kafka

    log_to_journal()
    start.run(settings)


@command.command(epilog=examples("opslib search rebuild"))
@with_settings
def rebuild(settings: Settings) -> None:
    """Have the index of this host made anew of what MongoDB holds, and wait until it answers.

    The service does it, and the index that there is goes on answering meanwhile. Whoever stops waiting stops
    nothing, and calling again waits on.
    """
    folder = Folder(settings.search.directory)
    if not folder.served():
        raise SettingsError(
            f"nobody keeps an index in {folder.path} on this host: systemctl start opslib-search; "
            "journalctl -u opslib-search says why not"
        )
    before = folder.current()
    try:
        folder.wish()
    except OSError as error:
        raise SettingsError(f"{folder.path}: {error.strerror}: run this as root") from error
    shown = 0
    made, total = finding.progress(folder.path) or (0, 0)
    with progress("tweets", total or None) as done:
        while folder.current() in (None, before) or folder.wished():
            if not folder.served():
                raise click.ClickException("opslib search has ended; it goes on when it is started again")
            time.sleep(_LOOK_SECONDS)
            made, total = finding.progress(folder.path) or (shown, total)
            done(max(0, made - shown))
            shown = max(shown, made)
    with finding.opened(folder.path) as answers:
        tell(f"the new index answers, with {answers.count(EVERYTHING)} tweets", err=True)


@command.command(
    epilog=examples("opslib search find 'carnaval lang:pt'", "opslib search find --count '#rio'")
)
@click.argument("query", metavar="QUERY")
@click.option(
    "--order",
    type=click.Choice(["newest", "reach"]),
    default="newest",
    show_default=True,
    help="What is first.",
)
@click.option(
    "--limit", type=click.IntRange(1, _MOST), default=20, show_default=True, help="So many at most."
)
@click.option("--after", metavar="PLACE", help="Go on behind this place, which the page before told.")
@click.option("--count", is_flag=True, help="Only how many there are.")
@with_format
@with_settings
def find(
    settings: Settings,
    query: str,
    order: finding.Order,
    limit: int,
    after: str | None,
    count: bool,
    form: str,
) -> None:
    """Find stored tweets. QUERY is written as docs/search.md says.

    Words, "phrases", beginnings*, =Exactly, AND, OR, NOT, parentheses, and from: lang: topic: follow: place:
    has: is: since: until:. Places are named by their WOEID.
    """
    try:
        asked = parse(query)
    except QueryError as error:
        raise WrongInput(str(error)) from error
    try:
        with finding.opened(settings.search.directory) as answers:
            number = answers.count(asked)
            page = None if count else answers.page(asked, order, after, limit)
            rows = answers.rows(page.ids) if page else []
    except finding.NoIndexError as error:
        raise click.ClickException(f"{error}: journalctl -u opslib-search") from error
    except ValueError as error:
        raise WrongInput(f"--after: {error}") from error
    except sqlite3.Error as error:
        raise click.ClickException(f"the index cannot be read: {error}") from error
    if form == "json":
        listed = {} if page is None else {"tweets": rows, "after": page.following}
        tell_json({"count": number, **listed})
        return
    for row in rows:
        tell(_line(row))
    tell(f"{number} tweets" if not count else number, err=not count)
    if page and page.following:
        tell(f"the next ones: --after {page.following}", err=True)


def _line(row: dict[str, Any]) -> str:
    at = row["at"].strftime("%Y-%m-%d %H:%M") if row["at"] else "-"
    author = f"@{row['author']}" if row["author"] else "-"
    return f"{row['id']}  {at}  {one_line(author)}  {one_line(row['text'])}"
