"""``opslib cloud``: the word cloud of stored tweets, or of any others."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, BinaryIO

import click

from opslib.cli._database import database_of
from opslib.cli._look import images, look_of, with_look
from opslib.cli._options import (
    INPUT,
    OUTPUT,
    SEED,
    OutputType,
    WrongInput,
    examples,
    listed,
    tell_json,
    with_format,
    with_settings,
    write_file,
)
from opslib.cli._progress import progress
from opslib.cli._terminal import tell
from opslib.cli._times import SpanType
from opslib.cloud.counts import BadInput, Counted, Selection, from_database, from_lines
from opslib.cloud.report import names_in
from opslib.message import FOLLOW

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from opslib.cloud.layout import Layout
    from opslib.cloud.look import Look
    from opslib.settings import Settings


@dataclass(frozen=True)
class _Call:
    """The options of one call."""

    source: Path | None
    topics: tuple[str, ...]
    follows: tuple[str, ...]
    place: str | None
    hours: float
    lang: str | None
    title: str | None


@click.command(
    epilog=examples(
        "opslib cloud --input tweets.ndjson --lang pt --output cloud.png --output cloud.svg",
        "opslib cloud --topic '#Carnaval' --place Brazil --hours 2h --output carnaval.png",
        "opslib cloud --hours 7d --max-words 0 --format json",
        "opslib cloud --lang pt --shape heart.png --colors-from flag.png --output heart.svg",
    )
)
@click.option(
    "--input",
    "source",
    type=INPUT,
    help="NDJSON of tweets, - for standard input; otherwise MongoDB is asked.",
)
@click.option(
    "--output",
    "outputs",
    multiple=True,
    type=OutputType(".png", ".svg"),
    help="Picture to write, .png or .svg; can be given several times.",
)
@click.option(
    "--counts",
    type=OUTPUT,
    help='Write the words drawn as {"word": tweets}.',
)
@click.option(
    "--max-words", type=click.IntRange(0, 2**31 - 1), help="Draw so many words at most; 0 draws all."
)
@click.option("--topic", "topics", multiple=True, help="Only tweets collected for this; can be repeated.")
@click.option(
    "--follow", "follows", multiple=True, help="Only tweets collected for what is followed by this name."
)
@click.option("--place", help="Only tweets collected for this place: its WOEID or its name.")
@click.option(
    "--hours", type=SpanType("h"), help="How far back to look, such as 2h or 7d; a number is hours."
)
@click.option("--lang", help="Only tweets in this language, such as pt.")
@click.option("--title", help="What to write above the words.")
@click.option(
    "--seed", default=1, type=SEED, show_default=True, help="Another seed places the words otherwise."
)
@click.option("--width", type=click.IntRange(200, 8000), help="Width in pixels.")
@click.option("--height", type=click.IntRange(200, 8000), help="Height in pixels.")
@click.option("--dark", is_flag=True, help="For dark surroundings.")
@with_look
@with_format
@with_settings
def command(settings: Settings, **options: Any) -> None:
    """Draw which words are in how many tweets.

    Without --input the tweets are those that were collected in the last hours for what was trending.
    Words that find no room are named on standard error, never dropped silently.
    """
    look = settings.cloud
    images_given = look_of(options["shape"], options["colours"])
    hours: float | None = options["hours"] and options["hours"].hours
    width, height = options["width"] or look.width, options["height"] or look.height
    names = ("source", "topics", "follows", "place", "lang", "title")
    wanted = _Call(hours=hours or look.hours, **{name: options[name] for name in names})
    if wanted.source and (wanted.topics or wanted.follows or wanted.place or hours):
        raise click.UsageError("--topic, --place and --hours choose among stored tweets, not in --input")
    if wanted.follows and (wanted.topics or wanted.place):
        raise click.UsageError(
            "what is followed (--follow) has no place, and is none of the topics that trend"
        )
    counted = _counted(settings, wanted)
    most = look.max_words if options["max_words"] is None else options["max_words"]
    chosen = dict(list(counted.words.items())[: most or None])
    if not chosen:
        raise click.ClickException(f"there is nothing to draw: {counted.tweets} tweets, no words")
    layout = _drawn(counted, chosen, wanted, options, (width, height), images_given)
    drawn = layout.counts if layout else chosen
    if options["counts"]:
        write_file(options["counts"], (json.dumps(drawn, ensure_ascii=False, indent=1) + "\n").encode())
    _report(counted, drawn, layout, options)


def _drawn(
    counted: Counted,
    chosen: dict[str, int],
    wanted: _Call,
    options: dict[str, Any],
    size: tuple[int, int],
    look: Look | None,
) -> Layout | None:
    """Draw the pictures; without any there is nothing to lay out, and all words count as drawn."""
    if not options["outputs"]:
        return None
    from opslib.cloud.draw import Head, png, svg, words_size
    from opslib.cloud.layout import place
    from opslib.cloud.theme import DARK, LIGHT

    theme = DARK if options["dark"] else LIGHT
    with images():
        layout = place(
            chosen,
            *words_size(*size),
            options["seed"],
            names_in(chosen, wanted.topics or wanted.follows),
            look=look,
        )
    head = Head(_title(wanted), _caption(counted, len(layout.placed)))
    for path in options["outputs"]:
        if path.suffix.lower() == ".svg":
            write_file(path, svg(layout, head, *size, theme).encode())
        else:
            write_file(path, png(layout, head, *size, theme))
    return layout


def _counted(settings: Settings, wanted: _Call) -> Counted:
    try:
        if wanted.source is None:
            return _stored(settings, wanted)
        if str(wanted.source) == "-":
            return _read(sys.stdin.buffer, "standard input", wanted)
        with wanted.source.open("rb") as file:
            return _read(file, str(wanted.source), wanted)
    except BadInput as error:
        raise WrongInput(str(error)) from error


def _read(file: BinaryIO, name: str, wanted: _Call) -> Counted:
    with progress("tweets read") as done:

        def lines() -> Iterator[bytes]:
            for line in file:
                done(1)
                yield line

        return from_lines(lines(), name, wanted.lang)


def _stored(settings: Settings, wanted: _Call) -> Counted:
    from opslib.store.reads import Lake, NothingKnown, place_named

    with database_of(settings, "opslib-cloud") as database:
        try:
            woeid = place_named(Lake(database).places(), wanted.place).woeid if wanted.place else None
        except NothingKnown as error:
            raise BadInput(str(error)) from error
        now = datetime.now(timezone.utc)
        return from_database(database, _selection(now, wanted, woeid))


def _selection(now: datetime, wanted: _Call, woeid: int | None) -> Selection:
    names, kind = (wanted.follows, FOLLOW) if wanted.follows else (wanted.topics, None)
    return Selection(now, wanted.hours, names, woeid, wanted.lang, kind)


def _title(wanted: _Call) -> str:
    if wanted.title:
        return wanted.title
    others = "these tweets" if wanted.source else "what is trending"
    subject = ", ".join(wanted.topics or wanted.follows) or others
    return f"What people say about {subject}" + (f" in {wanted.place}" if wanted.place else "")


def _caption(counted: Counted, words: int) -> str:
    parts = [f"{counted.tweets:,} tweets"]
    if counted.topics is not None:
        parts.append(f"{counted.topics:,} topics")
    if counted.first and counted.last:
        parts.append(f"{counted.first:%Y-%m-%d %H:%M} to {counted.last:%Y-%m-%d %H:%M} UTC")
    parts.append(f"{words:,} of {len(counted.words):,} words, each as large as many tweets hold it")
    return "  ·  ".join(parts)


def _report(counted: Counted, drawn: dict[str, int], layout: Layout | None, options: dict[str, Any]) -> None:
    left_out = list(layout.left_out) if layout else []
    if left_out:
        some = ", ".join(left_out[:10]) + (" …" if len(left_out) > 10 else "")
        tell(f"{len(left_out)} words found no room, try a larger picture: {some}", err=True)
    unwritable = list(layout.unwritable) if layout else []
    if unwritable:
        some = ", ".join(unwritable[:10]) + (" …" if len(unwritable) > 10 else "")
        tell(f"{len(unwritable)} words have letters that no font here has: {some}", err=True)
        tell("The packages fonts-noto-core and fonts-noto-color-emoji have most.", err=True)
    if options["form"] == "json":
        result = {
            "tweets": counted.tweets,
            "words": listed(drawn),
            "left_out": left_out,
            "unwritable": unwritable,
            "outputs": [str(path) for path in options["outputs"]],
        }
        tell_json(result)
    elif options["outputs"]:
        for path in options["outputs"]:
            tell(f"{path}: {len(drawn)} words of {counted.tweets} tweets")
    else:
        for word, tweets in drawn.items():
            tell(f"{tweets:7} {word}")
