"""Tweets as X API v2 knows them, made of NDJSON or of plain texts, and kept to be searched."""

from __future__ import annotations

import hashlib
import json
import random
from bisect import bisect_left, bisect_right
from collections import Counter, deque
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Callable, Protocol

from opslib.message import decoded, id_at, moment_of, moment_of_id, stamp
from opslib.simulate.query import Indexed, index, normal
from opslib.words.extract import hashtags, links, mentions

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

SEARCHABLE = timedelta(days=7)
# What a machine of 4 GiB can keep beside everything else; older ones are forgotten.
MAX_KEPT = 50_000

Json = dict[str, Any]
Matches = Callable[[Indexed], bool]


# Why a tweet is not to be had any more.
DELETED = "deleted"
PROTECTED = "protected"
SUSPENDED = "suspended"
# How far a reader of the stream may fall behind.
MAX_WAITING = 100_000


class BadFile(ValueError):  # noqa: N818 - it names a thing
    """A file of tweets that cannot be used; the text names the line."""


class BadState(ValueError):  # noqa: N818
    """A state that cannot be gone on from; the text says why."""


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

    def state(self) -> Json:
        """Return what the tweets follow from: two sources with the same state make the same ones."""

    def rewind(self, since: datetime) -> None:
        """Begin again with the tweets written at *since*."""


def snowflake(moment: datetime, sequence: int = 0) -> int:
    """Return the id of a tweet of that moment; *sequence* tells those of one millisecond apart."""
    return id_at(moment) | (sequence & 0x3FFFFF)


def tweet(data: Json, author: Json, answered: str = "") -> Tweet:
    """Return the tweet with all its *data*, ready to be found."""
    created_at = moment_of(data["created_at"])
    indexed = index(data, author["username"], decoded(data["text"]), answered)
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
        "article",
        "attachments",
        "author_id",
        "community_id",
        "context_annotations",
        "conversation_id",
        "created_at",
        "edit_history_tweet_ids",
        "entities",
        "geo",
        "in_reply_to_user_id",
        "lang",
        "note_tweet",
        "paid_partnership",
        "possibly_sensitive",
        "public_metrics",
        "referenced_tweets",
        "withheld",
    )
)


def entities_of(text: str) -> Json:
    """Return the entities of *text*; a kind of which there are none is left out, as X does."""
    found = {
        "hashtags": [{"start": f.start, "end": f.end, "tag": f.text} for f in hashtags(text)]
        if "#" in text or "\uff03" in text
        else [],
        "mentions": [{"start": f.start, "end": f.end, "username": f.text} for f in mentions(text)]
        if "@" in text or "\uff20" in text
        else [],
        "urls": [
            {"start": f.start, "end": f.end, "url": f.text, "expanded_url": f.text, "display_url": f.text}
            for f in (links(text) if "http" in text else ())
            if f.text.startswith("http")
        ],
    }
    return {kind: items for kind, items in found.items() if items}


def _number(seed: str) -> int:
    return int.from_bytes(hashlib.sha256(seed.encode()).digest()[:8], "big")


# Made-up tweets are by some thousand people.
@lru_cache(maxsize=8192)
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


class Nothing:
    """A source without tweets: all that there are were added."""

    def until(self, now: datetime) -> Iterable[Tweet]:
        """Return none."""
        del now
        return ()

    def state(self) -> Json:
        """Return that there is nothing to go by."""
        return {"kind": "nothing"}

    def rewind(self, since: datetime) -> None:
        """Do nothing."""


class FileSource:
    """The tweets of a file: NDJSON objects with ``text``, or plain texts, one a line.

    Texts without a time are spread evenly over the *span* that ends at *now*, in the order of the file.
    With *replay* (tweets a second) they are not there from the start: the file is written again, from *now*
    on, at that pace.
    """

    def __init__(
        self,
        path: Path,
        now: datetime,
        span: timedelta = timedelta(hours=6),
        lang: str = "pt",
        replay: float | None = None,
    ) -> None:
        content = read(path)
        given = list(lines_of(content, str(path)))
        if not given:
            raise BadFile(f"{path} holds no tweets")
        # To the millisecond, as the state tells it.
        now = moment_of(stamp(now))
        begin = now - span
        if replay:
            begin, span = now, timedelta(seconds=len(given) / replay)
        self._state = {
            "kind": "file",
            "sha256": hashlib.sha256(content).hexdigest(),
            "at": stamp(now),
            "replay": replay,
        }
        moments = [begin + span * (place / len(given)) for place in range(len(given))]
        made = [
            tweet_of(item, f"{path} line {line}", moments[place], place, lang)
            for place, (line, item) in enumerate(given)
        ]
        ids = Counter(tweet.id for tweet in made)
        twice = next((tweet_id for tweet_id, number in ids.items() if number > 1), None)
        if twice is not None:
            raise BadFile(f"{path} holds the id {twice} more than once")
        # When each is written; a file that is not replayed was written before.
        due = moments if replay else [now] * len(made)
        written = sorted(zip(due, made), key=lambda item: (item[0], item[1].id))
        self._due = [moment for moment, _ in written]
        self._tweets = [tweet for _, tweet in written]
        self._place = 0

    def until(self, now: datetime) -> Iterable[Tweet]:
        """Return the tweets that are due, each once."""
        begin = self._place
        # Those of a file that is not replayed are due whatever the clock says.
        end = len(self._tweets) if self._state["replay"] is None else bisect_right(self._due, now)
        self._place = max(begin, end)
        return self._tweets[begin : self._place]

    def state(self) -> Json:
        """Return which file it is, and the time that its tweets go by."""
        return self._state

    def rewind(self, since: datetime) -> None:
        """Begin again with the first: all of them are kept anyway."""
        del since
        self._place = 0


def tweet_of(given: Json, where: str, moment: datetime, place: int, lang: str) -> Tweet:
    """Return the tweet *given* with at least a text; *moment* is for one that tells neither time nor id."""
    try:
        if "created_at" in given:
            moment = moment_of(given["created_at"])
        elif "id" in given:
            moment = moment_of_id(int(given["id"])) or moment
        return tweet(*completed(given, moment, place, lang))
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError) as error:
        raise BadFile(f"{where}: {type(error).__name__}: {error}") from error


def read(path: Path) -> bytes:
    """Return the content of a file that the user named."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise BadFile(f"{path}: {error.strerror}") from error


def lines_of(content: bytes, name: str) -> Iterator[tuple[int, Json]]:
    """Yield each tweet of *content* with the number of its line; the first one tells which kind it is."""
    as_json = None
    # Lines end at line feeds alone: tweets contain other characters that Python takes for line ends.
    for number, raw in enumerate(content.split(b"\n"), start=1):
        try:
            text = raw.rstrip(b"\r").decode("utf-8")
        except UnicodeDecodeError as error:
            raise BadFile(f"{name} line {number} is not UTF-8 (byte {error.start})") from error
        if not text.strip():
            continue
        if as_json is None:
            as_json = text.lstrip("\ufeff").startswith("{")
        yield number, _object(name, number, text.lstrip("\ufeff")) if as_json else {"text": text}


def _object(name: str, number: int, text: str) -> Json:
    try:
        given = json.loads(text)
    except ValueError as error:
        raise BadFile(f"{name} line {number} is not JSON: {error}") from error
    if not isinstance(given, dict) or not isinstance(given.get("text"), str):
        raise BadFile(f"{name} line {number} is no JSON object with a text")
    return given


class Store:
    """The tweets written so far, as searches, lookups and streams see them; at most *keep* of them."""

    def __init__(
        self,
        source: Source,
        clock: Callable[[], datetime],
        keep: int = MAX_KEPT,
        languages: Mapping[int, str] | None = None,
    ) -> None:
        self._source = source
        self._clock = clock
        self._keep = keep
        # What people write in the place of that WOEID; a place that is not here has what all write.
        self._languages = languages or {}
        # By id, which is the order of time but for tweets that were added later.
        self._tweets: list[Tweet] = []
        self._ids: list[int] = []
        self._by_id: dict[int, Tweet] = {}
        # Tweets that the source would not make again.
        self._own: dict[int, Tweet] = {}
        self._gone: dict[int, str] = {}
        # Ids that searches do not find: gone, or edited since.
        self._hidden: set[int] = set()
        # By language and spelling.
        self._hashtags: Counter[tuple[str, str]] = Counter()
        self._waiting: list[deque[Tweet]] = []

    def now(self) -> datetime:
        """Return the time that it goes by."""
        return self._clock()

    def refresh(self) -> None:
        """Take in what was written since the last time, and forget what searches no longer reach."""
        now = self.now()
        self._take(list(self._source.until(now)))
        oldest = now - SEARCHABLE
        # A tenth more than is kept, so that not every new tweet moves all of them.
        if len(self._tweets) > self._keep + self._keep // 10:
            self._forget(len(self._tweets) - self._keep)
        elif self._tweets and self._tweets[0].created_at < oldest:
            self._forget(
                next((n for n, t in enumerate(self._tweets) if t.created_at >= oldest), len(self._tweets))
            )

    def newest_first(self, low: int = 0, high: int = 2**63) -> Iterable[Tweet]:
        """Return the tweets that recent search reaches, with ids above *low* and below *high*."""
        self.refresh()
        begin, end = bisect_right(self._ids, low), bisect_left(self._ids, high)
        for place in range(end - 1, begin - 1, -1):
            if self._ids[place] not in self._hidden:
                yield self._tweets[place]

    def with_id(self, tweet_id: int) -> Tweet | None:
        """Return the tweet of that id as it was, if it is kept."""
        return self._by_id.get(tweet_id)

    def gone(self, tweet_id: int) -> str | None:
        """Return why a tweet is not to be had any more, if so."""
        return self._gone.get(tweet_id)

    def offered(self) -> list[str]:
        """Return the ids of all tweets that are to be had, the newest first."""
        return [str(tweet.id) for tweet in self.newest_first()]

    def trends(self, woeid: int, number: int) -> list[Json]:
        """Return the hashtags in most tweets of a place's language, each in its commonest spelling."""
        self.refresh()
        spoken = self._languages.get(woeid)
        totals: Counter[str] = Counter()
        names: dict[str, str] = {}
        spellings: Counter[str] = Counter()
        for (language, spelling), count in self._hashtags.items():
            if spoken in (None, language):
                spellings[spelling] += count
        for spelling, count in sorted(spellings.items(), key=lambda item: (-item[1], item[0])):
            totals[normal(spelling)] += count
            names.setdefault(normal(spelling), spelling)
        ranked = sorted(totals.items(), key=lambda item: (-item[1], item[0]))[:number]
        return [{"trend_name": f"#{names[key]}", "tweet_count": count} for key, count in ranked if count]

    def listen(self) -> deque[Tweet]:
        """Return a queue into which every tweet written from now on comes; give it back to :meth:`leave`."""
        self.refresh()
        queue: deque[Tweet] = deque()
        self._waiting.append(queue)
        return queue

    def leave(self, queue: deque[Tweet]) -> None:
        """Fill *queue* no longer."""
        self._waiting = [other for other in self._waiting if other is not queue]

    def add(self, given: Iterable[tuple[int, Json]], name: str = "the body", lang: str = "pt") -> list[str]:
        """Add tweets, each with the number of its line; return their ids. ``BadFile`` adds none of them."""
        self.refresh()
        made = []
        moment = self.now()
        for line, item in given:
            where = f"{name} line {line}"
            made.append(tweet_of({"id": self._free_id(moment, line), **item}, where, moment, line, lang))
            if made[-1].id in self._by_id:
                raise BadFile(f"{where}: there is a tweet with the id {made[-1].id} already")
        if len({tweet.id for tweet in made}) < len(made):
            raise BadFile(f"{name} holds an id more than once")
        self._own.update((tweet.id, tweet) for tweet in made)
        self._take(made)
        return [str(tweet.id) for tweet in made]

    def _free_id(self, moment: datetime, sequence: int) -> int:
        # The half of a millisecond's ids that generated tweets seldom reach.
        found = snowflake(moment, sequence | 1 << 21)
        while found in self._by_id:
            found += 1
        return found

    def remove(self, ids: Iterable[int], reason: str) -> int:
        """Make tweets unavailable for that *reason*; return how many of them there were."""
        self.refresh()
        known = [tweet_id for tweet_id in ids if tweet_id in self._by_id]
        self._gone.update((tweet_id, reason) for tweet_id in known)
        self._hidden.update(known)
        return len(known)

    def edit(self, tweet_id: int, text: str) -> str | None:
        """Write a new version of a tweet, as X does it: with an id of its own, which is returned."""
        self.refresh()
        old = self._by_id.get(tweet_id)
        if old is None or tweet_id in self._gone:
            return None
        now = self.now()
        new_id = self._free_id(now, 0)
        history = [*old.data["edit_history_tweet_ids"], str(new_id)]
        fields = {name: value for name, value in old.data.items() if name not in ("entities", "note_tweet")}
        given = {**fields, "id": str(new_id), "text": text, "author": old.author}
        given.update(created_at=stamp(now), edit_history_tweet_ids=history)
        new = tweet_of(given, "the new version", now, 0, str(old.data.get("lang")))
        for version in [self._by_id[int(known)] for known in history[:-1] if int(known) in self._by_id]:
            # Shared with the index, which does not look at it.
            version.data["edit_history_tweet_ids"] = history
            self._own[version.id] = version
            self._hidden.add(version.id)
        self._own[new_id] = new
        self._take([new])
        return str(new_id)

    def _take(self, new: list[Tweet]) -> None:
        if not new:
            return
        in_order = not self._ids or self._ids[-1] < new[0].id
        in_order = in_order and all(new[n].id < new[n + 1].id for n in range(len(new) - 1))
        self._tweets += new
        if not in_order:
            self._tweets.sort(key=lambda tweet: tweet.id)
            self._ids = [tweet.id for tweet in self._tweets]
        else:
            self._ids += [tweet.id for tweet in new]
        self._by_id.update((tweet.id, tweet) for tweet in new)
        for found in new:
            self._hashtags.update(_tags(found))
        for queue in self._waiting:
            queue.extend(new[: MAX_WAITING + 1 - len(queue)])

    def _forget(self, number: int) -> None:
        for old in self._tweets[:number]:
            self._hashtags.subtract(_tags(old))
            for of_id in (self._by_id, self._own, self._gone):
                of_id.pop(old.id, None)
            self._hidden.discard(old.id)
        del self._tweets[:number], self._ids[:number]
        self._hashtags = +self._hashtags

    def state(self) -> Json:
        """Return what the tweets follow from, and those that do not follow from it."""
        self.refresh()
        return {
            "source": self._source.state(),
            "since": stamp(self._tweets[0].created_at) if self._tweets else None,
            "own": [{**tweet.data, "author": tweet.author} for tweet in self._own.values()],
            "gone": {str(tweet_id): reason for tweet_id, reason in self._gone.items()},
        }

    def restore(self, state: Json) -> None:
        """Go on where *state* was taken; ``BadState`` if that was with other tweets."""
        if state["source"] != self._source.state():
            raise BadState(
                f"the state is of other tweets: of {json.dumps(state['source'])}, "
                f"and these are of {json.dumps(self._source.state())}"
            )
        now = self.now()
        own = [tweet_of(given, "the state", now, 0, "und") for given in state["own"]]
        waiting, self._waiting = self._waiting, []
        self._forget(len(self._tweets))
        if state["since"] is not None:
            self._source.rewind(moment_of(state["since"]))
        mine = {tweet.id for tweet in own}
        self._take([tweet for tweet in self._source.until(now) if tweet.id not in mine])
        self._own = {tweet.id: tweet for tweet in own}
        self._take(own)
        self._gone = {int(tweet_id): reason for tweet_id, reason in state["gone"].items()}
        edited = {tweet.id for tweet in own if tweet.data["edit_history_tweet_ids"][-1] != str(tweet.id)}
        self._hidden = edited | set(self._gone)
        self._waiting = waiting


def _tags(tweet: Tweet) -> list[tuple[str, str]]:
    """Return the language and one spelling of each hashtag: a tweet counts once, whatever it repeats."""
    tags = (tweet.data.get("entities") or {}).get("hashtags", ())
    language = str(tweet.data.get("lang"))
    return [(language, spelling) for spelling in {normal(tag["tag"]): tag["tag"] for tag in tags}.values()]
