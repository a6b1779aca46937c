"""Roll-ups: how many tweets hold each word, by minute, hour and day, place and topic.

They are derived, never incremented. Whoever writes tweets first marks the minutes that the write changes;
:func:`refresh` counts marked minutes anew from the tweets, their hours from the minutes, their days from
the hours, and each result replaces the one before. Repeating any of it changes nothing.

Time belongs to the observation: a tweet stands where it was first collected for the place and topic in
question (:mod:`opslib.store.observations`), so for each of them it is in one minute, and hours and days are
sums that count it once. Of a tweet and its retweets, one has its words counted for each place and topic
(:mod:`opslib.store.texts`), so that in a sum of any buckets they count once. Whoever writes or deletes a
tweet that takes this place, or leaves it, marks the minute of the other one too.

The mark of a minute is deleted only if nobody touched it for :data:`SETTLE` before the count began. That is
longer than a write can take after its mark, so no write under way is missed; all moments are the server's
own. Until then it is counted again each time; what comes out as it was is left as it is, ``computed_at`` too.
Several workers share the marks (:mod:`opslib.store.marks`).

An hour and a day are counted once they are over: until then every new tweet would have them counted again,
and they are read as their minutes and hours. :data:`READY` after their end they are read themselves.

A bucket keeps the :data:`MOST` words that most tweets have: MongoDB takes documents of 16 MB, and a month is
read as its days. How many spellings that left out, it says.
"""

from __future__ import annotations

import gc
import logging
from collections import defaultdict
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

import bson
from bson import ObjectId
from bson.codec_options import CodecOptions
from pymongo.errors import OperationFailure
from pymongo.read_concern import ReadConcern
from pymongo.write_concern import WriteConcern

from opslib.store.buckets import LENGTHS, Counts, counts_of, floor, read
from opslib.store.collections import ROLLUP_MARKS, TWEETS, WORD_COUNTS
from opslib.store.counting import BELOW, documents, observed_in
from opslib.store.marks import Claim, drop, mark, marked
from opslib.store.observations import Key

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from pymongo.collection import Collection
    from pymongo.database import Database

    Document = dict[str, Any]

__all__ = ["Counts", "buckets", "counts", "floor", "mark", "now", "read", "refresh"]

_LOG = logging.getLogger(__name__)
SETTLE = timedelta(seconds=30)
_ABOVE = {"minute": "hour", "hour": "day"}
# Words of a bucket. The last of so many is in too few tweets of its day to be among the first of a month's.
MOST = {"minute": 40_000, "hour": 20_000, "day": 10_000}
# So many buckets are counted at once, minutes only if their tweets are no more than these.
_AT_ONCE = {"minute": 120, "hour": 6, "day": 1}
_TWEETS_AT_ONCE = 20_000
# What is written at once.
_DOCUMENTS_AT_ONCE = 5_000
_CHARACTERS_AT_ONCE = 8_000_000
# Until so long after its end a bucket may not have been counted yet.
READY = {"minute": timedelta(0), "hour": timedelta(minutes=10), "day": timedelta(hours=1)}


def refresh(
    database: Database[Document], *, keep: timedelta | None = None, settle: timedelta = SETTLE
) -> dict[str, int]:
    """Count what is marked and over, and return how many buckets of each unit that were.

    *keep* is the shortest retention of tweets and roll-ups: a bucket older than that cannot be counted anew,
    and stays as it is. A count that fails is logged; its mark stays. What another worker has at hand is left
    to it.
    """
    database = database.with_options(
        codec_options=CodecOptions(tz_aware=True),
        read_concern=ReadConcern("majority"),
        write_concern=WriteConcern("majority"),
    )
    marks = database[ROLLUP_MARKS.name]
    done = dict.fromkeys(LENGTHS, 0)
    for unit in LENGTHS:
        began = now(database)
        ats = marked(marks, unit)
        if unit in BELOW:
            ats = _over(unit, ats, began)
            at_work = {floor(at, unit) for at in marked(marks, BELOW[unit], claimed=True)}
            ats = [at for at in ats if at not in at_work]
        if keep is not None:
            gone = [at for at in ats if at + LENGTHS[unit] <= began - keep]
            drop(marks, unit, gone)
            ats = ats[len(gone) :]
        for some in _portions(database, unit, ats):
            done[unit] += _refreshed(database, unit, some, settle, began)
    return done


def counts(
    database: Database[Document],
    since: datetime,
    until: datetime,
    *,
    woeid: int | None = None,
    topic: str | None = None,
    kind: str | None = None,
) -> Counts:
    """Return the words of the tweets collected from *since* to *until*, both widened to whole minutes.

    Only those collected for the place *woeid* and for the topic of exactly the name *topic*, if given: that
    of a trend, or of what is followed if *kind* says so. A month is read as its days; what is left at either
    end as hours and minutes. Words beyond the first :data:`MOST` of a bucket are not in it.
    """
    total = Counts()
    for found in read(database, buckets(since, until), Key(woeid, topic, kind)):
        total.add(counts_of(found))
    return total


def buckets(since: datetime, until: datetime) -> dict[str, list[datetime]]:
    """Return the fewest buckets that are ready and make up the time from *since* to *until*, by unit."""
    ready = {unit: datetime.now(timezone.utc) - after for unit, after in READY.items()}
    at, end = floor(since, "minute"), floor(until, "minute")
    if end < until:
        end += LENGTHS["minute"]
    found: dict[str, list[datetime]] = {unit: [] for unit in LENGTHS}
    while at < end:
        unit = next(
            unit
            for unit in ("day", "hour", "minute")
            if floor(at, unit) == at and (unit == "minute" or at + LENGTHS[unit] <= min(end, ready[unit]))
        )
        found[unit].append(at)
        at += LENGTHS[unit]
    return found


def _over(unit: str, ats: Iterable[datetime], moment: datetime) -> list[datetime]:
    return [at for at in ats if at + LENGTHS[unit] <= moment]


def _portions(
    database: Database[Document], unit: str, ats: Sequence[datetime]
) -> Iterator[Sequence[datetime]]:
    """Yield *ats*, which are sorted, by some that are counted at once."""
    for first in range(0, len(ats), _AT_ONCE[unit]):
        some = ats[first : first + _AT_ONCE[unit]]
        yield from _small(database, some) if unit == "minute" else (some,)


def _small(database: Database[Document], ats: Sequence[datetime]) -> Iterator[Sequence[datetime]]:
    if len(ats) > 1:
        limit = _TWEETS_AT_ONCE + 1
        if database[TWEETS.name].count_documents(observed_in(ats), limit=limit) == limit:
            middle = len(ats) // 2
            yield from _small(database, ats[:middle])
            yield from _small(database, ats[middle:])
            return
    yield ats


def _refreshed(
    database: Database[Document], unit: str, ats: Sequence[datetime], settle: timedelta, since: datetime
) -> int:
    """Count those of the buckets of one unit that begin at *ats* that nobody has counted *since*.

    Return how many that were. If they cannot be counted together, each is by itself.
    """
    marks = database[ROLLUP_MARKS.name]
    claim = Claim(marks, unit, ats, since)
    if not claim.ats:
        return 0
    began = now(database)
    try:
        _replace(database, unit, claim, began)
    except OperationFailure as error:
        claim.end()
        if error.code in (13, 18):  # not authorised: no bucket is to blame
            raise
        if len(ats) > 1:
            return sum(_refreshed(database, unit, [at], settle, since) for at in claim.ats)
        _LOG.error("the %s of %s was not counted: %s", unit, ats[0].isoformat(), error)
        return 0
    if unit in _ABOVE:
        mark(marks, claim.ats, _ABOVE[unit])
    # Who marks an hour or a day has written it by then.
    claim.end(began, began - settle if unit == "minute" else None)
    return len(claim.ats)


def _replace(database: Database[Document], unit: str, claim: Claim, began: datetime) -> None:
    """Count the claimed buckets, and put what comes out in the place of what was there.

    What is new is there before what is old goes: see :mod:`opslib.store.buckets`.
    """
    collection = database[WORD_COUNTS.name]
    old: _Contents = defaultdict(list)
    for found in collection.find({"unit": unit, "at": {"$in": claim.ats}}):
        old[_content(found)].append((found["at"], found["_id"]))
    counted = documents(database, unit, claim.ats, MOST[unit], claim.renew)
    with _without_garbage_collection():
        new = _written(collection, _changed(counted, old), began)
    held = claim.held()
    _delete(collection, [one for at, one in new if at not in held])
    _delete(collection, [one for some in old.values() for at, one in some if at in held])


@contextmanager
def _without_garbage_collection() -> Iterator[None]:
    """Do not look for cycles, of which counting makes none: that takes a fifth of its time."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


_Contents = dict[bytes, list[tuple[datetime, Any]]]  # beginnings of buckets, with the ids of documents


def _changed(counted: Iterable[Document], old: _Contents) -> Iterator[Document]:
    """Yield what is not among the *old* documents, and take from these what is."""
    for document in counted:
        same = old.get(_content(document)) if old else None
        if same:
            same.pop()
        else:
            yield document


def _content(document: Document) -> bytes:
    names = ("unit", "at", "keys", "tweets", "words", "left_out")
    return blake2b(bson.encode({name: document.get(name) for name in names})).digest()


def _written(
    collection: Collection[Document], counted: Iterable[Document], began: datetime
) -> list[tuple[datetime, Any]]:
    """Insert documents; return the beginning of the bucket and the id of each."""
    written: list[tuple[datetime, Any]] = []
    waiting: list[Document] = []
    size = 0
    for document in counted:
        waiting.append({"_id": ObjectId(), **document, "computed_at": began})
        size += sum(len(entry["w"]) for entry in document["words"])
        if size > _CHARACTERS_AT_ONCE or len(waiting) == _DOCUMENTS_AT_ONCE:
            collection.insert_many(waiting, ordered=False)
            written += [(one["at"], one["_id"]) for one in waiting]
            waiting, size = [], 0
    if waiting:
        collection.insert_many(waiting, ordered=False)
    return written + [(one["at"], one["_id"]) for one in waiting]


def _delete(collection: Collection[Document], ids: Sequence[Any]) -> None:
    for first in range(0, len(ids), _DOCUMENTS_AT_ONCE):
        collection.delete_many({"_id": {"$in": ids[first : first + _DOCUMENTS_AT_ONCE]}})


def now(database: Database[Document]) -> datetime:
    """Return the server's own moment."""
    moment: datetime = database.command("hello", codec_options=CodecOptions(tz_aware=True))["localTime"]
    return moment
