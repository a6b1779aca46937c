"""What MongoDB's collections take, on the member that answers."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

from pymongo.errors import OperationFailure

from opslib.disk.parts import Part, Saving, Told, Unknown
from opslib.run.failures import said
from opslib.store.collections import ALL, OPS_STATS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pymongo.database import Database

_COUNT_MILLISECONDS = 60_000
_OPLOG = "oplog.rs"
# The field that each retention counts from.
_COUNTED_FROM = {
    **{one.name: one.expires for one in ALL if one.expires is not None},
    OPS_STATS.name: OPS_STATS.time,
}


def look(
    database: Database[dict[str, Any]], keep_days: Mapping[str, float | None], days: float | None
) -> Iterator[Told]:
    """Yield each collection, and what its retention would free at *days*, or at half of what it holds.

    Raises ``PyMongoError``; a collection that this account may not look at is told as unknown.
    """
    for name in sorted(database.list_collection_names(filter={"name": {"$not": {"$regex": "^system\\."}}})):
        setting = f"store.{name}_days" if name in keep_days else ""
        try:
            part = _part(database, name, setting)
        except OperationFailure as error:
            yield Unknown(f"mongodb: {name}", said(error))
            continue
        yield part
        if name in keep_days:
            yield from _saving(database, part, keep_days[name], days)
    try:
        yield _part(database.client["local"], _OPLOG, "mongodb_oplog_mb")
    except OperationFailure as error:
        yield Unknown(f"mongodb: {_OPLOG}", said(error))


def _part(database: Database[dict[str, Any]], name: str, setting: str) -> Part:
    (found,) = database[name].aggregate([{"$collStats": {"storageStats": {}}}])
    stats = found["storageStats"]
    buckets = stats.get("timeseries")
    return Part(
        "mongodb",
        name,
        stats["storageSize"] + stats.get("totalIndexSize", 0),
        stats.get("freeStorageSize", 0),
        # Of a time series MongoDB counts buckets.
        None if buckets else stats.get("count", 0),
        setting,
    )


def _saving(
    database: Database[dict[str, Any]], part: Part, kept: float | None, days: float | None
) -> Iterator[Saving]:
    collection, at = database[part.name], _COUNTED_FROM[part.name]
    oldest = collection.find_one({}, {at: 1}, sort=[(at, 1)], max_time_ms=_COUNT_MILLISECONDS)
    if oldest is None:
        return
    now = datetime.now(timezone.utc)
    held = max(0.0, (now - oldest[at].replace(tzinfo=timezone.utc)) / timedelta(days=1))
    to = held / 2 if days is None else days
    count = part.entries
    if count is None:
        count = collection.count_documents({}, maxTimeMS=_COUNT_MILLISECONDS)
    older = {at: {"$lt": now - timedelta(days=to)}}
    gone = collection.count_documents(older, maxTimeMS=_COUNT_MILLISECONDS)
    share = min(1.0, gone / count) if count else 0.0
    yield Saving(f"store.{part.name}_days", kept, held, to, int(share * (part.bytes - part.reusable)))
