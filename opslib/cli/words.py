"""``opslib words``: the words of a tweet, and those of the tweets that are stored."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from opslib.cli._database import database_of
from opslib.cli._options import WrongInput, examples, with_settings
from opslib.cli._progress import progress
from opslib.cli._terminal import tell
from opslib.message import decoded
from opslib.words import VERSION, parts, words_of

if TYPE_CHECKING:
    from opslib.settings import Settings


@click.group()
def command() -> None:
    """Look at the words of a text, or bring those of stored tweets up to the rules of today."""


@command.command(epilog=examples("opslib words show --lang pt 'Que jogão! #Brasil'"))
@click.option("--lang", help="The language of the text, such as pt.")
@click.argument("text")
def show(text: str, lang: str | None) -> None:
    """Show what TEXT, - for standard input, is counted for: the spelling, and what it counts as."""
    if text == "-":
        try:
            text = sys.stdin.buffer.read().decode("utf-8")
        except UnicodeDecodeError as error:
            raise WrongInput(f"standard input is not UTF-8 (byte {error.start})") from error
    for entry in words_of({"text": decoded(text), "lang": lang}):
        tell("\t".join(parts(entry)))


@command.command(epilog=examples("opslib words rebuild"))
@click.option(
    "--batch", type=click.IntRange(1, 100_000), default=2_000, show_default=True, help="Tweets a write."
)
@with_settings
def rebuild(settings: Settings, batch: int) -> None:
    """Take the words of stored tweets anew where they were taken by other rules.

    It can be stopped at any time and goes on where it was when it is called again. Tweets that come in
    meanwhile have the new words already; roll-ups of the tweets that changed are counted anew.
    """
    from opslib.store.collections import ROLLUP_MARKS
    from opslib.store.rebuild import outdated, rebuild_words
    from opslib.store.write import safely

    with database_of(settings, "opslib-words") as database:
        tweets, marks = safely(database["tweets"]), safely(database[ROLLUP_MARKS.name])
        changed = 0
        with progress("tweets", outdated(tweets)) as done:
            for number in rebuild_words(tweets, marks, batch):
                changed += number
                done(number)
    tell(f"{changed} tweets have their words by version {VERSION} of the rules")
