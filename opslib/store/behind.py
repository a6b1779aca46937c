"""The tweets behind a number: those that were counted for a word, by the rule that counted them.

A *scope* says which tweets were counted together and where each of them stands: those of a place and a topic
in a span of time, as roll-ups have them, or those of several topics at a moment, as clouds have them. Of a
text's tweets in it the first has its words counted (:mod:`opslib.store.texts`); so the texts of a word are
those whose first tweet stands in the span and holds an entry that the word is counted by
(:meth:`opslib.words.Merged.counting`). The other tweets of a text, mostly retweets, are told apart: they are
among the tweets, and counted for no word again.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import TYPE_CHECKING, Any, Protocol

from opslib.message import FOLLOW
from opslib.store import rollups
from opslib.store.buckets import LENGTHS, Counts, floor
from opslib.store.collections import TWEETS
from opslib.store.observations import ANYTHING, Key, for_topics, moments_of, within
from opslib.store.spans import of_tweets
from opslib.store.texts import FIELDS, text_of
from opslib.words import Counting, merged, parts

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from datetime import datetime, timedelta

    from pymongo.database import Database

    from opslib.words import Merged

    Document = dict[str, Any]

_FIELDS = {**FIELDS, "words": 1, "public_metrics": 1, "author.id": 1, "created_at": 1}
REACH = (
    "retweet_count",
    "quote_count",
    "reply_count",
    "like_count",
)  # what of a tweet's metrics is its reach
_TEXTS_AT_ONCE = 5_000
_MINUTE = "minute"


class Scope(Protocol):
    """Which tweets were counted together."""

    def counts(self, database: Database[Document]) -> Counts:
        """Return how many texts hold each entry."""

    def match(self) -> Document:
        """Return a query that finds the tweets of the span, and may find others."""

    def moment(self, tweet: Mapping[str, Any]) -> datetime | None:
        """Return where *tweet* stands among those that are compared, in the span or outside."""

    def holds(self, moment: datetime) -> bool:
        """Tell whether the span has that moment."""


@dataclass(frozen=True)
class Span:
    """What roll-ups count: tweets of a place, a topic, both or any, in whole minutes."""

    since: datetime
    until: datetime
    key: Key = ANYTHING

    def counts(self, database: Database[Document]) -> Counts:
        """Return how many texts hold each entry."""
        woeid, topic, kind = self.key
        return rollups.counts(database, self.since, self.until, woeid=woeid, topic=topic, kind=kind)

    def match(self) -> Document:
        """Return a query that finds the tweets of the span, and may find others."""
        woeid, topic, kind = self.key
        place = {} if woeid is None else {"woeid": woeid}
        return within(self._minutes(), place if topic is None else {"name": topic, "kind": kind, **place})

    def moment(self, tweet: Mapping[str, Any]) -> datetime | None:
        """Return where *tweet* stands: of all its text's tweets the first one counts, whenever that was."""
        return moments_of(tweet).get(self.key)

    def holds(self, moment: datetime) -> bool:
        """Tell whether the span has that moment."""
        span = self._minutes()
        return span["$gte"] <= moment < span["$lt"]

    def _minutes(self) -> dict[str, datetime]:
        until = floor(self.until, _MINUTE)
        return {
            "$gte": floor(self.since, _MINUTE),
            "$lt": until if until == self.until else until + LENGTHS[_MINUTE],
        }


@dataclass(frozen=True)
class Moment:
    """What a cloud counts: tweets that a place's topics of a moment had in the time before."""

    since: datetime
    until: datetime
    woeid: int
    topics: frozenset[str]

    def counts(self, database: Database[Document]) -> Counts:
        """Return how many texts hold each entry."""
        # A tweet collected for two of them counts once, so sums of their roll-ups would not do.
        return of_tweets(database, self.match(), self.holds, self._wanted).counts

    def match(self) -> Document:
        """Return a query that finds the tweets of the span, and may find others."""
        topic = {"woeid": self.woeid, "name": {"$in": sorted(self.topics)}}
        return within({"$gte": self.since, "$lt": self.until}, topic)

    def moment(self, tweet: Mapping[str, Any]) -> datetime | None:
        """Return where *tweet* stands: the first one of its text in the span counts."""
        moments = (at for key, at in moments_of(tweet).items() if self._wanted(key) and self.holds(at))
        return min(moments, default=None)

    def holds(self, moment: datetime) -> bool:
        """Tell whether the span has that moment."""
        return self.since <= moment < self.until

    def _wanted(self, key: Key) -> bool:
        return key.woeid == self.woeid and key.topic in self.topics


@dataclass(frozen=True)
class Text:
    """A text that was counted, by its first tweet, with what lists are sorted by."""

    tweet: int
    at: datetime  # where it stands
    tweets: int  # of this text in the span
    reach: int
    author: str | None
    words: tuple[str, ...] = field(default=(), repr=False)
    times: int = 1  # it counts: see Merged


@dataclass(frozen=True)
class Behind:
    """The texts of a word, the newest first, with the entries it was counted by."""

    texts: tuple[Text, ...] = ()
    counted: tuple[Counting, ...] = ()

    @property
    def number(self) -> int:
        """Return the number that was counted."""
        return sum(text.times for text in self.texts)

    @property
    def tweets(self) -> int:
        """Return how many tweets that are, retweets among them."""
        return sum(text.tweets for text in self.texts)

    def by_reach(self) -> list[Text]:
        """Return the texts that were passed on and liked most first."""
        return sorted(self.texts, key=lambda text: (-text.reach, -text.tweets, -text.tweet))


def of_word(database: Database[Document], scope: Scope, word: str) -> Behind:
    """Return what was counted for a word, as a table, a cloud or a list of *scope* shows it."""
    return counted_by(database, scope, merged(scope.counts(database).words).counting(word))


def counted_by(database: Database[Document], scope: Scope, counted: tuple[Counting, ...]) -> Behind:
    """Return the texts of *scope* that count by any of *counted*."""
    entries = {entry for one in counted for entry in one.entries}
    if not entries:
        return Behind()
    tweets = database[TWEETS.name]
    found = tweets.find({"$and": [scope.match(), {"words": {"$in": sorted(entries)}}]}, _FIELDS)
    texts: set[int] = set()
    for tweet in found:
        at = scope.moment(tweet)
        if at is not None and scope.holds(at):
            texts.add(text_of(tweet))
    listed: list[Text] = []
    waiting = iter(texts)
    while some := list(islice(waiting, _TEXTS_AT_ONCE)):
        listed += _counted(_of_texts(database, some), scope, counted)
    return Behind(tuple(sorted(listed, key=lambda text: (text.at, text.tweet), reverse=True)), counted)


@dataclass(frozen=True)
class Beside:
    """What is counted beside a word: the texts that hold it, in expressions too, and their words."""

    texts: Behind
    words: Merged

    def only(self, word: str) -> Behind:
        """Return those of the texts that count for another *word* as well."""
        counted = self.words.counting(word)
        kept = []
        for text in self.texts.texts:
            times = sum(one.counts(text.words) for one in counted)
            if times:
                kept.append(replace(text, times=times))
        return Behind(tuple(kept), counted)


def beside(database: Database[Document], scope: Scope, entries: Iterable[str]) -> Beside:
    """Return what is said beside a word of *scope* that *entries* are spellings of."""
    texts = counted_by(database, scope, (Counting(frozenset(entries)),))
    return Beside(texts, merged(Counter(entry for text in texts.texts for entry in text.words)))


def _of_texts(database: Database[Document], texts: list[int]) -> Iterator[Document]:
    """Yield all tweets with one of *texts*."""
    tweets = database[TWEETS.name]
    yield from tweets.find({"_id": {"$in": texts}, "retweet_of": {"$exists": False}}, _FIELDS)
    yield from tweets.find({"retweet_of": {"$in": texts}}, _FIELDS)


def _counted(tweets: Iterable[Document], scope: Scope, counted: tuple[Counting, ...]) -> Iterator[Text]:
    first: dict[int, tuple[datetime, int, Document]] = {}
    inside: Counter[int] = Counter()
    for tweet in tweets:
        at, text = scope.moment(tweet), text_of(tweet)
        if at is None:
            continue
        inside[text] += scope.holds(at)
        if text not in first or (at, tweet["_id"]) < first[text][:2]:
            first[text] = at, tweet["_id"], tweet
    for text, (at, tweet_id, tweet) in first.items():
        times = sum(one.counts(tweet["words"]) for one in counted)
        if times and scope.holds(at):
            words = tuple(tweet["words"])
            yield Text(tweet_id, at, inside[text], reach_of(tweet), _author(tweet), words, times)


def reach_of(tweet: Mapping[str, Any]) -> int:
    """Return how often a tweet was passed on, quoted, answered and liked, as X said last; 0 if it did not."""
    metrics = tweet.get("public_metrics") or {}
    return sum(int(metrics.get(name) or 0) for name in REACH)


def _author(tweet: Mapping[str, Any]) -> str | None:
    author = (tweet.get("author") or {}).get("id")
    return None if author is None else str(author)


# ---- what is rising


@dataclass(frozen=True)
class Risen:
    """The tweets that a window of the speed layer counts for something, and their authors."""

    tweets: tuple[Document, ...]

    @property
    def authors(self) -> int:
        """Return the number of people; of whom X names no author, each is one."""
        return len({_author(tweet) or f"tweet {tweet['_id']}" for tweet in self.tweets})

    @property
    def retweets(self) -> int:
        """Return how many of the tweets are retweets."""
        return sum("retweet_of" in tweet for tweet in self.tweets)


def of_window(
    database: Database[Document],
    woeid: int | None,
    ends_at: datetime,
    length: timedelta,
    kind: str,
    name: str,
    lateness: timedelta,
) -> Risen:
    """Return the tweets written in a window that are about *name*, the newest first.

    *kind* is a window's: ``word``, ``hashtag``, ``topic`` or ``follow``. A tweet is collected within
    *lateness* after it was written, or the speed layer does not count it (``docs/speed.md``).
    """
    since = ends_at - length
    topic: Document = {"woeid": woeid}
    if kind in ("topic", FOLLOW):
        topic |= {"name": name, "kind": FOLLOW if kind == FOLLOW else None}
    collected = for_topics({"$gte": since, "$lt": ends_at + lateness}, topic)
    found = [
        tweet
        for tweet in database[TWEETS.name].find(collected, _FIELDS)
        if since <= _written(tweet) < ends_at
    ]
    if kind in ("word", "hashtag"):
        entries = _entries_of(found, kind, name)
        found = [tweet for tweet in found if not entries.isdisjoint(tweet["words"])]
    return Risen(tuple(sorted(found, key=lambda tweet: (_written(tweet), tweet["_id"]), reverse=True)))


def _written(tweet: Mapping[str, Any]) -> datetime:
    """Return when a tweet was written, to the speed layer: not after it was collected."""
    collected: datetime = tweet["first_seen_at"]
    return min(tweet.get("created_at") or collected, collected)


def _entries_of(tweets: Iterable[Document], kind: str, name: str) -> frozenset[str]:
    """Return the entries that count as what is shown as *name*: of two that are, the one of more tweets."""
    uses: dict[str, Counter[str]] = {}
    for tweet in tweets:
        for entry in tweet["words"]:
            spelling, key = parts(entry)
            if " " not in entry and (kind == "hashtag") == spelling.startswith("#"):
                uses.setdefault(key, Counter())[entry] += 1

    def shown(entries: Counter[str]) -> str:
        return parts(max(entries, key=lambda entry: (entries[entry], parts(entry)[0])))[0]

    alike = [entries for entries in uses.values() if shown(entries) == name]
    # As the speed layer does it, one of two that look alike is shown.
    return frozenset(max(alike, key=lambda entries: sum(Counter(entries).values()), default=Counter()))
