"""Roll-ups: how many tweets hold each word, by minute, hour and day of ``collected_at``, place and topic.

They are derived, never incremented. Whoever writes tweets first marks the minutes that the write touches;
:func:`refresh` counts marked minutes anew from the tweets, their hours from the minutes, their days from the
hours, and each result replaces the one before. A tweet has one ``collected_at``, that of its newest copy, so
it is in one minute, and hours and days are sums that count it once. Repeating any of it changes nothing.

A mark is deleted only if nobody touched it for :data:`SETTLE` before the count began. That is longer than a
write can take after its mark, and than one count may take, so neither a write under way nor a second
:func:`refresh` at the same time can be missed; all moments are the server's own. Until then a mark is
counted again each time.

An hour and a day are counted once they are over: until then every new tweet would have them counted again,
and they are read as their minutes and hours. :data:`READY` after their end they are read themselves.

A bucket has one document for each place and topic that its tweets were collected for. ``None`` stands for
any: a tweet collected for two topics is in both, and once in the bucket of any topic.

Of a tweet and its retweets, one has its words counted, so that in a sum of any buckets they count once: what
is retweeted if it is stored, else the retweet of the smallest id, which is the oldest. Whoever writes or
deletes a tweet that takes this place, or leaves it, marks the minute of the other one too.

A bucket keeps the :data:`MOST` words that most tweets have: MongoDB takes documents of 16 MB, and a month is
read as its days. How many spellings that left out, it says.
"""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

from bson.codec_options import CodecOptions
from pymongo import UpdateOne
from pymongo.errors import OperationFailure
from pymongo.read_concern import ReadConcern
from pymongo.write_concern import WriteConcern

from opslib.store.collections import ROLLUP_MARKS, TWEETS, WORD_COUNTS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pymongo.collection import Collection
    from pymongo.database import Database

    Document = dict[str, Any]

_LOG = logging.getLogger(__name__)
SETTLE = timedelta(seconds=30)
_COUNT_MILLISECONDS = 15_000
_SOON_MILLISECONDS = 5_000
_LENGTHS = {"minute": timedelta(minutes=1), "hour": timedelta(hours=1), "day": timedelta(days=1)}
_ABOVE = {"minute": "hour", "hour": "day"}
_BELOW = {"hour": "minute", "day": "hour"}
# The words of one tweet, as those of a bucket are.
EACH_ONCE = {"$map": {"input": "$words", "in": {"w": "$$this", "n": 1}}}
# Words of a bucket. The last of so many is in too few tweets of its day to be among the first of a month's.
MOST = {"minute": 40_000, "hour": 20_000, "day": 10_000}
# So many buckets are counted at once, which bounds how long one count takes; a day by place and topic.
_AT_ONCE = {"minute": 30, "hour": 1, "day": 1}
# Until so long after its end a bucket may not have been counted yet.
READY = {"minute": timedelta(0), "hour": timedelta(minutes=10), "day": timedelta(hours=1)}


@dataclass
class Counts:
    """The tweets of a span of time, and how many texts of them hold each word as it is spelt."""

    tweets: int = 0
    words: Counter[str] = field(default_factory=Counter)


def floor(moment: datetime, unit: str) -> datetime:
    """Return the beginning (UTC) of the bucket that *moment* is in."""
    minute = moment.replace(second=0, microsecond=0)
    if unit == "minute":
        return minute
    return minute.replace(minute=0) if unit == "hour" else minute.replace(minute=0, hour=0)


def mark(marks: Collection[Document], moments: Iterable[datetime], unit: str = "minute") -> None:
    """Note that the buckets of *moments* have to be counted anew; to be called before they change.

    *marks* is :data:`ROLLUP_MARKS` with majority writes, as :func:`opslib.store.write.safely` makes it.
    """
    buckets = {floor(moment, unit) for moment in moments}
    if buckets:
        touch = {"$currentDate": {"touched_at": True}}
        marks.bulk_write(
            [UpdateOne({"_id": {"unit": unit, "at": at}}, touch, upsert=True) for at in sorted(buckets)],
            ordered=False,
        )


def refresh(
    database: Database[Document], *, keep: timedelta | None = None, settle: timedelta = SETTLE
) -> dict[str, int]:
    """Count what is marked and over, and return how many buckets of each unit that were.

    *keep* is the shortest retention of tweets and roll-ups: a bucket older than that cannot be counted anew,
    and stays as it is. A count that fails is logged; its mark stays.
    """
    database = database.with_options(
        codec_options=CodecOptions(tz_aware=True),
        read_concern=ReadConcern("majority"),
        write_concern=WriteConcern("majority"),
    )
    marks = database[ROLLUP_MARKS.name]
    done = dict.fromkeys(_LENGTHS, 0)
    for unit in _LENGTHS:
        marked = sorted(found["_id"]["at"] for found in marks.find({"_id.unit": unit}))
        if unit in _BELOW:
            marked = _over(unit, marked, now(database))
        if keep is not None:
            oldest = now(database) - keep
            gone = [at for at in marked if at + _LENGTHS[unit] <= oldest]
            marks.delete_many({"_id": {"$in": [{"unit": unit, "at": at} for at in gone]}})
            marked = marked[len(gone) :]
        for first in range(0, len(marked), _AT_ONCE[unit]):
            some = marked[first : first + _AT_ONCE[unit]]
            # A day at once is millions of numbers.
            done[unit] += _refreshed(database, unit, some, settle, by_key=unit == "day")
    return done


def counts(
    database: Database[Document],
    since: datetime,
    until: datetime,
    *,
    woeid: int | None = None,
    topic: str | None = None,
) -> Counts:
    """Return the words of the tweets collected from *since* to *until*, both widened to whole minutes.

    Only those collected for the place *woeid* and for the topic of exactly the name *topic*, if given. A
    month is read as its days; what is left at either end as hours and minutes. Words beyond the first
    :data:`MOST` of a bucket are not in it.
    """
    chosen = [
        {"unit": unit, "at": {"$in": ats}, "woeid": woeid, "topic": topic}
        for unit, ats in buckets(since, until).items()
        if ats
    ]
    if not chosen:
        return Counts()
    return summed(
        database[WORD_COUNTS.name],
        [{"$match": {"$or": chosen}}, {"$project": {"words": with_total("$words", "$tweets")}}],
    )


def summed(source: Collection[Document], stages: list[Document]) -> Counts:
    """Return the sum of what *stages* make of *source*: documents whose ``words`` have :func:`with_total`.

    One answer brings words and number of tweets, so that they agree while more tweets come in.
    """
    group = {"$group": {"_id": "$words.w", "n": {"$sum": "$words.n"}}}
    found = source.aggregate([*stages, {"$unwind": "$words"}, group], allowDiskUse=True)
    words: Counter[str] = Counter({word["_id"]: word["n"] for word in found})
    return Counts(words.pop("", 0), words)


def with_total(words: Any, tweets: Any) -> Document:
    """Return the expression of *words* with the number of tweets ahead, as the word that no tweet has."""
    return {"$concatArrays": [[{"w": {"$literal": ""}, "n": tweets}], words]}


def buckets(since: datetime, until: datetime) -> dict[str, list[datetime]]:
    """Return the fewest buckets that are ready and make up the time from *since* to *until*, by unit."""
    ready = {unit: datetime.now(timezone.utc) - after for unit, after in READY.items()}
    at, end = floor(since, "minute"), floor(until, "minute")
    if end < until:
        end += _LENGTHS["minute"]
    found: dict[str, list[datetime]] = {unit: [] for unit in _LENGTHS}
    while at < end:
        unit = next(
            unit
            for unit in ("day", "hour", "minute")
            if floor(at, unit) == at and (unit == "minute" or at + _LENGTHS[unit] <= min(end, ready[unit]))
        )
        found[unit].append(at)
        at += _LENGTHS[unit]
    return found


def _over(unit: str, ats: Iterable[datetime], moment: datetime) -> list[datetime]:
    return [at for at in ats if at + _LENGTHS[unit] <= moment]


def _refreshed(
    database: Database[Document],
    unit: str,
    ats: Sequence[datetime],
    settle: timedelta,
    *,
    by_key: bool = False,
) -> int:
    """Count the buckets of one unit that begin at *ats*; return how many of them could be.

    What is not soon done at once is tried one by one, and then by place and topic.
    """
    began = now(database)
    marks = database[ROLLUP_MARKS.name]
    try:
        (_count_by_key if by_key else _count)(database, unit, ats)
    except OperationFailure as error:
        if error.code in (13, 18):  # not authorised: no bucket is to blame
            raise
        if len(ats) > 1:
            return sum(_refreshed(database, unit, [at], settle) for at in ats)
        if not by_key:
            return _refreshed(database, unit, ats, settle, by_key=True)
        _LOG.error("the %s of %s was not counted: %s", unit, ats[0].isoformat(), error)
        return 0
    # What no tweet is in any more has not been written now.
    database[WORD_COUNTS.name].delete_many(
        {"unit": unit, "at": {"$in": list(ats)}, "computed_at": {"$lt": began}}
    )
    if unit in _ABOVE:
        mark(marks, ats, _ABOVE[unit])
    settled = {
        "_id": {"$in": [{"unit": unit, "at": at} for at in ats]},
        "touched_at": {"$lte": began - settle},
    }
    marks.delete_many(settled)
    return len(ats)


def _count(
    database: Database[Document],
    unit: str,
    ats: Sequence[datetime],
    key: Document | None = None,
    milliseconds: int = _SOON_MILLISECONDS,
) -> None:
    """Count the buckets of one unit that begin at *ats*, or of them those of the place and topic *key*."""
    if unit == "minute":
        source, stages = TWEETS.name, _from_tweets(ats, key)
    else:
        source, stages = WORD_COUNTS.name, _from_counts(unit, ats, key)
    database[source].aggregate([*stages, *_totals(unit)], allowDiskUse=True, maxTimeMS=milliseconds).close()


def _count_by_key(database: Database[Document], unit: str, ats: Sequence[datetime]) -> None:
    """Count the buckets of one unit that begin at *ats*, one place and topic after the other."""
    key: Any
    if unit == "minute":
        source, key = TWEETS.name, "$keys"
        stages = [{"$match": _within(ats)}, _in_buckets([], 1, None), {"$unwind": "$keys"}]
    else:
        source, key = WORD_COUNTS.name, {"woeid": "$woeid", "topic": "$topic"}
        stages = [{"$match": _parts(unit, ats)}]
    for found in database[source].aggregate([*stages, {"$group": {"_id": key}}]):
        _count(database, unit, ats, found["_id"], _COUNT_MILLISECONDS)


def _within(ats: Sequence[datetime]) -> Document:
    return {"$or": [{"collected_at": {"$gte": begin, "$lt": end}} for begin, end in _spans(ats)]}


def _from_tweets(ats: Sequence[datetime], key: Document | None) -> list[Document]:
    """Return the stages that give each tweet's bucket, keys, and, if they count, words as ``{w, n}``."""
    topic = {"name": key["topic"], "woeid": key["woeid"]} if key else {}
    named = {name: value for name, value in topic.items() if value is not None}
    marked = {**_within(ats), **({"topics": {"$elemMatch": named}} if named else {})}
    is_retweet = {"retweet_of": {"$exists": True}}
    unless_retweet = {"$cond": [{"$eq": [{"$type": "$retweet_of"}, "missing"]}, EACH_ONCE, []]}
    firsts = [{"$match": {**marked, **is_retweet}}, *_first_retweets(), _in_buckets(EACH_ONCE, 0, key)]
    return [
        {"$match": marked},
        _in_buckets(unless_retweet, 1, key),
        {"$unionWith": {"coll": TWEETS.name, "pipeline": firsts}},
        {"$unwind": "$keys"},
    ]


def _first_retweets() -> list[Document]:
    """Return the stages that leave of some retweets those before which no stored tweet has the same text."""

    def look(field: str, name: str) -> Document:
        oldest = [{"$sort": {"_id": 1}}, {"$limit": 1}, {"$project": {"_id": 1}}]
        equal = {"localField": "retweet_of", "foreignField": field}
        return {"$lookup": {"from": TWEETS.name, **equal, "pipeline": oldest, "as": name}}

    return [
        # A look costs a tenth of a millisecond: one for each text, not for each retweet.
        {"$group": {"_id": "$retweet_of", "first": {"$top": {"sortBy": {"_id": 1}, "output": "$$ROOT"}}}},
        {"$replaceWith": "$first"},
        look("_id", "original"),
        look("retweet_of", "oldest"),
        {"$match": {"original": [], "$expr": {"$eq": [["$_id"], "$oldest._id"]}}},
    ]


def _in_buckets(words: Any, tweets: int, key: Document | None) -> Document:
    """Return the stage that gives a tweet its bucket and all its keys, or *key* alone.

    *tweets* is what it adds to their number.
    """

    def keys(woeid: Any, name: Any) -> Document:
        return {"$map": {"input": "$topics", "as": "t", "in": {"woeid": woeid, "topic": name}}}

    place, name = {"$ifNull": ["$$t.woeid", None]}, "$$t.name"
    anything = [{"woeid": None, "topic": None}]
    return {
        "$project": {
            "at": {"$dateTrunc": {"date": "$collected_at", "unit": "minute"}},
            "keys": [{"$literal": key}]
            if key
            else {"$setUnion": [anything, keys(place, name), keys(place, None), keys(None, name)]},
            "words": with_total(words, tweets),
        }
    }


def _parts(unit: str, ats: Sequence[datetime]) -> Document:
    """Return the query of what the buckets of one unit are made of."""
    below = _BELOW[unit]
    parts = [at + n * _LENGTHS[below] for at in ats for n in range(_LENGTHS[unit] // _LENGTHS[below])]
    return {"unit": below, "at": {"$in": parts}}


def _from_counts(unit: str, ats: Sequence[datetime], key: Document | None) -> list[Document]:
    """Return the stages that give the counts of the unit below, each with the bucket it belongs to."""
    return [
        {"$match": {**_parts(unit, ats), **(key or {})}},
        {
            "$project": {
                "at": {"$dateTrunc": {"date": "$at", "unit": unit}},
                "keys": {"woeid": "$woeid", "topic": "$topic"},
                "words": with_total("$words", "$tweets"),
            }
        },
    ]


def _totals(unit: str) -> list[Document]:
    """Return the stages that add up and replace what is there."""
    key = {"at": "$_id.at", "woeid": "$_id.keys.woeid", "topic": "$_id.keys.topic"}
    word = {"w": "$_id.w", "n": "$n"}
    # The total is one of them, and the first.
    best = {"$topN": {"n": MOST[unit] + 1, "sortBy": {"n": -1, "_id.w": 1}, "output": word}}
    return [
        {"$unwind": "$words"},
        {"$group": {"_id": {"at": "$at", "keys": "$keys", "w": "$words.w"}, "n": {"$sum": "$words.n"}}},
        {
            "$group": {
                "_id": {"unit": {"$literal": unit}, **key},
                "spellings": {"$sum": 1},
                "words": best,
            }
        },
        {
            "$set": {
                **{name: f"$_id.{name}" for name in ("unit", "at", "woeid", "topic")},
                "tweets": {"$first": "$words.n"},
                "words": {"$slice": ["$words", 1, MOST[unit]]},
                "left_out": {"$subtract": ["$spellings", {"$size": "$words"}]},
                "computed_at": "$$NOW",
            }
        },
        {"$unset": "spellings"},
        {"$merge": {"into": WORD_COUNTS.name, "whenMatched": "replace", "whenNotMatched": "insert"}},
    ]


def _spans(ats: Sequence[datetime]) -> list[tuple[datetime, datetime]]:
    """Return the minutes *ats*, which are sorted, as spans without gaps."""
    spans: list[tuple[datetime, datetime]] = []
    for at in ats:
        begin = spans.pop()[0] if spans and spans[-1][1] == at else at
        spans.append((begin, at + _LENGTHS["minute"]))
    return spans


def now(database: Database[Document]) -> datetime:
    """Return the server's own moment."""
    moment: datetime = database.command("hello", codec_options=CodecOptions(tz_aware=True))["localTime"]
    return moment
