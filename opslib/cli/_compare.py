"""What ``opslib report --compare`` does: two sides side by side, as a table or as pictures."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import click

from opslib.cli._options import tell_json, write_file
from opslib.cli._terminal import tell
from opslib.cli._times import MOMENT, NOW

if TYPE_CHECKING:
    from opslib.cloud.compare import Comparison
    from opslib.settings import Settings
    from opslib.store.behind import Span
    from opslib.store.reads import Lake

_NAMES = ("place", "topic", "since", "until")
_IN_TABLE = 200


@dataclass(frozen=True)
class _Side:
    name: str
    scope: Span


def show(lake: Lake, settings: Settings, options: dict[str, Any]) -> None:
    """Compare what *options* say with what ``--compare`` says otherwise."""
    from opslib.cloud.compare import compare

    if options["at"] or options["kind"] != "words" or options["shape"] or options["colours"]:
        raise click.UsageError(
            "--compare is of the words of spans: without --at, --kind, --shape and --colours"
        )
    other = {**options, **_otherwise(options["compare"])}
    sides = [_side(lake, settings, some) for some in (options, other)]
    found = compare(lake.database, sides[0].scope, sides[1].scope, lake.hidden)
    names = [side.name for side in sides]
    if options["outputs"]:
        _draw(found, names, settings, options)
    if options["form"] == "json":
        tell_json(_facts(found, sides, options))
    elif not options["outputs"]:
        _table(found, names)


def _otherwise(given: tuple[str, ...]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for one in given:
        name, equals, value = one.partition("=")
        if name not in _NAMES or not equals or not value:
            raise click.UsageError(
                f"--compare {one!r} is to be place=, topic=, since= or until= with what is otherwise on the "
                "other side, such as topic=Pix"
            )
        found[name] = MOMENT.convert(value, None, None) if name in ("since", "until") else value
    return found


def _side(lake: Lake, settings: Settings, options: dict[str, Any]) -> _Side:
    from opslib.cloud.report import span
    from opslib.message import FOLLOW
    from opslib.store.behind import Span
    from opslib.store.observations import Key
    from opslib.store.reads import Place, place_named

    topic: str | None = options["topic"]
    nowhere = topic is not None and options["place"] is None
    place = (
        Place(0, "", settings.report.timezone) if nowhere else place_named(lake.places(), options["place"])
    )
    until = (options["until"] or NOW).within(place.zone)
    hours = options["hours"].hours if options["hours"] else settings.report.hours
    since = options["since"].within(place.zone) if options["since"] else until - timedelta(hours=hours)
    if since >= until:
        raise click.UsageError("on each side the beginning (since) is to be before the end (until)")
    scope = Span(since, until, Key(None if nowhere else place.woeid, topic))
    if nowhere:
        followed = Span(since, until, Key(None, topic, FOLLOW))
        scope = followed if followed.counts(lake.database).tweets else scope
    name = ", ".join(part for part in (topic, place.name, span(since, until, place.zone)) if part)
    return _Side(name, scope)


def _draw(found: Comparison, names: list[str], settings: Settings, options: dict[str, Any]) -> None:
    from opslib.cloud.abreast import abreast
    from opslib.cloud.page import html
    from opslib.cloud.theme import DARK, LIGHT

    look = settings.cloud
    most = look.max_words if options["max_words"] is None else options["max_words"]
    size = options["width"] or look.width, options["height"] or look.height
    picture = abreast(found, names, most, *size, options["seed"])
    left_out = [*picture.layout.left_out, *picture.layout.unwritable]
    if left_out:
        tell(f"{len(left_out)} are not in the picture: {', '.join(left_out)}", err=True)
    theme = DARK if options["dark"] else LIGHT
    numbers = {one.word: one.first + one.second for one in found.largest(most or len(found.differences))}
    for path in options["outputs"]:
        suffix = path.suffix.lower()
        if suffix == ".html":
            both = picture.svg(LIGHT), picture.svg(DARK)
            content = html(picture.head.title, both, numbers.items(), left_out, "words")
        else:
            content = picture.svg(theme) if suffix == ".svg" else picture.png(theme)
        write_file(path, content)
        tell(f"{path}: {names[0]} and {names[1]}", err=options["form"] == "json")


def _facts(found: Comparison, sides: list[_Side], options: dict[str, Any]) -> dict[str, Any]:
    return {
        "sides": [
            {
                "name": side.name,
                "woeid": side.scope.key.woeid,
                "topic": side.scope.key.topic,
                "since": side.scope.since,
                "until": side.scope.until,
                "tweets": tweets,
            }
            for side, tweets in zip(sides, found.tweets)
        ],
        "words": [{**vars(one), "way": one.way} for one in found.shown],
        "outputs": [str(path) for path in options["outputs"]],
    }


def _table(found: Comparison, names: list[str]) -> None:
    tell(f"first: {names[0]} ({found.tweets[0]} tweets)", err=True)
    tell(f"second: {names[1]} ({found.tweets[1]} tweets)", err=True)
    first, second = found.most(_IN_TABLE)
    if not first and not second:
        tell("no word differs by more than chance", err=True)
    for one in (*second, *reversed(first)):
        shares = f"{one.first:7} {one.first_share:7.2%} {one.second:7} {one.second_share:7.2%}"
        tell(f"{one.score:+6.1f} {one.way:6} {shares} {one.word}")
