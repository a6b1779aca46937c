"""Pictures of clouds that are kept, without the words that have been hidden since they were drawn.

Words are found by what a drawing is made of (:mod:`opslib.cloud.draw`): each is a text with a title that
tells its number. A PNG has them where the SVG has them; there the room of a word is painted over, and of what
reaches into it a piece is lost.
"""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING
from xml.sax.saxutils import unescape

if TYPE_CHECKING:
    from collections.abc import Iterator

    from opslib.store.hidden import Hidden

_WORD = re.compile(r"<text ([^>]*)>([^<]*)<title>[^<]*</title></text>\n?")
_GROUP = re.compile(r'<g transform="translate\((\d+) (\d+)\)">')
_LYING = re.compile(r'\bx="(-?\d+)" y="(-?\d+)"')
_UPRIGHT = re.compile(r"translate\((-?\d+) (-?\d+)\) rotate\(-90\)")
_SIZE = re.compile(r'font-size="(\d+)"')
_LENGTH = re.compile(r'textLength="([\d.]+)"')
# How far letters reach above and below their line, and beside their length, as parts of their size.
_ABOVE, _BELOW, _BESIDE = 1.1, 0.35, 0.05


def svg_without(svg: bytes, hidden: Hidden) -> bytes:
    """Return a drawing without the words that are hidden."""
    if not hidden:
        return svg
    return _WORD.sub(lambda word: "" if hidden.holds(unescape(word[2])) else word[0], svg.decode()).encode()


def png_without(png: bytes, svg: bytes, hidden: Hidden) -> bytes:
    """Return a picture without the words that are hidden; *svg* is the same drawing."""
    places = list(_places(svg.decode(), hidden)) if hidden else []
    if not places:
        return png
    from PIL import Image, ImageDraw

    with Image.open(io.BytesIO(png)) as drawn:
        pen = ImageDraw.Draw(drawn)
        ground = drawn.getpixel((0, 0))
        for place in places:
            pen.rectangle(place, fill=ground)
        buffer = io.BytesIO()
        drawn.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def _places(svg: str, hidden: Hidden) -> Iterator[tuple[float, float, float, float]]:
    """Yield left, top, right and bottom of the words that are hidden, in pixels."""
    group = _GROUP.search(svg)
    left, top = (int(group[1]), int(group[2])) if group else (0, 0)
    for word in _WORD.finditer(svg):
        if not hidden.holds(unescape(word[2])):
            continue
        lying, upright = _LYING.search(word[1]), _UPRIGHT.search(word[1])
        size, length = _SIZE.search(word[1]), _LENGTH.search(word[1])
        where = lying or upright
        if where is None or size is None or length is None:
            continue
        x, y, high, wide = left + int(where[1]), top + int(where[2]), int(size[1]), float(length[1])
        above, below, beside = _ABOVE * high, _BELOW * high, _BESIDE * high
        if lying:
            yield x - beside, y - above, x + wide + beside, y + below
        else:
            yield x - above, y - wide - beside, x + below, y + beside
