"""Text to the words that it is found by: the rules of ``docs/search.md``.

What takes texts apart is here and not in SQLite, whose tokenizers know no emoji, part Hindi and vowelled
Arabic inside their words, and differ from one version to the next. SQLite is handed words with spaces between
them, and has nothing to decide.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

import regex

from opslib.message import FOLLOW, retweeted_author, retweeted_id, retweeted_name
from opslib.words import fold
from opslib.words.folding import composed

if TYPE_CHECKING:
    from collections.abc import Mapping

# Written without spaces between words: each character is a word, so that any row of them is found.
_SINGLE = r"\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}"
_JOINERS = "\u200c\u200d"  # seen inside words of Persian and Hindi, by some and not by others
_IN_WORD = rf"\p{{L}}\p{{N}}\p{{M}}_{_JOINERS}"
_ELEMENT = r"\p{Extended_Pictographic}[\ufe0e\ufe0f]?[\U0001f3fb-\U0001f3ff]?"
# What a repetition takes it never gives back, so no character is looked at twice.
_TOKEN = regex.compile(
    rf"(?V1)[#@\uff03\uff20](?=[\p{{L}}\p{{N}}_])[{_IN_WORD}]++"
    rf"|[\U0001f1e6-\U0001f1ff]{{2}}|{_ELEMENT}(?:\u200d{_ELEMENT})*+"
    rf"|(?!\p{{M}})[{_SINGLE}]\p{{M}}*+"
    rf"|[\p{{L}}\p{{N}}_--{_SINGLE}][{_IN_WORD}--[\p{{L}}&&[{_SINGLE}]]]*+"
)
# As the first of these; no other holds a mark of a hashtag, so that it can be looked for alone.
_HASHTAG = regex.compile(rf"[#\uff03](?=[\p{{L}}\p{{N}}_])[{_IN_WORD}]++")
_WIDE = str.maketrans({"\uff03": "#", "\uff20": "@", "\u200c": None, "\u200d": None})
_EMOJI = regex.compile(r"\p{Extended_Pictographic}|[\U0001f1e6-\U0001f1ff]{2}")
_LINK = regex.compile("https?://", regex.IGNORECASE)
# Beyond this many letters nobody types a word, and an index of them would grow with every link.
LONGEST = 100
# What stands before the words that say something of a tweet and are not in its text: no text has one.
_SAYS = "$"
EVERY = f"{_SAYS}all"  # of each tweet
MOST_REACH = 40  # reach is counted in powers of two


def written(text: str) -> list[str]:
    """Return the words of *text* as they are written there."""
    return [found[:LONGEST] for found in _TOKEN.findall(composed(text))]


def words(text: str) -> list[str]:
    """Return the words of *text* as they are found: without case, and without accents but in hashtags."""
    return [word for found in written(text) if (word := _folded(found))]


@lru_cache(maxsize=50_000)
def _folded(word: str) -> str:
    if not word.isascii():
        if "\u200d" not in word or not _EMOJI.match(word):
            word = word.translate(_WIDE)
        if not word:
            return ""
    return fold(word)


# ---- what is said of a tweet besides its text


def said(kind: str, value: object) -> str:
    """Return the word by which a tweet is found that has *value* for what *kind* says."""
    folded = fold(composed(str(value)))
    safe = "".join(one if one.isalnum() or ord(one) > 127 else f"_{ord(one):02x}" for one in folded)
    return f"{_SAYS}{kind}_{safe}"


def trend_at(woeid: object) -> str:
    """Return what kind of thing the name of a trend of one place says of a tweet."""
    return f"trend_{woeid}"


def reach_of(tweet: Mapping[str, Any]) -> int:
    """Return how many times a tweet was liked, retweeted, quoted and answered, together."""
    metrics = tweet.get("public_metrics") or {}
    parts = (metrics.get(f"{name}_count") for name in ("like", "retweet", "quote", "reply"))
    known: list[int] = [part for part in parts if isinstance(part, int) and part > 0]
    return min(sum(known), 1 << MOST_REACH)


def reach_class(reach: int) -> int:
    """Return the power of two below which *reach* lies."""
    return min(reach.bit_length(), MOST_REACH)


def facts(tweet: Mapping[str, Any], found: list[str]) -> list[str]:
    """Return the words that say what *tweet*, a document, is; *found* are those of its text."""
    author = tweet.get("author") or {}
    pairs: list[tuple[str, Any]] = [
        ("from", author.get("id")),
        ("from", author.get("username")),
        ("lang", tweet.get("lang")),
        ("reach", reach_class(reach_of(tweet))),
        *(("has", name) for name in sorted(_had(tweet, found))),
        *(("is", name) for name in sorted(_kinds(tweet))),
        ("of", retweeted_id(tweet)),
        ("ofname", retweeted_name(tweet["text"])),
        ("ofauthor", retweeted_author(tweet)),
    ]
    for topic in tweet["topics"]:
        name, woeid = topic["name"], topic.get("woeid")
        pairs += [("topic", name), ("place", woeid)]
        if topic.get("kind") == FOLLOW:
            pairs.append(("follow", name))
        if woeid is not None:
            pairs.append((trend_at(woeid), name))
    known = (said(kind, value) for kind, value in pairs if value not in (None, ""))
    return [EVERY, *dict.fromkeys(known)]


HAS = ("emoji", "geo", "hashtags", "links", "media", "mentions")
IS = ("quote", "reply", "retweet")


def _had(tweet: Mapping[str, Any], found: list[str]) -> set[str]:
    urls = (tweet.get("entities") or {}).get("urls")
    tests = {
        "emoji": any(not word.isascii() and _EMOJI.match(word) for word in found),
        "geo": bool(tweet.get("geo")),
        "hashtags": any(word[0] == "#" for word in found),
        "links": bool(urls) or bool(_LINK.search(tweet["text"])),
        "media": bool((tweet.get("attachments") or {}).get("media_keys")),
        "mentions": any(word[0] == "@" for word in found),
    }
    return {name for name, holds in tests.items() if holds}


def _kinds(tweet: Mapping[str, Any]) -> set[str]:
    names = {"quoted": "quote", "replied_to": "reply", "retweeted": "retweet"}
    kinds = {names.get(str(known.get("type"))) for known in tweet.get("referenced_tweets") or ()} - {None}
    if retweeted_name(tweet["text"]) is not None:
        kinds.add("retweet")
    return {kind for kind in kinds if kind}


def hashtags(text: str) -> list[str]:
    """Return the hashtags of *text* as they are found, each once."""
    found = (_folded(one[:LONGEST]) for one in _HASHTAG.findall(composed(text)))
    return list(dict.fromkeys(word for word in found if word))
