"""What happens when the same tweet comes again, and what only a stored tweet has.

One rule, :func:`changes`, decides what a copy of a tweet brings to what is already known. It is used
inside a batch and against MongoDB alike, so the outcome does not depend on how copies fall into batches
or in which order they arrive.

A copy may lack what another one has: names of the author and what is retweeted are asked for at a price, and
X cuts long texts. So every value stands for itself. Of all copies' values of a field the richest is kept, of
equally rich ones the newest, of equally new ones the greatest: an order that leaves nothing to chance. How
rich a value is follows from itself (:func:`_richness`), and when it was collected is the document's
``collected_at``, unless its ``as_of`` says otherwise: it lists what is left of other copies than the newest.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

from bson.int64 import Int64

from opslib.message import kind_of, moment_of_id, retweeted_id
from opslib.words import VERSION, words_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime

Document = dict[str, Any]

# What follows from all copies together, or from other fields.
_DERIVED = frozenset(
    {"_id", "topics", "first_seen_at", "collected_at", "as_of", "retweet_of", "words", "words_version"}
)
_OBJECTS = frozenset({"author", "entities", "public_metrics"})  # each of their parts is a value
COUNTED = frozenset({"text", "lang", "entities"})  # what words are taken from
_INT64 = ("_id", "retweet_of")


class _Value(NamedTuple):
    """One copy's value of a field."""

    richness: int
    at: datetime  # when it was collected
    value: Any


def complete(document: Document) -> Document:
    """Add what only a stored tweet needs, if it is not there; for words cost, only to what is written."""
    document["topics"] = _joined(document["topics"])
    # MongoDB would keep a small id as 32 bits; all of them are to have one type.
    for name in _INT64:
        if name in document:
            document[name] = Int64(document[name])
    if "words" not in document:
        document.update(_words(document))
    return document


def completed(known: Document, change: Document) -> Document:
    """Return *change* of *known* with the words that it changes, which are those of all copies together."""
    if COUNTED.isdisjoint(change):
        return change
    return {**change, **_words({**known, **change})}


def _words(document: Document) -> Document:
    return {"words": words_of(document), "words_version": VERSION}


def changes(known: Document, copy: Document) -> Document:
    """Return the fields that *copy* changes in *known*; none when it brings nothing new.

    Words are left to :func:`completed`.
    """
    changed: Document = {}
    latest = max(known["collected_at"], copy["collected_at"])
    names = [name for name in dict.fromkeys([*known, *copy]) if name not in _DERIVED]
    if not (known.get("as_of") or copy.get("as_of")):
        # What both have alike is as new as the newer of them.
        names = [name for name in names if known.get(name) != copy.get(name)]
        if "text" in names and "entities" not in names:
            names.append("entities")
    if names:
        changed = _better(known, copy, names, latest)
    if latest != known["collected_at"]:
        changed["collected_at"] = latest
    if not _covers(known["topics"], copy["topics"]):
        changed["topics"] = _joined(known["topics"], copy["topics"])
    if copy["first_seen_at"] < known["first_seen_at"]:
        changed["first_seen_at"] = copy["first_seen_at"]
    return changed


def _better(known: Document, copy: Document, names: list[str], latest: datetime) -> Document:
    """Return what is different from *known* if of the fields *names* each has the better value of both."""
    best = dict(_values(known, names))
    for field, value in _values(copy, names):
        best[field] = _best(best[field], value) if field in best else value
    merged: Document = {name: _blank(name, known, copy) for name in names}
    for field, found in best.items():
        name, is_part, part = field.partition(".")
        if is_part:
            merged[name][part] = found.value
        else:
            merged[name] = found.value
    length = len(merged["text"] if "text" in merged else known["text"])
    merged["as_of"] = [
        {"field": field, "at": found.at, "richness": found.richness}
        for field, found in sorted(best.items())
        if (found.richness, found.at) != (_richness(field, found.value, known["_id"], length), latest)
    ]
    original = retweeted_id(merged)
    if original is not None:
        merged["retweet_of"] = Int64(original)
    before = {"as_of": [], **known}
    return {name: value for name, value in merged.items() if value != before.get(name)}


def _blank(name: str, known: Document, copy: Document) -> Document | None:
    """Return the field *name* with no value yet: of an object, the parts that either has."""
    objects = [one[name] for one in (known, copy) if name in _OBJECTS and one.get(name) is not None]
    return dict.fromkeys(part for one in objects for part in one) if objects else None


def _values(document: Document, names: Iterable[str]) -> Iterator[tuple[str, _Value]]:
    """Yield the values that *document* has of *names*, those of an object's parts as ``object.part``."""
    known = {entry["field"]: (entry["richness"], entry["at"]) for entry in document.get("as_of") or ()}
    length = len(document["text"])
    for name in names:
        value = document.get(name)
        parts = value.items() if name in _OBJECTS and value else ()
        fields = [(f"{name}.{part}", of_part) for part, of_part in parts]
        for field, found in fields if name in _OBJECTS else [(name, value)]:
            if found is not None:
                own = _richness(field, found, document["_id"], length), document["collected_at"]
                yield field, _Value(*known.get(field, own), found)


def _richness(field: str, value: Any, tweet_id: int, length: int) -> int:
    """Return how much a value says, beside others of its field; *length* is that of the text it came with."""
    if field == "text" or field.startswith("entities."):
        return length
    if field == "referenced_tweets":
        return len(value)
    if field == "lang":
        return int(value != "und")
    # What follows from the id says no more than this.
    return int(field == "created_at" and value != moment_of_id(tweet_id))


def _best(one: _Value, other: _Value) -> _Value:
    if one[:2] != other[:2]:
        return max(one, other, key=lambda value: value[:2])
    if one.value == other.value:
        return one
    return max(one, other, key=lambda value: json.dumps(value.value, sort_keys=True, default=str))


def _covers(known: list[Document], topics: list[Document]) -> bool:
    """Say whether all of *topics* were collected for before, and no later than *topics* say."""
    first = {_identity(topic): topic["first_at"] for topic in known}
    return all(
        (at := first.get(_identity(topic))) is not None and at <= topic["first_at"] for topic in topics
    )


def _identity(topic: Document) -> tuple[str, str, str]:
    """Return what tells a topic from others, such as can be put into an order."""
    return topic["name"], str(topic.get("woeid")), kind_of(topic) or ""


def _joined(*parts: list[Document]) -> list[Document]:
    """Return the topics of all, each once, since the first time it was collected for, in this order."""
    topics: dict[Any, Document] = {}
    for topic in (topic for part in parts for topic in part):
        key = _identity(topic)
        if key not in topics or topic["first_at"] < topics[key]["first_at"]:
            topics[key] = topic
    return sorted(topics.values(), key=lambda topic: (topic["first_at"], *_identity(topic)))
