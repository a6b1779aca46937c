"""A layout as PNG and as SVG, with a head that says what it shows."""

from __future__ import annotations

import io
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

from PIL import Image, ImageDraw

from opslib.cloud.fonts import box, faces, families, length, picture, runs
from opslib.cloud.theme import LIGHT

if TYPE_CHECKING:
    from opslib.cloud.layout import Layout, Placed
    from opslib.cloud.theme import Theme

# The word that a pointer is at stands out: it is the one whose number comes.
_STYLE = "text{cursor:default}g>text:hover{opacity:.6}"
_NARROW = 700  # pixels: below that the head has several lines
_LEAST = 6  # pixels of the letters of a head
_FALLBACK = "'Noto Sans', 'DejaVu Sans', Verdana, sans-serif"


@dataclass(frozen=True)
class Head:
    """What stands above the words."""

    title: str
    caption: str
    unit: str = "tweet"  # what a number counts, in the singular

    def __post_init__(self) -> None:
        """Make each text one line of what XML can hold, whatever was typed or came from X."""
        for name in ("title", "caption"):
            object.__setattr__(self, name, _one_line(getattr(self, name)))


def _one_line(text: str) -> str:
    """Return *text* without line ends, and without control characters and halves of characters."""
    seen = "".join(" " if c.isspace() else c for c in text)
    return "".join(c for c in seen if unicodedata.category(c) not in ("Cc", "Cs", "Cn"))


@dataclass(frozen=True)
class _Frame:
    """The measures of the whole picture, all of them from its width."""

    edge: int
    title: int
    caption: int
    top: int
    lines: tuple[int, int] = (1, 1)  # that title and caption may take

    @classmethod
    def of(cls, width: int) -> _Frame:
        if width < _NARROW:
            return cls(12, 18, 12, 128, (2, 4))
        unit = width / 1600
        return cls(round(36 * unit), max(12, round(38 * unit)), max(8, round(20 * unit)), round(124 * unit))


def words_size(width: int, height: int) -> tuple[int, int]:
    """Return how much room a picture of that size has for its words."""
    frame = _Frame.of(width)
    return max(50, width - 2 * frame.edge), max(50, height - frame.top - frame.edge)


def png(layout: Layout, head: Head, width: int, height: int, theme: Theme = LIGHT) -> bytes:
    """Return the picture as PNG."""
    frame = _Frame.of(width)
    image = Image.new("RGB", (width, height), theme.background)
    for text, size, y, colour in _head_lines(head, frame, width, theme):
        left, top, _, _ = box(text, size)
        drawn = picture(text, size, colour)
        image.paste(drawn, (frame.edge + left, y + top), drawn)
    _stroke(image, layout, frame, width, theme)
    for item in layout.placed:
        drawn = picture(item.word, item.size, theme.colour(item.tone), upright=item.upright)
        image.paste(drawn, (frame.edge + item.x, frame.top + item.y), drawn)
    if not any(str(item.tone).startswith("#") for item in layout.placed):
        # A third of the bytes: palettes and emoji have few enough colours for that.
        image = image.quantize(256, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    buffer = io.BytesIO()
    image.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def _stroke_width(width: int) -> int:
    return max(2, round(width / 500))


def _stroke(image: Image.Image, layout: Layout, frame: _Frame, width: int, theme: Theme) -> None:
    """Draw the outline of a shape, twice as large and then scaled, so that it is smooth."""
    if not layout.outline:
        return
    large = Image.new("L", (2 * image.width, 2 * image.height))
    for line in layout.outline:
        points = [(2 * (x + frame.edge), 2 * (y + frame.top)) for x, y in line]
        ImageDraw.Draw(large).line(points, fill=255, width=2 * _stroke_width(width), joint="curve")
    image.paste(theme.own, (0, 0), large.resize(image.size, Image.Resampling.BOX))


def svg(layout: Layout, head: Head, width: int, height: int, theme: Theme = LIGHT) -> str:
    """Return the picture as SVG: each word is text, and tells its number of tweets when pointed at.

    What it needs of its fonts is in it.
    """
    frame = _Frame.of(width)
    head_lines = _head_lines(head, frame, width, theme)
    texts = [*(line[0] for line in head_lines), *(item.word for item in layout.placed)]
    view = f'viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {view} role="img"',
        'font-weight="bold">',
        f"<title>{escape(head.title)}</title>",
        f"<desc>{escape(head.caption)}</desc>",
        f"<style>{_STYLE}\n{faces(texts)}</style>",
        f'<rect width="100%" height="100%" fill="{theme.background}"/>',
    ]
    for text, size, y, colour in head_lines:
        lines.append(
            f'<text x="{frame.edge}" y="{y}" font-size="{size}" fill="{colour}" '
            f'font-family="{_family(text)}">{escape(text)}</text>'
        )
    lines.append(f'<g transform="translate({frame.edge} {frame.top})">')
    lines += [
        f'<path d="M{"L".join(f"{x:g} {y:g}" for x, y in line)}" fill="none" stroke="{theme.own}" '
        f'stroke-width="{_stroke_width(width)}"/>'
        for line in layout.outline
    ]
    lines += [_word(item, head.unit, theme) for item in layout.placed]
    lines += ["</g>", "</svg>", ""]
    return "\n".join(lines)


def _family(text: str) -> str:
    return ", ".join([*(f"'{name}'" for name in families([text]).values()), _FALLBACK])


def _head_lines(head: Head, frame: _Frame, width: int, theme: Theme) -> list[tuple[str, int, int, str]]:
    """Return text, size, base line and colour of each line of the head; what is too long is made smaller."""
    room = width - 2 * frame.edge
    lines = []
    y = frame.edge
    for text, size, gap, most, colour in (
        (head.title, frame.title, 0.0, frame.lines[0], theme.title),
        (head.caption, frame.caption, 0.6, frame.lines[1], theme.caption),
    ):
        # A title may hold what no font has; the words below are what the picture is for.
        rows, fitting = _fitted("".join(c for c in text if runs(c)), size, room, most)
        y += round(gap * size)
        for number, row in enumerate(rows):
            lines.append((row, fitting, y + size + round(1.25 * size) * number, colour))
        y = lines[-1][2]
    return lines


def _fitted(text: str, size: int, room: int, most: int) -> tuple[list[str], int]:
    """Return *text* in *most* lines of at most *room* pixels, and the size at which it fits into them."""
    while True:
        rows: list[str] = []
        for part in text.split(" "):
            if rows and length(f"{rows[-1]} {part}", size) <= room:
                rows[-1] += f" {part}"
            else:
                rows.append(part)
        if size <= _LEAST or (len(rows) <= most and all(length(row, size) <= room for row in rows)):
            rows = [*rows[: most - 1], " ".join(rows[most - 1 :])]
            return [row.strip(" ·") for row in rows] if len(rows) > 1 else rows, size
        size -= 1


def _word(item: Placed, unit: str, theme: Theme) -> str:
    """Return a word where the PNG has it; the length is given for browsers with another font."""
    left, top, right, _ = box(item.word, item.size)
    if item.upright:
        where = f'transform="translate({item.x - top} {item.y + right}) rotate(-90)"'
    else:
        where = f'x="{item.x - left}" y="{item.y - top}"'
    reach = length(item.word, item.size)
    word = escape(item.word)
    number = told(item.tweets, unit) if item.tweets else "number unknown"  # of a topic, to X
    return (
        f'<text {where} font-size="{item.size}" fill="{theme.colour(item.tone)}" textLength="{reach:.1f}" '
        f'font-family="{_family(item.word)}" lengthAdjust="spacingAndGlyphs">{word}'
        f"<title>{word}: {number}</title></text>"
    )


def told(number: int, unit: str) -> str:
    """Return *number* with its unit, as in ``1,234 tweets``."""
    return f"{number:,} {unit}{'' if number == 1 else 's'}"
