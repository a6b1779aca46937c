"""The collections of the lake: validators and indexes, brought about as often as asked and changed once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pymongo import ASCENDING, DESCENDING, IndexModel
from pymongo.write_concern import WriteConcern

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pymongo.database import Database

_INTEGER = {"bsonType": ["int", "long"]}
_INTEGER_OR_NULL = {"bsonType": ["int", "long", "null"]}
_TEXT = {"bsonType": "string"}
_TEXT_OR_NULL = {"bsonType": ["string", "null"]}
_DATE = {"bsonType": "date"}
_BYTES = {"bsonType": "binData"}
_OBJECT = {"bsonType": "object"}
_KIND = {"enum": ["follow"]}  # of a topic; a trend has none


def _object(required: dict[str, Any], optional: dict[str, Any] | None = None) -> dict[str, Any]:
    return {
        "bsonType": "object",
        "required": sorted(required),
        "properties": {**required, **(optional or {})},
    }


def _array(items: dict[str, Any]) -> dict[str, Any]:
    return {"bsonType": "array", "items": items}


@dataclass(frozen=True)
class Collection:
    """One collection as it is to be."""

    name: str
    schema: dict[str, Any]
    indexes: tuple[IndexModel, ...] = ()
    expires: str | None = None  # the moment that retention is counted from, which has an index of its own
    former: tuple[str, ...] = ()  # indexes of earlier versions, which only cost by now
    compressor: str | None = None  # of its blocks on disk, if it is created here; else that of the server

    @property
    def validator(self) -> dict[str, Any]:
        """Return the validator as MongoDB keeps it."""
        return {"$jsonSchema": self.schema}


TWEETS = Collection(
    "tweets",
    _object(
        {
            "_id": {"bsonType": "long"},
            "text": _TEXT,
            "words": _array(_TEXT),
            "topics": _array(
                _object({"name": _TEXT, "first_at": _DATE}, {"woeid": _INTEGER_OR_NULL, "kind": _KIND})
            ),
            "first_seen_at": _DATE,
            "collected_at": _DATE,
        },
        {
            "retweet_of": {"bsonType": "long"},
            "retweet_author": _TEXT,
            # What is left of copies other than the newest (opslib.store.documents).
            "as_of": _array(_object({"field": _TEXT, "at": _DATE, "richness": _INTEGER})),
            "lang": {"bsonType": ["string", "null"]},
            "created_at": {"bsonType": ["date", "null"]},
            "author": {"bsonType": ["object", "null"]},
            "entities": {"bsonType": ["object", "null"]},
            "public_metrics": {"bsonType": ["object", "null"]},
            # As X has them, of the few posts that have one.
            "article": _OBJECT,
            "attachments": _OBJECT,
            "community_id": _TEXT,
            "context_annotations": _array(_OBJECT),
            "geo": _OBJECT,
            "paid_partnership": {"bsonType": "bool"},
            "withheld": _OBJECT,
        },
    ),
    # Every index is paid for by each tweet that comes in. The first says what is the newest, which the
    # doctor asks, and what has to go; the second, what was collected for a topic when, which roll-ups and
    # clouds ask, and the third the same of the few that were collected for none; the last, which retweets
    # alone are in, who was the first of a text.
    (
        IndexModel([("collected_at", DESCENDING)]),
        IndexModel([("topics.first_at", ASCENDING)]),
        IndexModel([("first_seen_at", ASCENDING)], partialFilterExpression={"topics": []}),
        IndexModel(
            [("retweet_of", ASCENDING), ("topics.first_at", ASCENDING)],
            partialFilterExpression={"retweet_of": {"$exists": True}},
        ),
    ),
    expires="collected_at",
    former=("retweet_of_1__id_1",),
)

TRENDS = Collection(
    "trends",
    _object(
        {
            "_id": _TEXT,
            "woeid": _INTEGER,
            "place": _TEXT,
            "collected_at": _DATE,
            "trends": _array(_object({"name": _TEXT, "rank": _INTEGER}, {"tweet_count": _INTEGER_OR_NULL})),
        },
        {"searched": _INTEGER},  # for how many of them tweets are collected; without it for all
    ),
    (IndexModel([("woeid", ASCENDING), ("collected_at", DESCENDING)]),),
)

CLOUDS = Collection(
    "clouds",
    _object(
        {
            "_id": _TEXT,
            "kind": {"enum": ["words", "topics"]},
            "woeid": _INTEGER,
            "place": _TEXT,
            "timezone": _TEXT,
            "since": _DATE,
            "until": _DATE,
            "rendered_at": _DATE,
            "tweets": _INTEGER,
            "topics": _array(_object({"name": _TEXT, "rank": _INTEGER}, {"tweet_count": _INTEGER_OR_NULL})),
            "words": _array(_object({"word": _TEXT, "tweets": _INTEGER})),
            "left_out": _array(_TEXT),
            "svg": _BYTES,
            "svg_dark": _BYTES,
            "png": _BYTES,
            "seed": _INTEGER,
            "version": _INTEGER,
        },
        {"svg_tall": _BYTES},  # not in those of before there was one
    ),
    # A place's newest, and its course; those that a forgotten tweet was in.
    (
        IndexModel([("woeid", ASCENDING), ("kind", ASCENDING), ("until", DESCENDING)]),
        IndexModel([("until", ASCENDING)]),
    ),
    expires="until",
)

WORD_COUNTS = Collection(
    "word_counts",
    _object(
        {
            "unit": {"enum": ["minute", "hour", "day"]},
            "at": _DATE,
            "keys": _array(_object({"woeid": _INTEGER_OR_NULL, "topic": _TEXT_OR_NULL}, {"kind": _KIND})),
            "tweets": _INTEGER,
            "words": _array(_object({"w": _TEXT, "n": _INTEGER})),
            "computed_at": _DATE,
        },
        {"left_out": _INTEGER},
    ),
    (
        IndexModel([(name, ASCENDING) for name in ("unit", "at", "keys.woeid", "keys.topic")]),
        # What is followed, which few of them are of.
        IndexModel(
            [("keys.kind", ASCENDING), ("at", DESCENDING)],
            partialFilterExpression={"keys.kind": {"$exists": True}},
        ),
        IndexModel([("at", ASCENDING)]),
    ),
    expires="at",
    former=("unit_1_at_1_woeid_1_topic_1",),
    compressor="zstd",
)

_NUMBER = {"bsonType": ["double", "int", "long"]}
_NUMBER_OR_NULL = {"bsonType": ["double", "int", "long", "null"]}

TRENDING = Collection(
    "trending",
    _object(
        {
            "_id": _TEXT,
            "minutes": {"enum": [1, 5, 60]},
            "ends_at": _DATE,
            "computed_at": _DATE,
            "tweets": _INTEGER,
            "authors": _INTEGER,
            "items": _array(
                _object(
                    {
                        "kind": {"enum": ["word", "hashtag", "topic", "follow"]},
                        "name": _TEXT,
                        "authors": _INTEGER,
                        "tweets": _INTEGER,
                        "expected": _NUMBER,
                        "score": _NUMBER,
                    },
                    {"usual": _NUMBER_OR_NULL},
                )
            ),
        },
        {"woeid": _INTEGER_OR_NULL},
    ),
    (
        IndexModel([("woeid", ASCENDING), ("minutes", ASCENDING), ("ends_at", DESCENDING)]),
        # The newest of any place.
        IndexModel([("minutes", ASCENDING), ("ends_at", DESCENDING)]),
        IndexModel([("ends_at", ASCENDING)]),
    ),
    expires="ends_at",
)

ROLLUP_MARKS = Collection("rollup_marks", _object({"touched_at": _DATE}))

FORGOTTEN = Collection(
    "forgotten",
    _object({"_id": {"bsonType": "long"}, "at": _DATE, "reason": _TEXT}, {"author": _TEXT}),
    (IndexModel([("at", ASCENDING)]),),  # what was added since the last look
)

FORGOTTEN_AUTHORS = Collection(
    "forgotten_authors",
    _object({"_id": _TEXT, "at": _DATE, "reason": _TEXT}, {"names": _array(_TEXT)}),
    (IndexModel([("at", ASCENDING)]), IndexModel([("names", ASCENDING)])),
)

# Only ever added to: no account of a job may change or remove a line.
AUDIT = Collection(
    "audit",
    _object(
        {
            "at": _DATE,
            "who": _TEXT,
            "why": _TEXT,
            "reasons": _array(_TEXT),
            "tweets": _array({"bsonType": "long"}),
            "authors": _array(_TEXT),
            "taken": _OBJECT,
        }
    ),
    (IndexModel([("at", DESCENDING)]),),
)

# How far the recheck of stored tweets against X has come.
# How far looking at the stored tweets has come, and which job of X's is under way for which of them.
RECHECKS = Collection(
    "rechecks",
    _object({"_id": _TEXT}, {"after": _INTEGER, "job": _TEXT_OR_NULL, "first": _INTEGER, "last": _INTEGER}),
)

ALL = (
    *(TWEETS, TRENDS, CLOUDS, WORD_COUNTS, TRENDING, ROLLUP_MARKS),
    *(FORGOTTEN, FORGOTTEN_AUTHORS, AUDIT, RECHECKS),
)


@dataclass(frozen=True)
class TimeSeries:
    """A time series as it is to be. It takes no validator, and its retention is no index's but its own."""

    name: str
    time: str = "at"
    meta: str = "meta"
    granularity: str = "minutes"

    @property
    def options(self) -> dict[str, Any]:
        """Return what it is created with, and what MongoDB then says of it."""
        return {"timeField": self.time, "metaField": self.meta, "granularity": self.granularity}


OPS_STATS = TimeSeries("ops_stats")
_NEVER = 2**31 - 1  # seconds, the most that MongoDB takes: 68 years


def initialise(
    database: Database[dict[str, Any]], keep_days: Mapping[str, float | None] | None = None
) -> list[str]:
    """Bring every collection about, and return what had to be changed: nothing the second time.

    *keep_days* says by collection after how many days a document goes by itself; ``None`` keeps it.
    """
    database = database.with_options(write_concern=WriteConcern("majority"))
    present = {found["name"]: found for found in database.list_collections()}
    changed: list[str] = []
    for wanted in ALL:
        changed += _ensure_collection(database, wanted, present.get(wanted.name))
        changed += _ensure_indexes(database, wanted)
        changed += _ensure_retention(database, wanted, (keep_days or {}).get(wanted.name))
    found = present.get(OPS_STATS.name)
    return changed + _ensure_time_series(database, OPS_STATS, found, (keep_days or {}).get(OPS_STATS.name))


def _ensure_collection(
    database: Database[dict[str, Any]], wanted: Collection, found: Mapping[str, Any] | None
) -> list[str]:
    if found is None:
        database.create_collection(wanted.name, validator=wanted.validator, **_compressed(wanted.compressor))
        return [f"collection {wanted.name}"]
    if found["options"].get("validator") != wanted.validator:
        database.command("collMod", wanted.name, validator=wanted.validator)
        return [f"validator of {wanted.name}"]
    return []


def _compressed(compressor: str | None) -> dict[str, Any]:
    if compressor is None:
        return {}
    return {"storageEngine": {"wiredTiger": {"configString": f"block_compressor={compressor}"}}}


def _ensure_indexes(database: Database[dict[str, Any]], wanted: Collection) -> list[str]:
    present = set(database[wanted.name].index_information())
    missing = [index for index in wanted.indexes if index.document["name"] not in present]
    if missing:
        database[wanted.name].create_indexes(missing)
    former = [name for name in wanted.former if name in present]
    for name in former:
        database[wanted.name].drop_index(name)
    return [
        *(f"index {wanted.name}.{index.document['name']}" for index in missing),
        *(f"no index {wanted.name}.{name}" for name in former),
    ]


def _ensure_time_series(
    database: Database[dict[str, Any]],
    wanted: TimeSeries,
    found: Mapping[str, Any] | None,
    days: float | None,
) -> list[str]:
    seconds = None if days is None else int(days * 86_400)
    if found is None:
        retention: dict[str, Any] = {} if seconds is None else {"expireAfterSeconds": seconds}
        database.create_collection(wanted.name, timeseries=wanted.options, **retention)
        return [f"time series {wanted.name}"]
    if found["options"].get("expireAfterSeconds") == seconds:
        return []
    database.command("collMod", wanted.name, expireAfterSeconds="off" if seconds is None else seconds)
    return [f"retention of {wanted.name}"]


def _ensure_retention(
    database: Database[dict[str, Any]], wanted: Collection, days: float | None
) -> list[str]:
    if wanted.expires is None:
        return []
    for found in database[wanted.name].list_indexes():
        if list(found["key"]) != [wanted.expires]:
            continue
        seconds = _NEVER if days is None else int(days * 86_400)
        if found.get("expireAfterSeconds", _NEVER) == seconds:
            return []
        index = {"name": found["name"], "expireAfterSeconds": seconds}
        database.command("collMod", wanted.name, index=index)
        return [f"retention of {wanted.name}"]
    return []
