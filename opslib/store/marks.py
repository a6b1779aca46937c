"""The marks of buckets that have to be counted anew, which several workers share.

A worker claims marks before it counts. A claim runs out if it is not renewed, so that of a worker that was
killed another one takes it over. A mark goes when its bucket was counted and nobody has touched it since the
claim; the mark of a minute, if besides no write can be under way any more that it was made for.
"""

from __future__ import annotations

import time
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from bson import ObjectId
from pymongo import DeleteOne, UpdateOne

from opslib.store.buckets import floor

if TYPE_CHECKING:
    from collections.abc import Collection as Some
    from collections.abc import Iterable
    from datetime import datetime

    from pymongo.collection import Collection

    Document = dict[str, Any]

LEASE = timedelta(seconds=60)
_LASTS = {"$dateAdd": {"startDate": "$$NOW", "unit": "second", "amount": int(LEASE.total_seconds())}}
_FREE = {"$expr": {"$not": [{"$gt": ["$claimed_until", "$$NOW"]}]}}
_CLAIMED = {"$expr": {"$gt": ["$claimed_until", "$$NOW"]}}


def mark(marks: Collection[Document], moments: Iterable[datetime], unit: str = "minute") -> None:
    """Note that the buckets of *moments* have to be counted anew; to be called before they change.

    *marks* is :data:`ROLLUP_MARKS` with majority writes, as :func:`opslib.store.write.safely` makes it.
    """
    buckets = {floor(moment, unit) for moment in moments}
    if buckets:
        touch = {"$currentDate": {"touched_at": True}, "$inc": {"touches": 1}}
        marks.bulk_write(
            [UpdateOne({"_id": {"unit": unit, "at": at}}, touch, upsert=True) for at in sorted(buckets)],
            ordered=False,
        )


def marked(marks: Collection[Document], unit: str, *, claimed: bool = False) -> list[datetime]:
    """Return the beginnings of the buckets that are marked, in order; of those *claimed* alone, if asked."""
    some: Document = {"_id.unit": unit, **(_CLAIMED if claimed else {})}
    return sorted(found["_id"]["at"] for found in marks.find(some, {"_id": 1}))


def drop(marks: Collection[Document], unit: str, ats: Some[datetime]) -> None:
    """Delete the marks of buckets that cannot be counted anew."""
    if ats:
        marks.delete_many(_these(unit, ats))


class Claim:
    """The marks of some buckets of one unit that this worker alone counts for a while.

    Of *ats* it takes those that nobody else has claimed, or has counted since the moment *unless_since*.
    """

    def __init__(
        self, marks: Collection[Document], unit: str, ats: Some[datetime], unless_since: datetime
    ) -> None:
        self._marks = marks
        self._unit = unit
        self._mine = {"claimed_by": ObjectId()}
        marks.update_many(
            {**_these(unit, ats), **_FREE, "counted_at": {"$not": {"$gt": unless_since}}},
            [
                {
                    "$set": {
                        **self._mine,
                        "claimed_until": _LASTS,
                        # Whoever had it may still write, if it only slept.
                        "taken_over": {"$ne": [{"$type": "$claimed_by"}, "missing"]},
                    }
                }
            ],
        )
        self._renewed = time.monotonic()
        found = marks.find({**_these(unit, ats), **self._mine}, {"touches": 1})
        self._touches = {one["_id"]["at"]: one.get("touches") for one in found}

    @property
    def ats(self) -> list[datetime]:
        """Return the beginnings of the buckets that were claimed, in order."""
        return sorted(self._touches)

    def renew(self) -> None:
        """Make the claim last from now on, if that was not done just before."""
        if time.monotonic() - self._renewed > LEASE.total_seconds() / 4:
            self._marks.update_many(
                {**_these(self._unit, self._touches), **self._mine}, [{"$set": {"claimed_until": _LASTS}}]
            )
            self._renewed = time.monotonic()

    def held(self) -> set[datetime]:
        """Return the buckets that nobody took over meanwhile."""
        found = self._marks.find({**_these(self._unit, self._touches), **self._mine}, {"_id": 1})
        return {one["_id"]["at"] for one in found}

    def end(self, counted_at: datetime | None = None, untouched_since: datetime | None = None) -> None:
        """Give the claim back, and delete the marks of what was counted from the moment *counted_at* on.

        Marks stay that were touched meanwhile, or after *untouched_since*.
        """
        if counted_at is not None:
            settled: Document = {"touched_at": {"$lte": untouched_since}} if untouched_since else {}
            self._marks.bulk_write(
                [
                    DeleteOne({"_id": one, **self._mine, "taken_over": False, "touches": touches, **settled})
                    for one, touches in (
                        ({"unit": self._unit, "at": at}, touches) for at, touches in self._touches.items()
                    )
                ],
                ordered=False,
            )
        counted = {"$set": {"counted_at": counted_at}} if counted_at is not None else {}
        free = {"$unset": {"claimed_by": "", "claimed_until": "", "taken_over": ""}}
        self._marks.update_many({**_these(self._unit, self._touches), **self._mine}, {**free, **counted})


def _these(unit: str, ats: Iterable[datetime]) -> Document:
    return {"_id": {"$in": [{"unit": unit, "at": at} for at in ats]}}
