"""The words of a tweet, and how many tweets hold each: the rules of ``docs/words.md``."""

from __future__ import annotations

import html
import re
import unicodedata
from collections import Counter
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from opslib.words.extract import HASHTAG, LETTER, LINK, MENTION, hashtags

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_WORD = re.compile(rf"{LETTER}+(?:['\u2019\u02bc-]{LETTER}+)*")
_RETWEET = re.compile(r"RT @\w{1,15}: ?")
_CUT = re.compile(r"\S*\u2026\s*$")
_THREE_OR_MORE = re.compile(r"(\w)\1{2,}")
_LAUGHTER = re.compile(r"k{2,}|[aeiou]*(?:h+[aeiu]+){2,}h*|(?:ja|je|ji){2,}j?|(?:rs){2,}|lo+l|(?:ks){2,}k?")
_LATIN_ACCENTS = re.compile("[\u0300-\u036f]")
_STOP_WORDS = Path(__file__).parent / "stopwords"
_LANGUAGES = ("en", "es", "pt")
_LONGEST = 60


def words_of(tweet: Mapping[str, Any]) -> list[str]:
    """Return the counted words of *tweet*, as it spells them, each once whatever it repeats.

    *tweet* has ``text``, and may have X's ``entities`` and ``lang``. Words that fold alike are one word.
    """
    text = html.unescape(tweet["text"])
    retweet = _RETWEET.match(text)
    if retweet:
        text = text[retweet.end() :]
        # X cuts long retweets; half a word is none, and half a hashtag would be another one.
        text = _CUT.sub("", text)
    text = unicodedata.normalize("NFC", text)
    tags = _tags(text, tweet.get("entities"))
    text = MENTION.sub(" ", LINK.sub(" ", text))
    known = {tag.casefold() for tag in tags}
    text = HASHTAG.sub(
        lambda match: " " if match.group(1).casefold() in known else f" {match.group(1)}", text
    )
    stop_words = _stop_words(tweet.get("lang"))
    found = {fold(f"#{tag}"): f"#{tag}" for tag in reversed(tags)}
    for match in _WORD.finditer(text):
        word = _spelling(match.group())
        if _counts(word, stop_words):
            found.setdefault(fold(word), word)
    return list(found.values())


def count(tweets: Iterable[Iterable[str]]) -> dict[str, int]:
    """Return how many tweets hold each word, given the words of each; see :func:`merge`."""
    return merge(Counter(word for words in tweets for word in words))


def merge(spellings: Mapping[str, int]) -> dict[str, int]:
    """Return the counts of words, given those of their spellings, the most frequent first.

    A word is shown in its commonest spelling.
    """
    totals: Counter[str] = Counter()
    shown: dict[str, str] = {}
    # Of spellings equally common, the one that sorts last wins: small letters come after capitals.
    for spelling, number in sorted(spellings.items(), key=lambda item: (item[1], item[0]), reverse=True):
        key = fold(spelling)
        totals[key] += number
        shown.setdefault(key, spelling)
    ordered = sorted(totals.items(), key=lambda item: (-item[1], item[0]))
    return {shown[key]: number for key, number in ordered}


@lru_cache(maxsize=100_000)
def fold(word: str) -> str:
    """Return what *word* is counted as: without case, and without accents unless it is a hashtag.

    To X ``#maisvoce`` and ``#maisvocê`` are two hashtags, so they are here.
    """
    folded = unicodedata.normalize("NFC", word).casefold()
    if folded.startswith("#"):
        return folded
    bare = _LATIN_ACCENTS.sub("", unicodedata.normalize("NFD", folded))
    return unicodedata.normalize("NFC", bare)


def _tags(text: str, entities: Mapping[str, Any] | None) -> list[str]:
    """Return the hashtags: X's own where it sent entities, what the text shows otherwise."""
    if entities is None:
        return [found.text for found in hashtags(text)]
    tags = (tag.get("tag") for tag in entities.get("hashtags") or () if isinstance(tag, dict))
    return [unicodedata.normalize("NFC", tag) for tag in tags if isinstance(tag, str) and tag]


def _spelling(word: str) -> str:
    """Return *word* with one apostrophe for all kinds of it, and without letters held (``gooool``)."""
    word = word.replace("\u2019", "'").replace("\u02bc", "'").strip("_")
    return _THREE_OR_MORE.sub(r"\1", word)


def _counts(word: str, stop_words: frozenset[str]) -> bool:
    key = fold(word)
    if len(key) < 2 or len(key) > _LONGEST or not re.search(r"[^\W\d_]", key):
        return False
    return key not in stop_words and not _LAUGHTER.fullmatch(key)


@lru_cache(maxsize=100)
def _stop_words(lang: str | None) -> frozenset[str]:
    """Return the stop words of a language; where nobody knows which it is, those of all lists."""
    chosen = (lang,) if lang in _LANGUAGES else _LANGUAGES if lang in (None, "und") else ()
    words: set[str] = set()
    for name in ("any", *chosen):
        for line in (_STOP_WORDS / f"{name}.txt").read_text(encoding="utf-8").splitlines():
            words.update(fold(_spelling(word)) for word in line.partition("#")[0].split())
    return frozenset(words)
