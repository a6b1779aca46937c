"""What is said about a topic or a word at a place on a day: how many tweets, when they were written, some.

A *topic* is what tweets were collected for, by exactly its name. A *word* is what texts hold, in all the
spellings that count as one (``docs/words.md``). A tweet belongs to the day on which it was first collected
for what is asked, as in roll-ups and clouds; its place in the course of the day is when it was written.
"""

from __future__ import annotations

from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from typing import TYPE_CHECKING, Any

import pymongo
from pymongo import DESCENDING
from pymongo.errors import PyMongoError

from opslib.cloud.compare import compare
from opslib.message import id_at
from opslib.store import behind, hidden, rollups
from opslib.store.collections import TRENDS, TWEETS
from opslib.store.observations import Key
from opslib.words import fold, merge, parts

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from opslib.cloud.compare import Comparison
    from opslib.store.behind import Behind, Beside, Scope
    from opslib.store.reads import Document, Lake

QUARTER = timedelta(minutes=15)
# How long after it was written a tweet whose id does not tell when that was is looked for.
_COLLECTED_WITHIN = timedelta(days=1)
_TOPICS_OF = timedelta(days=7)  # so long topics are found by names that are nearly theirs


@dataclass(frozen=True)
class Words:
    """How many tweets there were, and how many texts hold each word, the most frequent first."""

    tweets: int
    words: list[tuple[str, int]]


@dataclass(frozen=True)
class Subject:
    """What is asked for; *woeid* is ``None`` for any place.

    *entries* are the spellings of a word as tweets have them stored; a topic has none.
    """

    name: str
    woeid: int | None
    since: datetime
    until: datetime
    entries: tuple[str, ...] | None = None
    kind: str | None = None  # of a topic: ``follow``, or none for a trend

    def scope(self) -> behind.Span:
        """Return what its words were counted of."""
        topic = self.name if self.entries is None else None
        return behind.Span(self.since, self.until, Key(self.woeid, topic, self.kind))

    def collected(self) -> Document:
        """Return the query of the tweets that were collected for it first from *since* until *until*."""
        topic = self._topic()
        first = {**topic, "first_at": {"$gte": self.since, "$lt": self.until}}
        before = {**topic, "first_at": {"$lt": self.since}}
        return {
            "$and": [{"topics": {"$elemMatch": first}}, {"topics": {"$not": {"$elemMatch": before}}}],
            "collected_at": {"$gte": self.since},
            **self._words(),
        }

    def written(self) -> Document:
        """Return the query of the tweets about it that were written from *since* until *until*."""
        return {**_written(self._topic(), self.since, self.until), **self._words()}

    def _topic(self) -> Document:
        place = {} if self.woeid is None else {"woeid": self.woeid}
        return place if self.entries is not None else {"name": self.name, "kind": self.kind, **place}

    def _words(self) -> Document:
        return {} if self.entries is None else {"words": {"$in": list(self.entries)}}


def words(
    lake: Lake,
    since: datetime,
    until: datetime,
    *,
    woeid: int | None = None,
    topic: str | None = None,
    kind: str | None = None,
    limit: int | None = None,
) -> Words:
    """Return the words of the tweets collected in a span for a place and a topic, or for any."""
    with within(lake):
        counts = rollups.counts(lake.database, since, until, woeid=woeid, topic=topic, kind=kind)
    shown = ((word, number) for word, number in merge(counts.words).items() if not lake.hidden.holds(word))
    return Words(counts.tweets, list(islice(shown, limit)))


def topic_like(lake: Lake, name: str, woeid: int, at: datetime) -> str | None:
    """Return the topic of a place's last days that is named so but for case, accents and ``#``."""
    span = {"woeid": woeid, "collected_at": {"$gte": at - _TOPICS_OF, "$lte": at}}
    with within(lake):
        known = lake.database[TRENDS.name].distinct("trends.name", span)
    alike = [found for found in known if _loosely(found) == _loosely(name) and not lake.hidden.holds(found)]
    return max(alike, key=lambda found: _likeness(found, name), default=None)


def follow_like(lake: Lake, name: str, at: datetime) -> str | None:
    """Return what is followed and is named so but for case, accents and ``#``."""
    alike = [found for found in lake.follows(at) if _loosely(found) == _loosely(name)]
    return max(alike, key=lambda found: _likeness(found, name), default=None)


def word_like(lake: Lake, name: str, woeid: int | None, since: datetime, until: datetime) -> Subject | None:
    """Return the word of a day that is spelt so but for case, accents and ``#``, the likest of several."""
    with within(lake):
        counts = rollups.counts(lake.database, since, until, woeid=woeid)
    entries = [(entry, *parts(entry), number) for entry, number in counts.words.items()]
    wanted = _loosely(name)
    alike = [entry for entry in entries if wanted in (_loosely(entry[1]), _loosely(entry[2]))]
    if not alike:
        return None
    _, _, chosen, _ = max(alike, key=lambda entry: (_likeness(entry[1], name), entry[3], entry[1]))
    same = [entry for entry in entries if entry[2] == chosen]
    shown = max(same, key=lambda entry: (entry[3], entry[1]))[1]
    return Subject(shown, woeid, since, until, tuple(entry[0] for entry in same))


def beside(lake: Lake, scope: Scope, name: str) -> Beside:
    """Return what is said beside a word, which is shown or spelt as *name*."""
    counts = scope.counts(lake.database)
    wanted = {key for spelling, key in map(parts, counts.words) if spelling == name}
    entries = [entry for entry in counts.words if parts(entry)[1] in wanted]
    return behind.beside(lake.database, scope, entries)


def words_beside(lake: Lake, word: Subject) -> Beside:
    """Return the texts that hold a word, and the words of these; a retweeted text counts once."""
    with within(lake):
        return behind.beside(lake.database, word.scope(), word.entries or ())


def spellings(lake: Lake, found: Behind) -> tuple[list[str], list[str]]:
    """Return by which spellings texts were counted, and by which for an expression instead."""
    counted = {parts(entry)[0] for one in found.counted for entry in one.entries}
    instead = {parts(entry)[0] for one in found.counted for entry in one.without}
    return sorted(counted), sorted(one for one in instead if not lake.hidden.holds(one))


def compared(
    lake: Lake, first: behind.Span | behind.Moment, second: behind.Span | behind.Moment
) -> Comparison:
    """Return what two sides say differently."""
    with within(lake):
        return compare(lake.database, first, second, lake.hidden)


@dataclass(frozen=True)
class Listed:
    """What a list shows of tweets, by their ids, and how many of them are hidden."""

    documents: dict[int, Document]
    hidden: int = 0


def tweets_of(lake: Lake, ids: list[int]) -> Listed:
    """Return what is shown of tweets; those that have just been forgotten are neither shown nor hidden."""
    fields = {**hidden.FIELDS, "lang": 1, "created_at": 1, "public_metrics": 1}
    with within(lake):
        found = list(lake.database[TWEETS.name].find({"_id": {"$in": ids}}, fields))
    shown = {tweet["_id"]: tweet for tweet in found if not lake.hidden.tweet(tweet)}
    return Listed(shown, len(found) - len(shown))


def risen(lake: Lake, *of: Any) -> behind.Risen:
    """Return the tweets of a window: see :func:`opslib.store.behind.of_window`."""
    with within(lake):
        return behind.of_window(lake.database, *of)


def course(lake: Lake, subject: Subject) -> list[tuple[datetime, int]]:
    """Return how many tweets were written in each quarter of an hour that has any."""
    return _course(lake, subject.written(), QUARTER)


def course_of(lake: Lake, scope: behind.Span, step: timedelta) -> list[tuple[datetime, int]]:
    """Return how many tweets for what is counted were written in each *step* of its span that has any."""
    woeid, name, kind = scope.key
    topic: Document = {} if woeid is None else {"woeid": woeid}
    if name is not None:
        topic |= {"name": name, "kind": kind}
    return _course(lake, _written(topic, scope.since, scope.until), step)


def _written(topic: Document, since: datetime, until: datetime) -> Document:
    # There is no index of the moments of writing: X's ids tell them, other ids do not.
    near = [
        {"_id": {"$gte": id_at(since), "$lt": id_at(until)}},
        {"collected_at": {"$gte": since, "$lt": until + _COLLECTED_WITHIN}},
    ]
    span = {"$gte": since, "$lt": until}
    collected = {"$elemMatch": topic or {"first_at": {"$exists": True}}}
    return {"$or": near, "created_at": span, "topics": collected}


def _course(lake: Lake, written: Document, step: timedelta) -> list[tuple[datetime, int]]:
    minutes = int(step.total_seconds()) // 60
    part = {"$dateTrunc": {"date": "$created_at", "unit": "minute", "binSize": minutes}}
    stages: list[Document] = [{"$match": written}, {"$group": {"_id": part, "n": {"$sum": 1}}}]
    with within(lake):
        found = list(lake.database[TWEETS.name].aggregate(stages))
    return sorted((group["_id"], int(group["n"])) for group in found)


def languages(lake: Lake, subject: Subject) -> list[tuple[str, int]]:
    """Return how many of the tweets are in each language, the commonest first."""
    stages = [{"$match": subject.collected()}, {"$group": {"_id": "$lang", "n": {"$sum": 1}}}]
    with within(lake):
        found = list(lake.database[TWEETS.name].aggregate(stages))
    return Counter({str(group["_id"] or "und"): int(group["n"]) for group in found}).most_common()


def sample(lake: Lake, subject: Subject, limit: int, order: str = "new") -> list[Document]:
    """Return some of the newest of the tweets, or of those of most reach; none a retweet, no text twice."""
    fields = {**hidden.FIELDS, "lang": 1, "created_at": 1}
    chosen = {**subject.collected(), "referenced_tweets.type": {"$ne": "retweeted"}}
    reach = {"$add": [{"$ifNull": [f"$public_metrics.{name}", 0]} for name in behind.REACH]}
    first: Document = {"reach": -1, "_id": -1} if order == "reach" else {"collected_at": DESCENDING}
    stages: list[Document] = [
        {"$match": chosen},
        {"$project": {**fields, "collected_at": 1, "reach": reach}},
        {"$sort": first},
        {"$limit": limit * 10},
    ]
    with within(lake):
        found = lake.database[TWEETS.name].aggregate(stages, allowDiskUse=True)
        return _different((tweet for tweet in found if not lake.hidden.tweet(tweet)), limit)


@dataclass(frozen=True)
class People:
    """Who wrote some tweets, as far as authors were collected: the most active first."""

    authors: int
    tweets: int  # those whose author is known
    most: list[tuple[str, str | None, int]]  # id, user name if it is known, tweets

    @property
    def share(self) -> float:
        """Return the part of the tweets that those named wrote."""
        return sum(number for _, _, number in self.most) / (self.tweets or 1)


def people(lake: Lake, subject: Subject, most: int) -> People:
    """Return who wrote the tweets; *most* of them are named, hidden ones not."""
    ahead = most + len(lake.hidden.authors) + len(lake.hidden.words)
    by_author = {"_id": "$author.id", "name": {"$last": "$author.username"}, "n": {"$sum": 1}}
    stages: list[Document] = [
        {"$match": {**subject.collected(), "author.id": {"$type": "string"}}},
        {"$group": by_author},
        {"$sort": {"n": -1, "_id": 1}},
        {
            "$facet": {
                "most": [{"$limit": ahead}],
                "all": [{"$group": {"_id": None, "n": {"$sum": 1}, "tweets": {"$sum": "$n"}}}],
            }
        },
    ]
    with within(lake):
        (found,) = lake.database[TWEETS.name].aggregate(stages, allowDiskUse=True)
    whole = found["all"][0] if found["all"] else {"n": 0, "tweets": 0}
    named = [(one["_id"], one.get("name"), int(one["n"])) for one in found["most"]]
    shown = [one for one in named if not lake.hidden.author(one[0], one[1])]
    return People(int(whole["n"]), int(whole["tweets"]), shown[:most])


def ranks(lake: Lake, subject: Subject) -> list[tuple[datetime, int]]:
    """Return the rank of a topic in each snapshot of its place that has it, oldest first."""
    span = {"$gte": subject.since, "$lt": subject.until}
    with within(lake):
        found = lake.database[TRENDS.name].find(
            {"woeid": subject.woeid, "collected_at": span, "trends.name": subject.name},
            {"collected_at": 1, "trends": {"$elemMatch": {"name": subject.name}}},
            sort=[("collected_at", 1)],
        )
        return [(snapshot["collected_at"], int(snapshot["trends"][0]["rank"])) for snapshot in found]


def unless_too_many(ask: Any, *arguments: Any) -> Any:
    """Return the answer to a question about all tweets of a day; ``None`` where they are too many for it."""
    try:
        return ask(*arguments)
    except PyMongoError as error:
        if not error.timeout:
            raise
        return None


@contextmanager
def within(lake: Lake) -> Iterator[None]:
    """Give up what takes longer than the lake's questions may."""
    with pymongo.timeout(None if lake.milliseconds is None else lake.milliseconds / 1000):
        yield


def _loosely(name: str) -> str:
    """Return what is left of a name without case, accents and ``#``."""
    return fold(name.strip().lstrip("#\uff03"))


def _likeness(found: str, name: str) -> tuple[bool, bool, bool]:
    """Return how alike two names are that are alike loosely, to be compared with others."""
    name = name.strip()
    return found == name, found.casefold() == name.casefold(), found.startswith("#") == name.startswith("#")


def _different(tweets: Iterable[Document], limit: int) -> list[Document]:
    chosen: list[Document] = []
    seen: set[str] = set()
    for tweet in tweets:
        text = " ".join(tweet["text"].split())
        if text not in seen and not text.startswith("RT @"):
            seen.add(text)
            chosen.append(tweet)
        if len(chosen) == limit:
            break
    return chosen
