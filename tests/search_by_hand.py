"""What docs/search.md says, done by hand: every query is held against every tweet, one after the other.

Nothing of opslib is used here. A query is a tree that can be written as a line, and that can be asked whether
it holds for a tweet.
"""

from __future__ import annotations

import html
import random
import unicodedata
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any, Callable

import regex

TEXTS = Path(__file__).parents[2] / "shared/data/tweets"
LANGUAGES = ("ar", "en", "es", "fr", "hi", "pt")
PLACES = {"brasil": 23424768, "rio de janeiro": 455825}
BEGIN = datetime(2026, 3, 1, tzinfo=timezone.utc)
# Ids count milliseconds since this moment, above 22 bits.
EPOCH = datetime(2010, 11, 4, 1, 42, 54, 657000, tzinfo=timezone.utc)
SINGLE = regex.compile(r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}]")
PICTURE = regex.compile(r"\p{Extended_Pictographic}")
TONES = "[\U0001f3fb-\U0001f3ff]"
# What HTML calls by name or number is stored as what it stands for.
REFERENCE = regex.compile(r"&(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});")
LOST = regex.compile("[\u0300-\u036f\u0640\u064b-\u0655\u0670\ufe0e\ufe0f\U0001f3fb-\U0001f3ff]")


# ---- words


def is_letter(one: str, marks: bool) -> bool:
    kind = unicodedata.category(one)[0]
    return kind in "LN" or one == "_" or (marks and (kind == "M" or one in "\u200c\u200d"))


def emoji_at(text: str, at: int) -> int:
    """Return where the emoji ends that begins there; *at* if none does."""
    flag = text[at : at + 2]
    if len(flag) == 2 and all("\U0001f1e6" <= one <= "\U0001f1ff" for one in flag):
        return at + 2
    if not PICTURE.match(text[at]):
        return at
    end = at + 1
    if text[end : end + 1] in ("\ufe0e", "\ufe0f"):
        end += 1
    if "\U0001f3fb" <= text[end : end + 1] <= "\U0001f3ff":
        end += 1
    if text[end : end + 1] == "\u200d" and end + 1 < len(text):
        return max(end, emoji_at(text, end + 1) if PICTURE.match(text[end + 1]) else end)
    return end


def words_written(text: str) -> list[str]:
    text, found, at = unicodedata.normalize("NFC", text), [], 0
    while at < len(text):
        end = word_end(text, at)
        if end > at:
            found.append(text[at:end][:100])
        at = max(end, at + 1)
    return found


def word_end(text: str, at: int) -> int:
    one, following = text[at], text[at + 1 : at + 2]
    if one in "#@\uff03\uff20" and following and is_letter(following, marks=False):
        return run(text, at + 1, single=True)
    end = emoji_at(text, at)
    if end > at:
        return end
    if SINGLE.match(one) and is_letter(one, marks=False):
        end = at + 1
        while end < len(text) and unicodedata.category(text[end])[0] == "M":
            end += 1
        return end
    return run(text, at, single=False) if is_letter(one, marks=False) else at


def run(text: str, at: int, *, single: bool) -> int:
    while at < len(text) and is_letter(text[at], marks=True):
        if not single and unicodedata.category(text[at])[0] == "L" and SINGLE.match(text[at]):
            break
        at += 1
    return at


def folded(word: str) -> str:
    if not PICTURE.match(word):
        word = word.replace("\u200c", "").replace("\u200d", "")
    # Marks that a joiner kept apart are in their order again once it is left out.
    word = unicodedata.normalize("NFC", word.replace("\uff03", "#").replace("\uff20", "@")).casefold()
    if word.startswith("#"):
        return word
    return unicodedata.normalize("NFC", LOST.sub("", unicodedata.normalize("NFD", word)))


def words_found(text: str) -> list[str]:
    return [word for word in map(folded, words_written(text)) if word]


# ---- tweets


@dataclass
class Tweet:
    """A tweet as somebody would write it down."""

    id: int
    text: str
    lang: str
    author: tuple[str, str]  # id and name
    topics: list[tuple[str, int | None]]  # no place is that of a follow
    reach: int
    likes: int
    at: datetime
    media: bool = False
    geo: bool = False
    kind: str | None = None  # retweeted, quoted or replied_to
    original: int = 0

    def __post_init__(self) -> None:
        self.came, self.text = self.text, REFERENCE.sub(lambda found: html.unescape(found[0]), self.text)
        self.written, self.found = words_written(self.text), words_found(self.text)
        self.in_a_row = {False: f" {' '.join(self.found)} ", True: f" {' '.join(self.written)} "}
        self.had = had(self)

    def message(self, collected_at: datetime, likes: int | None = None) -> dict[str, Any]:
        """Return it as it travels on tweets.raw."""
        moment = collected_at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        count = self.likes if likes is None else likes
        rest: dict[str, Any] = {}
        if self.media:
            rest["attachments"] = {"media_keys": ["3_1"]}
        if self.geo:
            rest["geo"] = {"place_id": "1"}
        if self.kind:
            rest["referenced_tweets"] = [{"type": self.kind, "id": str(self.original)}]
        return {
            "id": str(self.id),
            "text": self.came,
            "lang": self.lang,
            "author_id": self.author[0],
            "author": {"id": self.author[0], "username": self.author[1]},
            "public_metrics": {"like_count": count, "retweet_count": self.reach - self.likes},
            "collected_for": [
                {"name": name, "woeid": woeid} if woeid else {"name": name, "kind": "follow"}
                for name, woeid in self.topics
            ],
            "collected_at": moment,
            **rest,
        }


def texts() -> list[tuple[str, str]]:
    """Return language and text of each tweet that there is."""
    found = []
    for lang in LANGUAGES:
        lines = (TEXTS / f"{lang}.txt").read_text(encoding="utf-8").split("\n")
        found += [(lang, line) for line in lines if line]
    return found


def lake(seed: int, some: int | None = None) -> list[Tweet]:
    """Return the tweets, with authors, places, metrics and times by chance, the oldest first."""
    chance = random.Random(seed)  # noqa: S311
    lines = texts()
    chance.shuffle(lines)
    tweets: list[Tweet] = []
    originals: list[Tweet] = []  # of a retweet X names what was written first, and no other retweet
    for number, (lang, text) in enumerate(lines[:some]):
        at = BEGIN + timedelta(milliseconds=number * 60_000 + chance.randrange(60_000))
        likes = int(chance.paretovariate(0.7)) - 1
        kind = chance.choice((None, None, None, "quoted", "replied_to", "retweeted")) if tweets else None
        author = chance.randrange(300)
        tags = [word for word in words_written(text) if word.startswith("#")]
        topics = {
            (chance.choice([*tags, "Lula Livre", "São João"]), chance.choice([*PLACES.values(), None]))
            for _ in range(chance.choice((1, 1, 2, 4)))
        }
        tweets.append(
            Tweet(
                (int((at - EPOCH) / timedelta(milliseconds=1)) << 22) + chance.randrange(4096),
                text, lang, (str(1000 + author), f"Autora_{author}"), sorted(topics, key=str),
                likes + chance.randrange(3), likes, at, chance.random() < 0.1, chance.random() < 0.05,
                kind, chance.choice(originals).id if kind else 0,
            )
        )  # fmt: skip
        if kind != "retweeted":
            originals.append(tweets[-1])
    return tweets


# ---- queries


@dataclass(frozen=True)
class Query:
    """A line, and when it holds of a tweet beside the places that stand around it."""

    line: str
    holds_at: Callable[[Tweet, frozenset[int]], bool]
    places: frozenset[int] = frozenset()  # which hold for what stands beside it, too

    def holds(self, tweet: Tweet) -> bool:
        return self.holds_at(tweet, frozenset())


def in_row(tweet: Tweet, wanted: list[str], *, exactly: bool = False, beginning: bool = False) -> bool:
    return f" {' '.join(wanted)}{'' if beginning else ' '}" in tweet.in_a_row[exactly]


def had(tweet: Tweet) -> set[str]:
    tests = {
        "links": "http://" in tweet.text.lower() or "https://" in tweet.text.lower(),
        "media": tweet.media,
        "geo": tweet.geo,
        "hashtags": any(word[0] == "#" for word in tweet.found),
        "mentions": any(word[0] == "@" for word in tweet.found),
        "emoji": any(emoji_at(word, 0) for word in tweet.written),
    }
    return {name for name, holds in tests.items() if holds}


KINDS = {"retweeted": "retweet", "quoted": "quote", "replied_to": "reply"}


def kinds(tweet: Tweet) -> set[str]:
    found = {KINDS[tweet.kind]} if tweet.kind else set()
    return found | ({"retweet"} if regex.match(r"RT @\w+: ", tweet.text, regex.ASCII) else set())


class Queries:
    """Makes queries by chance, of what some tweets hold."""

    def __init__(self, tweets: list[Tweet], seed: int) -> None:
        self._tweets = tweets
        self._chance = random.Random(seed)  # noqa: S311
        self._makers = [
            self._word, self._word, self._phrase, self._beginning, self._exact, self._from, self._lang,
            self._topic, self._place, self._has, self._is,
        ]  # fmt: skip

    def one(self) -> Query:
        """Return a query with any of what there is."""
        made = self._tree(self._chance.randrange(4))
        if self._chance.random() < 0.4:
            made = self._between(made)
        return made

    def _tree(self, depth: int) -> Query:
        if depth == 0:
            return self._chance.choice(self._makers)()
        parts = [self._tree(depth - 1) for _ in range(self._chance.choice((1, 2, 2, 3)))]
        how = self._chance.choice(("and", "side", "or", "not", "minus"))
        lines = [f"({part.line})" for part in parts]
        if how == "or" and len(parts) > 1:
            return Query(
                " OR ".join(lines), lambda tweet, at: any(part.holds_at(tweet, at) for part in parts)
            )
        if how in ("not", "minus"):
            head = f"NOT {lines[0]}" if how == "not" else f"-{lines[0]}"
            gone = parts[0]
            but = Query(head, lambda tweet, at: not gone.holds_at(tweet, at))
            return self._all([but, *parts[1:]], " ".join([head, *lines[1:]]))
        return self._all(parts, (" AND " if how == "and" else " ").join(lines))

    @staticmethod
    def _all(parts: list[Query], line: str) -> Query:
        here = frozenset[int]().union(*(part.places for part in parts))
        return Query(line, lambda tweet, at: all(part.holds_at(tweet, at | here) for part in parts), here)

    def _between(self, query: Query) -> Query:
        moments = sorted(self._chance.choice(self._tweets).at for _ in range(2))
        since, until = (at.replace(microsecond=0) for at in moments)
        if since == until:
            return query
        line = f"({query.line}) since:{since:%Y-%m-%dT%H:%M:%S} until:{until:%Y-%m-%dT%H:%M:%SZ}"
        return Query(line, lambda tweet, at: query.holds_at(tweet, at) and since <= tweet.at < until)

    def _some(self) -> Tweet:
        while True:
            tweet = self._chance.choice(self._tweets)
            if tweet.found:
                return tweet

    def _word(self) -> Query:
        word = self._chance.choice(self._some().written)
        wanted = [one for one in [folded(word)] if one]
        if not wanted:
            return self._word()
        shown = self._chance.choice((word, word.upper(), wanted[0]))
        wanted = words_found(shown)
        return Query(f'"{shown}"', lambda tweet, _: in_row(tweet, wanted))

    def _phrase(self) -> Query:
        tweet = self._some()
        at = self._chance.randrange(len(tweet.found))
        wanted = tweet.found[at : at + self._chance.choice((2, 2, 3))]
        return Query(f'"{" ".join(wanted)}"', lambda tweet, _: in_row(tweet, words_found(" ".join(wanted))))

    def _beginning(self) -> Query:
        words = [word for word in self._some().found if len(word) > 2 and word[0] not in "#@"]
        if not words:
            return self._word()
        word = self._chance.choice(words)
        head = word[: self._chance.randrange(2, len(word))]
        wanted = words_found(head)
        if len(wanted) != 1 or len(wanted[0]) < 2:
            return self._word()
        return Query(f'"{head}"*', lambda tweet, _: in_row(tweet, wanted, beginning=True))

    def _exact(self) -> Query:
        tweet = self._some()
        at = self._chance.randrange(len(tweet.written))
        wanted = tweet.written[at : at + self._chance.choice((1, 1, 2))]
        line = " ".join(wanted)
        if self._chance.random() < 0.3:
            line = line.capitalize()
        wanted = words_written(line)
        if not words_found(line):
            return self._word()
        return Query(f'="{line}"', lambda tweet, _: in_row(tweet, wanted, exactly=True))

    def _from(self) -> Query:
        author = self._chance.choice(self._tweets).author
        name = self._chance.choice((author[0], author[1], f"@{author[1].upper()}"))
        return Query(f"from:{name}", lambda tweet, _: tweet.author == author)

    def _lang(self) -> Query:
        lang = self._chance.choice(LANGUAGES)
        return Query(f"lang:{lang}", lambda tweet, _: tweet.lang == lang)

    def _topic(self) -> Query:
        topic, woeid = self._chance.choice(self._chance.choice(self._tweets).topics)
        name = topic.upper() if topic.upper().casefold() == topic.casefold() else topic

        def places(tweet: Tweet) -> set[int | None]:
            return {woeid for one, woeid in tweet.topics if plain(one) == plain(topic)}

        if woeid is None and self._chance.random() < 0.5:
            return Query(f'follow:"{name}"', lambda tweet, _: None in places(tweet))
        found = Query(f'topic:"{name}"', lambda tweet, at: bool(places(tweet)) and at <= places(tweet))
        # By chance the two would stand together too seldom.
        if woeid is None or self._chance.random() < 0.5:
            return found
        return self._all([found, self._at(woeid)], f"{found.line} place:{woeid}")

    def _place(self) -> Query:
        return self._at(self._chance.choice(list(PLACES.values())))

    @staticmethod
    def _at(woeid: int) -> Query:
        def holds(tweet: Tweet, _: frozenset[int]) -> bool:
            return any(one == woeid for _, one in tweet.topics)

        return Query(f"place:{woeid}", holds, frozenset({woeid}))

    def _has(self) -> Query:
        name = self._chance.choice(("links", "media", "hashtags", "mentions", "emoji", "geo"))
        return Query(f"has:{name}", lambda tweet, _: name in tweet.had)

    def _is(self) -> Query:
        name = self._chance.choice(list(KINDS.values()))
        return Query(f"is:{name}", lambda tweet, _: name in kinds(tweet))


def plain(name: str) -> str:
    """Return a name of a topic as names are compared."""
    name = unicodedata.normalize("NFC", name).casefold()
    if name.startswith("#"):
        return name
    return unicodedata.normalize("NFC", LOST.sub("", unicodedata.normalize("NFD", name)))
