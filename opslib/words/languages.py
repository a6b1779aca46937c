"""What is known of single languages: their stop words, and what hangs on a word by an apostrophe."""

from __future__ import annotations

import importlib.util
import json
import unicodedata
from functools import lru_cache
from pathlib import Path

import regex

# Lists of our own: the usual ones lack what people type and hold words that mean something.
CURATED = ("en", "es", "pt")
# What these lists lack: Hindi is also typed in Latin letters and mixed with English, Arabic in dialects.
_ALSO = {"hi": ("hi", "en"), "ar": ("ar",)}
_FOLDER = Path(__file__).parent / "stopwords"
_ELISION = regex.compile(r"^(?:[cdjlmnst]|qu|jusqu|lorsqu|puisqu|quelqu)'", regex.IGNORECASE)


@lru_cache(maxsize=100)
def stop_words(lang: str | None) -> frozenset[str]:
    """Return the folded stop words of a language; where nobody knows which it is, those of all own lists."""
    words = set(_listed("any"))
    if lang in CURATED:
        words |= _listed(str(lang))
    elif lang is None or lang == "und":
        for name in CURATED:
            words |= _listed(name)
    else:
        words |= {_folded(word) for word in _iso().get(lang, ())}
    for name in _ALSO.get(lang or "", ()):
        words |= _listed(name)
    return frozenset(words)


def bare(word: str, lang: str | None) -> str:
    """Return *word* without what its language hangs on it with an apostrophe: ``l'air``, ``David's``."""
    if "'" not in word:
        return word
    if lang == "fr":
        return str(_ELISION.sub("", word))
    if lang == "en":
        return word[:-2] if word[-2:].lower() == "'s" and _folded(word) not in stop_words(lang) else word
    return word


@lru_cache(maxsize=1)
def _iso() -> dict[str, list[str]]:
    """Return the lists of stopwords-iso, read from its file: to import it takes setuptools."""
    spec = importlib.util.find_spec("stopwordsiso")
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError("the package stopwordsiso is missing", name="stopwordsiso")
    lists: dict[str, list[str]] = json.loads(
        Path(spec.submodule_search_locations[0], "stopwords-iso.json").read_text(encoding="utf-8")
    )
    return lists


def _listed(name: str) -> frozenset[str]:
    lines = (_FOLDER / f"{name}.txt").read_text(encoding="utf-8").splitlines()
    return frozenset(_folded(word) for line in lines for word in line.partition("#")[0].split())


def _folded(word: str) -> str:
    from opslib.words import fold

    return fold(unicodedata.normalize("NFC", word).replace("\u2019", "'"))
