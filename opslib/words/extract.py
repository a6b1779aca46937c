"""Where a text holds hashtags, mentions and links, for tweets that come without X's own entities."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass


def _marks() -> str:
    """Return the combining marks: in Hindi or Arabic they are parts of words, which ``re`` does not know."""
    characters = map(chr, range(0x300, 0x10000))
    return "".join(character for character in characters if unicodedata.category(character).startswith("M"))


# A character of a word.
LETTER = rf"[\w{_marks()}]"
LINK = re.compile(r"https?://\S+|\bwww\.\S+|\b(?:t\.co|pic\.(?:twitter|x)\.com)/\w+", re.IGNORECASE)
# X takes no hashtag out of the middle of a word, of a link or of an HTML entity (&#39;), and none of digits.
HASHTAG = re.compile(rf"(?<![\w&/])[#\uff03](?={LETTER}*[^\W\d_])({LETTER}+)")
MENTION = re.compile(r"(?<![\w!#$%&*@\uff20/])[@\uff20]([A-Za-z0-9_]{1,15})(?![\w@])")


@dataclass(frozen=True)
class Found:
    """A part of a text; ``end`` is the place behind its last character."""

    start: int
    end: int
    text: str  # the tag or the name without its sign; the whole link


def links(text: str) -> list[Found]:
    """Return the links of *text*, without the punctuation that closes a sentence."""
    found = []
    for match in LINK.finditer(text):
        link = match.group().rstrip(".,;:!?)]}'\"\u2026\u201d")
        found.append(Found(match.start(), match.start() + len(link), link))
    return found


def hashtags(text: str) -> list[Found]:
    """Return the hashtags of *text* that are no parts of links."""
    return _outside_links(HASHTAG, text)


def mentions(text: str) -> list[Found]:
    """Return the names mentioned in *text*."""
    return _outside_links(MENTION, text)


def _outside_links(pattern: re.Pattern[str], text: str) -> list[Found]:
    inside = links(text)
    return [
        Found(match.start(), match.end(), match.group(1))
        for match in pattern.finditer(text)
        if not any(link.start <= match.start() < link.end for link in inside)
    ]
