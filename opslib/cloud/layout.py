"""Where each word goes: from the middle outwards or where it stood before, and nothing left out unsaid."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from opslib.cloud.fonts import box, length, shown, writable
from opslib.cloud.grid import Grid
from opslib.cloud.sizes import sizes
from opslib.cloud.theme import tone

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from opslib.cloud.look import Look
    from opslib.cloud.sizes import Sizes

# Sizes of letters as parts of the picture's width: easily read, and still read.
READABLE = 10 / 1600
SMALLEST = 5 / 1600
_TINY = 4  # pixels
# The parts of the picture that the words' boxes shall take, one tried after the other until each word has
# nearly the size that its number asks for. In the last of them what finds no place is made smaller.
_FILLED = (1.05, 0.95, 0.86, 0.78, 0.7)
_NEARLY = 0.9
# Where letters have a least size: how many times as high the highest are, and the part that is taken.
_LEGIBLE_TIMES = 3.5
_LEGIBLE_FILLED = 0.8


@dataclass(frozen=True)
class Placed:
    """A word in its place; ``x`` and ``y`` are those of the upper left corner of its letters."""

    word: str
    tweets: int
    x: int
    y: int
    size: int
    upright: bool  # turned by 90 degrees
    tone: int | str  # what opslib.cloud.theme has a colour for


@dataclass(frozen=True)
class Spot:
    """Where the middle of a word is, as parts of the width and the height that all words have."""

    x: float
    y: float
    upright: bool


@dataclass(frozen=True)
class Layout:
    """All words in their places, and those that found none."""

    width: int
    height: int
    placed: tuple[Placed, ...]
    left_out: tuple[str, ...]
    unwritable: tuple[str, ...] = ()  # those that no font can show, as a message names them
    outline: tuple[tuple[tuple[float, float], ...], ...] = ()  # the lines around the shape that they fill

    @property
    def counts(self) -> dict[str, int]:
        """Return what is drawn."""
        return {placed.word: placed.tweets for placed in self.placed}

    @property
    def spots(self) -> dict[str, Spot]:
        """Return where each word stands, which the next picture keeps as far as it can."""
        return {item.word: self._spot(item) for item in self.placed}

    def _spot(self, item: Placed) -> Spot:
        left, top, right, bottom = box(item.word, item.size)
        wide, high = (bottom - top, right - left) if item.upright else (right - left, bottom - top)
        x, y = (item.x + wide / 2) / self.width, (item.y + high / 2) / self.height
        return Spot(round(x, 4), round(y, 4), item.upright)


@dataclass(frozen=True)
class _Task:
    """What is to be placed; ``sizes`` is what differs from one attempt to the next."""

    counts: Mapping[str, int]
    width: int
    height: int
    seed: int
    own: Collection[str]
    spots: Mapping[str, Spot] = field(default_factory=dict)

    def attempt(self, sizes: Sizes, smallest: int, *, strict: bool) -> Layout | None:
        """Place all words, the most frequent first; nothing if *strict* and one had to be made smaller."""
        grid = Grid(self.width, self.height, random.Random(self.seed))  # noqa: S311 - not a secret
        if self.spots:
            grid.keep((w, sizes.of[w], self.spots[w]) for w in self.counts if w in self.spots)
        placed: list[Placed] = []
        left_out: list[str] = []
        limit = math.inf
        for word, tweets in self.counts.items():
            size = min(sizes.of[word], limit)
            least = max(smallest, int(_NEARLY * sizes.of[word])) if strict else smallest
            found = grid.put(word, size, least, turn=len(placed) > 2, spot=self.spots.get(word))
            if found is None and strict:
                return None
            if found is None:
                left_out.append(word)
                continue
            if word not in sizes.cut:
                limit = found[2]  # a word in fewer tweets is never larger than one in more
            placed.append(Placed(word, tweets, *found, "own" if word in self.own else tone(word)))
        return Layout(self.width, self.height, tuple(placed), tuple(left_out))


def place(
    counts: Mapping[str, int],
    width: int,
    height: int,
    seed: int,
    own: Collection[str] = (),
    *,
    smallest: int | None = None,
    before: Mapping[str, Spot] | None = None,
    look: Look | None = None,
) -> Layout:
    """Place *counts*, given the most frequent first; the same call gives the same layout.

    *own* are those of them that the topics themselves are made of. If they do not all fit at sizes that are
    easy to read, they are drawn smaller, but not below *smallest* pixels if that is given. Words that stood
    somewhere *before*, in the picture of a moment ago, stay there as far as they can. With a *look* wordcloud
    places or colours them (:mod:`opslib.cloud.shape`), and neither of these two counts.
    """
    unwritable = tuple(shown(word) for word in counts if not writable(word))
    counts = {word: tweets for word, tweets in counts.items() if writable(word)}
    if not counts:
        return Layout(width, height, (), (), unwritable)
    if look is not None:
        from opslib.cloud.shape import place_in  # wordcloud takes a second to be imported

        return replace(place_in(look, counts, width, height, seed, own), unwritable=unwritable)
    # In the order of the words, whatever that of the picture before was.
    spots = {word: spot for word, spot in (before or {}).items() if word in counts}
    best = _best(_Task(counts, width, height, seed, own, spots), smallest)
    if spots and best.left_out:
        # What was good for other words may have no room for these.
        afresh = _best(_Task(counts, width, height, seed, own), smallest)
        best = max(best, afresh, key=lambda layout: len(layout.placed))
    return replace(best, unwritable=unwritable)


def legible(counts: Mapping[str, int], width: int, height: int, smallest: int) -> dict[str, int]:
    """Return as many of *counts*, the most frequent first, as have room with letters of *smallest* pixels.

    The most frequent is larger still, by what the numbers say, up to :data:`_LEGIBLE_TIMES` as large.
    """
    words = [word for word in counts if writable(word)]
    units = [length(word, 100) / 100 for word in words]
    most = max(counts.values(), default=0) or 1
    shares = [math.sqrt(counts[word] / most) for word in words]
    low, high = 1, len(words)
    while low < high:
        middle = (low + high + 1) // 2
        scale = smallest * min(_LEGIBLE_TIMES, 1 / max(shares[middle - 1], 1 / _LEGIBLE_TIMES))
        area = sum(u * max(smallest, scale * s) ** 2 for u, s in zip(units[:middle], shares[:middle]))
        low, high = (middle, high) if area <= _LEGIBLE_FILLED * width * height else (low, middle - 1)
    last = words[low - 1] if words else None
    return dict(list(counts.items())[: list(counts).index(last) + 1]) if last else dict(counts)


def _best(task: _Task, smallest: int | None) -> Layout:
    """Return the first attempt that has all words, or the one that has most."""
    readable = smallest or max(_TINY, round(task.width * READABLE))
    tiny = smallest or max(_TINY, round(task.width * SMALLEST))
    ways = [(part, readable, True) for part in _FILLED]
    ways += [(_FILLED[-1], least, False) for least in (readable, tiny)]
    attempts = []
    for part, floor, strict in ways:
        wanted = sizes(task.counts, task.width, part * task.width * task.height, floor)
        found = task.attempt(wanted, floor, strict=strict)
        if found is not None and not found.left_out:
            return found
        attempts += [found] if found else []
    return max(attempts, key=lambda layout: len(layout.placed))
