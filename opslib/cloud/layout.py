"""Where each word goes and how large it is: from the middle outwards, and nothing left out unsaid.

A word takes the free place nearest to the middle. What is free is kept as a coarse grid of what was drawn,
whose summed-area table tells for all places at once whether a word's box is empty there.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageFilter

from opslib.cloud.fonts import box, length, picture, shown, turns, writable
from opslib.cloud.theme import TONES

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

# Sizes of letters as parts of the picture's width: easily read, still read, and the largest word's.
_READABLE = 10 / 1600
_SMALLEST = 5 / 1600
_LARGEST = 0.13
_UPRIGHT = 0.1
# The part of the room that the words' boxes shall take at first; small words stand between the letters of
# large ones, and what finds no place is made smaller.
_FILLED = 1.05


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
class Layout:
    """All words in their places, and those that found none."""

    width: int
    height: int
    placed: tuple[Placed, ...]
    left_out: tuple[str, ...]
    unwritable: tuple[str, ...] = ()  # those that no font can show, as a message names them

    @property
    def counts(self) -> dict[str, int]:
        """Return what is drawn."""
        return {placed.word: placed.tweets for placed in self.placed}


def place(counts: Mapping[str, int], width: int, height: int, seed: int, own: Collection[str] = ()) -> Layout:
    """Place *counts*, given the most frequent first; the same call gives the same layout.

    *own* are those of them that the topics themselves are made of. If they do not all fit at sizes that are
    easy to read, they are drawn smaller.
    """
    unwritable = tuple(shown(word) for word in counts if not writable(word))
    counts = {word: tweets for word, tweets in counts.items() if writable(word)}
    if not counts:
        return Layout(width, height, (), (), unwritable)
    best: Layout | None = None
    for filled, floor in ((_FILLED, _READABLE), (_FILLED * 0.7, _READABLE), (_FILLED * 0.7, _SMALLEST)):
        smallest = max(4, round(width * floor))
        sizes = _sizes(counts, width, height, smallest, filled)
        attempt = _attempt(counts, sizes, smallest, _Grid(width, height, random.Random(seed)), own)  # noqa: S311
        if best is None or len(attempt.placed) > len(best.placed):
            best = attempt
        if not best.left_out:
            break
    assert best is not None  # noqa: S101 - the loop ran
    return replace(best, unwritable=unwritable)


def _sizes(
    counts: Mapping[str, int], width: int, height: int, smallest: int, filled: float
) -> dict[str, float]:
    """Return the size of each word: its height grows with the root of its count, so its area with it."""
    most = max(counts.values()) or 1
    shares = {word: math.sqrt(number / most) for word, number in counts.items()}
    unit = {word: length(word, 100) / 100 for word in counts}
    widest = next(iter(counts))
    largest = min(width * _LARGEST, 0.8 * width / unit[widest])
    low, high = float(smallest), largest
    for _ in range(20):
        middle = (low + high) / 2
        area = sum(unit[word] * max(smallest, middle * share) ** 2 for word, share in shares.items())
        low, high = (middle, high) if area < filled * width * height else (low, middle)
    return {word: max(smallest, low * share) for word, share in shares.items()}


def _attempt(
    counts: Mapping[str, int],
    sizes: Mapping[str, float],
    smallest: int,
    grid: _Grid,
    own: Collection[str],
) -> Layout:
    placed: list[Placed] = []
    left_out: list[str] = []
    limit = math.inf
    for word, tweets in counts.items():
        found = grid.put(word, min(sizes[word], limit), smallest, turn=len(placed) > 2)
        if found is None:
            left_out.append(word)
            continue
        x, y, size, upright = found
        # A word in fewer tweets is never larger than one in more.
        limit = size
        placed.append(Placed(word, tweets, x, y, size, upright, "own" if word in own else grid.tone(word)))
    return Layout(grid.width, grid.height, tuple(placed), tuple(left_out))


class _Grid:
    """What is taken, in cells of some pixels."""

    def __init__(self, width: int, height: int, chance: random.Random) -> None:
        self.width = width
        self.height = height
        self._chance = chance
        self._cell = max(1, round(width / 640))
        self._margin = max(1, round(width / 500 / self._cell))
        self._columns = width // self._cell
        self._rows = height // self._cell
        self._taken = np.zeros((self._rows, self._columns), dtype=np.int32)
        self._sums = np.zeros((self._rows + 1, self._columns + 1), dtype=np.int32)
        rows, columns = np.mgrid[0 : self._rows, 0 : self._columns]
        # A little disorder keeps the words from standing in rows like bricks.
        noise = np.random.default_rng(chance.randrange(2**32)).uniform(0.9, 1.1, rows.shape)
        away = ((columns / self._columns - 0.5) ** 2 + (rows / self._rows - 0.5) ** 2) * noise
        self._away = away.astype(np.float32)
        self._hopeless: list[tuple[int, int]] = []  # boxes for which there is no place any more

    def tone(self, word: str) -> int | str:
        """Return what decides about the colour of a word."""
        return "tag" if word.startswith("#") else self._chance.randrange(TONES)

    def put(self, word: str, size: float, smallest: int, *, turn: bool) -> tuple[int, int, int, bool] | None:
        """Take the best place for *word*, smaller if need be; ``None`` if there is none."""
        turn = turn and len(word) < 16 and self._chance.random() < _UPRIGHT and turns(word)
        while True:
            whole = max(smallest, int(size))
            for upright in (turn, not turn) if turns(word) else (False,):
                where = self._free(word, whole, upright=upright)
                if where is not None:
                    self._take(word, whole, *where, upright=upright)
                    return where[0] * self._cell, where[1] * self._cell, whole, upright
                if whole > smallest:
                    break  # smaller is better than turned
            if whole == smallest:
                return None
            size *= 0.9

    def _free(self, word: str, size: int, *, upright: bool) -> tuple[int, int] | None:
        """Return column and row of the free place nearest to the middle."""
        columns, rows = self._cells(word, size, upright=upright)
        if columns > self._columns or rows > self._rows:
            return None
        if any(columns >= wide and rows >= high for wide, high in self._hopeless):
            return None
        sums = self._sums
        taken = (
            sums[rows:, columns:] - sums[:-rows, columns:] - sums[rows:, :-columns] + sums[:-rows, :-columns]
        )
        down, right = taken.shape
        away = self._away[rows // 2 : rows // 2 + down, columns // 2 : columns // 2 + right]
        nearest = int(np.where(taken == 0, away[:down, :right], np.inf).argmin())
        top, left = divmod(nearest, right)
        if taken[top, left]:
            self._hopeless.append((columns, rows))
            return None
        return left, top

    def _cells(self, word: str, size: int, *, upright: bool) -> tuple[int, int]:
        left, top, right, bottom = box(word, size)
        columns = -(-(right - left) // self._cell)
        rows = -(-(bottom - top) // self._cell)
        return (rows, columns) if upright else (columns, rows)

    def _take(self, word: str, size: int, column: int, row: int, *, upright: bool) -> None:
        mask = picture(word, size, "black", upright=upright).getchannel("A")
        margin = self._margin
        columns, rows = self._cells(word, size, upright=upright)
        padded = Image.new("L", (columns * self._cell, rows * self._cell))
        padded.paste(mask)
        # The mean of each cell, raised wherever there is anything at all, and widened by the margin.
        small = padded.reduce(self._cell).point(lambda value: 255 if value else 0)
        wide = Image.new("L", (columns + 2 * margin, rows + 2 * margin))
        wide.paste(small, (margin, margin))
        wide = wide.filter(ImageFilter.MaxFilter(2 * margin + 1))
        taken = np.asarray(wide, dtype=np.int32) // 255
        x0, y0 = max(0, column - margin), max(0, row - margin)
        x1, y1 = min(self._columns, column + columns + margin), min(self._rows, row + rows + margin)
        cut = taken[y0 - row + margin : y1 - row + margin, x0 - column + margin : x1 - column + margin]
        self._taken[y0:y1, x0:x1] |= cut
        # Only what is below the word's first row has changed.
        above = self._sums[y0]
        self._sums[y0 + 1 :, 1:] = above[1:] + self._taken[y0:].cumsum(0).cumsum(1)
