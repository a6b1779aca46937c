"""Under which form a dictionary has a word: simplemma's tables, held in a tenth of their memory and less.

As Python's dictionaries the tables of five languages take 240 MB. What :func:`opslib.words.languages.lemma`
can make of them is a few hundred ways to change a word's end, and the words of a language share their ends as
well: as an automaton (a DAWG) all of them have 2.8 MB. ``python -m opslib.words.tables`` builds the files
``lemmas/*.dawg`` anew from the installed simplemma.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import dawg  # type: ignore[import-not-found,import-untyped,unused-ignore]
import regex
from simplemma.strategies.defaultrules import DEFAULT_RULES

# Where inflections are grouped; simplemma knows more languages, which nobody here has looked at.
LANGUAGES = ("en", "es", "fr", "hi", "pt")
FOLDER = Path(__file__).parent / "lemmas"
# Most of these have become nouns: estado, partido, mercado, salida.
_PARTICIPLES = frozenset({"es", "pt"})
_PARTICIPLE = regex.compile("[ai]d[ao]s?$", regex.IGNORECASE)
# To str.isalpha a vowel sign is no letter, and most words of Hindi hold one.
_LETTERS = regex.compile(r"[\p{L}\p{M}]+")
# Shorter words are too often something else than what the tables hold.
SHORTEST = 4


def lemma(word: str, lang: str | None) -> str:
    """Return the form a dictionary would have *word* under, or *word* where that is not known."""
    if lang not in LANGUAGES or not has_lemma(word):
        return word
    if lang in _PARTICIPLES and _PARTICIPLE.search(word):
        return word
    lowered = word.lower()
    found = _changed(lowered, _table(lang).get(lowered)) or by_rule(lowered, lang)
    return found if fits(word, found) else word


def has_lemma(word: str) -> bool:
    """Tell whether *word* is looked up at all: it is long enough, and of letters and their marks alone."""
    return len(word) >= SHORTEST and (word.isalpha() or _LETTERS.fullmatch(word) is not None)


def fits(word: str, found: str) -> bool:
    """Tell whether *found* can be what *word* counts as.

    The tables have many a noun under a verb (festa: festar) and irregular forms under something that nobody
    expects (better: good); inflections are mostly longer than what they come from, and begin like it.
    """
    return len(found) <= len(word) and found[:2].casefold() == word[:2].casefold() and " " not in found


def by_rule(word: str, lang: str) -> str:
    """Return what simplemma makes of a word that is not in its table."""
    rule = DEFAULT_RULES.get(lang)
    return (rule(word) if rule else None) or word


@lru_cache(maxsize=len(LANGUAGES))
def _table(lang: str) -> dawg.BytesDAWG:
    return dawg.BytesDAWG().load(str(FOLDER / f"{lang}.dawg"))


def _changed(word: str, change: list[bytes] | None) -> str | None:
    """Return *word* with its end changed: first how many characters go, as a byte, then what comes there."""
    return word[: len(word) - change[0][0]] + change[0][1:].decode() if change else None
