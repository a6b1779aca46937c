"""The newest of what is stored, and since when something waits: how to tell that nothing comes any more."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from bson.codec_options import CodecOptions
from pymongo import ASCENDING, DESCENDING

from opslib.store.collections import CLOUDS, OPS_STATS, ROLLUP_MARKS, TRENDS, TWEETS, WORD_COUNTS

if TYPE_CHECKING:
    from pymongo.database import Database

    Document = dict[str, Any]


def snapshot(database: Database[Document], woeid: int, before: datetime) -> datetime | None:
    """Return when the newest trends of a place were collected, of those *before* a moment."""
    wanted: Document = {"woeid": woeid, "collected_at": {"$lt": before}}
    return _moment(database, TRENDS.name, wanted, "collected_at")


def tweet(database: Database[Document], before: datetime) -> datetime | None:
    """Return when the newest tweet was collected, of those *before* a moment."""
    return _moment(database, TWEETS.name, {"collected_at": {"$lt": before}}, "collected_at")


def roll_up(database: Database[Document], since: datetime) -> datetime | None:
    """Return the newest minute whose words were counted, of those *since* a moment."""
    return _moment(database, WORD_COUNTS.name, {"at": {"$gte": since}, "unit": "minute"}, "at")


def uncounted_since(database: Database[Document]) -> datetime | None:
    """Return since when the minute that has waited longest to be counted has done so."""
    return _moment(database, ROLLUP_MARKS.name, {"_id.unit": "minute"}, "touched_at", ASCENDING)


def cloud(database: Database[Document], woeid: int) -> datetime | None:
    """Return the moment of the newest cloud of a place that is kept."""
    return _moment(database, CLOUDS.name, {"woeid": woeid, "kind": "words"}, "until")


def budget(database: Database[Document]) -> Document | None:
    """Return the budget as it was told last: ``at``, and what ``today`` cost and is ``left`` by unit."""
    told: Document | None = _aware(database, OPS_STATS.name).find_one(
        {"meta": {"kind": "budget"}}, sort=[("at", DESCENDING)]
    )
    return told


def _moment(
    database: Database[Document], name: str, wanted: Document, field: str, order: int = DESCENDING
) -> datetime | None:
    found = _aware(database, name).find_one(wanted, {field: 1, "_id": 0}, sort=[(field, order)])
    return found[field] if found else None


def _aware(database: Database[Document], name: str) -> Any:
    return database.get_collection(name, codec_options=CodecOptions(tz_aware=True, tzinfo=timezone.utc))
