"""Writing tweets and snapshots into MongoDB so that writing them again changes nothing.

New tweets are inserted, known ones updated only where a copy brings something, and everything returned
as written has been acknowledged by a majority.

Reading is done with read concern "majority": what is found and needs no change is then as safe as what
was just acknowledged. A tweet that another sink wrote and that no majority has yet is not seen, comes
back as a duplicate, and its turn comes again once the majority has it.

Before a write, the moments whose roll-ups it changes are told: those at which a tweet was collected for
something new, all of a tweet whose words change, and those of a tweet that counts no more for its text
because one that was collected before it comes late. A copy that brings numbers alone changes none.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import bson
from bson.codec_options import CodecOptions
from bson.errors import BSONError
from bson.raw_bson import RawBSONDocument
from pymongo import UpdateOne
from pymongo.errors import AutoReconnect, BulkWriteError, OperationFailure
from pymongo.read_concern import ReadConcern
from pymongo.write_concern import WriteConcern

from opslib.store.documents import COUNTED, Document, changes, complete, completed
from opslib.store.failures import bad_document
from opslib.store.observations import moved
from opslib.store.texts import displaced

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from datetime import datetime

    from pymongo.collection import Collection

_DUPLICATE = 11000
_ROUNDS = 8
# What follows from the rest of a known tweet need not travel.
_JUDGED = {"words": 0, "words_version": 0}
# What says that a copy came, whatever else it brought.
_NEWS = ("collected_at", "first_seen_at", "topics", "as_of")
# What its words, and their place among those of a text, are taken from.
_PLACED = {*COUNTED, "retweet_of"}
_UNWRITABLE = (BSONError, ValueError, TypeError, LookupError, AttributeError, OverflowError, RecursionError)
Key = Any


@dataclass
class Outcome:
    """What became of a batch of documents."""

    inserted: int = 0
    updated: int = 0
    unchanged: int = 0
    refused: dict[Key, str] = field(default_factory=dict)  # id to reason

    def add(self, other: Outcome) -> None:
        """Count in what became of another batch, but not what of it was refused."""
        self.inserted += other.inserted
        self.updated += other.updated
        self.unchanged += other.unchanged


def safely(collection: Collection[Document]) -> Collection[Document]:
    """Return *collection* with majority reads and writes, and times that know their zone."""
    return collection.with_options(
        codec_options=CodecOptions(tz_aware=True),
        read_concern=ReadConcern("majority"),
        write_concern=WriteConcern("majority"),
    )


def write_tweets(
    collection: Collection[Document],
    documents: Mapping[Key, Document],
    before: Callable[[set[datetime]], None] = lambda _: None,
) -> Outcome:
    """Write tweets, given by id, into a collection made by :func:`safely`.

    Before anything is written, *before* gets the moments whose roll-ups change.
    """
    outcome = Outcome()
    waiting = set(documents)
    for _ in range(_ROUNDS):
        known = {d["_id"]: d for d in collection.find({"_id": {"$in": list(waiting)}}, _JUDGED)}
        fresh = _encoded(
            ((key, documents[key]) for key in waiting if key not in known),
            outcome,
            lambda _, new: complete(new),
        )
        changed = {key: changes(found, documents[key]) for key, found in known.items()}
        updates = _updates(known, changed, outcome)
        written = {key: documents[key] for key in fresh}
        before(_touched(collection, written, known, {key: changed[key] for key in updates}))
        again = _insert(collection, list(fresh.values()), outcome)
        again |= _apply(collection, list(updates.items()), outcome)
        waiting = again - set(outcome.refused)
        if not waiting:
            return outcome
    raise AutoReconnect(f"{len(waiting)} tweets keep being changed by somebody else")


def write_once(collection: Collection[Document], documents: Mapping[Key, Document]) -> Outcome:
    """Write documents that never change; those that are there already stay."""
    outcome = Outcome()
    again = _insert(collection, list(_encoded(documents.items(), outcome).values()), outcome)
    outcome.unchanged = len(again)
    return outcome


def _touched(
    collection: Collection[Document],
    fresh: Mapping[Key, Document],
    known: Mapping[Key, Document],
    changed: Mapping[Key, Document],
) -> set[datetime]:
    """Return the moments whose roll-ups change once *fresh* tweets and what *changed* are written."""
    moments: set[datetime] = set()
    first = list(fresh.values())  # with what may take the place of others
    for document in first:
        moments |= moved(None, document, counted=True)
    for key, change in changed.items():
        old, new = known[key], {**known[key], **change}
        moments |= moved(old, new, counted=not _PLACED.isdisjoint(change))
        earlier = _only_new(old, new)
        if earlier is not None:
            first.append(earlier)
    return moments | displaced(collection, first)


def _only_new(known: Document, new: Document) -> Document | None:
    """Return *new* with the topics alone that *known* has not, or has later; ``None`` if there are none."""
    if new.get("retweet_of") != known.get("retweet_of"):
        return new
    topics = [topic for topic in new["topics"] if topic not in known["topics"]]
    if not topics and (new["topics"] or new["first_seen_at"] == known["first_seen_at"]):
        return None
    return {**new, "topics": topics}


def _encoded(
    documents: Iterable[tuple[Key, Document]],
    outcome: Outcome,
    finish: Callable[[Key, Document], Document] = lambda _, document: document,
) -> dict[Key, RawBSONDocument]:
    """Finish and encode each document by itself, so that one that cannot be does not spoil the others."""
    encoded = {}
    for key, document in documents:
        try:
            encoded[key] = RawBSONDocument(bson.encode(finish(key, document)))
        except _UNWRITABLE as error:  # noqa: PERF203 - it is per document on purpose
            outcome.refused[key] = f"cannot be written as BSON: {type(error).__name__} {error}"
    return encoded


def _insert(collection: Collection[Document], fresh: list[RawBSONDocument], outcome: Outcome) -> set[Key]:
    """Insert what is new, and return the ids that were there already."""
    if not fresh:
        return set()
    there: set[Key] = set()
    try:
        collection.insert_many(fresh, ordered=False)
    except BulkWriteError as error:
        details = _only_faults_of_documents(error)
        for fault in details["writeErrors"]:
            key = fresh[fault["index"]]["_id"]
            if fault["code"] == _DUPLICATE:
                there.add(key)
            else:
                outcome.refused[key] = str(bad_document(fault["code"], fault["errmsg"]))
        outcome.inserted += details["nInserted"]
    except OperationFailure as error:
        # The whole command was refused for the sake of one document: find which.
        return _halved(error, fresh, outcome, lambda part: _insert(collection, part, outcome))
    else:
        outcome.inserted += len(fresh)
    return there


def _updates(
    known: Mapping[Key, Document], changed: Mapping[Key, Document], outcome: Outcome
) -> dict[Key, UpdateOne]:
    """Return the updates of what changed; each matches only if nobody else changed that tweet meanwhile."""
    outcome.unchanged += sum(not change for change in changed.values())
    encoded = _encoded(
        ((key, change) for key, change in changed.items() if change),
        outcome,
        lambda key, change: completed(known[key], change),
    )
    return {
        key: UpdateOne(_judged(known[key], changed[key]), {"$set": change}) for key, change in encoded.items()
    }


def _judged(known: Document, change: Document) -> Document:
    """Return the query that matches *known* as long as nobody changed what *change* was judged by."""
    # Words are taken from several fields, whichever of them changes.
    names = dict.fromkeys((*_NEWS, *change, *(() if COUNTED.isdisjoint(change) else COUNTED)))
    return {"_id": known["_id"], **{name: {"$eq": known.get(name)} for name in names}}


def _apply(
    collection: Collection[Document], updates: list[tuple[Key, UpdateOne]], outcome: Outcome
) -> set[Key]:
    """Apply updates, and return the ids to look at again because they changed meanwhile."""
    if not updates:
        return set()
    refused = set()
    try:
        matched = collection.bulk_write([update for _, update in updates], ordered=False).matched_count
    except BulkWriteError as error:
        details = _only_faults_of_documents(error)
        for fault in details["writeErrors"]:
            key = updates[fault["index"]][0]
            refused.add(key)
            outcome.refused[key] = str(bad_document(fault["code"], fault["errmsg"]))
        matched = details["nMatched"]
    except OperationFailure as error:
        return _halved(error, updates, outcome, lambda part: _apply(collection, part, outcome))
    if matched + len(refused) < len(updates):
        # Which of them did not match MongoDB does not say: all are judged again, and most then need nothing.
        return {key for key, _ in updates} - refused
    outcome.updated += matched
    return set()


def _only_faults_of_documents(error: BulkWriteError) -> Mapping[str, Any]:
    """Return the details if documents alone are to blame; raise *error* again if anything else is."""
    details = error.details or {}
    if details.get("writeConcernErrors"):
        raise AutoReconnect(f"no majority: {details['writeConcernErrors'][0].get('errmsg')}") from error
    for fault in details["writeErrors"]:
        if fault["code"] != _DUPLICATE and not bad_document(fault["code"]):
            if fault["code"] in (13, 18):
                raise OperationFailure(fault["errmsg"], fault["code"]) from error
            raise AutoReconnect(f"{fault['code']} {fault['errmsg']}") from error
    return details


def _halved(error: OperationFailure, items: list[Any], outcome: Outcome, act: Any) -> set[Key]:
    """Do *act* with each half of *items* after a refusal, down to the one document that is to blame."""
    reason = bad_document(error.code, str(error))
    if reason is None:
        raise error
    if len(items) > 1:
        middle = len(items) // 2
        return set(act(items[:middle])) | set(act(items[middle:]))
    outcome.refused[_key(items[0])] = reason
    return set()


def _key(item: Any) -> Key:
    return item[0] if isinstance(item, tuple) else item["_id"]
