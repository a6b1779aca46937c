"""What is unwanted: the one policy that whoever reads tweets asks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from opslib.message import retweeted_id, retweeted_name
from opslib.store.collections import FORGOTTEN, FORGOTTEN_AUTHORS
from opslib.store.write import safely

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pymongo.database import Database

    from opslib.store.documents import Document


class Forgotten:
    """What the sink has to leave out; asked about each batch, so that nothing is remembered wrongly.

    For 1,000 tweets, with 20,000 that are forgotten, that took 11 ms where writing them took 123 ms
    (pymongo, with their words). A set in memory would be quicker, and wrong once a note
    takes a majority longer than whatever overlap two looks have.
    """

    def __init__(self, database: Database[Document]) -> None:
        self._tweets = safely(database[FORGOTTEN.name])
        self._authors = safely(database[FORGOTTEN_AUTHORS.name])

    def of(self, documents: Mapping[Any, Document]) -> set[Any]:
        """Return the ids of those that are to be forgotten: itself, its author, or what it retweets."""
        originals = {key: retweeted_id(document) for key, document in documents.items()}
        ids = {*documents, *(original for original in originals.values() if original)}
        tweets = {found["_id"] for found in self._tweets.find({"_id": {"$in": list(ids)}}, {"_id": 1})}
        authors = {key: author_of(document) for key, document in documents.items()}
        names = {key: retweeted_name(document["text"]) for key, document in documents.items()}
        gone_authors, gone_names = self._gone(set(authors.values()) - {None}, set(names.values()) - {None})
        return {
            key
            for key in documents
            if key in tweets
            or originals[key] in tweets
            or authors[key] in gone_authors
            or names[key] in gone_names
        }

    def _gone(self, authors: set[Any], names: set[Any]) -> tuple[set[Any], set[Any]]:
        if not authors and not names:
            return set(), set()
        some = {"$or": [{"_id": {"$in": list(authors)}}, {"names": {"$in": list(names)}}]}
        found = list(self._authors.find(some, {"names": 1}))
        return {one["_id"] for one in found}, {name for one in found for name in one.get("names", ())}


def author_of(document: Document) -> str | None:
    """Return the id of who wrote it, or ``None`` where authors were not asked for."""
    author: str | None = (document.get("author") or {}).get("id")
    return author
