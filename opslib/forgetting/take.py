"""Forgetting: a tweet, or all of an author, goes out of everything that holds it, and stays out.

Who is to be forgotten is *noted* first, in ``forgotten`` and ``forgotten_authors``: from then on the sink
*leaves out* what Kafka brings again, and the speed layer *takes it out* of its windows. Then the minutes of
the tweets are *marked* for the roll-ups, their pictures are *dropped*, and they are *deleted*. Every step can
be repeated, so whoever is killed in between calls it again.

A sink that had looked before the note was there may still write for one attempt
(:data:`opslib.sink.writer.ATTEMPT_SECONDS`). So after :data:`SETTLE_SECONDS` all is looked for once more.

What is unwanted, :mod:`opslib.store.unwanted` says: a retweet holds the text of what it retweets and goes
with it; a quote or an answer holds words of its own and only the id of the other, and stays.
"""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from bson.int64 import Int64
from pymongo import UpdateOne

from opslib.message import mentions, retweeted_author, retweeted_name
from opslib.store import rollups, texts
from opslib.store.collections import AUDIT, CLOUDS, FORGOTTEN, FORGOTTEN_AUTHORS, ROLLUP_MARKS, TWEETS
from opslib.store.observations import moments_of
from opslib.store.unwanted import Policy, author_of, origin
from opslib.store.write import safely

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import datetime

    from pymongo.collection import Collection
    from pymongo.database import Database

    from opslib.store.documents import Document

# Longer than an attempt of the sink (10 s), which looks at its beginning.
SETTLE_SECONDS = 12.0
AT_ONCE = 5000  # tweets by command: well below the 16 MB that one may have
_MINUTE = timedelta(minutes=1)
# What says whose text a stored tweet holds.
_ORIGIN = dict.fromkeys(("text", "author.id", "referenced_tweets", "retweet_author", "entities.mentions"), 1)


@dataclass(frozen=True)
class Request:
    """Who is to be forgotten, each with the reason, such as ``asked`` or ``deleted``."""

    tweets: Mapping[int, str] = field(default_factory=dict)
    authors: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Asked:
    """Who asked for it, and why, for the audit."""

    who: str
    why: str


@dataclass
class Taken:
    """What was found and taken out."""

    noted: int = 0  # tweets and authors that were not noted before
    tweets: int = 0  # asked for, or of an author that was
    retweets: int = 0  # of these
    clouds: int = 0  # pictures that had counted them

    def add(self, other: Taken) -> None:
        """Count in what another part took."""
        for name, number in asdict(other).items():
            setattr(self, name, getattr(self, name) + number)


@dataclass(frozen=True)
class _Found:
    """One stored tweet that has to go."""

    id: int
    author: str | None
    reason: str
    retweet: bool  # that holds the text of one that is asked for
    document: Document  # what says where it is counted

    @classmethod
    def of(cls, document: Document, reason: str, *, retweet: bool) -> _Found:
        return cls(
            document["_id"],
            author_of(document),
            reason,
            retweet,
            {name: document[name] for name in ("_id", *texts.FIELDS) if name in document},
        )


def _parts(wanted: Request) -> Iterator[Request]:
    # Authors first: with their tweets go the retweets of these, whoever else is asked for.
    if wanted.authors:
        yield Request(authors=wanted.authors)
    tweets = list(wanted.tweets.items())
    for first in range(0, len(tweets), AT_ONCE):
        yield Request(tweets=dict(tweets[first : first + AT_ONCE]))


class Forgetting:
    """One call: who is to be forgotten, in whose name, and where. Everything may raise ``PyMongoError``."""

    def __init__(
        self, database: Database[Document], wanted: Request, asked: Asked, *, dry_run: bool = False
    ) -> None:
        self._database = database
        self._wanted = wanted
        self._asked = asked
        self._dry_run = dry_run
        self._tweets = safely(database[TWEETS.name])
        self._forgotten = safely(database[FORGOTTEN.name])
        self._authors = safely(database[FORGOTTEN_AUTHORS.name])
        self._moments: set[datetime] = set()  # the minutes of what was taken

    def take(self) -> Iterator[Taken]:
        """Forget, in parts of at most :data:`AT_ONCE` tweets; yield what each part took.

        In a dry run nothing is changed, and what would be taken is counted.
        """
        for part in _parts(self._wanted):
            yield from self._part(part)

    def look_again(self) -> Iterator[Taken]:
        """Take what a sink or a report had in its hands meanwhile; :data:`SETTLE_SECONDS` after the first."""
        ended = rollups.now(self._database)
        yield from self.take()
        if self._moments:
            # What began to be counted before the tweets were gone may have been kept after the first look.
            yield Taken(
                clouds=_drop_clouds(self._database, list(self._moments), {"rendered_at": {"$lt": ended}})
            )

    def _part(self, wanted: Request) -> Iterator[Taken]:
        names = self._names(wanted.authors)
        noted = self._note_asked(wanted, names)
        if noted and not self._dry_run:
            self._audit(
                list(wanted.tweets),
                list(wanted.authors),
                set(wanted.tweets.values()) | set(wanted.authors.values()),
                Taken(noted=noted),
            )
        yield Taken(noted=noted)
        found: list[_Found] = []
        for one in self._found(wanted, names):
            found.append(one)
            if len(found) == AT_ONCE:
                yield self._take(found)
                found = []
        if found:
            yield self._take(found)

    def _names(self, authors: Mapping[str, str]) -> list[str]:
        """Return the names that the authors have had: where X tells no ids, a retweet gives a name alone."""
        if not authors:
            return []
        some = list(authors)
        told = [{field: {"$in": some}} for field in ("author.id", "retweet_author", "entities.mentions.id")]
        names: set[str] = set(self._authors.distinct("names", {"_id": {"$in": some}}))
        for tweet in self._tweets.find({"$or": told}, {**_ORIGIN, "author.username": 1}):
            known = [tweet.get("author") or {}, *mentions(tweet)]
            found = [one.get("username") for one in known if one.get("id") in authors]
            if retweeted_author(tweet) in authors:
                found.append(retweeted_name(tweet["text"]))
            names |= {name.casefold() for name in found if isinstance(name, str)}
        return sorted(names)

    def _note_asked(self, wanted: Request, names: list[str]) -> int:
        """Note who is asked for, and return how many were not noted before."""
        new = len(wanted.tweets) - _known(self._forgotten, wanted.tweets)
        new += len(wanted.authors) - _known(self._authors, wanted.authors)
        if not self._dry_run:
            _note(self._forgotten, {Int64(tweet): {"reason": why} for tweet, why in wanted.tweets.items()})
            # Which of the names is whose does not matter: they are left out together.
            _note(self._authors, {a: {"reason": why, "names": names} for a, why in wanted.authors.items()})
        return new

    def _found(self, wanted: Request, names: list[str]) -> Iterator[_Found]:
        """Yield the stored tweets that are asked for, and then the retweets that hold their text."""
        fields = {**_ORIGIN, **texts.FIELDS}
        mine: dict[int, str] = {}
        asked: list[Document] = []
        if wanted.tweets:
            mine = dict(wanted.tweets)
            asked.append({"_id": {"$in": [Int64(tweet) for tweet in wanted.tweets]}})
        if wanted.authors:
            asked.append({"author.id": {"$in": list(wanted.authors)}})
        for document in self._tweets.find({"$or": asked}, fields):
            reason = wanted.tweets.get(document["_id"]) or wanted.authors.get(
                author_of(document) or "", "asked"
            )
            mine[document["_id"]] = reason
            yield _Found.of(document, reason, retweet=False)
        yield from self._retweets(mine, wanted.authors, names, fields)

    def _retweets(
        self, of: Mapping[int, str], authors: Mapping[str, str], names: list[str], fields: Document
    ) -> Iterator[_Found]:
        # Not by their retweet_of, which tweets lack that were stored before there was one. Nothing is indexed
        # for this: retweets are looked for once a part, and every index is paid for by each tweet that
        # comes in.
        holding: list[Document] = []
        ids = [str(tweet) for tweet in of]
        for first in range(0, len(ids), AT_ONCE):
            some = {"type": "retweeted", "id": {"$in": ids[first : first + AT_ONCE]}}
            holding.append({"referenced_tweets": {"$elemMatch": some}})
        if authors:
            # Written by whoever is forgotten, and never stored here itself.
            holding.append({"retweet_author": {"$in": list(authors)}})
        if names:
            # Those that a mention tells by its id are among them: it gave the name.
            pattern = f"^RT @(?:{'|'.join(map(re.escape, names))}): "
            holding.append({"text": {"$regex": pattern, "$options": "i"}})
        policy = Policy(of.keys(), authors.keys(), frozenset(names))
        for document in self._tweets.find({"$or": holding}, fields) if holding else ():
            found = origin(document)
            if found.tweet in of or not policy.holds(found):
                continue
            reason = of.get(found.retweet_of or 0) or authors.get(found.retweet_author or "", "asked")
            yield _Found.of(document, reason, retweet=True)

    def _take(self, found: list[_Found]) -> Taken:
        """Take these out of everything that holds them, the tweets themselves last."""
        moments = [at for one in found for at in moments_of(one.document).values()]
        retweets = sum(one.retweet for one in found)
        taken = Taken(tweets=len(found) - retweets, retweets=retweets)
        if self._dry_run:
            taken.clouds = len(_clouds_of(self._database, moments))
            return taken
        self._audit([one.id for one in found], [], {one.reason for one in found}, taken)
        _note(
            self._forgotten,
            {
                Int64(one.id): {"reason": one.reason, **({"author": one.author} if one.author else {})}
                for one in found
            },
        )
        heirs = texts.heirs(self._tweets, [one.document for one in found])
        rollups.mark(safely(self._database[ROLLUP_MARKS.name]), [*moments, *heirs])
        self._tweets.delete_many({"_id": {"$in": [Int64(one.id) for one in found]}})
        taken.clouds = _drop_clouds(self._database, moments)
        self._moments |= {rollups.floor(moment, "minute") for moment in moments}
        return taken

    def _audit(self, tweets: list[int], authors: list[str], reasons: set[str], taken: Taken) -> None:
        """Write down what is about to be done, before it is: a line too many is better than one too few."""
        line: Document = {
            "at": rollups.now(self._database),  # the server's moment, as everywhere here
            "who": self._asked.who,
            "why": self._asked.why,
            "reasons": sorted(reasons),
            "tweets": [Int64(tweet) for tweet in tweets],
            "authors": authors,
            "taken": {"tweets": taken.tweets, "retweets": taken.retweets},
        }
        safely(self._database[AUDIT.name]).insert_one(line)


def _known(collection: Collection[Document], keys: Iterable[Any]) -> int:
    return collection.count_documents({"_id": {"$in": list(keys)}}) if keys else 0


def _note(collection: Collection[Document], entries: Mapping[Any, Document]) -> None:
    """Note *entries*; those that are there keep their reason, and their moment unless names are added.

    Whoever follows what is noted looks at the moments alone.
    """
    if not entries:
        return

    def first(name: str, value: Any) -> Document:
        return {"$ifNull": [f"${name}", value]}

    def stages(entry: Document) -> list[Document]:
        kept = {name: first(name, {"$literal": value}) for name, value in entry.items() if name != "names"}
        if "names" not in entry:
            return [{"$set": {"at": first("at", "$$NOW"), **kept}}]
        known, names = first("names", []), {"$literal": entry["names"]}
        at = {"$cond": [{"$setIsSubset": [names, known]}, first("at", "$$NOW"), "$$NOW"]}
        return [{"$set": {"at": at, **kept, "names": {"$setUnion": [known, names]}}}]

    collection.bulk_write(
        [UpdateOne({"_id": key}, stages(entry), upsert=True) for key, entry in entries.items()], ordered=False
    )


def _clouds_of(
    database: Database[Document], moments: Sequence[datetime], some: Document | None = None
) -> list[Any]:
    """Return the ids of the pictures whose span of time covers one of *moments*, to the minute."""
    low, high = min(moments) - _MINUTE, max(moments) + _MINUTE
    covering = {"since": {"$lte": high}, "until": {"$gte": low}, **(some or {})}
    found = safely(database[CLOUDS.name]).find(covering, {"since": 1, "until": 1})
    return [
        one["_id"]
        for one in found
        if any(one["since"] - _MINUTE <= moment <= one["until"] for moment in moments)
    ]


def _drop_clouds(
    database: Database[Document], moments: Sequence[datetime], some: Document | None = None
) -> int:
    """Delete the pictures that may show what is forgotten; the report draws anew what is missing."""
    ids = _clouds_of(database, moments, some)
    if not ids:
        return 0
    return safely(database[CLOUDS.name]).delete_many({"_id": {"$in": ids}}).deleted_count
