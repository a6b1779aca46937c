"""The clouds that are kept in the collection ``clouds``: the words, the topics, and how they were drawn.

One document for each snapshot of a place and each kind. Rendering it again replaces it, so that nothing is
kept twice and a run that was cut short does no harm.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from bson.binary import Binary
from bson.codec_options import CodecOptions
from pymongo.errors import PyMongoError
from pymongo.write_concern import WriteConcern

from opslib.cloud import VERSION
from opslib.cloud.report import at_moment
from opslib.message import stamp
from opslib.store.buckets import counted_since, floor
from opslib.store.hidden import Hidden
from opslib.store.reads import KINDS, Lake
from opslib.store.rollups import SETTLE, now

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from pymongo.database import Database

    from opslib.cloud.layout import Layout, Spot
    from opslib.cloud.report import Report
    from opslib.settings import Settings
    from opslib.store.buckets import Minute
    from opslib.store.reads import Kind, Place

    Document = dict[str, Any]

_LOG = logging.getLogger(__name__)
SEED = 1
_TALL = (390, 760)  # as wide as a phone
_TALL_WORDS = 80  # more have room there, and are too many to be looked through
_TRIES = 3
_LATE = timedelta(days=1)  # for so long tweets may come late


class NotRendered(RuntimeError):  # noqa: N818 - it names a thing
    """Some clouds could not be rendered; the text says which."""


@dataclass(frozen=True)
class Moment:
    """A moment whose clouds are to be rendered: the topics of *snapshot*, their tweets before *until*."""

    place: Place
    snapshot: Document
    until: datetime


def timed(database: Database[Document]) -> Database[Document]:
    """Return *database* with majority writes, and times that know their zone."""
    return database.with_options(
        codec_options=CodecOptions(tz_aware=True), write_concern=WriteConcern("majority")
    )


def key(woeid: int, until: datetime, kind: Kind) -> str:
    """Return the ``_id`` of a cloud."""
    return f"{woeid}:{stamp(until)}:{kind}"


def update(database: Database[Document], settings: Settings) -> Iterator[list[Document]]:
    """Render what is missing or no longer right, and yield the documents of each moment once they are kept.

    Of each place the newest moment comes first. Whoever forgets tweets deletes the clouds that counted them
    (:mod:`opslib.forgetting.take`), so that they are missing here. A moment that cannot be rendered holds
    up no other one; at the end :class:`NotRendered` names it.
    """
    database = timed(database)
    failed: list[str] = []
    for place in Lake(database, settings.report.timezones, settings.report.timezone).places():
        for moment in _missing(database, settings, place)[: settings.report.at_once]:
            try:
                documents = _rendered(database, settings, moment)
            except PyMongoError:
                raise  # that stops every place alike
            except Exception:
                # Whatever it is about this moment's words: the others are not to wait for it.
                _LOG.exception("no cloud of %s of %s", place.name, stamp(moment.until))
                failed.append(f"{place.name} of {stamp(moment.until)}")
                continue
            yield documents
    if failed:
        raise NotRendered(f"the clouds of {', '.join(failed)} could not be rendered: the log says why")


def _missing(database: Database[Document], settings: Settings, place: Place) -> list[Moment]:
    """Return the moments of a place whose clouds are missing or lack tweets, the newest first.

    A snapshot's clouds are those of the moment by when its tweets have been collected: some minutes after it,
    or when the next one comes.
    """
    at = now(database)
    oldest = at - timedelta(hours=settings.report.catch_up_hours)
    snapshots = list(
        database["trends"]
        .find({"woeid": place.woeid, "collected_at": {"$gt": oldest, "$lte": at}})
        .sort("collected_at", -1)
    )
    wait = timedelta(minutes=settings.report.wait_minutes)
    ends = [at + wait, *(snapshot["collected_at"] for snapshot in snapshots)]
    moments = [
        Moment(place, snapshot, min(snapshot["collected_at"] + wait, end))
        for snapshot, end in zip(snapshots, ends)
    ]
    right = _right(database, place.woeid, oldest)
    # The sink takes a moment to store what was collected.
    return [
        moment
        for moment in moments
        if moment.until + 2 * SETTLE <= at
        and not all(key(place.woeid, moment.until, kind) in right for kind in KINDS)
    ]


def _right(database: Database[Document], woeid: int, oldest: datetime) -> set[str]:
    """Return the ids of clouds since *oldest* that hold what is stored.

    Tweets that came late, as after an outage of the sink, show in roll-ups that were counted after the cloud.
    """
    kept = list(
        database["clouds"].find(
            {"woeid": woeid, "until": {"$gt": oldest}, "version": VERSION},
            {"since": 1, "until": 1, "rendered_at": 1, "topics.name": 1},
        )
    )
    fresh = [cloud for cloud in kept if cloud["until"] > max(one["until"] for one in kept) - _LATE]
    if not fresh:
        return set()
    minutes = counted_since(
        database,
        woeid,
        floor(min(cloud["since"] for cloud in fresh), "minute"),
        min(cloud["rendered_at"] for cloud in fresh),
    )
    return {cloud["_id"] for cloud in kept if not any(_lacks(cloud, minute) for minute in minutes)}


def _lacks(cloud: Document, minute: Minute) -> bool:
    return (
        cloud["since"] <= minute.at < cloud["until"] - timedelta(minutes=1)
        and minute.computed_at > cloud["rendered_at"]
        and any(topic["name"] in minute.topics for topic in cloud["topics"])
    )


def _rendered(database: Database[Document], settings: Settings, moment: Moment) -> list[Document]:
    """Render both clouds of a moment and keep them."""
    for _ in range(_TRIES):
        began = now(database)
        reports = at_moment(database, moment.place, moment.snapshot, moment.until, settings.report.hours)
        hidden = Hidden.of(settings)
        shown = [report.without(hidden) for report in reports.values()]
        documents = [document(report, settings, began, near(database, report)) for report in shown]
        for one in documents:
            database["clouds"].replace_one({"_id": one["_id"]}, one, upsert=True)
        # What was forgotten since may have been counted, before the clouds that hold it were looked for.
        if database["forgotten"].find_one({"at": {"$gte": began}}, {"_id": 1}) is None:
            return documents
    database["clouds"].delete_many({"_id": {"$in": [one["_id"] for one in documents]}})
    return []


def near(database: Database[Document], report: Report) -> Document:
    """Return where words stand in the kept cloud of that place and kind that is nearest in time, if any."""
    alike = {"woeid": report.place.woeid, "kind": report.kind, "version": VERSION}
    found = []
    for operator, order in (("$lt", -1), ("$gt", 1)):
        wanted = {**alike, "until": {operator: report.until}}
        fields = {"until": 1, "spots": 1, "spots_tall": 1}
        found += database["clouds"].find(wanted, fields).sort("until", order).limit(1)
    return min(found, key=lambda cloud: abs(cloud["until"] - report.until), default={})


def _spots(entries: Iterable[list[Any]]) -> dict[str, Spot]:
    from opslib.cloud.layout import Spot

    return {word: Spot(x, y, upright) for word, x, y, upright in entries}


def _entries(layout: Layout) -> list[list[Any]]:
    return [[word, spot.x, spot.y, spot.upright] for word, spot in layout.spots.items()]


def document(
    report: Report, settings: Settings, rendered_at: datetime, before: Mapping[str, Any] | None = None
) -> Document:
    """Return a report with its pictures as it is kept; words stay where they are in the document *before*."""
    from opslib.cloud.picture import LEGIBLE, picture_of
    from opslib.cloud.theme import DARK

    look = settings.cloud
    spots, spots_tall = (_spots((before or {}).get(name, ())) for name in ("spots", "spots_tall"))
    picture = picture_of(report, look.max_words, look.width, look.height, SEED, before=spots)
    most = min(look.max_words or _TALL_WORDS, _TALL_WORDS)
    tall = picture_of(report, most, *_TALL, SEED, smallest=LEGIBLE, before=spots_tall)
    own = report.own
    drawn = picture.layout.counts
    return {
        "_id": key(report.place.woeid, report.until, report.kind),
        "kind": report.kind,
        "woeid": report.place.woeid,
        "place": report.place.name,
        "timezone": report.place.timezone,
        "since": report.since,
        "until": report.until,
        "rendered_at": rendered_at,
        "tweets": report.tweets,
        "topics": [
            {"name": topic.name, "rank": topic.rank, "tweet_count": topic.tweet_count}
            for topic in report.topics
        ],
        "words": [
            {
                "word": word,
                "tweets": number,
                **_counted(report, word),
                **({"own": True} if word in own else {}),
            }
            for word, number in drawn.items()
        ],
        "spots": _entries(picture.layout),
        "spots_tall": _entries(tall.layout),
        "distinct": len(report.words),
        "left_out": [*picture.layout.left_out, *picture.layout.unwritable],
        "svg": Binary(picture.svg()),
        "svg_dark": Binary(picture.svg(DARK)),
        "svg_tall": Binary(tall.svg()),
        "png": Binary(picture.png()),
        "seed": SEED,
        "version": VERSION,
    }


def _counted(report: Report, word: str) -> Document:
    """Return by which entries texts count for a word, so that they are found without counting all again."""
    if report.merged is None:
        return {}
    counting = report.merged.counting(word)
    return {"by": [{"entries": sorted(one.entries), "without": sorted(one.without)} for one in counting]}


def listed(
    database: Database[Document], woeid: int | None = None, since: datetime | None = None, most: int = 50
) -> list[Document]:
    """Return kept clouds without their pictures, the newest first."""
    wanted: Document = {} if woeid is None else {"woeid": woeid}
    if since:
        wanted["until"] = {"$gte": since}
    pictures = {"svg": 0, "svg_dark": 0, "svg_tall": 0, "png": 0}
    found = timed(database)["clouds"].find(wanted, pictures).sort([("until", -1), ("_id", 1)])
    return list(found.limit(most))
