"""Tweets as X API v2 knows them, made of NDJSON or of plain texts, and kept to be searched."""

from __future__ import annotations

import hashlib
import html
import json
import random
from collections import Counter, deque
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any, Callable, Protocol

from opslib.message import moment_of, moment_of_id, stamp
from opslib.words.extract import hashtags, links, mentions
from opslib.x.simulate.query import Indexed, index, normal

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

SEARCHABLE = timedelta(days=7)
# What a machine of 4 GiB can keep beside everything else; older ones are forgotten.
MAX_KEPT = 50_000
_SNOWFLAKE_EPOCH = datetime(2010, 11, 4, 1, 42, 54, 657000, tzinfo=timezone.utc)

Json = dict[str, Any]
Matches = Callable[[Indexed], bool]


class BadFile(ValueError):  # noqa: N818 - it names a thing
    """A file of tweets that cannot be used; the text names the line."""


@dataclass(frozen=True)
class Tweet:
    """A tweet with everything that a caller could ask for."""

    id: int
    created_at: datetime
    data: Json  # all fields
    author: Json  # all fields
    indexed: Indexed


class Source(Protocol):
    """Where tweets come from."""

    def until(self, now: datetime) -> Iterable[Tweet]:
        """Return the tweets written since the last call, the oldest first."""


def snowflake(moment: datetime, sequence: int = 0) -> int:
    """Return the id of a tweet of that moment; *sequence* tells those of one millisecond apart."""
    return (round((moment - _SNOWFLAKE_EPOCH) / timedelta(milliseconds=1)) << 22) | (sequence & 0x3FFFFF)


def tweet(data: Json, author: Json, answered: str = "") -> Tweet:
    """Return the tweet with all its *data*, ready to be found."""
    created_at = moment_of(data["created_at"])
    indexed = index(data, author["username"], html.unescape(data["text"]), answered)
    return Tweet(int(data["id"]), created_at, data, author, indexed)


def completed(given: Json, moment: datetime, sequence: int, lang: str) -> tuple[Json, Json]:
    """Return the data and the author of a tweet of which *given* may hold no more than the text."""
    text = given["text"]
    author = given.get("author") or made_up_author(given.get("author_id") or text)
    tweet_id = str(given.get("id") or snowflake(moment, sequence))
    data = {
        "id": tweet_id,
        "text": text,
        "edit_history_tweet_ids": [tweet_id],
        "author_id": author["id"],
        "conversation_id": tweet_id,
        "created_at": stamp(moment),
        "lang": lang,
        "possibly_sensitive": False,
        "public_metrics": made_up_metrics(text),
        **{name: value for name, value in given.items() if name in _FIELDS},
    }
    if "entities" not in given:
        data["entities"] = entities_of(text)
    if not data["entities"]:
        del data["entities"]
    return data, author


_FIELDS = frozenset(
    (
        "author_id",
        "conversation_id",
        "created_at",
        "edit_history_tweet_ids",
        "entities",
        "in_reply_to_user_id",
        "lang",
        "note_tweet",
        "possibly_sensitive",
        "public_metrics",
        "referenced_tweets",
    )
)


def entities_of(text: str) -> Json:
    """Return the entities of *text*; a kind of which there are none is left out, as X does."""
    found = {
        "hashtags": [{"start": f.start, "end": f.end, "tag": f.text} for f in hashtags(text)],
        "mentions": [{"start": f.start, "end": f.end, "username": f.text} for f in mentions(text)],
        "urls": [
            {"start": f.start, "end": f.end, "url": f.text, "expanded_url": f.text, "display_url": f.text}
            for f in links(text)
            if f.text.startswith("http")
        ],
    }
    return {kind: items for kind, items in found.items() if items}


def _number(seed: str) -> int:
    return int.from_bytes(hashlib.sha256(seed.encode()).digest()[:8], "big")


def made_up_author(seed: str) -> Json:
    """Return the same user for the same *seed*."""
    number = _number(seed)
    user_id = seed if seed.isascii() and seed.isdigit() else str(10_000_000 + number % 900_000_000)
    first = _NAMES[number % len(_NAMES)]
    last = _SURNAMES[number // 100 % len(_SURNAMES)]
    ascii_name = first.translate(_PLAIN).lower()
    return {
        "id": user_id,
        "name": f"{first} {last}",
        "username": f"{ascii_name}{number % 100_000:05d}",
        "created_at": stamp(datetime(2010, 1, 1, tzinfo=timezone.utc) + timedelta(days=number % 5000)),
        "public_metrics": {
            "followers_count": number % 4999,
            "following_count": number % 997,
            "tweet_count": number % 20_011,
            "listed_count": number % 7,
            "like_count": number % 30_011,
        },
        "protected": False,
        "verified": number % 50 == 0,
    }


def made_up_metrics(seed: str) -> Json:
    """Return metrics as tweets have them: most of them none, a few of them many."""
    chance = random.Random(_number(seed))  # noqa: S311 - not for secrets
    likes = int(chance.paretovariate(0.9)) - 1
    return {
        "retweet_count": min(likes // 5, 10**6),
        "reply_count": min(likes // 9, 10**6),
        "like_count": min(likes, 10**7),
        "quote_count": min(likes // 40, 10**6),
        "bookmark_count": min(likes // 30, 10**6),
        "impression_count": min((likes + 1) * 37, 10**9),
    }


_NAMES = (
    "Ana",
    "João",
    "Maria",
    "Pedro",
    "Júlia",
    "Lucas",
    "Beatriz",
    "Rafael",
    "Luiza",
    "Caio",
    "Bruna",
    "Tiago",
)
_SURNAMES = ("Silva", "Souza", "Costa", "Lima", "Rocha", "Alves", "Dias", "Melo", "Nunes", "Prado", "Reis")
_PLAIN = str.maketrans("ãõúíáéâêôç", "aouiaeaeoc")


def end_of_span(path: Path, now: datetime) -> datetime:
    """Return when the file was last changed, or *now* where X would no longer search that far back.

    Served again after a restart, its tweets have the times and ids that they had before.
    """
    changed = datetime.fromtimestamp(path.stat().st_mtime, timezone.utc)
    return changed if timedelta(0) <= now - changed < SEARCHABLE - timedelta(days=1) else now


class FileSource:
    """The tweets of a file: NDJSON objects with ``text``, or plain texts, one a line.

    Texts without a time are spread evenly over the *span* that ends at *now*, in the order of the file.
    """

    def __init__(
        self, path: Path, now: datetime, span: timedelta = timedelta(hours=6), lang: str = "pt"
    ) -> None:
        given = list(_lines(path))
        if not given:
            raise BadFile(f"{path} holds no tweets")
        made = [
            self._tweet(path, line, item, now - span + span * (place / len(given)), place, lang)
            for place, (line, item) in enumerate(given)
        ]
        ids = Counter(tweet.id for tweet in made)
        twice = next((tweet_id for tweet_id, number in ids.items() if number > 1), None)
        if twice is not None:
            raise BadFile(f"{path} holds the id {twice} more than once")
        self._waiting = sorted(made, key=lambda tweet: tweet.id)

    @staticmethod
    def _tweet(path: Path, line: int, given: Json, moment: datetime, place: int, lang: str) -> Tweet:
        try:
            if "created_at" in given:
                moment = moment_of(given["created_at"])
            elif "id" in given:
                moment = moment_of_id(int(given["id"])) or moment
            return tweet(*completed(given, moment, place, lang))
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise BadFile(f"{path} line {line}: {type(error).__name__}: {error}") from error

    def until(self, now: datetime) -> Iterable[Tweet]:
        """Return all of them, once."""
        del now
        waiting, self._waiting = self._waiting, []
        return waiting


def _lines(path: Path) -> Iterator[tuple[int, Json]]:
    """Yield each tweet of the file with the number of its line; the first one tells which kind it is."""
    as_json = None
    try:
        content = path.read_bytes()
    except OSError as error:
        raise BadFile(f"{path}: {error.strerror}") from error
    # Lines end at line feeds alone: tweets contain other characters that Python takes for line ends.
    for number, raw in enumerate(content.split(b"\n"), start=1):
        try:
            text = raw.rstrip(b"\r").decode("utf-8")
        except UnicodeDecodeError as error:
            raise BadFile(f"{path} line {number} is not UTF-8 (byte {error.start})") from error
        if not text.strip():
            continue
        if as_json is None:
            as_json = text.lstrip("\ufeff").startswith("{")
        yield number, _object(path, number, text.lstrip("\ufeff")) if as_json else {"text": text}


def _object(path: Path, number: int, text: str) -> Json:
    try:
        given = json.loads(text)
    except ValueError as error:
        raise BadFile(f"{path} line {number} is not JSON: {error}") from error
    if not isinstance(given, dict) or not isinstance(given.get("text"), str):
        raise BadFile(f"{path} line {number} is no JSON object with a text")
    return given


class Store:
    """The tweets written so far, and which of them were given out."""

    def __init__(self, source: Source, clock: Callable[[], datetime]) -> None:
        self._source = source
        self._clock = clock
        self._tweets: deque[Tweet] = deque(maxlen=MAX_KEPT)
        self.returned: Counter[int] = Counter()

    def now(self) -> datetime:
        """Return the time that it goes by."""
        return self._clock()

    def newest_first(self) -> Iterable[Tweet]:
        """Return the tweets that recent search reaches."""
        now = self.now()
        self._tweets.extend(self._source.until(now))
        while self._tweets and self._tweets[0].created_at < now - SEARCHABLE:
            self._tweets.popleft()
        return reversed(self._tweets)

    def with_ids(self, ids: set[str]) -> list[Tweet]:
        """Return the tweets that have these ids, as far as they are kept."""
        return [tweet for tweet in self._tweets if tweet.data["id"] in ids] if ids else []

    def trends(self, number: int) -> list[Json]:
        """Return the hashtags in most tweets, each in its commonest spelling."""
        spellings: Counter[str] = Counter()
        for found in self.newest_first():
            spellings.update(
                _distinct(tag["tag"] for tag in found.data.get("entities", {}).get("hashtags", ()))
            )
        totals: Counter[str] = Counter()
        names: dict[str, str] = {}
        for spelling, count in sorted(spellings.items(), key=lambda item: (-item[1], item[0])):
            totals[normal(spelling)] += count
            names.setdefault(normal(spelling), spelling)
        ranked = sorted(totals.items(), key=lambda item: (-item[1], item[0]))[:number]
        return [{"trend_name": f"#{names[key]}", "tweet_count": count} for key, count in ranked]


def _distinct(tags: Iterable[str]) -> Iterable[str]:
    """Return one spelling of each tag: a tweet counts once, whatever it repeats."""
    return {normal(tag): tag for tag in tags}.values()
