"""What is known of single languages: stop words, set expressions, what hangs on a word by an apostrophe."""

from __future__ import annotations

import importlib.util
import json
from functools import lru_cache
from pathlib import Path

import regex

from opslib.words.folding import accented, fold
from opslib.words.spelling import spelling

# Lists of our own: the usual ones lack what people type and hold words that mean something.
CURATED = ("en", "es", "pt")
# What the common lists lack: Hindi is also typed in Latin letters and mixed with English, Arabic in dialects,
# and French has accents.
_ALSO = {"hi": ("hi", "en"), "ar": ("ar",), "fr": ("fr",)}
# The halves of set expressions.
FIRST, SECOND = 1, 2
# X has some languages under the names of before 1989, and CLDR knows two of these lists under other names.
_RENAMED = {"in": "id", "iw": "he", "ji": "yi", "jw": "jv", "mo": "ro", "nb": "no", "nn": "no", "fil": "tl"}
_NO_LANGUAGE = frozenset({"", "und", "zxx", "mul", "mis", "art"})
# Where a word without its marks is another word, and no hasty spelling of the same one.
_MARKS_MATTER = frozenset({"vi"})
_STOP_WORDS = Path(__file__).parent / "stopwords"
_EXPRESSIONS = Path(__file__).parent / "expressions"
_ELISION = regex.compile(r"^(?:[cdjlmnst]|qu|jusqu|lorsqu|puisqu|quelqu)'", regex.IGNORECASE)


@lru_cache(maxsize=1_000)
def language(code: str | None) -> str | None:
    """Return the language that X means by the *code* of a tweet, as ISO 639 names it today.

    Regions and scripts go (``pt-br``); what says that there is no text in any language (``zxx``, or X's own
    ``qme``, ``qht`` and others: ISO 639 leaves ``qaa`` to ``qtz`` free for such) is none.
    """
    name = (code or "").strip().lower().replace("_", "-").partition("-")[0]
    if name in _NO_LANGUAGE or (len(name) == 3 and "qaa" <= name <= "qtz"):
        return None
    return _RENAMED.get(name, name)


@lru_cache(maxsize=100)
def stop_words(lang: str | None) -> frozenset[str]:
    """Return the stop words of a :func:`language`, in small letters; without one, those of all own lists.

    A listed word goes without its accents too, as hasty people type it; a word with accents is one only if it
    is listed so.
    """
    listed = {_plain(word) for line in _lines(_STOP_WORDS, lang) for word in line.split()}
    if lang not in (*CURATED, None):
        listed |= {_plain(word) for word in _iso().get(lang, ())}
    listed |= {spelling(word) for word in listed}
    typed = () if lang in _MARKS_MATTER else map(fold, listed)
    return frozenset(map(accented, listed)).union(typed)


@lru_cache(maxsize=100)
def expressions(lang: str | None) -> frozenset[str]:
    """Return the set expressions of a language, each two folded words with a space between them.

    They are of the same languages whose lists of stop words are taken.
    """
    listed = (part.split() for line in _lines(_EXPRESSIONS, lang) for part in line.split(","))
    return frozenset(fold(_plain(" ".join(words))) for words in listed if words)


@lru_cache(maxsize=100)
def halves(lang: str | None) -> dict[str, int]:
    """Return of which half of an expression folded words can be: FIRST, SECOND, or both added up."""
    found: dict[str, int] = {}
    for expression in expressions(lang):
        for word, half in zip(expression.split(" "), (FIRST, SECOND)):
            found[word] = found.get(word, 0) | half
    return found


def bare(word: str, lang: str | None) -> str:
    """Return *word* without what its language hangs on it with an apostrophe: ``l'air``, ``David's``."""
    if "'" not in word:
        return word
    if lang == "fr":
        return str(_ELISION.sub("", word))
    if lang == "en":
        return word[:-2] if word[-2:].lower() == "'s" and accented(word) not in stop_words(lang) else word
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
    own = CURATED if lang is None else _ALSO.get(lang, (lang,) if lang in CURATED else ())
    files = [folder / f"{name}.txt" for name in ("any", *own)]
    lines = [
        line for file in files if file.exists() for line in file.read_text(encoding="utf-8").splitlines()
    ]
    return [line.partition("#")[0] for line in lines]


def _plain(word: str) -> str:
    return word.replace("\u2019", "'")
