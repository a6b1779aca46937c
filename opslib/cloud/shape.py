"""Clouds in a shape and in the colours of a picture, which wordcloud places and colours.

WordCloud draws with one font and lays out in a single pass, in which sizes follow from frequencies and what
comes after the first word without room is dropped. So it is given a font in which each word is one glyph: its
own outline with all that lies between its letters, whatever its script, an emoji like any other. Frequencies
are the sizes that the numbers ask for; if that is too much for the shape, it starts anew with less. The words
themselves are drawn in the places that it found.
"""

from __future__ import annotations

import math
import random
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import contourpy
import numpy as np
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen
from PIL import Image, ImageFilter, ImageOps
from wordcloud import ImageColorGenerator, WordCloud

from opslib.cloud.fonts import box, picture, turns
from opslib.cloud.grid import filled
from opslib.cloud.layout import READABLE, SMALLEST, Layout, Placed
from opslib.cloud.look import WHITE, BadImage
from opslib.cloud.sizes import sizes
from opslib.cloud.theme import tone

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from numpy.typing import NDArray

    from opslib.cloud.look import Look

_LEAST_ROOM = 0.005  # of the picture
_DRAWN = 128  # pixels: the size at which outlines are taken, one unit of the font a pixel
# FreeType draws no glyph that is wider than some ten times the font's size: this font's size is so many times
# that of the letters in it.
_TIMES = 16
_SMALL = (8, 10, 12, 14, 17, 20, 24, 32, 48, 80)  # sizes at which letters are a little wider than at that one
_FIRST = 0xF0000  # of the characters that stand for words: a private plane
# The parts of a shape that the words' boxes shall take, one tried after the other until all have room.
_FILLED = (0.8, 0.7, 0.6, 0.51, 0.43, 0.36, 0.3)
_NEARLY = 0.85
_SCATTER = 0.2
_GIVEN_UP = 10  # words without room, after which no other is tried


@dataclass(frozen=True)
class _Room:
    """Where words may stand, and the box that the shape takes in the picture."""

    free: NDArray[np.bool_]
    left: int
    top: int
    wide: int
    high: int
    crop: tuple[int, int, int, int] | None  # of the shape's image


def place_in(
    look: Look, counts: Mapping[str, int], width: int, height: int, seed: int, own: Collection[str] = ()
) -> Layout:
    """Place *counts*, all of them writable, for :func:`opslib.cloud.layout.place`.

    ``BadImage`` if the shape has no room for words.
    """
    room = _room(look.shape, width, height)
    with tempfile.TemporaryDirectory() as folder:
        font = Path(folder, "words.ttf")
        cloud = _Cloud(counts, room, width, seed, font)
        cloud.lay_out()
        if look.colours is not None:
            cloud.recolor(color_func=ImageColorGenerator(_canvas(look, room)))
        placed = tuple(cloud.placed(own, coloured=look.colours is not None))
    drawn = {item.word for item in placed}
    left_out = tuple(word for word in counts if word not in drawn)
    if counts and not placed:
        raise BadImage("the shape is too small or too thin for words")
    # In the order of their numbers, as everywhere.
    rank = {word: number for number, word in enumerate(counts)}
    placed = tuple(sorted(placed, key=lambda item: rank[item.word]))
    layout = Layout(width, height, placed, left_out)
    return replace(layout, outline=_outline(room) if look.shape is not None else ())


class _Middle(random.Random):
    """The chance that WordCloud takes one of all free places with: near the middle of them.

    Any of them with the same chance would leave no room in one piece, and letters half as large for it.
    """

    def randint(self, a: int, b: int) -> int:
        """Return a number from *a* to *b*, but not the 0 with which WordCloud finds no place at all."""
        near = 0.5 + _SCATTER * (self.random() - self.random())
        return min(b, max(a, 1, round(b * near)))


class _Cloud(WordCloud):  # type: ignore[misc] # it has no types
    """A WordCloud of words that are glyphs, which leaves none out that has room in a smaller size."""

    def __init__(self, counts: Mapping[str, int], room: _Room, width: int, seed: int, font: Path) -> None:
        self._margin_around = max(3, round(width / 500))
        blocked = Image.fromarray(np.where(room.free, 0, 255).astype(np.uint8))
        blocked = blocked.filter(ImageFilter.MaxFilter(2 * (self._margin_around // 2) + 1))
        alone = all(turns(word) or len(word) < 3 for word in counts)
        super().__init__(
            font_path=str(font),
            mask=np.asarray(blocked),
            margin=self._margin_around,
            max_words=len(counts),
            relative_scaling=1,
            font_step=_TIMES,
            # Emoji are never turned, and WordCloud turns any word or none.
            prefer_horizontal=0.9 if alone else 1,
            color_func=lambda *_, **__: "black",
        )
        self._counts = counts
        self._room = room
        self._seed = seed
        self._glyphs = _font(list(counts), font)
        self._words = {glyph: word for word, glyph in self._glyphs.items()}

    def lay_out(self) -> None:
        """Find places, for as many words as there is room for at sizes that are nearly right."""
        area, wide = float(self._room.free.sum()), self._room.wide
        readable, tiny = (max(4, round(self.mask.shape[1] * part)) for part in (READABLE, SMALLEST))
        for part in _FILLED:
            wanted = sizes(self._counts, wide, part * area, readable).of
            if self._tried(wanted, readable) and self._nearly(wanted):
                return
        left = dict(sizes(self._counts, wide, _FILLED[-1] * area, tiny).of)
        for _ in range(_GIVEN_UP):
            if self._tried(left, tiny):
                return
            # The first that has no room even so: those after it may have.
            del left[self._ordered(left)[len(self.layout_)]]
            if not left:
                return

    def _tried(self, wanted: Mapping[str, float], smallest: int) -> bool:
        """Place words of these sizes, and tell whether all have room."""
        whole = {self._glyphs[word]: _TIMES * max(smallest, int(size)) for word, size in wanted.items()}
        self.min_font_size = _TIMES * smallest
        self.random_state = _Middle(self._seed)
        self.generate_from_frequencies(whole, max_font_size=max(whole.values()))
        return len(self.layout_) == len(whole)

    def _nearly(self, wanted: Mapping[str, float]) -> bool:
        """Tell whether each word has nearly the size that its number asks for."""
        return all(
            size // _TIMES >= int(_NEARLY * wanted[self._words[glyph]])
            for (glyph, _), size, *_ in self.layout_
        )

    def _ordered(self, wanted: Mapping[str, float]) -> list[str]:
        return sorted(wanted, key=lambda word: -int(wanted[word]))

    def placed(self, own: Collection[str], *, coloured: bool) -> list[Placed]:
        """Return the words where WordCloud put their outlines."""
        found = []
        for (glyph, _), times, (row, column), orientation, colour in self.layout_:
            word, size = self._words[glyph], int(times) // _TIMES
            upright = orientation is not None and turns(word)
            left, top, right, bottom = box(word, size)
            wide, high = (bottom - top, right - left) if upright else (right - left, bottom - top)
            # The outline is a little larger than the letters.
            x = min(max(0, int(column)), self.mask.shape[1] - wide)
            y = min(max(0, int(row)), self.mask.shape[0] - high)
            kind = _hexadecimal(colour) if coloured else "own" if word in own else tone(word)
            found.append(Placed(word, self._counts[word], x, y, size, upright, kind))
        return found


def _hexadecimal(colour: str) -> str:
    """Return a colour of WordCloud's, such as ``rgb(1, 2, 3)``, as ``#010203``."""
    parts = colour[colour.index("(") + 1 : -1].split(",")
    return "#" + "".join(f"{int(part):02x}" for part in parts)


def _font(words: Sequence[str], path: Path) -> dict[str, str]:
    """Write a font with one glyph a word, and return the character of each."""
    characters = {word: chr(_FIRST + number) for number, word in enumerate(words)}
    names = {ord(character): f"word{number}" for number, character in enumerate(characters.values())}
    builder = FontBuilder(_TIMES * _DRAWN, isTTF=True)
    builder.setupGlyphOrder([".notdef", *names.values()])
    builder.setupCharacterMap(names)
    glyphs: dict[str, Any] = {".notdef": TTGlyphPen(None).glyph()}
    metrics = {".notdef": (_DRAWN, 0)}
    for word, name in zip(words, names.values()):
        glyphs[name], width = _glyph(word)
        metrics[name] = (width, 0)
    builder.setupGlyf(glyphs)
    builder.setupHorizontalMetrics(metrics)
    builder.setupHorizontalHeader(ascent=_DRAWN, descent=0)
    builder.setupNameTable({"familyName": "Words", "styleName": "Regular"})
    builder.setupOS2()
    builder.setupPost()
    builder.save(path)
    return characters


def _glyph(word: str) -> tuple[Any, int]:
    """Return the outline of a word, and how wide it is; that of one that is not turned is a square."""
    letters = np.asarray(picture(word, _DRAWN, "black").getchannel("A")) > 0
    if not turns(word) and len(word) < 3:
        letters = np.ones((max(letters.shape),) * 2, dtype=bool)
    # A pixel on each side for what rounding adds.
    inside = filled(np.pad(letters, 1))
    inside = np.asarray(Image.fromarray(inside.astype(np.uint8)).filter(ImageFilter.MaxFilter(3))) > 0
    across, along = _stretch(word)
    size = (round(inside.shape[1] * across), round(inside.shape[0] * along))
    inside = np.asarray(Image.fromarray(inside).resize(size))
    rows, columns = inside.shape
    first, last = inside.argmax(axis=1), columns - inside[:, ::-1].argmax(axis=1)
    down = [(int(first[row]), rows - edge) for row in range(rows) for edge in (row, row + 1)]
    up = [(int(last[row]), rows - edge) for row in reversed(range(rows)) for edge in (row + 1, row)]
    pen = TTGlyphPen(None)
    pen.moveTo(up[-1])
    for point in (*down, *up[:-1]):
        pen.lineTo(point)
    pen.closePath()
    return pen.glyph(), columns


def _stretch(word: str) -> tuple[float, float]:
    """Return how much wider and higher a word is at some size than it is at the size of its outline.

    Letters stand on whole pixels, so that small ones are not as wide as their size says.
    """
    left, top, right, bottom = box(word, _DRAWN)
    wide, high = (right - left) / _DRAWN, (bottom - top) / _DRAWN
    across = along = 1.0
    for size in _SMALL:
        left, top, right, bottom = box(word, size)
        across, along = max(across, (right - left) / size / wide), max(along, (bottom - top) / size / high)
    return across, along


def _room(shape: Image.Image | None, width: int, height: int) -> _Room:
    """Return the room for words: the shape as large as the picture has it, in its middle."""
    if shape is None:
        return _Room(np.ones((height, width), dtype=bool), 0, 0, width, height, None)
    inside = Image.fromarray(((np.asarray(shape).min(axis=2) < WHITE) * 255).astype(np.uint8))
    crop = inside.getbbox()
    if crop is None:
        raise BadImage("the shape is all white: words are drawn where it is not")
    part = inside.crop(crop)
    scale = min(width / part.width, height / part.height)
    wide, high = (max(1, math.floor(side * scale)) for side in part.size)
    left, top = (width - wide) // 2, (height - high) // 2
    whole = Image.new("L", (width, height))
    whole.paste(part.resize((wide, high), Image.Resampling.LANCZOS), (left, top))
    free = np.asarray(whole) > 127
    if free.mean() < _LEAST_ROOM:
        raise BadImage("the shape is too small or too thin for words")
    return _Room(free, left, top, wide, high, crop)


def _canvas(look: Look, room: _Room) -> NDArray[np.uint8]:
    """Return the colours of each place of the picture: the image where the shape is, and as large."""
    colours = look.colours
    assert colours is not None  # noqa: S101 - asked for by who has some
    if room.crop and look.shape is not None and colours.size == look.shape.size:
        colours = colours.crop(room.crop)  # both of one drawing: what lies over what stays so
    height, width = room.free.shape
    mean = colours.resize((1, 1), Image.Resampling.BOX).getpixel((0, 0))
    canvas = Image.new("RGB", (width, height), mean)
    canvas.paste(ImageOps.fit(colours, (room.wide, room.high)), (room.left, room.top))
    return np.asarray(canvas)


def _outline(room: _Room) -> tuple[tuple[tuple[float, float], ...], ...]:
    """Return the lines around a shape, in pixels."""
    softened = Image.fromarray(np.pad(room.free, 6).astype(np.uint8) * 255).filter(
        ImageFilter.GaussianBlur(3)
    )
    lines = contourpy.contour_generator(z=np.asarray(softened, dtype=float)).lines(127.5)
    # Each pixel would be a point; what is closer than that to the line is not seen.
    return tuple(
        tuple((round(float(x) - 5.5, 1), round(float(y) - 5.5, 1)) for x, y in (*line[::4], line[-1]))
        for line in lines
        if len(line) > 12
    )
