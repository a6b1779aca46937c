"""What the lake holds, as everybody who shows it reads it: places, snapshots of trends, windows, clouds.

Page, clouds, commands and doctor ask here, so that each question has one answer. All moments are in UTC. A
*cloud* is its document without the pictures, which are large and asked for one at a time. What is asked for
*at* a moment is the newest that was there then: what a clock that is ahead has put into the future is not
shown before its time.
"""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pymongo import ASCENDING, DESCENDING

from opslib.message import FOLLOW
from opslib.store import rollups
from opslib.store.buckets import document_keys
from opslib.store.collections import (
    CLOUDS,
    OPS_STATS,
    ROLLUP_MARKS,
    TRENDING,
    TRENDS,
    TWEETS,
    WORD_COUNTS,
)
from opslib.store.hidden import Hidden

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pymongo.database import Database

Document = dict[str, Any]
Kind = Literal["words", "topics"]
KINDS: tuple[Kind, ...] = ("words", "topics")
MINUTES = (1, 5, 60)
# The fields of a cloud that hold a picture, by what the picture is.
PICTURES = {"light": "svg", "dark": "svg_dark", "tall": "svg_tall", "png": "png"}
STATS = ("tweets", "lag", "budget")
_WITHOUT_PICTURES = dict.fromkeys(PICTURES.values(), 0)
_IN_LIST = dict.fromkeys(("until", "since", "tweets", "rendered_at", "woeid", "kind", "place"), 1)
_OF_FOLLOWS = dict.fromkeys(("unit", "at", "keys", "tweets", "computed_at"), 1)
_FOLLOWED = timedelta(days=1)
_PLACES_SECONDS = 10.0
_MOST_IN_LIST = 2_000


class NothingKnown(LookupError):  # noqa: N818 - it names a thing
    """There is no place, snapshot or cloud as was asked for; the text says which."""


@dataclass(frozen=True)
class Place:
    """A place that trends are collected for, with the time zone that its days begin in."""

    woeid: int
    name: str
    timezone: str = "UTC"

    @property
    def zone(self) -> ZoneInfo:
        """Return its time zone."""
        return zone_of(self.timezone)


def zone_of(name: object) -> ZoneInfo:
    """Return the time zone of an IANA name; UTC for what is none, so that a page is shown all the same."""
    try:
        return ZoneInfo(str(name or "UTC"))
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return ZoneInfo("UTC")


def place_named(known: list[Place], name: str | None) -> Place:
    """Return the place of that name or WOEID; without a name the only one there is."""
    names = ", ".join(f"{place.name} ({place.woeid})" for place in known) or "none yet"
    if name is None:
        if len(known) == 1:
            return known[0]
        raise NothingKnown(f"name one of the places that trends were collected for: {names}")
    for place in known:
        if name.strip() == str(place.woeid) or name.strip().casefold() == place.name.casefold():
            return place
    raise NothingKnown(f"no trends were collected for {name!r}; places known: {names}")


class Lake:
    """The lake's collections, to be read.

    The time zone of a place is that of *zones*, by WOEID, or else *zone*: the settings ``report.timezones``
    and ``report.timezone``, by which clouds are drawn as well. A question that takes longer than
    *milliseconds* is given up with ``ExecutionTimeout``. What is *hidden* is left out of what is told by
    name, and out of no number.
    """

    def __init__(
        self,
        database: Database[Document],
        zones: Mapping[int, str] | None = None,
        zone: str = "UTC",
        milliseconds: int | None = None,
        hidden: Hidden | None = None,
    ) -> None:
        self.database = database
        self.hidden = hidden or Hidden()
        self.milliseconds = milliseconds
        self._zones = zones or {}
        self._zone = zone
        self._places: tuple[float, list[Place]] | None = None

    # ---- places

    def places(self) -> list[Place]:
        """Return the places by name, as they were some seconds ago at most."""
        now = time.monotonic()
        if self._places is None or now - self._places[0] > _PLACES_SECONDS:
            self._places = (now, self._find_places())
        return self._places[1]

    def _find_places(self) -> list[Place]:
        names: dict[int, str] = {}
        # Clouds outlast the snapshots they were made of, which name a place first.
        for collection, moment in ((CLOUDS.name, "until"), (TRENDS.name, "collected_at")):
            for woeid in self.database[collection].distinct("woeid", **self._limit("maxTimeMS")):
                newest = self._newest(collection, {"woeid": woeid}, moment, {"place": 1})
                if newest:
                    names[woeid] = str(newest.get("place") or woeid)
        found = [Place(woeid, name, self._zones.get(woeid, self._zone)) for woeid, name in names.items()]
        return sorted(found, key=lambda place: (place.name.casefold(), place.woeid))

    # ---- what was trending

    def snapshot(self, woeid: int, at: datetime) -> Document | None:
        """Return the newest snapshot of trends that a place had *at* a moment."""
        found = self._newest(TRENDS.name, {"woeid": woeid, "collected_at": {"$lte": at}}, "collected_at")
        if found is not None:
            found["trends"] = self._shown(found["trends"], "name")
        return found

    def snapshots(self, woeid: int, since: datetime, until: datetime) -> list[Document]:
        """Return a place's snapshots from *since* until before *until*, oldest first."""
        chosen = {"woeid": woeid, "collected_at": {"$gte": since, "$lt": until}}
        found = self.database[TRENDS.name].find(
            chosen, sort=[("collected_at", ASCENDING)], **self._limit("max_time_ms")
        )
        return list(found)

    def window(self, woeid: int | None, minutes: int, at: datetime) -> Document | None:
        """Return a place's newest window of that length that had ended *at* a moment.

        What it shows is above the usual: a score fades for a while after that is over. Without a place it is
        the window of what was collected for none.
        """
        chosen = {"woeid": woeid, "minutes": minutes, "ends_at": {"$lte": at}}
        window = self._newest(TRENDING.name, chosen, "ends_at")
        if window is not None:
            self._show(window)
        return window

    def windows_with(
        self, woeid: int | None, minutes: int, ends: list[datetime], kinds: list[str], names: list[str]
    ) -> list[Document]:
        """Return of a place's windows of that length those with one of *ends*, oldest first.

        Each with when it ended, and what it shows of those *names* and *kinds*, as :meth:`window` shows it.
        """
        chosen = {"woeid": woeid, "minutes": minutes, "ends_at": {"$in": ends}}
        wanted = {"$and": [{"$in": ["$$item.kind", kinds]}, {"$in": ["$$item.name", names]}]}
        items = {"$filter": {"input": "$items", "as": "item", "cond": wanted}}
        found = self.database[TRENDING.name].aggregate(
            [{"$match": chosen}, {"$project": {"ends_at": 1, "items": items}}, {"$sort": {"ends_at": 1}}],
            **self._limit("maxTimeMS"),
        )
        windows = list(found)
        for window in windows:
            self._show(window)
        return windows

    def _show(self, window: Document) -> None:
        """Leave in a window what is above the usual and not hidden."""
        items = self._shown(window["items"], "name")
        window["items"] = [item for item in items if item["authors"] > item["expected"]]

    def follows(self, at: datetime) -> dict[str, int]:
        """Return what was followed in the 24 hours before *at*: tweets by name, the most first."""
        chosen = [
            {"unit": unit, "at": {"$in": ats}}
            for unit, ats in rollups.buckets(at - _FOLLOWED, at).items()
            if ats
        ]
        newest: dict[tuple[Any, ...], Document] = {}
        for found in self.database[WORD_COUNTS.name].find(
            {"$or": chosen, "keys.kind": FOLLOW}, _OF_FOLLOWS, **self._limit("max_time_ms")
        ):
            for key in document_keys(found):
                bucket = (found["unit"], found["at"], key.topic)
                known = newest.get(bucket)
                # Somebody may be replacing it.
                if key.kind == FOLLOW and (known is None or known["computed_at"] < found["computed_at"]):
                    newest[bucket] = found
        tweets: Counter[str] = Counter()
        for (_, _, name), found in newest.items():
            if not self.hidden.holds(name):
                tweets[name] += found["tweets"]
        return dict(sorted(tweets.items(), key=lambda item: (-item[1], item[0])))

    # ---- clouds

    def cloud(self, cloud_id: str, at: datetime) -> Document | None:
        """Return the cloud of that id, unless it is of a time after *at*.

        ``counted_of`` are the names of all its topics, those that are hidden too: its words were counted of
        these.
        """
        return self._cloud({"_id": cloud_id, "until": {"$lte": at}})

    def newest_cloud(
        self, woeid: int, kind: str, at: datetime, since: datetime | None = None
    ) -> Document | None:
        """Return the newest cloud that a place had *at* a moment, not older than *since* if that is given."""
        until = {"$lte": at} if since is None else {"$lte": at, "$gte": since}
        return self._cloud({"woeid": woeid, "kind": kind, "until": until})

    def next_cloud(self, woeid: int, kind: str, after: datetime, at: datetime) -> Document | None:
        """Return the first cloud *after* a moment, unless it is of a time after *at*."""
        return self._cloud({"woeid": woeid, "kind": kind, "until": {"$gt": after, "$lte": at}}, ASCENDING)

    def beside(self, cloud: Mapping[str, Any], at: datetime) -> tuple[str | None, str | None]:
        """Return the ids of the cloud before and of the one after, as it was *at* a moment."""
        same = {"woeid": cloud["woeid"], "kind": cloud["kind"]}
        before = self._newest(CLOUDS.name, {**same, "until": {"$lt": cloud["until"]}}, "until", {"_id": 1})
        span = {"$gt": cloud["until"], "$lte": at}
        after = self._newest(CLOUDS.name, {**same, "until": span}, "until", {"_id": 1}, ASCENDING)
        return (before["_id"] if before else None), (after["_id"] if after else None)

    def clouds(self, woeid: int, kind: str, since: datetime, until: datetime) -> list[Document]:
        """Return what a list shows of the clouds from *since* until before *until*, oldest first."""
        chosen = {"woeid": woeid, "kind": kind, "until": {"$gte": since, "$lt": until}}
        found = self.database[CLOUDS.name].find(
            chosen, _IN_LIST, sort=[("until", ASCENDING)], limit=_MOST_IN_LIST, **self._limit("max_time_ms")
        )
        return list(found)

    def drawn(self, cloud_id: str, at: datetime) -> Document | None:
        """Return kind and place of a cloud and when it was drawn, which is when its picture changed last."""
        chosen = {"_id": cloud_id, "until": {"$lte": at}}
        return self._newest(CLOUDS.name, chosen, "until", {"rendered_at": 1, "kind": 1, "woeid": 1})

    def picture(self, cloud_id: str, variant: str) -> bytes | None:
        """Return a picture of a cloud, *variant* being one of :data:`PICTURES`."""
        field = PICTURES[variant]
        found = self._newest(CLOUDS.name, {"_id": cloud_id}, "until", {field: 1})
        picture = (found or {}).get(field)
        return bytes(picture) if picture else None

    def _cloud(self, chosen: Document, order: int = DESCENDING) -> Document | None:
        found = self._newest(CLOUDS.name, chosen, "until", _WITHOUT_PICTURES, order)
        if found is not None:
            found["counted_of"] = [topic["name"] for topic in found["topics"]]
            found["topics"] = self._shown(found["topics"], "name")
            found["words"] = self._shown(found["words"], "word")
            found["left_out"] = [word for word in found["left_out"] if not self.hidden.holds(word)]
        return found

    def _shown(self, entries: list[Document], name: str) -> list[Document]:
        return [entry for entry in entries if not self.hidden.holds(str(entry[name]))]

    # ---- how it is running

    def ping(self) -> None:
        """Raise if MongoDB does not answer."""
        self._newest(CLOUDS.name, {}, "until", {"_id": 1})

    def stats(self, kind: str, since: datetime, until: datetime) -> list[Document]:
        """Return what was recorded of a kind, one of :data:`STATS`, oldest first."""
        found = self.database[OPS_STATS.name].find(
            {"meta.kind": kind, "at": {"$gte": since, "$lt": until}},
            {"_id": 0, "meta": 0},
            sort=[("at", ASCENDING)],
            **self._limit("max_time_ms"),
        )
        records = list(found)
        for record in records:
            # What is followed is counted by its name.
            if "sources" in record:
                counted = record["sources"].items()
                record["sources"] = {name: n for name, n in counted if not self.hidden.holds(name)}
        return records

    def newest_stats(self, kind: str, at: datetime) -> Document | None:
        """Return what was recorded last of a kind, if that was within a day before *at*."""
        # A bound, because without one a time series is read to its beginning.
        span = {"$gte": at - timedelta(days=1), "$lte": at}
        return self._newest(OPS_STATS.name, {"meta.kind": kind, "at": span}, "at", {"_id": 0, "meta": 0})

    def newest_tweet(self, at: datetime) -> datetime | None:
        """Return when the newest tweet that was there *at* a moment was collected."""
        found = self._newest(TWEETS.name, {"collected_at": {"$lte": at}}, "collected_at", {"collected_at": 1})
        return found["collected_at"] if found else None

    def newest_counted(self, since: datetime, at: datetime) -> datetime | None:
        """Return the newest minute from *since* until *at* whose words were counted."""
        chosen = {"unit": "minute", "at": {"$gte": since, "$lte": at}}
        found = self._newest(WORD_COUNTS.name, chosen, "at", {"at": 1})
        return found["at"] if found else None

    def uncounted_since(self) -> datetime | None:
        """Return since when the minute has waited to be counted that has waited longest."""
        found = self._newest(
            ROLLUP_MARKS.name, {"_id.unit": "minute"}, "touched_at", {"touched_at": 1}, ASCENDING
        )
        return found["touched_at"] if found else None

    # ---- what they share

    def _newest(
        self,
        collection: str,
        chosen: Document,
        moment: str,
        fields: Mapping[str, int] | None = None,
        order: int = DESCENDING,
    ) -> Document | None:
        return self.database[collection].find_one(
            chosen, fields, sort=[(moment, order)], **self._limit("max_time_ms")
        )

    def _limit(self, name: str) -> dict[str, Any]:
        return {} if self.milliseconds is None else {name: self.milliseconds}
