# ruff: noqa: RUF001 - the letters of other scripts are what this is about
"""Texts that make a pattern look at the same characters again and again, if it can be made to."""

from __future__ import annotations

import importlib
import pkgutil
import re
from typing import TYPE_CHECKING, Any

import regex

import opslib

if TYPE_CHECKING:
    from collections.abc import Iterator

# A letter of each way to write: with case and without, ideographs, syllables, from right to left.
LETTERS = {
    "Latin": "a",
    "Latin with accents": "é",
    "Cyrillic": "ж",
    "Greek": "ω",
    "Arabic": "م",
    "Hebrew": "ש",
    "Devanagari": "न",
    "Bengali": "ব",
    "Thai": "ก",
    "Hangul": "한",
    "Han": "漢",
    "Hiragana": "あ",
    "Cherokee": "Ꭰ",
    "Adlam": "\U0001e900",
}
# What is repeated, with L for the letter.
REPEATED = (
    "L", "LL.", "L.", "L-", "L_", "-L", "_L", ".L", "L'", "L,", "L/", "L#", "#L", "#1", "@L", "L@", "$L.",
    "L·", "1", "1.", "http://", "http://L", "http://L.", "x.com/L(", "x.com/(L)", "x.com?L!", "x.com.",
    "x.com/#L@", "L.com ", "t.co/L", "x.com #L ", "RT @L: ", "L\u0301", "L\u0301\u0323", "L\u200d",
    "L\u00ad", "L\ufe0f", "\u0301\u0323", "\u200d", "\ufe0f", "L\u093e\u094d", "👩\u200d", "👩🏽", "🇧🇷",
    "🏴\U000e0067", "❤\ufe0f", "1\ufe0f\u20e3", "&amp;", "&#39;", "&L", "&#1", "hL", "ha", "ja", "kL", "III",
    "BBB", "LLL", "LLLB", "São ", "São Paulo ", "São Paulo/", "bom dia ", "\"L", "(L", "L:", "#{L", "L T",
    "\u3164", "…", " ", "\n", "=", "://",
)  # fmt: skip
# What stands before it.
BEGINNINGS = ("", "http://", "x.com/", "x.com/(", "x.com?", "#", "#1", "@", "RT @a: ", "&#", "L", "L\u0301")
# It looks to the end before it begins: it is asked about whole words, never where in one it matches.
ONLY_WHOLE = ("opslib.words.spelling._AS_WRITTEN",)
# These can be imported by NiFi alone.
INSIDE_NIFI = ("opslib.x.nifi", "opslib.x.carry")


def text(repeated: str, letter: str, length: int, beginning: str = "", end: str = "") -> str:
    """Return *repeated* as often as *length* characters have room for it."""
    middle = repeated * (length // len(repeated))
    return f"{beginning}{middle}{end}".replace("L", letter)


def shapes() -> Iterator[tuple[str, str, str]]:
    """Return what is repeated with which letter behind which beginning, each combination that can matter."""
    for repeated in REPEATED:
        yield from ((repeated, LETTERS["Latin"], beginning) for beginning in BEGINNINGS)
        if "L" in repeated:
            yield from ((repeated, letter, "") for letter in list(LETTERS.values())[1:])


def patterns() -> Iterator[tuple[str, Any]]:
    """Return every pattern of opslib that meets a text of anybody, with its name."""
    rooms = re.compile(r"opslib\.(words|message|hashtag|simulate|web|x|cloud|speed|sink|search|forgetting)")
    seen = set()
    for found in pkgutil.walk_packages(opslib.__path__, "opslib."):
        if not rooms.match(found.name) or found.name in INSIDE_NIFI:
            continue
        for name, value in vars(importlib.import_module(found.name)).items():
            if isinstance(value, (re.Pattern, regex.Pattern)) and id(value) not in seen:
                seen.add(id(value))
                yield f"{found.name}.{name}", value
