"""Documents made of messages, and what happens when the same tweet comes again.

One rule, :func:`changes`, decides what a copy of a tweet brings to what is already known. It is used
inside a batch and against MongoDB alike, so the outcome does not depend on how copies fall into batches
or in which order they arrive.
"""

from __future__ import annotations

from typing import Any

from bson.int64 import Int64

from opslib import message
from opslib.words import VERSION, words_of

Document = dict[str, Any]

# What both copies have a say in; everything else belongs to the newer one.
_JOINED = frozenset({"_id", "topics", "first_seen_at"})


def tweet_document(content: dict[str, Any]) -> Document:
    """Return the document of one tweet message; :func:`complete` adds what only a stored one needs."""
    document = message.tweet_document(content)
    # MongoDB would keep a small id as 32 bits; all of them are to have one type.
    for name in ("_id", "retweet_of"):
        if name in document:
            document[name] = Int64(document[name])
    return document


def complete(document: Document) -> Document:
    """Add the words that are counted, if they are not there; taken only of what is written, for they cost."""
    if "words" not in document:
        document["words"] = words_of(document)
        document["words_version"] = VERSION
    return document


def trend_document(content: dict[str, Any]) -> Document:
    """Return the document of one snapshot; its id follows from it, so a repeated one is the same one."""
    document = message.trend_document(content)
    return {"_id": f"{document['woeid']}:{message.stamp(document['collected_at'])}", **document}


def changes(known: Document, copy: Document) -> Document:
    """Return the fields that *copy* changes in *known*; none when it brings nothing new.

    Of *known* only ``collected_at``, ``first_seen_at`` and ``topics`` are looked at. Words are left to
    :func:`complete`.
    """
    changed: Document = {}
    if copy["collected_at"] > known["collected_at"]:
        # What the newer copy was collected without, such as an author, is kept.
        changed = {name: value for name, value in copy.items() if name not in _JOINED and value is not None}
    topics = _joined(known["topics"], copy["topics"])
    if topics != known["topics"]:
        changed["topics"] = topics
    if copy["first_seen_at"] < known["first_seen_at"]:
        changed["first_seen_at"] = copy["first_seen_at"]
    return changed


def _joined(known: list[Document], more: list[Document]) -> list[Document]:
    """Return the topics of both, each once, since the first time it was collected for."""
    topics = {(topic["name"], topic.get("woeid")): topic for topic in known}
    for topic in more:
        key = (topic["name"], topic.get("woeid"))
        if key not in topics or topic["first_at"] < topics[key]["first_at"]:
            topics[key] = topic
    return list(topics.values())
