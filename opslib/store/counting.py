"""Counting buckets: minutes from the tweets, hours from their minutes, days from their hours.

Most tweets of a minute are counted for one of a few sets of keys. So they are counted once a set, and a key
has the sum of the sets that it is in; keys that are in the same sets have one document.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from itertools import islice
from typing import TYPE_CHECKING, Any

from opslib.store import observations
from opslib.store.buckets import LENGTHS, Counts, counts_of, document_keys, floor, packed
from opslib.store.collections import TWEETS, WORD_COUNTS
from opslib.store.observations import Key, keys_of, moments_of
from opslib.store.texts import FIELDS, Firsts, firsts, text_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from datetime import datetime

    from pymongo.collection import Collection
    from pymongo.database import Database

    Document = dict[str, Any]

Keys = frozenset[Key]
BELOW = {"hour": "minute", "day": "hour"}
# Read before retweets of them are looked for.
_TWEETS_AT_ONCE = 5_000
# Documents whose tweets are so many at most are in memory at once, or one.
_TWEETS_IN_MEMORY = 200_000


def documents(
    database: Database[Document],
    unit: str,
    ats: Sequence[datetime],
    most: int,
    goes_on: Callable[[], None] = lambda: None,
) -> Iterator[Document]:
    """Yield the documents of the buckets of one unit that begin at *ats*, without ``computed_at``.

    Each keeps *most* words. *goes_on* is called every few seconds, if anything takes so long.
    """
    counted = _minutes(database[TWEETS.name], ats, goes_on) if unit == "minute" else None
    if counted is None:
        counted = _sums(database[WORD_COUNTS.name], unit, ats, goes_on)
    for at, keys, counts in counted:
        words = packed(counts.words, most)
        kept = sum(entry["w"].count("\n") + 1 for entry in words)
        yield {
            "unit": unit,
            "at": at,
            "keys": [key.to_document() for key in sorted(keys, key=_in_order)],
            "tweets": counts.tweets,
            "words": words,
            "left_out": len(counts.words) - kept,
        }


def _in_order(key: Key) -> tuple[bool, int, bool, str, str]:
    woeid, topic, kind = key
    return woeid is not None, woeid or 0, topic is not None, topic or "", kind or ""


_Counted = tuple["datetime", Iterable[Key], Counts]


def _minutes(
    tweets: Collection[Document], ats: Sequence[datetime], goes_on: Callable[[], None]
) -> Iterator[_Counted]:
    minutes = _Minutes(tweets, ats)
    minutes.read(goes_on)
    for at, parts in sorted(minutes.parts.items()):
        sets = list(parts)
        for among, keys in _alike((number, keys) for number, keys in enumerate(sets)).items():
            goes_on()
            yield at, keys, _sum([parts[sets[number]] for number in among])


class _Minutes:
    """The tweets of some minutes, counted once for each minute and set of keys."""

    def __init__(self, tweets: Collection[Document], ats: Sequence[datetime]) -> None:
        self.parts: dict[datetime, dict[Keys, Counts]] = defaultdict(dict)
        self._tweets = tweets
        self._ats = ats
        self._wanted = set(ats)
        self._floors: dict[datetime, datetime] = {}  # a page of tweets was collected at one moment
        self._keys: dict[tuple[int | None, str, str | None], Keys] = {}
        self._firsts: Firsts = {}
        self._shared: set[int] = set()  # texts that are retweeted

    def read(self, goes_on: Callable[[], None]) -> None:
        """Count all tweets."""
        found = iter(self._tweets.find(observed_in(self._ats), {**FIELDS, "words": 1}))
        while some := list(islice(found, _TWEETS_AT_ONCE)):
            goes_on()
            self._learn({text_of(tweet) for tweet in some} - self._shared)
            for tweet in some:
                self._count(tweet)

    def _learn(self, texts: set[int]) -> None:
        found = firsts(self._tweets, texts)
        self._firsts.update(found)
        self._shared.update(text for text, _ in found)

    def _count(self, tweet: Document) -> None:
        shared = text_of(tweet) in self._shared
        for at, keys in self._placed(tweet):
            part = self._part(at, keys)
            part.tweets += 1
            if not shared:
                part.words.update(tweet["words"])
            elif first := self._first_for(tweet, keys):
                self._part(at, first).words.update(tweet["words"])

    def _part(self, at: datetime, keys: Keys) -> Counts:
        parts = self.parts[at]
        if keys not in parts:
            parts[keys] = Counts()
        return parts[keys]

    def _first_for(self, tweet: Document, keys: Keys) -> Keys:
        """Return for which of *keys* the text counts with this tweet."""
        moments, text = moments_of(tweet), text_of(tweet)
        return frozenset(k for k in keys if self._firsts.get((text, k)) == (moments[k], tweet["_id"]))

    def _placed(self, tweet: Document) -> list[tuple[datetime, Keys]]:
        """Return in which of the minutes a tweet stands, and for which keys."""
        topics = tweet["topics"]
        if len(topics) == 1:  # as most have
            (topic,) = topics
            alike = topic.get("woeid"), topic["name"], topic.get("kind")
            at, keys = self._minute(topic["first_at"]), self._keys.get(alike)
            if keys is None:
                keys = self._keys[alike] = frozenset(keys_of(topic))
            return [(at, keys)] if at in self._wanted else []
        by_minute: dict[datetime, set[Key]] = defaultdict(set)
        for key, moment in moments_of(tweet).items():
            by_minute[self._minute(moment)].add(key)
        return [(at, frozenset(some)) for at, some in by_minute.items() if at in self._wanted]

    def _minute(self, moment: datetime) -> datetime:
        minute = self._floors.get(moment)
        if minute is None:
            minute = self._floors[moment] = floor(moment, "minute")
        return minute


def observed_in(ats: Sequence[datetime]) -> Document:
    """Return the query of the tweets that were collected in the minutes *ats*, which are sorted."""
    spans: list[tuple[datetime, datetime]] = []
    for at in ats:
        begin = spans.pop()[0] if spans and spans[-1][1] == at else at
        spans.append((begin, at + LENGTHS["minute"]))
    some = [{"$gte": begin, "$lt": end} for begin, end in spans]
    of_any = [make(span) for make in (observations.for_topics, observations.for_nothing) for span in some]
    return {"$or": of_any}


def _sums(
    counts: Collection[Document], unit: str, ats: Sequence[datetime], goes_on: Callable[[], None]
) -> Iterator[_Counted]:
    below = BELOW[unit]
    parts = [at + n * LENGTHS[below] for at in ats for n in range(LENGTHS[unit] // LENGTHS[below])]
    newest: dict[tuple[datetime, Key], Document] = {}
    fields = {"words": 0, "left_out": 0}
    for found in counts.find({"unit": below, "at": {"$in": parts}}, fields):
        for key in document_keys(found):
            place = (found["at"], key)
            # Somebody may be replacing it.
            if place not in newest or newest[place]["computed_at"] < found["computed_at"]:
                newest[place] = found
    tweets = {found["_id"]: found["tweets"] for found in newest.values()}
    bucket_of = {part: floor(part, unit) for part in parts}
    keys_in: dict[datetime, dict[Any, set[Key]]] = defaultdict(lambda: defaultdict(set))
    for (at, key), found in newest.items():
        keys_in[bucket_of[at]][found["_id"]].add(key)
    groups = [
        (at, keys, among)
        for at, some in sorted(keys_in.items())
        for among, keys in _alike((part, frozenset(keys)) for part, keys in some.items()).items()
    ]
    for some in _batches(groups, tweets):
        goes_on()
        ids = {part for _, _, among in some for part in among}
        read = counts.find({"_id": {"$in": list(ids)}}, {"tweets": 1, "words": 1})
        there = {found["_id"]: found for found in read}
        for at, keys, among in some:
            # What somebody has replaced meanwhile is marked, and will be counted again.
            yield at, keys, _sum([counts_of(there[part]) for part in among if part in there])


_Group = tuple["datetime", Iterable[Key], tuple[Any, ...]]


def _batches(groups: Iterable[_Group], tweets: Mapping[Any, int]) -> Iterator[list[_Group]]:
    """Yield *groups* by some at once, so that what they are summed up from finds room in memory."""
    batch: list[_Group] = []
    number = 0
    for group in groups:
        more = sum(tweets[part] for part in group[2])
        if batch and number + more > _TWEETS_IN_MEMORY:
            yield batch
            batch, number = [], 0
        batch.append(group)
        number += more
    if batch:
        yield batch


def _alike(parts: Iterable[tuple[Any, Iterable[Key]]]) -> dict[tuple[Any, ...], list[Key]]:
    """Return the keys of some *parts*, those together that are in the same ones, by these parts."""
    parts_of: dict[Key, list[Any]] = defaultdict(list)
    for part, keys in parts:
        for key in keys:
            parts_of[key].append(part)
    alike: dict[tuple[Any, ...], list[Key]] = defaultdict(list)
    for key, some in parts_of.items():
        alike[tuple(some)].append(key)
    return alike


def _sum(parts: Sequence[Counts]) -> Counts:
    if len(parts) == 1:
        return parts[0]
    total = Counts()
    # Into the largest, which is copied at once.
    for part in sorted(parts, key=lambda one: -len(one.words)):
        total.add(part)
    return total
