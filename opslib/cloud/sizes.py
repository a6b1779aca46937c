"""How large each word is: its height grows with the root of its count, so its area with it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from opslib.cloud.fonts import length

if TYPE_CHECKING:
    from collections.abc import Mapping

# Parts of the picture's width: the largest word's letters, and how far a word may reach.
_LARGEST = 0.13
_WIDEST = 0.8
# A word may hold the others down until they fill this part of what they would without it.
_HELD_DOWN = 0.5


@dataclass(frozen=True)
class Sizes:
    """The size of each word in pixels, the most frequent first.

    ``cut`` are those that are too long for the size that their number asks for.
    """

    of: Mapping[str, float]
    cut: frozenset[str]


def sizes(counts: Mapping[str, int], width: int, room: float, smallest: int) -> Sizes:
    """Return sizes with which the words' boxes take *room*, in square pixels, of a picture *width* wide.

    None is larger than :data:`_LARGEST`, and none smaller than *smallest*. No word is larger than one in more
    tweets. Only if one long word would make all others so small that the picture is empty, that word alone
    is as long as it can be, and the others have the sizes that they have without it.
    """
    most = max(counts.values()) or 1
    shares = {word: math.sqrt(number / most) for word, number in counts.items()}
    units = {word: length(word, 100) / 100 for word in counts}
    caps = {word: _WIDEST * width / unit for word, unit in units.items()}

    def area(scale: float) -> float:
        return sum(unit * max(smallest, min(scale * shares[w], caps[w])) ** 2 for w, unit in units.items())

    largest = width * _LARGEST
    # Up to this scale a word keeps its share.
    bounds = sorted({min(largest, caps[word] / share) for word, share in shares.items() if share} | {largest})
    enough = _HELD_DOWN * min(room, area(largest))
    high = next((bound for bound in bounds if area(bound) >= enough), largest)
    low = float(smallest)
    for _ in range(20):
        middle = (low + high) / 2
        low, high = (middle, high) if area(middle) < room else (low, middle)
    cut = frozenset(word for word, share in shares.items() if caps[word] < low * share * 0.999)
    return Sizes({word: max(smallest, min(low * shares[word], caps[word])) for word in counts}, cut)
