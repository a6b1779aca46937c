"""How many tweets hold each word: from NDJSON, or from what MongoDB holds."""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from opslib.message import BadMessage, check_whole, moment_of, retweeted_id, retweeted_name, whole_text
from opslib.store import rollups
from opslib.words import merge, words_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pymongo.database import Database


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

    def match(self) -> dict[str, Any]:
        """Return it as a MongoDB query."""
        match: dict[str, Any] = {
            "collected_at": {"$gte": self.until - timedelta(hours=self.hours), "$lte": self.until}
        }
        topic: dict[str, Any] = {}
        if self.topics:
            topic["name"] = {
                "$in": [re.compile(f"^#?{re.escape(t.lstrip('#'))}$", re.IGNORECASE) for t in self.topics]
            }
        if self.woeid is not None:
            topic["woeid"] = self.woeid
        if topic:
            match["topics"] = {"$elemMatch": topic}
        if self.lang:
            match["lang"] = self.lang
        return match


def from_database(database: Database[dict[str, Any]], selection: Selection) -> Counted:
    """Count the stored tweets of *selection*; they were collected for what was trending then."""
    number, words = of_tweets(database, selection.match())
    tweets, match = database["tweets"], {"$match": selection.match()}
    span = {"$group": {"_id": None, "a": {"$min": "$created_at"}, "z": {"$max": "$created_at"}}}
    for found in tweets.aggregate([match, span]):
        topics = tweets.aggregate([match, {"$unwind": "$topics"}, {"$group": {"_id": "$topics.name"}}])
        return Counted(words, number, found["a"], found["z"], sum(1 for _ in topics))
    return Counted()


def of_tweets(database: Database[dict[str, Any]], match: Mapping[str, Any]) -> tuple[int, dict[str, int]]:
    """Return how many stored tweets a query finds, and their words, those of a retweeted text once."""
    text = {
        "_id": {"$ifNull": ["$retweet_of", "$_id"]},
        "tweets": {"$sum": 1},
        # Of the oldest, as in the roll-ups: of what is retweeted, if it is there.
        "words": {"$top": {"sortBy": {"_id": 1}, "output": "$words"}},
    }
    words = {"$project": {"words": rollups.with_total(rollups.EACH_ONCE, "$tweets")}}
    found = rollups.summed(database["tweets"], [{"$match": match}, {"$group": text}, words])
    return found.tweets, merge(found.words)


def woeid_of(database: Database[dict[str, Any]], place: str) -> int:
    """Return the WOEID that *place* is, or that a snapshot of trends has for a place of that name."""
    if place.isascii() and place.isdigit():
        return int(place)
    found = database["trends"].find_one(
        {"place": re.compile(f"^{re.escape(place)}$", re.IGNORECASE)}, {"woeid": 1}
    )
    if found is None:
        known = ", ".join(sorted(database["trends"].distinct("place"))) or "none yet"
        raise BadInput(f"no trends were collected for {place!r}; places known: {known}")
    return int(found["woeid"])
