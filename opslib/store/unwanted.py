"""What is unwanted: the one policy that whoever reads tweets asks, whether they come from Kafka or MongoDB.

A tweet is unwanted if it is noted itself, if its author is, or if it holds the text of such a one: a retweet
does. What it retweets X names by its id; whom, by their id where X lists whom the text mentions or where what
is retweeted was asked for, and only else by the name at its beginning, for names change hands. A quote or an
answer holds words of its own.

:class:`Notes` are what is noted in ``forgotten`` and ``forgotten_authors``, and say which of some tweets are
unwanted. Whoever cannot ask MongoDB about each keeps a :class:`Policy`, which says it of one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from opslib.message import retweeted_author, retweeted_id, retweeted_name
from opslib.store.collections import FORGOTTEN, FORGOTTEN_AUTHORS
from opslib.store.write import safely

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from datetime import datetime

    from pymongo.database import Database

    from opslib.store.documents import Document

Key = TypeVar("Key")


class Origin(NamedTuple):
    """Whose text a tweet holds: its own author's, and of a retweet that of what it retweets."""

    tweet: int
    author: str | None = None  # ids; None where X did not tell
    retweet_of: int | None = None
    retweet_author: str | None = None
    retweet_name: str | None = None  # casefolded, without @


def origin(tweet: Document) -> Origin:
    """Return the origin of *tweet*, a document as MongoDB has it or as it is made of a message."""
    return Origin(
        tweet["_id"],
        author_of(tweet),
        retweeted_id(tweet),
        retweeted_author(tweet),
        retweeted_name(tweet["text"]),
    )


def author_of(tweet: Document) -> str | None:
    """Return the id of who wrote it, or ``None`` where X did not tell."""
    author: str | None = (tweet.get("author") or {}).get("id")
    return author


@dataclass(frozen=True)
class Policy:
    """Whose tweets are unwanted: as much of it as somebody needs."""

    tweets: Collection[int] = frozenset()
    authors: Collection[str] = frozenset()  # ids
    names: Collection[str] = frozenset()  # that these authors have had, casefolded

    def unwanted(self, tweet: Document) -> bool:
        """Say whether *tweet*, a document, has to be left out of everything."""
        return self.holds(origin(tweet))

    def holds(self, found: Origin) -> bool:
        """Say whether a tweet of that origin has to be left out of everything."""
        if found.tweet in self.tweets or found.retweet_of in self.tweets or found.author in self.authors:
            return True
        if found.retweet_author is not None:
            return found.retweet_author in self.authors
        return found.retweet_name in self.names

    def __bool__(self) -> bool:
        return any(map(len, (self.tweets, self.authors, self.names)))


class Notes:
    """Who is noted, as MongoDB has it. Everything may raise ``PyMongoError``."""

    def __init__(self, database: Database[Document]) -> None:
        self._tweets = safely(database[FORGOTTEN.name])
        self._authors = safely(database[FORGOTTEN_AUTHORS.name])

    def unwanted(self, tweets: Mapping[Key, Document]) -> set[Key]:
        """Return the keys of those of *tweets* that have to be left out of everything.

        Whoever writes tweets asks about each batch, so that nothing is remembered wrongly. With 20,000 tweets
        and as many authors noted that takes a tenth of the time that writing the batch takes. A set in memory
        would be quicker, and wrong once a note takes a majority longer than whatever overlap two looks have.
        """
        origins = {key: origin(tweet) for key, tweet in tweets.items()}
        policy = self._about(origins.values())
        return {key for key, found in origins.items() if policy.holds(found)} if policy else set()

    def _about(self, origins: Collection[Origin]) -> Policy:
        ids = {found.tweet for found in origins} | {found.retweet_of for found in origins}
        authors = {found.author for found in origins} | {found.retweet_author for found in origins}
        names = {found.retweet_name for found in origins}
        some: list[Document] = [
            {field: {"$in": list(wanted - {None})}}
            for field, wanted in (("_id", authors), ("names", names))
            if wanted - {None}
        ]
        return self._found(
            {"_id": {"$in": list(ids - {None})}} if ids else None, {"$or": some} if some else None
        )

    def since(self, moment: datetime | None) -> Policy:
        """Return what was noted from *moment* on; without one, all."""
        some = {} if moment is None else {"at": {"$gte": moment}}
        return self._found(some, some)

    def _found(self, tweets: Document | None, authors: Document | None) -> Policy:
        """Return the policy by what these two queries find; ``None`` finds nothing."""
        ids = [] if tweets is None else list(self._tweets.find(tweets, {"_id": 1}))
        found = [] if authors is None else list(self._authors.find(authors, {"names": 1}))
        return Policy(
            {one["_id"] for one in ids},
            {one["_id"] for one in found},
            {name for one in found for name in one.get("names", ())},
        )
