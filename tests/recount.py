"""Counted once more, in the plainest way: windows from the messages alone, and roll-ups from the tweets.

Nothing of ``opslib.speed`` and ``opslib.store`` is used here, so that the two do not err together; words are
opslib's own.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Optional

from opslib import message
from opslib.words import parts, words_of

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterable

STEP = 10
Key = tuple[Optional[int], Optional[str], Optional[str]]  # woeid, topic, "follow" if it is one
Bucket = tuple[Any, ...]  # unit, beginning, woeid, topic
Buckets = dict[Bucket, tuple[int, dict[str, int]]]  # with the number of tweets and those of each word


def retweeted(content: dict[str, Any]) -> set[Any]:
    """Return the ids of the tweet that one retweets, and of its author as far as X names them."""
    known = content.get("referenced_tweets") or ()
    named = (
        (content.get("entities") or {}).get("mentions") or () if content["text"].startswith("RT @") else ()
    )
    return {int(one["id"]) for one in known if one["type"] == "retweeted"} | {
        one["id"] for one in named if one["start"] == 3
    }


@dataclass
class Recount:
    """The windows that some records of ``tweets.raw`` make up.

    *records* are partition and value, those of a partition in the order in which they are in Kafka. What is
    in *forgotten* (ids and author ids), or retweets it, is as if it had never been written.
    """

    records: Iterable[tuple[int, bytes]]
    lateness: int = 900
    minimum: int = 5
    baseline_minutes: int = 60
    half_life: float = 0.25
    forgotten: frozenset[Any] = frozenset()
    woeid: int | None = 1  # the place whose windows they are
    late: int = 0
    repeated: int = 0
    tweets: dict[int, dict[str, Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        newest: dict[int, float] = {}
        for partition, value in self.records:
            try:
                content = message.decode_tweet(value)
            except message.BadMessage:
                continue
            document = message.tweet_document(content)
            collected = document["collected_at"].timestamp()
            newest[partition] = max(collected, newest.get(partition, 0))
            written = min((document["created_at"] or document["collected_at"]).timestamp(), collected)
            author = content.get("author_id") or (content.get("author") or {}).get("id")
            tweet_id = document["_id"]
            if self.forgotten.intersection((tweet_id, author, *retweeted(content))):
                continue
            pane = int(written // STEP)
            known = tweet_id in self.tweets
            if (pane + 1) * STEP + self.lateness <= newest[partition]:
                self.late += not known
                self.repeated += known
                continue
            self.repeated += known
            places = {topic["woeid"] for topic in document["topics"]}
            topics = {
                ("topic", topic["name"]): topic["name"]
                for topic in document["topics"]
                if topic["woeid"] == self.woeid
            }
            if known:
                self.tweets[tweet_id]["names"].update(topics)
                self.tweets[tweet_id]["places"] |= places
                continue
            names = {}
            for entry in words_of(document):
                if " " not in entry:
                    spelling, key = parts(entry)
                    names["hashtag" if key[0] == "#" else "word", key] = spelling
            self.tweets[tweet_id] = {
                "pane": pane,
                "author": author or f"tweet {tweet_id}",
                "names": {**names, **topics},
                "places": places,
            }
        self.tweets = {
            number: tweet
            for number, tweet in self.tweets.items()
            if self.woeid in (tweet["places"] or {None})
        }
        self.since = min((tweet["pane"] for tweet in self.tweets.values()), default=0)
        self.by_pane = defaultdict(list)
        for tweet in self.tweets.values():
            self.by_pane[tweet["pane"]].append(tweet)
        self.authors = lru_cache(maxsize=None)(self._authors)

    def _authors(self, minutes: int, ends: int) -> dict[Any, int]:
        """Return how many authors named each thing in the window that ends with step *ends*."""
        who = defaultdict(set)
        for pane in range(ends - minutes * 6, ends):
            for tweet in self.by_pane.get(pane, ()):
                for key in (None, *tweet["names"]):
                    who[key].add(tweet["author"])
        return {key: len(authors) for key, authors in who.items()}

    def usual(self, minutes: int, ends: int, key: Any) -> float | None:
        steps = minutes * 6
        before = [
            self.authors(minutes, ends - number * steps).get(key, 0)
            for number in range(1, max(1, self.baseline_minutes // minutes) + 1)
            if ends - (number + 1) * steps >= self.since
        ]
        return sum(before) / len(before) if before else None

    def expected(self, minutes: int, ends: int, key: Any) -> float:
        return max(1.0, self.usual(minutes, ends, key) or 0.0)

    def score(self, minutes: int, ends: int, key: Any) -> float:
        half_life = self.half_life * minutes * 6
        best = 0.0
        for age in range(int(3 * half_life) + 1):
            observed = self.authors(minutes, ends - age).get(key, 0)
            if observed < self.minimum:
                continue
            expected = self.expected(minutes, ends - age, key)
            if observed >= expected:
                best = max(best, (observed - expected) ** 2 / expected * 0.5 ** (age / half_life))
        return best

    def window(self, minutes: int, ends_at: dt.datetime) -> dict[str, Any]:
        """Return the window as ``trending`` is to have it, without the moment of computation."""
        ends = int(ends_at.timestamp()) // STEP
        inside = [tweet for pane in range(ends - minutes * 6, ends) for tweet in self.by_pane.get(pane, ())]
        names: dict[Any, Counter[str]] = defaultdict(Counter)
        for tweet in inside:
            for key, name in tweet["names"].items():
                names[key][name] += 1
        authors = self.authors(minutes, ends)
        lines = []
        for key, spellings in names.items():
            score = self.score(minutes, ends, key)
            if score >= 1:
                name = max(spellings, key=lambda name, of=spellings: (of[name], name))
                line = {"kind": key[0], "name": name, "authors": authors[key]}
                line.update(tweets=sum(spellings.values()), score=score)
                line["expected"] = self.expected(minutes, ends, key)
                line["usual"] = self.usual(minutes, ends, key)
                lines.append(line)
        lines.sort(key=lambda line: (-line["score"], -line["authors"], line["kind"], line["name"]))
        shown: dict[Any, dict[str, Any]] = {}
        for line in lines:
            shown.setdefault((line["kind"], line["name"]), line)
        kept: list[dict[str, Any]] = []
        for line in shown.values():
            if sum(other["kind"] == line["kind"] for other in kept) < 50:
                kept.append(line)
        return {
            "_id": f"{self.woeid}:{minutes}:{message.stamp(ends_at)}",
            "woeid": self.woeid,
            "minutes": minutes,
            "ends_at": ends_at,
            "tweets": len(inside),
            "authors": authors.get(None, 0),
            "items": kept,
        }


def differences(found: dict[str, Any], wanted: dict[str, Any]) -> list[str]:
    """Return in what a document of ``trending`` differs from the window recounted; scores may by rounding."""
    said = [
        f"{wanted['_id']}: {name} {found.get(name)}, not {wanted[name]}"
        for name in ("_id", "woeid", "minutes", "ends_at", "tweets", "authors")
        if found.get(name) != wanted[name]
    ]
    has = {(item["kind"], item["name"]): item for item in found["items"]}
    is_to_have = {(item["kind"], item["name"]): item for item in wanted["items"]}
    said += [
        f"{wanted['_id']}: {key} {'should not be there' if key in has else 'is missing'}"
        for key in has.keys() ^ is_to_have.keys()
    ]
    return said + [
        f"{wanted['_id']}: {key} {name} {has[key][name]}, not {is_to_have[key][name]}"
        for key in has.keys() & is_to_have.keys()
        for name in ("authors", "tweets", "usual", "expected", "score")
        if not _alike(has[key][name], is_to_have[key][name])
    ]


def _alike(found: float | None, wanted: float | None) -> bool:
    if found is None or wanted is None:
        return found is wanted
    return abs(found - wanted) <= 1e-6 * max(1, wanted)


def buckets(tweets: Iterable[dict[str, Any]]) -> Buckets:
    """Return the buckets that stored *tweets* make up, as docs/storage.md has it under "Roll-ups"."""
    stands: list[tuple[Key, dt.datetime, dict[str, Any]]] = []
    for tweet in tweets:
        stands += [(key, moment_for(tweet, *key), tweet) for key in keys_of(tweet)]
    # The texts in the order of what counts for them, so that the first to come is the one.
    stands.sort(key=lambda one: (one[1], one[2]["_id"]))
    numbers: Counter[Bucket] = Counter()
    words: dict[Bucket, Counter[str]] = {}
    texts: set[tuple[Key, int]] = set()
    for key, moment, tweet in stands:
        text = (key, tweet.get("retweet_of", tweet["_id"]))
        counted = [] if text in texts else tweet["words"]
        texts.add(text)
        at = moment.replace(second=0, microsecond=0)
        for unit, begins in (
            ("minute", at),
            ("hour", at.replace(minute=0)),
            ("day", at.replace(minute=0, hour=0)),
        ):
            numbers[(unit, begins, *key)] += 1
            words.setdefault((unit, begins, *key), Counter()).update(counted)
    return {bucket: (number, dict(words[bucket])) for bucket, number in numbers.items()}


def keys_of(tweet: dict[str, Any]) -> set[Key]:
    """Return the places and topics that a stored tweet is counted for; ``None`` is any."""
    topics = [(topic["woeid"], topic["name"], topic.get("kind")) for topic in tweet["topics"]]
    return {(None, None, None)}.union(*({(w, n, k), (w, None, None), (None, n, k)} for w, n, k in topics))


def moment_for(
    tweet: dict[str, Any], woeid: int | None, name: str | None, kind: str | None = None
) -> dt.datetime:
    """Return where a stored tweet stands for a place and a topic of that kind."""
    if not tweet["topics"]:
        return tweet["first_seen_at"]
    return min(
        topic["first_at"]
        for topic in tweet["topics"]
        if woeid in (None, topic["woeid"])
        and (name is None or (name, kind) == (topic["name"], topic.get("kind")))
    )


def rolled_up(word_counts: Iterable[dict[str, Any]]) -> Buckets:
    """Return the buckets that documents of ``word_counts`` are; of two for one, the newer one is right."""
    found: Buckets = {}
    for one in sorted(word_counts, key=lambda one: one["computed_at"]):
        words = {word: entry["n"] for entry in one["words"] for word in entry["w"].split("\n")}
        for key in one["keys"]:
            bucket = (one["unit"], one["at"], key["woeid"], key["topic"], key.get("kind"))
            found[bucket] = (one["tweets"], words)
    return found
