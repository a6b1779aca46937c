"""The words of a tweet, and how many tweets hold each: the rules of ``docs/words.md``."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Optional

import regex

from opslib.words.counting import Counting, Merged, count, merge, merged
from opslib.words.extract import HASHTAG, LINK, MENTION, hashtags
from opslib.words.folding import JOINT, SEPARATOR, accented, composed, fold, parts, undressed
from opslib.words.languages import FIRST, SECOND, bare, expressions, halves, language, stop_words
from opslib.words.lemmas import lemma
from opslib.words.spelling import TOKEN, seen, spelling

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "JOINT",
    "SEPARATOR",
    "VERSION",
    "Counting",
    "Merged",
    "count",
    "fold",
    "merge",
    "merged",
    "parts",
    "words_of",
]

# The version of the rules, kept beside the words of each tweet; `opslib words rebuild` looks at it.
VERSION = 6

_LONGEST = 60

_ADDRESS = regex.compile(r"https?://\S*+", regex.IGNORECASE)
_RETWEET = regex.compile(r"RT @\w{1,20}: ?")
# The spelling of a word, what it is counted as, and both as they are stored.
_Entry = tuple[str, str, str]
_Chunk = tuple[tuple[_Entry, ...], Optional[_Entry], Optional[_Entry]]
_NOTHING: _Chunk = ((), None, None)
_NO_TAGS: frozenset[str] = frozenset()
# These stand among the words of a chunk that an expression can begin or end with, so that a tweet without any
# costs nothing more. No word counts as one of them.
_MARKS: dict[int, _Entry] = {FIRST: ("", " ", ""), SECOND: ("", "", "")}
_A_LETTER = regex.compile(r"\p{L}")
_LAUGHTER = re.compile(
    r"k{2,}|[aeiou]*(?:h+[aeiu]+){2,}h*|(?:ja|je|ji){2,}j?|(?:rs){2,}s?|lo+l|l+m+f*a+o+|(?:ks){2,}k?|\u0647{3,}"
)


def words_of(tweet: Mapping[str, Any]) -> list[str]:
    """Return what *tweet* is counted for, each once whatever it repeats.

    An entry is a word as the tweet spells it; where it is counted as something that does not follow from
    that, as for ``gols`` which counts as ``gol``, a tab and this follow. A set expression is one word, with
    :data:`JOINT` for its space. An entry with a space is two words that stand side by side; whether they
    belong together, :func:`merge` decides.

    *tweet* has ``text``, whose HTML entities are decoded (:func:`opslib.message.decoded`), and may have X's
    ``entities`` and ``lang``.
    """
    text = _plain(tweet["text"])
    tags = _tags(text, tweet.get("entities")) if "#" in text or "\uff03" in text else []
    return _counted(text.split(" "), language(tweet.get("lang")), tags)


def _counted(chunks: list[str], lang: str | None, tags: list[str]) -> list[str]:
    """Return the entries of a text with those *tags*, given what stands between its spaces."""
    found = {fold(f"#{tag}"): f"#{tag}" for tag in reversed(tags)} if tags else {}
    named = frozenset(map(str.casefold, tags)) if tags else _NO_TAGS
    pairs: dict[str, str] = {}
    before: _Entry | None = None
    # No rule looks across a space, but for pairs and expressions: and what stands between two spaces comes
    # again and again.
    for chunk in chunks:
        if "://" in chunk:  # most are links, and no two the same
            entries, first, last = _NOTHING if _ADDRESS.fullmatch(chunk) else _chunk(chunk, lang, named)
        elif "#" in chunk or "\uff03" in chunk:
            entries, first, last = _NOTHING if _tag(chunk) in named else _chunk(chunk, lang, named)
        else:
            entries, first, last = _known_chunk(chunk, lang)
        if first and before and first[1] != before[1]:
            pairs.setdefault(f"{before[1]} {first[1]}", _pair(before, first))
        for _, key, stored in entries:
            found.setdefault(key, stored)
        before = last
    begun, ended = found.pop(" ", None), found.pop("", None)
    if begun is not None and ended is not None:
        joined = _with_expressions(chunks, lang, named)
        if len(joined) < len(chunks):
            return _counted(joined, lang, tags)
    return [*found.values(), *pairs.values()]


def _with_expressions(chunks: list[str], lang: str | None, tags: frozenset[str]) -> list[str]:
    """Return *chunks*, two that an expression reaches across as one, with :data:`JOINT` in it."""
    known = expressions(lang)
    joined: list[list[str]] = []
    head = first = ""
    for chunk in chunks:
        clean = _clean(chunk, tags)
        second, tail, next_head, next_first = _halves(clean, lang)
        if first and second and fold(f"{first} {second}") in known:
            joined[-1][-1] = f"{head}{first}"
            joined[-1].append(f"{second}{tail}")
            # A word is part of one expression at most.
            next_first = next_first if len(next_head) >= len(clean) - len(tail) else ""
            next_head = joined[-1][-1][: len(second) + len(tail) - len(clean) + len(next_head)]
        else:
            joined.append([chunk])
        head, first = next_head, next_first
    return [JOINT.join(parts) for parts in joined]


@lru_cache(maxsize=50_000)
def _halves(chunk: str, lang: str | None) -> tuple[str, str, str, str]:
    """Return what of a chunk without names can be half of an expression.

    That is the word that it begins with, if this can be the second half, and what follows; then what stands
    before the word that it ends with, and that word, if it can be the first half.
    """
    words = [match for match in TOKEN.finditer(chunk) if match["word"]]
    second = tail = head = first = ""
    if words and words[0].start() == 0 and _word(words[0].group(), lang)[1] & SECOND:
        second, tail = _spelt(words[0].group(), lang), chunk[words[0].end() :]
    if words and words[-1].end() == len(chunk) and _word(words[-1].group(), lang)[1] & FIRST:
        head, first = chunk[: words[-1].start()], _spelt(words[-1].group(), lang)
    return second, tail, head, first


def _plain(text: str) -> str:
    """Return *text*, a retweet's without its head and its cut end, in Unicode's NFC.

    A no-break space is as little a single space as the end of a line is.
    """
    retweet = _RETWEET.match(text) if text.startswith("RT @") else None
    if retweet:
        # X cuts long retweets; half a word is none, and half a hashtag would be another one.
        text = text[retweet.end() :].rstrip()
        if text.endswith("\u2026"):
            text = " ".join(text.split(" ")[:-1])
    return text if text.isascii() else composed(text).replace(JOINT, "\n")


def _tags(text: str, entities: Mapping[str, Any] | None) -> list[str]:
    """Return the hashtags: X's own where it sent entities, what the text shows otherwise."""
    if entities is None:
        return [found.text for found in hashtags(text)]
    tags = (tag.get("tag") for tag in entities.get("hashtags") or () if isinstance(tag, dict))
    return [composed(tag) for tag in tags if isinstance(tag, str) and tag]


@lru_cache(maxsize=20_000)
def _tag(chunk: str) -> str | None:
    """Return the hashtag that *chunk* is, for comparison, or ``None`` if there is anything else in it."""
    tag = HASHTAG.fullmatch(chunk)
    return tag.group(1).casefold() if tag else None


@lru_cache(maxsize=50_000)
def _known_chunk(chunk: str, lang: str | None) -> _Chunk:
    """Return what :func:`_chunk` does for one that holds no hashtag."""
    return _chunk(chunk, lang, _NO_TAGS)


def _chunk(chunk: str, lang: str | None, tags: frozenset[str]) -> _Chunk:
    """Return what is counted of a part of a text that holds no space.

    With it goes the word that it begins with, and the one that it ends with: these can be half of a pair.
    """
    if not chunk.isalpha() or not chunk.isascii():
        chunk = _clean(chunk, tags)
    if chunk.isalpha():  # a word alone, as most are
        alone, role = _word(chunk, lang)
        if role:
            return (*((alone,) if alone else ()), *_marks(role)), alone, alone
        return ((alone,), alone, alone) if alone else _NOTHING
    entries: list[_Entry] = []
    first = last = None
    for match in TOKEN.finditer(chunk):
        if match["word"]:
            entry, role = _word(match.group(), lang)
            begins, ends = match.start() == 0, match.end() == len(chunk)
            entries += _marks(role & (SECOND * begins | FIRST * ends))
            entries += [entry] if entry else ()
            first = entry if begins else first
            last = entry if ends else None
        elif match["emoji"]:
            emoji = undressed(match.group())
            entries.append((emoji, fold(emoji), emoji))
    return tuple(entries), first, last


def _marks(halves: int) -> list[_Entry]:
    return [mark for half, mark in _MARKS.items() if halves & half]


def _pair(first: _Entry, second: _Entry) -> str:
    """Return the entry of two words that stand side by side."""
    spelling = f"{first[0]} {second[0]}"
    if first[0] == first[2] and second[0] == second[2]:
        return spelling
    return f"{spelling}{SEPARATOR}{first[1]} {second[1]}"


def _clean(text: str, tags: frozenset[str]) -> str:
    """Return *text* without links, mentions and *tags*; what they parted does not stand side by side.

    Nor are there any characters that nobody sees.
    """
    if "://" in text:
        text = _ADDRESS.sub("\n", text)
    if "." in text:
        text = LINK.sub("\n", text)
    if "@" in text or "\uff20" in text:
        text = MENTION.sub("\n", text)
    if tags:
        text = HASHTAG.sub(
            lambda tag: "\n" if tag.group(1).casefold() in tags else f"\n{tag.group(1)}\n", text
        )
    return seen(text)


@lru_cache(maxsize=50_000)
def _word(token: str, lang: str | None) -> tuple[_Entry | None, int]:
    """Return spelling, key and entry of a word; nothing for what is not counted, such as a stop word.

    With it goes of which half of an expression it can be: FIRST, SECOND, both added up, or 0.
    """
    spelt = _spelt(token, lang)
    key = fold(spelt)
    if not 2 <= len(key) <= _LONGEST or not (key.isalpha() or _A_LETTER.search(key)):
        return None, 0
    role = halves(lang).get(key, 0)
    if (key if spelt.isascii() else accented(spelt)) in stop_words(lang) or _LAUGHTER.fullmatch(key):
        return None, role
    key = fold(lemma(spelt, lang))
    return (spelt, key, _stored(spelt, key)), role


def _spelt(token: str, lang: str | None) -> str:
    """Return the spelling of a token that is a word."""
    return bare(spelling(token), lang)


def _stored(spelling: str, key: str) -> str:
    return spelling if fold(spelling) == key else f"{spelling}{SEPARATOR}{key}"
