"""What the page asks MongoDB for: reading alone, and each question with an end in time.

All moments are in UTC. A *cloud* here is its document without the pictures, which are large and asked for
one at a time.
"""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import pymongo
from pymongo import ASCENDING, DESCENDING

from opslib.store import rollups
from opslib.words import merge

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pymongo.database import Database

Document = dict[str, Any]
KINDS = ("words", "topics")
MINUTES = (1, 5, 60)
PICTURES = {"light": "svg", "dark": "svg_dark", "png": "png"}
STATS = ("tweets", "lag", "budget")
# A question that takes longer is given up, and the page says so, before its reader does.
_MILLISECONDS = 4_000
_WITHOUT_PICTURES = dict.fromkeys(PICTURES.values(), 0)
_PLACES_SECONDS = 10.0
_MOST_IN_LIST = 2_000
_MOST_MINUTES = 60 * 24


@dataclass(frozen=True)
class Place:
    """A place that there are clouds or trends of."""

    woeid: int
    name: str
    zone: ZoneInfo


@dataclass(frozen=True)
class Words:
    """How many tweets there were, and how many of them hold each word, the most frequent first."""

    tweets: int
    words: list[tuple[str, int]]


def zone_of(name: object) -> ZoneInfo:
    """Return the time zone of an IANA name; UTC for what is none, so that a page is shown all the same."""
    try:
        return ZoneInfo(str(name or "UTC"))
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return ZoneInfo("UTC")


class Lake:
    """The collections that the page reads.

    *zones* are the time zones of places by WOEID, and *zone* is that of the others, if no cloud says.
    """

    def __init__(
        self, database: Database[Document], zones: Mapping[int, str] | None = None, zone: str = "UTC"
    ) -> None:
        self._database = database
        self._zones = zones or {}
        self._zone = zone
        self._places: tuple[float, list[Place]] | None = None

    def ping(self) -> None:
        """Raise if MongoDB does not answer."""
        self._database["clouds"].find_one({}, {"_id": 1}, max_time_ms=_MILLISECONDS)

    def places(self) -> list[Place]:
        """Return the places by name, as they were some seconds ago at most."""
        now = time.monotonic()
        if self._places is None or now - self._places[0] > _PLACES_SECONDS:
            self._places = (now, self._find_places())
        return self._places[1]

    def _find_places(self) -> list[Place]:
        found: dict[int, Place] = {}
        # trends first: what a cloud says of a place, its time zone, wins.
        for name, moment in (("trends", "collected_at"), ("clouds", "until")):
            collection = self._database[name]
            for woeid in collection.distinct("woeid", maxTimeMS=_MILLISECONDS):
                if not isinstance(woeid, int):
                    continue  # a cloud of no place
                newest = collection.find_one(
                    {"woeid": woeid},
                    {"place": 1, "timezone": 1},
                    sort=[(moment, DESCENDING)],
                    max_time_ms=_MILLISECONDS,
                )
                if newest:
                    zone = self._zones.get(woeid) or newest.get("timezone") or self._zone
                    found[woeid] = Place(woeid, str(newest.get("place") or woeid), zone_of(zone))
        return sorted(found.values(), key=lambda place: (place.name.casefold(), place.woeid))

    # ---- clouds

    def newest_cloud(self, woeid: int, kind: str) -> Document | None:
        """Return the newest cloud of a place."""
        return self._cloud({"woeid": woeid, "kind": kind}, DESCENDING)

    def cloud(self, cloud_id: str) -> Document | None:
        """Return the cloud of that id."""
        return self._cloud({"_id": cloud_id}, DESCENDING)

    def cloud_at(self, woeid: int, kind: str, at: datetime) -> Document | None:
        """Return the newest cloud that was there *at* a moment, or else the first after it."""
        chosen: Document = {"woeid": woeid, "kind": kind}
        return self._cloud({**chosen, "until": {"$lte": at}}, DESCENDING) or self._cloud(
            {**chosen, "until": {"$gt": at}}, ASCENDING
        )

    def beside(self, cloud: Mapping[str, Any]) -> tuple[str | None, str | None]:
        """Return the ids of the cloud before and of the one after."""
        ids: list[str | None] = []
        for operator, order in (("$lt", DESCENDING), ("$gt", ASCENDING)):
            chosen = {
                "woeid": cloud["woeid"],
                "kind": cloud["kind"],
                "until": {operator: cloud["until"]},
            }
            found = self._database["clouds"].find_one(
                chosen, {"_id": 1}, sort=[("until", order)], max_time_ms=_MILLISECONDS
            )
            ids.append(found["_id"] if found else None)
        return ids[0], ids[1]

    def clouds(self, woeid: int, kind: str, since: datetime, until: datetime) -> list[Document]:
        """Return what a list shows of the clouds from *since* until before *until*, oldest first."""
        chosen = {"woeid": woeid, "kind": kind, "until": {"$gte": since, "$lt": until}}
        fields = {"until": 1, "since": 1, "tweets": 1, "rendered_at": 1, "woeid": 1, "kind": 1, "place": 1}
        found = self._database["clouds"].find(
            chosen, fields, sort=[("until", ASCENDING)], limit=_MOST_IN_LIST, max_time_ms=_MILLISECONDS
        )
        return list(found)

    def rendered_at(self, cloud_id: str) -> datetime | None:
        """Return when a cloud was drawn, which is when its picture changed last."""
        found = self._database["clouds"].find_one(
            {"_id": cloud_id}, {"rendered_at": 1}, max_time_ms=_MILLISECONDS
        )
        return found["rendered_at"] if found else None

    def picture(self, cloud_id: str, variant: str) -> bytes | None:
        """Return a picture of a cloud, *variant* being one of :data:`PICTURES`."""
        field = PICTURES[variant]
        found = self._database["clouds"].find_one({"_id": cloud_id}, {field: 1}, max_time_ms=_MILLISECONDS)
        picture = (found or {}).get(field)
        return bytes(picture) if picture else None

    def _cloud(self, chosen: Document, order: int) -> Document | None:
        return self._database["clouds"].find_one(
            chosen, _WITHOUT_PICTURES, sort=[("until", order)], max_time_ms=_MILLISECONDS
        )

    # ---- what is rising

    def trending(self, minutes: int) -> Document | None:
        """Return the newest window of that length."""
        return self._database["trending"].find_one(
            {"minutes": minutes}, sort=[("ends_at", DESCENDING)], max_time_ms=_MILLISECONDS
        )

    # ---- topics

    def topics(self, woeid: int) -> Document | None:
        """Return the newest snapshot of what is trending at a place."""
        return self._database["trends"].find_one(
            {"woeid": woeid}, sort=[("collected_at", DESCENDING)], max_time_ms=_MILLISECONDS
        )

    def words(
        self, since: datetime, until: datetime, *, woeid: int | None, topic: str | None, limit: int
    ) -> Words:
        """Return the words of the tweets collected in a span for a place and a topic, or for any."""
        with pymongo.timeout(_MILLISECONDS / 1000):
            counts = rollups.counts(self._database, since, until, woeid=woeid, topic=topic)
        return Words(counts.tweets, list(merge(counts.words).items())[:limit])

    def course(
        self, since: datetime, until: datetime, *, woeid: int | None, topic: str | None
    ) -> list[tuple[datetime, int]]:
        """Return the tweets of each minute of a span, of a day at most; a minute without any is left out."""
        first = rollups.floor(since, "minute")
        length = min(_MOST_MINUTES, int((until - first) / timedelta(minutes=1)))
        minutes = [first + timedelta(minutes=number) for number in range(length)]
        chosen = {"unit": "minute", "at": {"$in": minutes}, "woeid": woeid, "topic": topic}
        found = self._database["word_counts"].find(
            chosen, {"_id": 0, "at": 1, "tweets": 1}, max_time_ms=_MILLISECONDS
        )
        return sorted((minute["at"], int(minute["tweets"])) for minute in found)

    def ranks(self, topic: str, woeid: int, since: datetime, until: datetime) -> list[Document]:
        """Return rank and volume of a topic in each snapshot of a span that has it, oldest first."""
        found = self._database["trends"].find(
            {"woeid": woeid, "collected_at": {"$gte": since, "$lt": until}, "trends.name": topic},
            {"collected_at": 1, "trends": {"$elemMatch": {"name": topic}}},
            sort=[("collected_at", ASCENDING)],
            limit=_MOST_IN_LIST,
            max_time_ms=_MILLISECONDS,
        )
        return [
            {
                "at": snapshot["collected_at"],
                "rank": snapshot["trends"][0]["rank"],
                "tweet_count": snapshot["trends"][0].get("tweet_count"),
            }
            for snapshot in found
            if snapshot.get("trends")
        ]

    def languages(
        self, topic: str, woeid: int | None, since: datetime, until: datetime
    ) -> list[tuple[str, int]]:
        """Return how many tweets about a topic are in each language, the commonest first."""
        found = self._database["tweets"].aggregate(
            [
                {"$match": _about(topic, woeid, since, until)},
                {"$group": {"_id": "$lang", "n": {"$sum": 1}}},
            ],
            maxTimeMS=_MILLISECONDS,
        )
        languages = Counter({str(group["_id"] or "und"): int(group["n"]) for group in found})
        return languages.most_common()

    def tweets(
        self, topic: str, woeid: int | None, since: datetime, until: datetime, limit: int
    ) -> list[Document]:
        """Return some of the newest tweets about a topic, none of them a retweet and no text twice."""
        fields = {"text": 1, "lang": 1, "author": 1, "entities": 1, "created_at": 1}
        found = self._database["tweets"].find(
            {**_about(topic, woeid, since, until), "referenced_tweets.type": {"$ne": "retweeted"}},
            fields,
            sort=[("collected_at", DESCENDING)],
            limit=limit * 10,
            max_time_ms=_MILLISECONDS,
        )
        return _different(found, limit)

    # ---- operations

    def stats(self, kind: str, since: datetime, until: datetime) -> list[Document]:
        """Return what was recorded of a kind, one of :data:`STATS`, oldest first."""
        found = self._database["ops_stats"].find(
            {"meta.kind": kind, "at": {"$gte": since, "$lt": until}},
            {"_id": 0, "meta": 0},
            sort=[("at", ASCENDING)],
            max_time_ms=_MILLISECONDS,
        )
        return list(found)

    def newest_stats(self, kind: str, now: datetime | None = None) -> Document | None:
        """Return what was recorded last of a kind, if that was within a day."""
        now = now or datetime.now(timezone.utc)
        # A bound, because without one a time series is read to its beginning.
        return self._database["ops_stats"].find_one(
            {"meta.kind": kind, "at": {"$gte": now - timedelta(days=1)}},
            {"_id": 0, "meta": 0},
            sort=[("at", DESCENDING)],
            max_time_ms=_MILLISECONDS,
        )


def _about(topic: str, woeid: int | None, since: datetime, until: datetime) -> Document:
    wanted: Document = {"name": topic}
    if woeid is not None:
        wanted["woeid"] = woeid
    return {"collected_at": {"$gte": since, "$lt": until}, "topics": {"$elemMatch": wanted}}


def _different(tweets: Iterable[Document], limit: int) -> list[Document]:
    chosen: list[Document] = []
    seen: set[str] = set()
    for tweet in tweets:
        text = " ".join(tweet["text"].split())
        if text not in seen and not text.startswith("RT @"):
            seen.add(text)
            chosen.append(tweet)
        if len(chosen) == limit:
            break
    return chosen
