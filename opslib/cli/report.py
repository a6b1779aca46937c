"""``opslib report``: clouds of what is and was trending, drawn, kept, and shown again."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any, cast

import click

from opslib.cli._compare import show as compare_sides
from opslib.cli._database import database_of
from opslib.cli._look import images, look_of, with_look
from opslib.cli._options import (
    COUNT,
    FOLDER,
    SEED,
    OutputType,
    examples,
    listed,
    tell_json,
    with_format,
    with_settings,
    write_file,
)
from opslib.cli._progress import progress
from opslib.cli._terminal import tell
from opslib.cli._times import MOMENT, NOW, SpanType

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime
    from pathlib import Path
    from zoneinfo import ZoneInfo

    from pymongo.database import Database

    from opslib.cloud.look import Look
    from opslib.cloud.report import Report
    from opslib.settings import Settings
    from opslib.store.hidden import Hidden
    from opslib.store.reads import Kind, Lake


@contextmanager
def _database(settings: Settings) -> Iterator[Database[dict[str, Any]]]:
    from opslib.cloud.kept import timed
    from opslib.store.reads import NothingKnown

    with database_of(settings, "opslib-report") as database:
        try:
            yield timed(database)
        except NothingKnown as error:
            raise click.ClickException(str(error.args[0])) from error


@click.group(
    invoke_without_command=True,
    epilog=examples(
        "opslib report --place Brazil --output now.png",
        "opslib report --place Brazil --at 2026-03-01T21:30 --output then.html",
        "opslib report --place Brazil --at 06:45 --hours 2h",
        "opslib report --place Brazil --since 2026-02-01 --until 2026-03-01 --kind topics",
        "opslib report --topic Pix --since 2026-02-01 --until 2026-03-01",
        "opslib report --topic Pix --hours 1d --compare topic=TED --output both.svg",
        "opslib report --since 2026-03-02 --compare since=2026-03-01 --compare until=2026-03-02",
        "opslib report --show 23424768:2026-03-01T21:10:00.000Z:words --output then.svg",
    ),
)
@click.option("--place", help="Name or WOEID of a place; needed where trends of several are collected.")
@click.option(
    "--topic",
    help="One topic alone: what is followed by this name or, with --place or if there is none, a trend.",
)
@click.option(
    "--at",
    type=MOMENT,
    help="A moment: 2026-03-01T12:00 in the place's time zone, 06:45 there, 2h ago, or now.",
)
@click.option("--since", type=MOMENT, help="Draw a span of time from here on instead of a moment.")
@click.option("--until", type=MOMENT, help="Where the span ends; now unless it is said.")
@click.option(
    "--hours",
    type=SpanType("h"),
    help="How far back the tweets of a moment go, such as 2h or 1d; a number is hours.",
)
@click.option(
    "--kind",
    type=click.Choice(["words", "topics"]),
    default="words",
    show_default=True,
    help="What is drawn.",
)
@click.option(
    "--compare", multiple=True, metavar="NAME=VALUE",
    help="Compare with another side: what is otherwise there, of place=, topic=, since= and until=.",
)  # fmt: skip
@click.option(
    "--show", "cloud_id", metavar="ID", help="Show a kept cloud again; `opslib report list` has ids."
)
@click.option(
    "--output", "outputs", multiple=True, type=OutputType(".png", ".svg", ".html"),
    help="Write .png, .svg or .html; can be repeated.",
)  # fmt: skip
@click.option("--dark", is_flag=True, help="Pictures for dark surroundings; a page has both.")
@with_look
@click.option(
    "--max-words", type=click.IntRange(0, 2**31 - 1), help="Draw so many words at most; 0 draws all."
)
@click.option(
    "--seed", default=1, type=SEED, show_default=True, help="Another seed places the words otherwise."
)
@click.option("--width", type=click.IntRange(200, 8000), help="Width in pixels.")
@click.option("--height", type=click.IntRange(200, 8000), help="Height in pixels.")
@with_format
@with_settings
def command(settings: Settings, **options: Any) -> None:
    """Show what people say about what is trending at a place, now, at a moment, or over a span of time.

    Times are the place's own unless they have an offset. At a moment the topics are those of the newest
    snapshot of trends, and the tweets those collected for them in the hours before (setting report.hours).
    Over a span the topics are those of all its snapshots, the tweets all that were collected for the place.
    Without --output the table of the words is printed. With --compare two sides are drawn, or the table of
    what the second says more (above 0) or less than the first: by how many standard deviations, and the texts
    and the shares of both.
    """
    from opslib.store.hidden import Hidden
    from opslib.store.reads import Lake

    if options["cloud_id"] and (options["shape"] or options["colours"]):
        raise click.UsageError("--shape and --colors-from draw anew, and --show shows what was drawn")
    look = look_of(options["shape"], options["colours"])
    with _database(settings) as database:
        if options["cloud_id"]:
            _show(database, Hidden.of(settings), options)
        elif options["compare"]:
            report = settings.report
            lake = Lake(database, report.timezones, report.timezone, hidden=Hidden.of(settings))
            compare_sides(lake, settings, options)
        else:
            _draw(database, settings, options, look)


def _draw(
    database: Database[dict[str, Any]], settings: Settings, options: dict[str, Any], images_given: Look | None
) -> None:
    from opslib.cloud.page import html
    from opslib.cloud.picture import picture_of
    from opslib.cloud.theme import DARK, LIGHT
    from opslib.store.hidden import Hidden

    report = _report(database, settings, options).without(Hidden.of(settings))
    look = settings.cloud
    most = look.max_words if options["max_words"] is None else options["max_words"]
    size = options["width"] or look.width, options["height"] or look.height
    if not options["outputs"]:
        _tell(_facts(report), dict(list(report.words.items())[: most or None]), [], options["form"])
        return
    with images():
        picture = picture_of(report, most, *size, options["seed"], look=images_given)
    theme = DARK if options["dark"] else LIGHT
    left_out = [*picture.layout.left_out, *picture.layout.unwritable]
    for path in options["outputs"]:
        if path.suffix.lower() == ".html":
            both = picture.svg(LIGHT), picture.svg(DARK)
            content = html(picture.head.title, both, picture.layout.counts.items(), left_out, options["kind"])
        else:
            content = picture.svg(theme) if path.suffix.lower() == ".svg" else picture.png(theme)
        write_file(path, content)
    _tell(_facts(report), picture.layout.counts, left_out, options["form"], options["outputs"])


def _report(database: Database[dict[str, Any]], settings: Settings, options: dict[str, Any]) -> Report:
    from opslib.cloud.report import at_moment, over_span
    from opslib.store.reads import Lake, NothingKnown, place_named

    lake = Lake(database, settings.report.timezones, settings.report.timezone)
    if options["topic"] is not None:
        return _of_topic(lake, settings, options)
    place = place_named(lake.places(), options["place"])
    kind: Kind = options["kind"]
    if options["since"] or options["until"]:
        if options["at"] or options["hours"] or not options["since"]:
            raise click.UsageError(
                "a span is --since with or without --until, and nothing of --at and --hours"
            )
        since, until = options["since"].within(place.zone), (options["until"] or NOW).within(place.zone)
        if since >= until:
            raise click.UsageError("--since is to be before --until")
        return over_span(database, place, since, until)[kind]
    until = (options["at"] or NOW).within(place.zone)
    snapshot = lake.snapshot(place.woeid, until)
    if snapshot is None:
        raise NothingKnown(f"the trends of {place.name} were not collected until then")
    hours = options["hours"].hours if options["hours"] else settings.report.hours
    return at_moment(database, place, snapshot, until, hours)[kind]


def _of_topic(lake: Lake, settings: Settings, options: dict[str, Any]) -> Report:
    """Return the report of one topic, followed or trending."""
    from opslib.cloud.report import of_topic
    from opslib.store.reads import Place, place_named

    if options["kind"] != "words" or options["at"]:
        raise click.UsageError("--topic is drawn with its words, over --hours or from --since to --until")
    name: str = options["topic"]
    nowhere = Place(0, "", settings.report.timezone)
    for followed in (True, False) if options["place"] is None else (False,):
        place = nowhere if followed else place_named(lake.places(), options["place"])
        until = (options["until"] or NOW).within(place.zone)
        hours = options["hours"].hours if options["hours"] else settings.report.hours
        since = options["since"].within(place.zone) if options["since"] else until - timedelta(hours=hours)
        if since >= until:
            raise click.UsageError("--since is to be before --until")
        found = of_topic(lake.database, place, since, until, name, followed=followed)
        if found.tweets or not followed:
            break
    return found


def _show(database: Database[dict[str, Any]], hidden: Hidden, options: dict[str, Any]) -> None:
    from opslib.cloud.hide import png_without, svg_without
    from opslib.cloud.page import html
    from opslib.store.reads import NothingKnown

    found = database["clouds"].find_one({"_id": options["cloud_id"]})
    if found is None:
        raise NothingKnown(
            f"no cloud {options['cloud_id']!r} is kept; `opslib report list` has those that are"
        )
    words = {word["word"]: word["tweets"] for word in found["words"] if not hidden.holds(word["word"])}
    left_out = [word for word in found["left_out"] if not hidden.holds(word)]
    svg, dark = (svg_without(bytes(found[name]), hidden) for name in ("svg", "svg_dark"))
    for path in options["outputs"]:
        if path.suffix.lower() == ".html":
            title = f"What is trending in {found['place']}"
            content = html(title, (svg, dark), words.items(), left_out, found["kind"])
        elif path.suffix.lower() == ".svg":
            content = dark if options["dark"] else svg
        elif options["dark"]:
            raise click.UsageError("of a kept cloud only SVG and pages are dark")
        else:
            content = png_without(bytes(found["png"]), bytes(found["svg"]), hidden)
        write_file(path, content)
    _tell(_kept_facts(found), words, left_out, options["form"], options["outputs"])


@command.command(name="list", epilog=examples("opslib report list --place Brazil --last 5"))
@click.option("--place", help="Only of this place: its name or WOEID.")
@click.option("--last", default=20, show_default=True, type=COUNT, help="So many at most.")
@with_format
@with_settings
def list_(settings: Settings, place: str | None, last: int, form: str) -> None:
    """List the clouds that are kept, the newest first."""
    from opslib.cloud.kept import listed
    from opslib.store.reads import Lake, place_named

    with _database(settings) as database:
        lake = Lake(database, settings.report.timezones, settings.report.timezone)
        woeid = place_named(lake.places(), place).woeid if place else None
        clouds = [_kept_facts(cloud) for cloud in listed(database, woeid, most=last)]
    if form == "json":
        tell_json(clouds)
        return
    for cloud in clouds:
        tell(f"{cloud['id']}  {cloud['place']}  {_local(cloud['until'])}  {cloud['tweets']} tweets")


@command.command(epilog=examples("opslib report keep --folder /var/lib/opslib/clouds"))
@click.option(
    "--folder", type=FOLDER,
    help="Write the newest pictures there as well: cloud.png, cloud.svg, and those of each place.",
)  # fmt: skip
@with_settings
def keep(settings: Settings, folder: Path | None) -> None:
    """Render the clouds of each new snapshot of trends, and keep them in MongoDB.

    What a run missed the next one catches up with, for report.catch_up_hours; clouds whose tweets came late
    or were forgotten are rendered anew. A second run has nothing to do.
    """
    from opslib.cloud.kept import NotRendered, update

    number, failure = 0, ""
    with _database(settings) as database, progress("clouds") as done:
        try:
            for documents in update(database, settings):
                number += len(documents)
                done(len(documents))
                for document in documents:
                    tell(f"{document['_id']}: {len(document['words'])} drawn", err=True)
        except NotRendered as some:
            failure = str(some)
        if folder and number:
            _write_newest(database, folder)
    tell(f"{number} clouds were rendered")
    if failure:
        raise click.ClickException(failure)


def _write_newest(database: Database[dict[str, Any]], folder: Path) -> None:
    """Write the newest pictures of each place, and the newest of all as ``cloud``."""
    from opslib.store.reads import KINDS

    newest: dict[str, dict[str, Any]] = {}
    for woeid in database["clouds"].distinct("woeid"):
        for kind in KINDS:
            found = database["clouds"].find_one({"woeid": woeid, "kind": kind}, sort=[("until", -1)])
            if found:
                newest[f"{woeid}-{kind}"] = found
    words = [cloud for cloud in newest.values() if cloud["kind"] == "words"]
    if words:
        newest["cloud"] = max(words, key=lambda cloud: (cloud["until"], cloud["woeid"]))
    for name, cloud in newest.items():
        for suffix, content in ((".png", "png"), (".svg", "svg"), ("-dark.svg", "svg_dark")):
            write_file(folder / f"{name}{suffix}", cloud[content])


def _facts(report: Report) -> dict[str, Any]:
    return {
        "kind": report.kind,
        "woeid": report.place.woeid,
        "place": report.place.name,
        "timezone": report.place.timezone,
        "since": report.since.astimezone(report.place.zone),
        "until": report.until.astimezone(report.place.zone),
        "tweets": report.tweets,
        "topics": [vars(topic) for topic in report.topics],
        "distinct": len(report.words),
        "subject": report.subject,
    }


def _kept_facts(cloud: dict[str, Any]) -> dict[str, Any]:
    from opslib.store.reads import zone_of

    zone = zone_of(cloud["timezone"])
    names = ("kind", "woeid", "place", "timezone", "tweets", "topics", "distinct")
    facts = {name: cloud.get(name) for name in names}
    times = {name: cloud[name].astimezone(zone) for name in ("since", "until", "rendered_at")}
    return {"id": cloud["_id"], **facts, "subject": None, **times}


def _local(moment: datetime) -> str:
    """Return a moment of a place as people there write it."""
    from opslib.cloud.report import local

    return local(moment, cast("ZoneInfo", moment.tzinfo))


def _tell(
    facts: dict[str, Any],
    words: dict[str, int],
    left_out: list[str],
    form: str,
    outputs: tuple[Path, ...] = (),
) -> None:
    if left_out:
        tell(f"{len(left_out)} are not in the picture: {', '.join(left_out)}", err=True)
    if form == "json":
        paths = [str(path) for path in outputs]
        result = {**facts, "words": listed(words), "left_out": left_out, "outputs": paths}
        tell_json(result)
        return
    of = facts["subject"] or facts["place"]
    what = f"{of}, {_local(facts['since'])} to {_local(facts['until'])} ({facts['timezone']})"
    tell(f"{what}: {facts['tweets']} tweets, {len(facts['topics'])} topics", err=bool(not outputs))
    for path in outputs:
        tell(f"{path}: {len(words)} drawn")
    for word, number in words.items() if not outputs else ():
        tell(f"{number:7} {word}")
