"""``opslib words``: the words of a tweet, and those of the tweets that are stored."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.progress import Progress

from opslib.cli._options import with_settings
from opslib.message import decoded
from opslib.words import VERSION, parts, words_of

if TYPE_CHECKING:
    from opslib.settings import Settings


@click.group()
def command() -> None:
    """Look at the words of a text, or bring those of stored tweets up to the rules of today."""


@command.command()
@click.option("--lang", help="The language of the text, such as pt.")
@click.argument("text")
def show(text: str, lang: str | None) -> None:
    """Show what TEXT, - for standard input, is counted for: the spelling, and what it counts as."""
    if text == "-":
        text = sys.stdin.read()
    for entry in words_of({"text": decoded(text), "lang": lang}):
        click.echo("\t".join(parts(entry)))


@command.command()
@click.option(
    "--batch", type=click.IntRange(1, 100_000), default=2_000, show_default=True, help="Tweets a write."
)
@with_settings
def rebuild(settings: Settings, batch: int) -> None:
    """Take the words of stored tweets anew where they were taken by other rules.

    It can be stopped at any time and goes on where it was when it is called again. Tweets that come in
    meanwhile have the new words already; roll-ups of the tweets that changed are counted anew.
    """
    from pymongo.errors import PyMongoError

    from opslib.store.collections import ROLLUP_MARKS
    from opslib.store.rebuild import outdated, rebuild_words
    from opslib.store.write import safely

    with settings.mongodb.client(appname="opslib-words", serverSelectionTimeoutMS=10_000) as client:
        database = client[settings.mongodb.database]
        tweets, marks = safely(database["tweets"]), safely(database[ROLLUP_MARKS.name])
        changed = 0
        try:
            with Progress(console=Console(stderr=True)) as progress:
                task = progress.add_task("tweets", total=outdated(tweets))
                for number in rebuild_words(tweets, marks, batch):
                    changed += number
                    progress.advance(task, number)
        except PyMongoError as error:
            raise click.ClickException(f"MongoDB: {str(error).split(', Timeout:')[0]}") from error
    click.echo(f"{changed} tweets have their words by version {VERSION} of the rules")
