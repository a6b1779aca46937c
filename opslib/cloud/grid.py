"""Which places of a picture are taken, as a coarse grid of what was drawn.

A summed-area table tells for all places at once whether a word's box is empty there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Optional

import numpy as np
from PIL import Image, ImageFilter

from opslib.cloud.fonts import box, picture, turns

if TYPE_CHECKING:
    import random
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from opslib.cloud.layout import Spot

_UPRIGHT = 0.1  # so many words are turned, where there is a choice
_LONGEST_TURNED = 15  # letters
# Upper left corner, size, and whether it is turned.
Place = tuple[int, int, int, bool]
_Where = Optional[tuple[int, int]]


def filled(cells: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return *cells* with all that lies between two of a row or of a column.

    That are the insides of letters and the gaps between them and between words: what stands there is read as
    a part of the word around it.
    """
    for axis in (1, 0, 1):
        after = np.logical_or.accumulate(cells, axis=axis)
        before = np.flip(np.logical_or.accumulate(np.flip(cells, axis), axis=axis), axis)
        cells = after & before
    return cells


class Grid:
    """What is taken, in cells of some pixels."""

    def __init__(self, width: int, height: int, chance: random.Random) -> None:
        self.width = width
        self.height = height
        self._chance = chance
        # Of a tall picture the width says nothing of how much there is to look through.
        self._cell = max(1, round(max(width, height) / 640))
        self._margin = max(1, round(max(3, width / 500) / self._cell))
        self._columns = width // self._cell
        self._rows = height // self._cell
        self._taken = np.zeros((self._rows, self._columns), dtype=np.int32)
        self._sums = np.zeros((self._rows + 1, self._columns + 1), dtype=np.int32)
        self._kept: NDArray[np.int32] | None = None  # the same table of what words with a spot stand on
        rows, columns = np.mgrid[0 : self._rows, 0 : self._columns]
        self._row, self._column = rows.astype(np.float32), columns.astype(np.float32)
        # A little disorder keeps the words from standing in rows like bricks.
        noise = np.random.default_rng(chance.randrange(2**32)).uniform(0.9, 1.1, rows.shape)
        away = ((columns / self._columns - 0.5) ** 2 + (rows / self._rows - 0.5) ** 2) * noise
        self._away = away.astype(np.float32)
        self._hopeless: list[tuple[int, int]] = []  # boxes for which there is no place any more

    def keep(self, words: Iterable[tuple[str, float, Spot]]) -> None:
        """Keep the spots of *words*, given with their sizes, free of others while there is other room."""
        kept = np.zeros((self._rows, self._columns), dtype=np.int32)
        for word, size, spot in words:
            columns, rows = self._cells(word, int(size), upright=spot.upright)
            left = round(spot.x * self._columns - columns / 2)
            top = round(spot.y * self._rows - rows / 2)
            kept[max(0, top) : max(0, top + rows), max(0, left) : max(0, left + columns)] = 1
        self._kept = np.zeros_like(self._sums)
        self._kept[1:, 1:] = kept.cumsum(0).cumsum(1)

    def put(self, word: str, size: float, smallest: int, *, turn: bool, spot: Spot | None) -> Place | None:
        """Take the best place for *word*, smaller if need be; ``None`` if there is none.

        That is the free place nearest to *spot*, or to the middle.
        """
        # Drawn for every word, so that a word that goes changes nothing of those after it.
        turned = self._chance.random() < _UPRIGHT
        first = spot.upright if spot else turn and turned and len(word) <= _LONGEST_TURNED
        ways = (first, not first) if turns(word) else (False,)
        while True:
            whole = max(smallest, int(size))
            for upright in ways:
                where = self._free(word, whole, spot, upright=upright)
                if where is not None:
                    self._take(word, whole, *where, upright=upright)
                    return where[0] * self._cell, where[1] * self._cell, whole, upright
                if whole > smallest:
                    break  # smaller is better than turned
            if whole <= smallest:
                return None
            size *= 0.9

    def _free(self, word: str, size: int, spot: Spot | None, *, upright: bool) -> _Where:
        """Return column and row of the best free place."""
        columns, rows = self._cells(word, size, upright=upright)
        if columns > self._columns or rows > self._rows:
            return None
        if any(columns >= wide and rows >= high for wide, high in self._hopeless):
            return None
        taken = _within(self._sums, columns, rows)
        # The word's middle is what is to be near.
        middle = np.s_[rows // 2 : rows // 2 + len(taken), columns // 2 : columns // 2 + taken.shape[1]]
        if spot is None:
            away = self._away[middle]
        else:
            across = self._column[middle] - spot.x * self._columns
            away = across**2 + (self._row[middle] - spot.y * self._rows) ** 2
        nearest = _nearest(taken, away)
        if nearest is None:
            self._hopeless.append((columns, rows))
            return None
        if self._kept is None or (spot is not None and away[nearest[1], nearest[0]] <= (columns / 2) ** 2):
            return nearest
        # One that is new, or has lost its spot, is not to take another's.
        return _nearest(taken + _within(self._kept, columns, rows), away) or nearest

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
        small = np.asarray(padded.reduce(self._cell)) > 0
        wide = Image.new("L", (columns + 2 * margin, rows + 2 * margin))
        wide.paste(Image.fromarray(filled(small).astype(np.uint8) * 255), (margin, margin))
        wide = wide.filter(ImageFilter.MaxFilter(2 * margin + 1))
        taken = np.asarray(wide, dtype=np.int32) // 255
        x0, y0 = max(0, column - margin), max(0, row - margin)
        x1, y1 = min(self._columns, column + columns + margin), min(self._rows, row + rows + margin)
        cut = taken[y0 - row + margin : y1 - row + margin, x0 - column + margin : x1 - column + margin]
        self._taken[y0:y1, x0:x1] |= cut
        # Only what is below the word's first row has changed.
        above = self._sums[y0]
        self._sums[y0 + 1 :, 1:] = above[1:] + self._taken[y0:].cumsum(0).cumsum(1)


def _within(sums: NDArray[np.int32], columns: int, rows: int) -> NDArray[np.int32]:
    """Return for each place of a box's upper left corner how many cells in it are taken."""
    inside: NDArray[np.int32] = (
        sums[rows:, columns:] - sums[:-rows, columns:] - sums[rows:, :-columns] + sums[:-rows, :-columns]
    )
    return inside


def _nearest(taken: NDArray[np.int32], away: NDArray[np.float32]) -> _Where:
    """Return column and row of the place that is free and the least far *away*."""
    nearest = int(np.where(taken == 0, away, np.inf).argmin())
    top, left = divmod(nearest, taken.shape[1])
    return None if taken[top, left] else (left, top)
