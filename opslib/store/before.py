"""A lake of before brought over: its roll-ups went by ``collected_at``, a document for each place and topic.

A tweet that was collected again had left the buckets of its earlier moments. So every minute that has a
roll-up of before, and every one in which a tweet stands by today's rule, is marked, and ``opslib store
rollup`` counts them anew. Only what is older than all stored tweets is not, for its own have gone: it stays
as it was counted, and is told by ``keys`` like the others.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any

from pymongo import ASCENDING

from opslib.store.buckets import floor
from opslib.store.collections import ROLLUP_MARKS, TWEETS, WORD_COUNTS
from opslib.store.marks import mark
from opslib.store.write import safely

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from pymongo.database import Database

Document = dict[str, Any]
_OF_BEFORE = {"keys": {"$exists": False}}
_KEYED: list[Document] = [
    {"$set": {"keys": [{"woeid": "$woeid", "topic": "$topic"}]}},
    {"$unset": ["woeid", "topic"]},
]
# The moments of each tweet: those of its topics, or the first if it has none.
_STANDS = {"$cond": [{"$eq": ["$topics", []]}, ["$first_seen_at"], "$topics.first_at"]}


def bring_over(database: Database[Document], batch: int = 5_000) -> Iterator[int]:
    """Bring the roll-ups of before over, and yield how many after each *batch*; nothing if there are none.

    It can be stopped at any time: as long as one is left, all minutes are marked again first.
    """
    counts = safely(database[WORD_COUNTS.name])
    if counts.find_one(_OF_BEFORE, {"_id": 1}) is None:
        return
    minutes = _minutes(database)
    while some := list(islice(minutes, batch)):
        mark(safely(database[ROLLUP_MARKS.name]), some)
    found = counts.find(_OF_BEFORE, {"_id": 1}).sort("_id", ASCENDING)
    while ids := [one["_id"] for one in islice(found, batch)]:
        counts.update_many({"_id": {"$in": ids}, **_OF_BEFORE}, _KEYED)
        yield len(ids)


def _minutes(database: Database[Document]) -> Iterator[datetime]:
    """Yield the minutes that have to be counted anew and can be, some of them twice."""
    tweets, counts = safely(database[TWEETS.name]), safely(database[WORD_COUNTS.name])
    of_before: Document = {**_OF_BEFORE, "unit": "minute"}
    oldest = tweets.find_one({}, {"collected_at": 1}, sort=[("collected_at", ASCENDING)])
    if oldest is None:
        return
    since = {"at": {"$gte": floor(oldest["collected_at"], "minute")}}
    # Retention goes by collected_at as well: if nothing is older than the oldest tweet, nothing has gone.
    gone = counts.find_one({**of_before, "at": {"$lt": since["at"]["$gte"]}}, {"_id": 1}) is not None
    some: list[Document] = [{"$match": since}] if gone else []
    each = {"$group": {"_id": {"$dateTrunc": {"date": "$at", "unit": "minute"}}}}
    stands: list[Document] = [{"$project": {"at": _STANDS}}, {"$unwind": "$at"}]
    for found in counts.aggregate([{"$match": of_before}, *some, each], allowDiskUse=True):
        yield found["_id"]
    for found in tweets.aggregate([*stands, *some, each], allowDiskUse=True):
        yield found["_id"]
