"""Where a text holds hashtags, mentions, cashtags and links, for tweets that come without X's own entities.

What counts as one follows X's published conformance suite (twitter-text, ``extract.yml``).
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from pathlib import Path

import regex

from opslib.hashtag import KEYCAP, NUMBER_SIGNS, SIGNS

# A character of a word. For `regex`, unlike `re`, this includes the combining marks, without which Hindi and
# Arabic fall apart.
LETTER = r"\w"


def _top_level_domains() -> list[str]:
    lines = Path(__file__).with_name("tlds.txt").read_text(encoding="utf-8").splitlines()
    return [domain for line in lines for domain in line.partition("#")[0].split()]


_TLD = rf"(?:{'|'.join(_top_level_domains())})(?=[^0-9A-Za-z@+-]|$)"
_LATIN = r"0-9A-Za-z\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u024f"
_ANY = r"\p{L}\p{N}\p{M}\p{So}"


def _host(letters: str) -> str:
    # What a label takes it never gives back: no part of a long name is looked at twice. No name has more than
    # 127 labels, and to give back one of very many takes `regex` longer the more there are.
    label = rf"[{letters}]++(?:[_-]++[{letters}]++)*+"
    last = rf"[{letters}]++(?:-++[{letters}]++)*+"
    return rf"(?:{label}\.){{0,125}}{last}\.{_TLD}"


_IN_PATH = rf"{_LATIN}\u0400-\u04ff!*';:=+,.$/%#\[\]\u2013\u2014_~@&|-"
_ENDS_PATH = rf"{_LATIN}\u0400-\u04ff=_#/+-"
_PATH = rf"(?:/(?:[{_IN_PATH}]*+\([{_IN_PATH}]++\))*+(?:[{_IN_PATH}]*[{_ENDS_PATH}])?)?"
_QUERY = r"(?:\?[0-9A-Za-z!?*'@();:&=+$/%#\[\]_.,~|-]*[0-9A-Za-z_&=#/-])?"
_TCO = r"t\.co/(?:[0-9A-Za-z]{1,40}(?![0-9A-Za-z])|(?=[0-9A-Za-z]{41})(*FAIL))"
# A link begins where its name does: to begin at each of its letters anew would take the square of its length.
_BARE = (
    rf"(?<![{_LATIN}@\uff20$#\uff03\u202a-\u202e_./-])(?:{_TCO}|(?!t\.co/\w){_host(_LATIN)}{_PATH}{_QUERY})"
)
_WITH_SCHEME = (
    r"(?<![A-Za-z0-9@\uff20$#\uff03\u202a-\u202e])https?://"
    rf"(?:{_TCO}|(?!t\.co/\w){_host(_ANY)}(?::\d+)?{_PATH}{_QUERY})"
)
LINK = regex.compile(f"{_WITH_SCHEME}|{_BARE}", regex.IGNORECASE)

_IN_TAG = rf"[\p{{L}}\p{{M}}\p{{Nd}}{SIGNS}]"
# X takes no hashtag out of the middle of a word or of an HTML entity (&#39;), and none of digits. U+FE0F,
# which makes a pictograph of what it follows, is a mark, and no word ends with it.
HASHTAG = regex.compile(
    rf"(?<!&|(?![\ufe0e\ufe0f]){_IN_TAG})[{NUMBER_SIGNS}](?![{KEYCAP}])"
    rf"(?=[\p{{Nd}}{SIGNS}]*+[\p{{L}}\p{{M}}])({_IN_TAG}++)(?![{NUMBER_SIGNS}]|://)"
)
MENTION = regex.compile(
    r"(?:(?<![A-Za-z0-9_!#$%&*@\uff20/])|(?<=(?<![A-Za-z0-9_+~.-])[Rr][Tt]:?))[@\uff20]"
    r"([A-Za-z0-9_]{1,20}+)(?![@\uff20\u00c0-\u024f]|://)"
)
CASHTAG = regex.compile(r"(?<!\S)\$([A-Za-z]{1,6}(?:[._][A-Za-z]{1,2})?)(?![A-Za-z0-9])")


@dataclass(frozen=True)
class Found:
    """A part of a text; ``end`` is the place behind its last character."""

    start: int
    end: int
    text: str  # the tag or the name without its sign; the whole link


def links(text: str) -> list[Found]:
    """Return the links of *text*, without the punctuation that closes a sentence."""
    return [Found(match.start(), match.end(), match.group()) for match in LINK.finditer(text)]


def hashtags(text: str) -> list[Found]:
    """Return the hashtags of *text* that are no parts of links."""
    return _outside_links(HASHTAG, text)


def mentions(text: str) -> list[Found]:
    """Return the names mentioned in *text*."""
    return _outside_links(MENTION, text)


def cashtags(text: str) -> list[Found]:
    """Return the stock symbols of *text*, such as ``$TEST``."""
    return _outside_links(CASHTAG, text)


def _outside_links(pattern: regex.Pattern[str], text: str) -> list[Found]:
    found = [Found(match.start(), match.end(), match.group(1)) for match in pattern.finditer(text)]
    if not found or "." not in text:
        return found
    inside = links(text)
    begins = [link.start for link in inside]
    # Links do not overlap, so only the last that begins before a part can hold it.
    places = [bisect_right(begins, part.start) - 1 for part in found]
    return [part for part, place in zip(found, places) if place < 0 or part.start >= inside[place].end]
