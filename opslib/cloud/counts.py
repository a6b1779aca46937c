"""How many tweets hold each word: from NDJSON, or from what MongoDB holds."""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from bson.codec_options import CodecOptions

from opslib.message import BadMessage, check_whole, moment_of, retweeted_id, retweeted_name, whole_text
from opslib.store.observations import within
from opslib.store.spans import of_tweets
from opslib.words import merge, words_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pymongo.database import Database

    from opslib.store.observations import Key


class BadInput(ValueError):  # noqa: N818 - it names a thing
    """Tweets that cannot be read; the text names the line."""


@dataclass
class Counted:
    """The words of some tweets, with what a reader must know to judge them."""

    words: dict[str, int] = field(default_factory=dict)  # the most frequent first
    tweets: int = 0
    first: datetime | None = None  # the moments of the oldest and of the newest tweet, if known
    last: datetime | None = None
    topics: int | None = None  # how many topics the tweets were collected for, if known


def from_lines(lines: Iterable[bytes], name: str, lang: str | None = None) -> Counted:
    """Count the tweets of NDJSON, one object with ``text`` a line; *name* is for messages.

    Tweets with an id seen before are left out, and those in another language than *lang*; a tweet that
    names no language is taken to be in that one. The words of a tweet and its retweets count once.
    """
    spellings: Counter[str] = Counter()
    result = Counted()
    seen: set[str] = set()
    texts: set[str] = set()
    for number, raw in enumerate(lines, start=1):
        if not raw.strip():
            continue
        tweet = _tweet(raw, f"{name} line {number}")
        tweet_id = str(tweet.get("id", f"line {number}"))
        if tweet_id in seen or (lang and tweet.get("lang", lang) != lang):
            continue
        seen.add(tweet_id)
        original = _original(tweet, tweet_id, f"{name} line {number}")
        if original not in texts:
            texts.add(original)
            text, entities = whole_text(tweet)
            spellings.update(words_of({"lang": lang, **tweet, "text": text, "entities": entities}))
        result.tweets += 1
        _widen(result, tweet.get("created_at"))
    result.words = merge(spellings)
    return result


def _original(tweet: Mapping[str, Any], tweet_id: str, where: str) -> str:
    """Return what a tweet and its retweets have in common; of a retweet that names no id, its text."""
    try:
        retweeted = retweeted_id(tweet)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise BadInput(f"{where} has referenced_tweets that are none: {error!r}") from error
    if retweeted is not None:
        return str(retweeted)
    return tweet["text"] if retweeted_name(tweet["text"]) else tweet_id


def _tweet(raw: bytes, where: str) -> dict[str, Any]:
    try:
        tweet = json.loads(raw.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise BadInput(f"{where} is not UTF-8 (byte {error.start})") from error
    except (ValueError, RecursionError) as error:
        raise BadInput(f"{where} is not JSON: {error}") from error
    if not isinstance(tweet, dict):
        raise BadInput(f"{where} is no JSON object")
    for key, kind in (("text", str), ("lang", str), ("entities", dict)):
        if not isinstance(tweet.get(key), kind) and (key == "text" or tweet.get(key) is not None):
            raise BadInput(f"{where} has no {key} that is a {kind.__name__}")
    try:
        check_whole(tweet)
    except BadMessage as error:
        raise BadInput(f"{where}: {error}") from error
    return tweet


def _widen(result: Counted, moment: object) -> None:
    if not isinstance(moment, str):
        return
    try:
        at = moment_of(moment)
    except ValueError:
        return  # the words count all the same
    result.first = min(result.first or at, at)
    result.last = max(result.last or at, at)


@dataclass(frozen=True)
class Selection:
    """Which of the stored tweets are meant."""

    until: datetime
    hours: float
    topics: tuple[str, ...] = ()
    woeid: int | None = None
    lang: str | None = None
    kind: str | None = None  # of the topics: ``follow``, or none for trends

    @property
    def since(self) -> datetime:
        """Return the moment that the span begins with."""
        return self.until - timedelta(hours=self.hours)

    def match(self) -> dict[str, Any]:
        """Return it as a MongoDB query; it may find tweets that stand at another moment."""
        topic: dict[str, Any] = {}
        if self.topics:
            topic |= {"name": {"$in": self._names()}, "kind": self.kind}
        if self.woeid is not None:
            topic["woeid"] = self.woeid
        match = within({"$gte": self.since, "$lte": self.until}, topic)
        return {**match, "lang": self.lang} if self.lang else match

    def wants(self, key: Key) -> bool:
        """Say whether the tweets that stand for *key* are meant."""
        woeid, name, kind = key
        if woeid != self.woeid or kind != self.kind:
            return False
        if not self.topics:
            return name is None
        return name is not None and any(pattern.search(name) for pattern in self._names())

    def _names(self) -> list[re.Pattern[str]]:
        return [re.compile(f"^#?{re.escape(t.lstrip('#'))}$", re.IGNORECASE) for t in self.topics]


def from_database(database: Database[dict[str, Any]], selection: Selection) -> Counted:
    """Count the stored tweets of *selection*; they were collected for what was trending then."""
    since, until = selection.since, selection.until
    timed: Database[dict[str, Any]] = database.with_options(codec_options=CodecOptions(tz_aware=True))
    found = of_tweets(timed, selection.match(), lambda at: since <= at <= until, lru_cache(selection.wants))
    counts = found.counts
    return Counted(merge(counts.words), counts.tweets, found.first, found.last, len(found.topics))
