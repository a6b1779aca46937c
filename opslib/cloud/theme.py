"""Colours: one palette for light and one for dark surroundings.

Every colour has a contrast of 4.5 at least against its background (WCAG 2's for text), and any two of a
palette stay apart for eyes that lack one kind of cone. ``tests/unit/test_cloud_theme.py`` computes both.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(frozen=True)
class Theme:
    """The colours of a picture."""

    name: str
    background: str
    title: str
    caption: str
    tag: str  # hashtags
    own: str  # the words that the topics themselves are made of: every tweet about them has them
    words: tuple[str, ...]  # what everything else takes in turn; they mean nothing

    def colour(self, tone: int | str) -> str:
        """Return the colour of a word: of a kind of words by its name, of the others by their number.

        A colour of its own, such as ``#c2410c``, is made as dark or as light as it takes to be read here.
        """
        if isinstance(tone, str) and tone.startswith("#"):
            return _legible(tone, self.background)
        if tone == "tag":
            return self.tag
        return self.own if tone == "own" else self.words[int(tone) % len(self.words)]


LIGHT = Theme(
    "light",
    background="#fbfaf7",
    title="#1d1f2b",
    caption="#55606e",
    tag="#0b5fa5",
    own="#6b7480",
    words=("#23263b", "#c2410c", "#9513ec", "#5c2b0a"),
)
DARK = Theme(
    "dark",
    background="#14161c",
    title="#f1f2f5",
    caption="#a9b2bf",
    tag="#5aa9f0",
    own="#868f9c",
    words=("#f4f1e8", "#f07b3c", "#b84dff", "#ffcc33"),
)
_CONTRAST = 4.5


def _luminance(parts: Iterable[float]) -> float:
    """Return the relative luminance of WCAG 2.2, of red, green and blue from 0 to 255."""
    linear = [p / 3294.6 if p <= 10.31475 else ((p / 255 + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _legible(colour: str, background: str) -> str:
    """Return *colour*, mixed with as little black or white as gives it the contrast of the palettes."""
    own, ground = ([int(text[i : i + 2], 16) for i in (1, 3, 5)] for text in (colour, background))
    end = 0 if _luminance(ground) > 0.18 else 255
    for step in range(101):
        mixed = [round(part + (end - part) * step / 100) for part in own]
        low, high = sorted((_luminance(mixed), _luminance(ground)))
        if (high + 0.05) / (low + 0.05) >= _CONTRAST:
            break
    return "#" + "".join(f"{part:02x}" for part in mixed)


THEMES = (LIGHT, DARK)
TONES = len(LIGHT.words)


def tone(word: str) -> int | str:
    """Return what decides about the colour of a word: the same in every picture that has it."""
    return "tag" if word.startswith("#") else zlib.crc32(word.casefold().encode()) % TONES
