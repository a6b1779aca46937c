# ruff: noqa: RUF001 - the marks of other scripts are what this is about
"""The real tweets counted from docs/words.md alone: this count shares no code with opslib's.

So are single words; the tables that opslib packs are held against simplemma's own.
"""

from __future__ import annotations

import html
import importlib.util
import json
import random
import unicodedata
from collections import Counter
from functools import lru_cache
from pathlib import Path

import pytest
import regex
import simplemma
from simplemma.strategies.dictionaries import DefaultDictionaryFactory

from opslib.words import fold
from opslib.words.lemmas import lemma

ROOT = Path(__file__).resolve().parents[2]
REAL_TWEETS = ROOT.parent / "shared/data/tweets"
LISTS = ROOT / "opslib/words/stopwords"
OWN = {"pt": ["pt"], "es": ["es"], "en": ["en"], "hi": ["hi", "en"], "ar": ["ar"], "fr": ["fr"]}
ELIDED = ("jusqu'", "lorsqu'", "puisqu'", "quelqu'", "qu'", *(f"{letter}'" for letter in "cdjlmnst"))
LAUGHS = [
    "k{2,}", "[aeiou]*(h+[aeiu]+){2,}h*", "(ja|je|ji){2,}j?", "(rs){2,}s?",
    "lo+l", "l+m+f*a+o+", "(ks){2,}k?", "ه{3,}",
]  # fmt: skip


APOSTROPHES = "'‘’‛´′＇ʹʻʼꞌ`"
TAG = r"\p{L}\p{M}\p{Nd}_\u200c\u200d゠・゛゜〃～〜·־׳״༌་꙾"
LATIN = "0-9A-Za-zÀ-ÖØ-öø-ɏ"
DOMAINS = "|".join(
    domain
    for line in LISTS.with_name("tlds.txt").read_text(encoding="utf-8").split("\n")
    for domain in line.split("#")[0].split()
)
HOST = (
    rf"(?i:(?:[{LATIN}](?:[{LATIN}_-]*[{LATIN}])?\.)+(?:{DOMAINS})(?![0-9A-Za-z@+-])(?:/[{LATIN}/_.?=&%-]*)?)"
)


def without(word: str, *, accents: bool) -> str:
    """Return *word* in small letters, without Arabic's signs and dress; without accents, if these go too."""
    kept = [
        c
        for c in unicodedata.normalize("NFD", unicodedata.normalize("NFC", word).casefold())
        if not (accents and 0x300 <= ord(c) <= 0x36F)
        and not (0x64B <= ord(c) <= 0x655 or ord(c) in (0x670, 0x640, 0xFE0F, 0xFE0E))
        and not 0x1F3FB <= ord(c) <= 0x1F3FF
    ]
    return unicodedata.normalize("NFC", "".join(kept))


def folded(word: str) -> str:
    return unicodedata.normalize("NFC", word).casefold() if word[0] == "#" else without(word, accents=True)


@lru_cache
def stops(lang: str) -> set[str]:
    found: list[str] = []
    for name in ["any", *OWN.get(lang, [])]:
        for line in (LISTS / f"{name}.txt").read_text(encoding="utf-8").split("\n"):
            found += line.split("#")[0].split()
    if lang not in ("pt", "es", "en"):
        folder = importlib.util.find_spec("stopwordsiso").submodule_search_locations[0]
        found += json.loads(Path(folder, "stopwords-iso.json").read_text(encoding="utf-8"))[lang]
    found = [word.replace("’", "'") for word in found]
    found += [spelt(word) for word in found]
    return {without(word, accents=accents) for word in found for accents in (False, True)}


@lru_cache
def expressions(lang: str) -> set[tuple[str, str]]:
    found = set()
    for name in ["any", *OWN.get(lang, [])]:
        file = LISTS.with_name("expressions") / f"{name}.txt"
        for line in file.read_text(encoding="utf-8").split("\n") if file.is_file() else ():
            for listed in line.split("#")[0].split(","):
                if listed.strip():
                    one, two = listed.split()
                    found.add((folded(one), folded(two)))
    return found


VOWELS = set("AEIOUYÆØŒАЕИОУЫЭЮЯЄІΑΕΗΙΟΥΩ")
ROMAN = "M{0,3}(CM|CD|D?C{0,3})(XC|XL|L?X{0,3})(IX|IV|V?I{0,3})"


def as_written(letters: str) -> bool:
    plain = "".join(c for c in unicodedata.normalize("NFD", letters) if unicodedata.category(c)[0] == "L")
    consonants = all(c.isupper() and c not in VOWELS for c in plain.removesuffix("III"))
    if any(plain[at] * 4 == plain[at : at + 4] for at in range(len(plain))):
        return False
    if regex.fullmatch(ROMAN, plain) or (consonants and plain.endswith("III") and len(plain) >= 5):
        return True
    if plain in ("AAAI", "AAAS", "CEEE", "IEEE", "IIIF", "IIIT"):
        return True
    if len(plain) == 3 and len(set(plain)) == 1:
        return plain.isupper() or plain[0] in "bcdfghjklmnpqrstvwxz"
    return len(set(plain[:3])) == 1 and all(c.isupper() and c not in VOWELS for c in plain)


def spelt(token: str) -> str:
    """Return a token as it is spelt in any language: character by character."""
    word = "".join("'" if c in APOSTROPHES else "-" if c in "‐‑" else c for c in token).strip("_'")
    result = ""
    for run in regex.findall(r"[\p{L}\p{M}]+|[^\p{L}\p{M}]+", word):
        letters = regex.findall(r"\p{L}\p{M}*|\p{M}|(?s:.)", run)
        at = 0
        while at < len(letters):
            same = at
            while same < len(letters) and letters[same].lower() == letters[at].lower():
                same += 1
            held = same - at >= 3 and letters[at][0].isalpha() and not as_written(run)
            result += letters[at] if held else "".join(letters[at:same])
            at = same
    return result


@lru_cache(100_000)
def spelling_of(token: str, lang: str) -> str:
    word = spelt(token)
    if lang == "fr":
        word = next((word[len(e) :] for e in ELIDED if word.lower().startswith(e)), word)
    if lang == "en" and word.lower().endswith("'s") and without(word, accents=False) not in stops(lang):
        word = word[:-2]
    return word


@lru_cache(100_000)
def counted_as(token: str, lang: str) -> tuple[str, str] | None:
    word = spelling_of(token, lang)
    if not word:
        return None
    key = folded(word)
    if (
        not 2 <= len(key) <= 60
        or not any(c.isalpha() for c in key)
        or without(word, accents=False) in stops(lang)
    ):
        return None
    if any(regex.fullmatch(laugh, key) for laugh in LAUGHS):
        return None
    if lang != "ar" and len(word) >= 4 and regex.fullmatch(r"[\p{L}\p{M}]+", word):
        if lang in ("pt", "es") and regex.search("(ado|ada|ido|ida)s?$", word.lower()):
            return word, key
        lemma = simplemma.lemmatize(word.lower(), lang)
        if len(lemma) <= len(word) and lemma[:2].lower() == word[:2].lower() and " " not in lemma:
            return word, folded(lemma)
    return word, key


def tokens(text: str) -> list[tuple[str, str]]:
    """Return the parts of *text* with their kind: tag, word, emoji, space (one alone) or other."""
    pictograph = "\\p{Extended_Pictographic}[\ufe0e\ufe0f]?(?:[🏻-🏿]|[\U000e0020-\U000e007e]+\U000e007f)?"
    letter = "(?:(?![ℹⓂ🅰🅱🅾🅿][\ufe0e\ufe0f])[^\\W\ufe0e\ufe0f\u20e3])"
    kinds = {
        "other": r"(?i:https?://\S*)|(?:(?<![A-Za-z0-9_!#$%&*@＠/])|(?<=\b(?i:rt):?))"
        rf"[@＠][A-Za-z0-9_]{{1,20}}+(?![@＠À-ɏ]|://)|(?<![A-Za-z0-9À-ɏ@$#_./-]){HOST}",
        "tag": rf"(?<!&|(?![\ufe0e\ufe0f])[{TAG}])[#＃](?![\ufe0f\u20e3])(?=[{TAG}]*[\p{{L}}\p{{M}}])[{TAG}]++(?![#＃]|://)",
        "word": rf"(?![\p{{M}}\u200c\u200d]){letter}+(?:[{APOSTROPHES}‐‑-]{letter}+)*",
        "emoji": rf"[🇦-🇿]{{2}}|(?![©®™](?!\ufe0f)){pictograph}(?:\u200d{pictograph})*",
        "space": r" (?! )",
        "rest": r"(?s:.)",
    }
    pattern = "|".join(f"(?P<{kind}>{rule})" for kind, rule in kinds.items())
    return [(match.lastgroup, match.group()) for match in regex.finditer(pattern, text)]


def with_expressions(parts: list[tuple[str, str]], lang: str) -> list[tuple[str, str]]:
    """Return the parts of a text with the set expressions among them, which have ``~`` for their space."""
    found, at = [], 0
    while at < len(parts):
        if [kind for kind, _ in parts[at : at + 3]] == ["word", "space", "word"]:
            one, two = (spelling_of(parts[place][1], lang) for place in (at, at + 2))
            if one and two and (folded(one), folded(two)) in expressions(lang):
                found.append(("expression", f"{one}~{two}"))
                at += 3
                continue
        found.append(parts[at])
        at += 1
    return found


def words(text: str, lang: str) -> tuple[dict[str, str], set[str], dict[str, str]]:
    """Return the words, and the pairs, of a tweet: what each counts as with its spelling."""
    head = regex.match("RT @[A-Za-z0-9_]+: ?", text)
    if head:
        text = text[head.end() :].rstrip()
        if text.endswith("…"):
            text = text[: text.rindex(" ")] if " " in text else ""
    single: dict[str, str] = {}
    pairs: dict[str, str] = {}
    tags: dict[str, str] = {}
    before, gap = None, ""
    text = unicodedata.normalize("NFC", text)
    # A tag parts what is behind it, though nobody sees what is between. Joiners and selectors of the
    # real tweets stand where they stay.
    text = regex.sub(rf"([#＃][{TAG}]+)(?=\p{{DI}})", "\\1\n", text)
    text = regex.sub("(?![\u200b-\u200d\ufe0e\ufe0f\U000e0020-\U000e007f])\\p{DI}", "", text)
    for kind, token in with_expressions(tokens(text), lang):
        if kind == "tag":
            tag = "#" + token[1:]
            tags[folded(tag)] = tags.get(folded(tag), tag)
        if kind == "emoji":
            single.setdefault(folded(token), folded(token))
        if kind in ("word", "expression"):
            found = counted_as(token, lang) if kind == "word" else (token, folded(token))
            if found:
                single.setdefault(found[1], found[0])
                if before and gap == " " and before[1] != found[1]:
                    pairs.setdefault(f"{before[1]} {found[1]}", f"{before[0]} {found[0]}")
            before, gap = found, ""
        elif kind == "space":
            gap += " "
        else:
            before = None
    return {**single, **tags}, set(tags), pairs


def count(lines: list[str], lang: str) -> dict[str, int]:
    numbers: Counter[str] = Counter()
    spelt: dict[str, Counter[str]] = {}
    for line in lines:
        single, _, pairs = words(line, lang)
        for key, spelling in [*single.items(), *pairs.items()]:
            numbers[key] += 1
            spelt.setdefault(key, Counter())[spelling] += 1

    def closeness(pair: str) -> float:
        one, two = pair.split(" ")
        return numbers[pair] ** 2 / (numbers[one] * numbers[two])

    left = Counter({key: n for key, n in numbers.items() if " " not in key})
    close = [key for key, n in numbers.items() if " " in key and n >= 4 and closeness(key) >= 0.09]
    used: set[str] = set()
    for pair in sorted(close, key=lambda p: (-closeness(p), -numbers[p], p)):
        if used.isdisjoint(pair.split(" ")):
            used.update(pair.split(" "))
            left.subtract(dict.fromkeys(pair.split(" "), numbers[pair]))
            left[pair] = numbers[pair]
    shown: Counter[str] = Counter()
    for key, number in sorted(left.items(), key=lambda item: (-item[1], item[0])):
        if number:
            forms = sorted(spelt[key], key=lambda s: (spelt[key][s], s), reverse=True)
            forms = [form.replace("~", " ") for form in forms]
            shown[next((form for form in forms if form not in shown), forms[0])] += number
    return dict(shown)


@pytest.mark.slow
@pytest.mark.skipif(not REAL_TWEETS.is_dir(), reason="the shared real tweets are not beside this checkout")
@pytest.mark.parametrize("lang", ["pt", "es", "en", "fr", "hi", "ar"])
def test_real_tweets_are_counted_as_the_page_says(lang: str) -> None:
    from opslib import words as ours

    lines = (REAL_TWEETS / f"{lang}.txt").read_text(encoding="utf-8").splitlines()
    lines = [regex.sub(r"&#?\w+;", lambda found: html.unescape(found.group()), line) for line in lines]
    expected = count(lines, lang)
    assert len(expected) > 2000
    found = ours.count(ours.words_of({"text": line, "lang": lang}) for line in lines)
    differing = {
        word: (found.get(word), expected.get(word))
        for word in found.keys() | expected.keys()
        if found.get(word) != expected.get(word)
    }
    assert differing == {}


@pytest.mark.slow
@pytest.mark.parametrize("lang", ["en", "es", "fr", "hi", "pt"])
def test_the_tables_say_what_simplemma_says(lang: str) -> None:
    known = sorted(DefaultDictionaryFactory().get_dictionary(lang))
    for word in random.Random(1).sample(known, 4000):  # noqa: S311 - not a secret
        for spelt in {word, word.lower(), f"{word.lower()}ships"}:
            expected = counted_as(spelt, lang)
            assert expected is None or fold(lemma(expected[0], lang)) == expected[1], spelt
