"""What is known of single languages: stop words, set expressions, what hangs on a word by an apostrophe."""

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
# A stop word, and the halves of set expressions.
STOP, FIRST, SECOND = 1, 2, 4
_STOP_WORDS = Path(__file__).parent / "stopwords"
_EXPRESSIONS = Path(__file__).parent / "expressions"
_ELISION = regex.compile(r"^(?:[cdjlmnst]|qu|jusqu|lorsqu|puisqu|quelqu)'", regex.IGNORECASE)


@lru_cache(maxsize=100)
def stop_words(lang: str | None) -> frozenset[str]:
    """Return the folded stop words of a language; where nobody knows which it is, those of all own lists."""
    words = {_folded(word) for line in _lines(_STOP_WORDS, lang) for word in line.split()}
    if lang not in (*CURATED, None, "und"):
        words |= {_folded(word) for word in _iso().get(str(lang), ())}
    return frozenset(words)


@lru_cache(maxsize=100)
def expressions(lang: str | None) -> frozenset[str]:
    """Return the set expressions of a language, each two folded words with a space between them.

    They are of the same languages whose lists of stop words are taken.
    """
    listed = (part.split() for line in _lines(_EXPRESSIONS, lang) for part in line.split(","))
    return frozenset(_folded(" ".join(words)) for words in listed if words)


@lru_cache(maxsize=100)
def roles(lang: str | None) -> dict[str, int]:
    """Return what folded words are but words that are counted: STOP, FIRST, SECOND, or a sum of these."""
    found = dict.fromkeys(stop_words(lang), STOP)
    for expression in expressions(lang):
        for word, role in zip(expression.split(" "), (FIRST, SECOND)):
            found[word] = found.get(word, 0) | role
    return found


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


def _lines(folder: Path, lang: str | None) -> list[str]:
    """Return the lines, without comments, of the lists in *folder* that are for tweets of a language."""
    own = CURATED if lang in (None, "und") else _ALSO.get(str(lang), (lang,) if lang in CURATED else ())
    files = [folder / f"{name}.txt" for name in ("any", *own)]
    lines = [
        line for file in files if file.exists() for line in file.read_text(encoding="utf-8").splitlines()
    ]
    return [line.partition("#")[0] for line in lines]


def _folded(word: str) -> str:
    from opslib.words import fold

    return fold(unicodedata.normalize("NFC", word).replace("\u2019", "'"))
