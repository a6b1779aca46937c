"""The words of a tweet, and how many tweets hold each: the rules of ``docs/words.md``."""

from __future__ import annotations

import html
import unicodedata
from collections import Counter
from functools import lru_cache
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Optional

import regex

from opslib.words.extract import HASHTAG, LETTER, LINK, MENTION, hashtags
from opslib.words.languages import FIRST, SECOND, STOP, bare, expressions, roles
from opslib.words.lemmas import lemma

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

# The version of the rules, kept beside the words of each tweet; `opslib words rebuild` looks at it.
VERSION = 4

# Between a word's spelling and what it is counted as, where the one does not follow from the other.
SEPARATOR = "\t"
# Between the two words of a set expression, which is one word for all that counts: no text keeps this sign.
JOINT = "\u00a0"
_LONGEST = 60
_LONGEST_LINK = 2_000

_TONE = "[\U0001f3fb-\U0001f3ff]"
_PICTURE = rf"\p{{Extended_Pictographic}}\ufe0f?{_TONE}?"
_EMOJI = rf"[\U0001f1e6-\U0001f1ff]{{2}}|(?![\u00a9\u00ae\u2122]){_PICTURE}(?:\u200d{_PICTURE})*"
_TOKEN = regex.compile(rf"({LETTER}+(?:['\u2019\u02bc\u02bb{JOINT}-]{LETTER}+)*)|{_EMOJI}")
_DRESS = regex.compile(rf"\ufe0f|{_TONE}")
_ADDRESS = regex.compile(r"https?://\S*", regex.IGNORECASE)
# LINK looks long at every place: it is shown only what stands around a full stop.
_CHUNK = regex.compile(r"\S++")
_RETWEET = regex.compile(r"RT @\w{1,20}: ?")
_THREE_OR_MORE = regex.compile(r"(\w)\1{2,}")
# The spelling of a word, what it is counted as, and both as they are stored.
_Entry = tuple[str, str, str]
_Chunk = tuple[tuple[_Entry, ...], Optional[_Entry], Optional[_Entry]]
_NOTHING: _Chunk = ((), None, None)
_NO_TAGS: frozenset[str] = frozenset()
# These stand among the words of a chunk that an expression can begin or end with, so that a tweet without any
# costs nothing more. No word counts as one of them.
_MARKS: dict[int, _Entry] = {FIRST: ("", " ", ""), SECOND: ("", "", "")}
_A_WORD = regex.compile(LETTER)
_A_LETTER = regex.compile(r"\p{L}")
_LAUGHTER = regex.compile(
    r"k{2,}|[aeiou]*(?:h+[aeiu]+){2,}h*|(?:ja|je|ji){2,}j?|(?:rs){2,}s?|lo+l|l+m+f*a+o+|(?:ks){2,}k?|\u0647{3,}"
)
# Of Latin, Greek and Cyrillic, and of Arabic the vowel signs, the hamza on a letter and the drawn-out line.
_ACCENTS = regex.compile("[\u0300-\u036f\u0640\u064b-\u0655\u0670]")


def words_of(tweet: Mapping[str, Any]) -> list[str]:
    """Return what *tweet* is counted for, each once whatever it repeats.

    An entry is a word as the tweet spells it; where it is counted as something that does not follow from
    that, as for ``gols`` which counts as ``gol``, a tab and this follow. A set expression is one word, with
    :data:`JOINT` for its space. An entry with a space is two words that stand side by side; whether they
    belong together, :func:`merge` decides.

    *tweet* has ``text``, and may have X's ``entities`` and ``lang``.
    """
    text = _plain(tweet["text"])
    tags = _tags(text, tweet.get("entities")) if "#" in text or "\uff03" in text else []
    return _counted(text.split(" "), tweet.get("lang"), tags)


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
    joined: list[str] = []
    head = first = ""
    for chunk in chunks:
        clean = chunk if chunk.isalpha() else _without_names(chunk, tags)
        second, tail, next_head, next_first = _halves(clean, lang)
        if first and second and fold(f"{first} {second}") in known:
            joined[-1] = f"{head}{first}{JOINT}{second}{tail}"
            # A word is part of one expression at most.
            next_first = next_first if len(next_head) >= len(clean) - len(tail) else ""
            next_head = joined[-1][: len(joined[-1]) - len(clean) + len(next_head)]
        else:
            joined.append(chunk)
        head, first = next_head, next_first
    return joined


@lru_cache(maxsize=50_000)
def _halves(chunk: str, lang: str | None) -> tuple[str, str, str, str]:
    """Return what of a chunk without names can be half of an expression.

    That is the word that it begins with, if this can be the second half, and what follows; then what stands
    before the word that it ends with, and that word, if it can be the first half.
    """
    words = [match for match in _TOKEN.finditer(chunk) if match.group(1)]
    second = tail = head = first = ""
    if words and words[0].start() == 0 and _word(words[0].group(), lang)[1] & SECOND:
        second, tail = _spelt(words[0].group(), lang), chunk[words[0].end() :]
    if words and words[-1].end() == len(chunk) and _word(words[-1].group(), lang)[1] & FIRST:
        head, first = chunk[: words[-1].start()], _spelt(words[-1].group(), lang)
    return second, tail, head, first


def count(tweets: Iterable[Iterable[str]]) -> dict[str, int]:
    """Return how many tweets hold each word, given the words of each; see :func:`merge`."""
    return merge(Counter(word for words in tweets for word in words))


def merge(spellings: Mapping[str, int]) -> dict[str, int]:
    """Return the counts of words, given those of the entries of :func:`words_of`, the most frequent first.

    A word is shown in its commonest form. Two words that belong together are one, and a tweet that holds
    them is not counted for either of the two as well.
    """
    totals: Counter[str] = Counter()
    shown: dict[str, str] = {}
    # Of spellings equally common, the one that sorts last wins: small letters come after capitals.
    for entry, number in sorted(spellings.items(), key=itemgetter(1, 0), reverse=True):
        spelling, key = parts(entry)
        totals[key] += number
        shown.setdefault(key, spelling)
    _join(totals)
    ordered = sorted(totals.items(), key=lambda item: (-item[1], item[0]))
    result: dict[str, int] = {}
    for key, number in ordered:
        # Two groups can look alike, as the verb and the noun of one spelling in two languages.
        result[shown[key]] = result.get(shown[key], 0) + number
    if len(result) < len(ordered):
        result = dict(sorted(result.items(), key=lambda item: -item[1]))
    return result


def parts(entry: str) -> tuple[str, str]:
    """Return the spelling of an entry of :func:`words_of`, and what it is counted as."""
    spelling, _, key = entry.partition(SEPARATOR)
    return spelling.replace(JOINT, " "), key or fold(spelling)


# Two words belong together if at least so many tweets have them side by side, and if the square of that
# number is at least this part of the product of the numbers of tweets with the one and with the other.
_FEWEST_TOGETHER = 4
_TOGETHER = 0.09


def _join(totals: Counter[str]) -> None:
    """Keep of the pairs in *totals* those that belong together, and take them from their two words.

    The closest come first; a pair whose words are used up by others is none.
    """
    candidates = []
    for pair, number in [(key, number) for key, number in totals.items() if " " in key]:
        first, second = (totals[word] for word in pair.split(" "))
        # Fewer than the pair they are where a roll-up did not keep all spellings.
        whole = min(first, second) >= number
        if whole and number >= _FEWEST_TOGETHER and number**2 >= _TOGETHER * first * second:
            candidates.append((-(number**2) / (first * second), -number, pair))
        else:
            del totals[pair]
    for _, _, pair in sorted(candidates):
        words = pair.split(" ")
        if min(totals[word] for word in words) < totals[pair]:
            del totals[pair]
            continue
        for word in words:
            totals[word] -= totals[pair]
    for key in [key for key, number in totals.items() if number <= 0]:
        del totals[key]
    # What is a set expression in one language, numbers can have found in another.
    for key in [key for key in totals if JOINT in key]:
        totals[key] += totals.pop(key.replace(JOINT, " "), 0)


@lru_cache(maxsize=50_000)
def fold(word: str) -> str:
    """Return what *word* is counted as: without case, and without accents unless it is a hashtag.

    To X ``#maisvoce`` and ``#maisvocê`` are two hashtags, so they are here.
    """
    folded = unicodedata.normalize("NFC", word).casefold()
    if folded.startswith("#"):
        return folded
    if folded.isascii():
        return folded
    bare = _ACCENTS.sub("", unicodedata.normalize("NFD", folded))
    return unicodedata.normalize("NFC", _DRESS.sub("", bare))


def _plain(text: str) -> str:
    """Return *text* with HTML entities decoded, and a retweet's without its head and its cut end.

    A no-break space is as little a single space as the end of a line is.
    """
    if "&" in text:
        text = html.unescape(text)
    retweet = _RETWEET.match(text) if text.startswith("RT @") else None
    if retweet:
        # X cuts long retweets; half a word is none, and half a hashtag would be another one.
        text = text[retweet.end() :].rstrip()
        if text.endswith("\u2026"):
            text = " ".join(text.split(" ")[:-1])
    return text if text.isascii() else unicodedata.normalize("NFC", text).replace(JOINT, "\n")


def _tags(text: str, entities: Mapping[str, Any] | None) -> list[str]:
    """Return the hashtags: X's own where it sent entities, what the text shows otherwise."""
    if entities is None:
        return [found.text for found in hashtags(text)]
    tags = (tag.get("tag") for tag in entities.get("hashtags") or () if isinstance(tag, dict))
    return [unicodedata.normalize("NFC", tag) for tag in tags if isinstance(tag, str) and tag]


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
    if chunk.isalpha():  # a word alone, as most are
        alone, halves = _word(chunk, lang)
        if halves:
            return (*((alone,) if alone else ()), *_marks(halves)), alone, alone
        return ((alone,), alone, alone) if alone else _NOTHING
    chunk = _without_names(chunk, tags)
    entries: list[_Entry] = []
    first = last = None
    for match in _TOKEN.finditer(chunk):
        entry, halves = _word(match.group(), lang)
        begins, ends = match.start() == 0, match.end() == len(chunk)
        if halves:
            entries += _marks(halves & (SECOND * begins | FIRST * ends))
        if entry is not None:
            entries.append(entry)
        if entry is not None and match.group(1):
            first = entry if begins else first
            last = entry if ends else None
    return tuple(entries), first, last


def _marks(halves: int) -> list[_Entry]:
    return [mark for half, mark in _MARKS.items() if halves & half]


def _pair(first: _Entry, second: _Entry) -> str:
    """Return the entry of two words that stand side by side."""
    spelling = f"{first[0]} {second[0]}"
    if first[0] == first[2] and second[0] == second[2]:
        return spelling
    return f"{spelling}{SEPARATOR}{first[1]} {second[1]}"


def _without_names(text: str, tags: frozenset[str]) -> str:
    """Return *text* without links, mentions and *tags*; what they parted does not stand side by side."""
    if "://" in text:
        text = _ADDRESS.sub("\n", text)
    if "." in text:
        text = _CHUNK.sub(_without_links, text)
    if "@" in text or "\uff20" in text:
        text = MENTION.sub("\n", text)
    if tags:
        text = HASHTAG.sub(
            lambda tag: "\n" if tag.group(1).casefold() in tags else f"\n{tag.group(1)}\n", text
        )
    return text


def _without_links(chunk: regex.Match[str]) -> str:
    text: str = chunk.group()
    return LINK.sub("\n", text) if "." in text[1:-1] and len(text) <= _LONGEST_LINK else text


@lru_cache(maxsize=50_000)
def _word(token: str, lang: str | None) -> tuple[_Entry | None, int]:
    """Return spelling, key and entry of *token*; nothing for what is not counted, such as a stop word.

    With it goes of which half of an expression it can be: FIRST, SECOND, both added up, or 0.
    """
    if not _A_WORD.match(token):
        key = fold(token)
        return (key, key, key), 0
    spelling = _spelt(token, lang)
    key = fold(spelling)
    if not 2 <= len(key) <= _LONGEST or not _A_LETTER.search(key):
        return None, 0
    role = roles(lang).get(key, 0)
    if role & STOP or _LAUGHTER.fullmatch(key):
        return None, role & ~STOP
    key = fold(lemma(spelling, lang))
    return (spelling, key, _stored(spelling, key)), role


def _spelt(token: str, lang: str | None) -> str:
    """Return the spelling of a token that is a word."""
    return bare(_spelling(token), lang)


def _spelling(word: str) -> str:
    """Return *word* with one apostrophe for all kinds of it, and without letters held (``gooool``)."""
    for apostrophe in "\u2019\u02bc\u02bb":
        word = word.replace(apostrophe, "'")
    return str(_THREE_OR_MORE.sub(r"\1", word.strip("_")))


def _stored(spelling: str, key: str) -> str:
    return spelling if fold(spelling) == key else f"{spelling}{SEPARATOR}{key}"
