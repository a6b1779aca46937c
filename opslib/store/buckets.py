"""The documents of ``word_counts``: how they hold their words, and how they are read.

A document is what one or several keys (:mod:`opslib.store.observations`) have in a minute, an hour or a day:
``keys`` that were counted from the same tweets share one. Of its ``words``, each entry is a number ``n`` and
``w``, the words that so many texts hold, a line each. Before, every word was an entry; that is read as well.

While a bucket is replaced, its old and its new documents are there together: the one of the newest
``computed_at`` is right. So whoever reads ``word_counts`` does it by :func:`read`.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from opslib.store.collections import WORD_COUNTS
from opslib.store.observations import Key

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pymongo.database import Database

    Document = dict[str, Any]

LENGTHS = {"minute": timedelta(minutes=1), "hour": timedelta(hours=1), "day": timedelta(days=1)}


@dataclass
class Counts:
    """The tweets of a span of time, and how many texts of them hold each word as it is spelt."""

    tweets: int = 0
    words: Counter[str] = field(default_factory=Counter)

    def add(self, other: Counts) -> None:
        """Count in those of another span or of other keys."""
        self.tweets += other.tweets
        self.words.update(other.words)


def floor(moment: datetime, unit: str) -> datetime:
    """Return the beginning (UTC) of the bucket that *moment* is in."""
    minute = moment.replace(second=0, microsecond=0)
    if unit == "minute":
        return minute
    return minute.replace(minute=0) if unit == "hour" else minute.replace(minute=0, hour=0)


class Minute(NamedTuple):
    """A minute of a place in which tweets were counted, for which topics of it, and when."""

    at: datetime
    computed_at: datetime
    topics: frozenset[str]


def packed(words: Mapping[str, int], most: int) -> list[Document]:
    """Return the *most* words that most texts hold, of equals the first by letter, as a document has them."""
    by_number: dict[int, list[str]] = {}
    for word, number in words.items():
        by_number.setdefault(number, []).append(word)
    entries = []
    for number in sorted(by_number, reverse=True):
        if most <= 0:
            break
        kept = sorted(by_number[number])[:most]
        entries.append({"n": number, "w": "\n".join(kept)})
        most -= len(kept)
    return entries


def unpacked(words: Iterable[Document]) -> Counter[str]:
    """Return the words of a document with their numbers."""
    found: Counter[str] = Counter()
    for entry in words:
        found.update(dict.fromkeys(entry["w"].split("\n"), entry["n"]))
    return found


def document_keys(document: Mapping[str, Any]) -> list[Key]:
    """Return the keys of a document of ``word_counts``; one of before has one."""
    return [Key(key["woeid"], key["topic"], key.get("kind")) for key in document.get("keys", [document])]


def counts_of(document: Mapping[str, Any]) -> Counts:
    """Return what a document of ``word_counts`` holds."""
    return Counts(document["tweets"], unpacked(document["words"]))


def read(
    database: Database[Document],
    chosen: Mapping[str, Iterable[datetime]],
    key: Key,
    fields: Iterable[str] = ("tweets", "words"),
) -> list[Document]:
    """Return what *key* has in the buckets *chosen*, beginnings by unit: ``unit``, ``at`` and *fields*.

    A bucket that no tweet of the key is in has none. Each bucket has one at most; their order is by chance.
    """
    # Without a kind it is one of a trend, or of anything.
    wanted_key = {"$elemMatch": {**key.to_document(), "kind": key.kind}}
    some = [
        {"unit": unit, "at": {"$in": ats}, "keys": wanted_key}
        for unit, ats in ((unit, list(ats)) for unit, ats in chosen.items())
        if ats
    ]
    if not some:
        return []
    wanted = {"_id": 0, **dict.fromkeys(("unit", "at", "computed_at", *fields), 1)}
    newest: dict[tuple[str, datetime], Document] = {}
    for found in database[WORD_COUNTS.name].find({"$or": some}, wanted):
        bucket = (found["unit"], found["at"])
        if bucket not in newest or newest[bucket]["computed_at"] < found["computed_at"]:
            newest[bucket] = found
    return list(newest.values())


def counted_since(
    database: Database[Document], woeid: int, since: datetime, computed_after: datetime
) -> list[Minute]:
    """Return the minutes of a place from *since* on that changed when they were counted after a moment."""
    some = {
        "unit": "minute",
        "at": {"$gte": since},
        "keys.woeid": woeid,
        "computed_at": {"$gt": computed_after},
    }
    return [
        Minute(
            found["at"],
            found["computed_at"],
            frozenset(key["topic"] for key in found["keys"] if key["woeid"] == woeid and key["topic"]),
        )
        for found in database[WORD_COUNTS.name].find(some, {"at": 1, "computed_at": 1, "keys": 1})
    ]
