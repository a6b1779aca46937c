"""Two clouds side by side, for a comparison: a word has the same place and the same colour in both."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

from opslib.cloud.draw import Head, told, words_size
from opslib.cloud.fonts import box
from opslib.cloud.layout import Layout, place
from opslib.cloud.picture import Picture

if TYPE_CHECKING:
    from collections.abc import Sequence

    from opslib.cloud.compare import Comparison, Difference
    from opslib.cloud.layout import Placed

# What the palettes have: hashtags' blue and the first of the other colours; 0 is that of the title.
_FIRST, _SECOND, _BOTH = "tag", 1, 0
_GAP = 0.03  # between the two, as a part of the width
_SMALLEST = 5 / 1600  # letters of less than this part of the width cannot be read
_PARTS = 1_000_000


def abreast(
    found: Comparison, names: Sequence[str], words: int, width: int, height: int, seed: int
) -> Picture:
    """Lay out the *words* with the largest shares of either side, all with 0, in so many pixels.

    They are placed once, each as high as the larger side asks for; on the other one it is smaller, around the
    same middle. *names* are those of the sides.
    """
    chosen = found.largest(words or len(found.differences))
    by_share = {one.word: round(_PARTS * max(one.first_share, one.second_share)) for one in chosen}
    room = words_size(width, height)
    half = round(room[0] * (1 - _GAP) / 2)
    layout = place(by_share, half, room[1], seed)
    by_word = {one.word: one for one in chosen}
    least = max(4, round(width * _SMALLEST))
    placed = [
        drawn
        for side, left in ((0, 0), (1, room[0] - half))
        for item in layout.placed
        if (drawn := _on_side(item, by_word[item.word], side, left, least)) is not None
    ]
    both = Layout(room[0], room[1], tuple(placed), layout.left_out, layout.unwritable)
    caption = "  ·  ".join(
        (
            f"left: {told(found.tweets[0], 'tweet')}, blue what it has more of",
            f"right: {told(found.tweets[1], 'tweet')}, orange what it has more of",
            f"{len(layout.placed):,} of {len(found.differences):,} words",
        )
    )
    return Picture(both, Head(" | ".join(names), caption, "text"), width, height)


def _on_side(item: Placed, found: Difference, side: int, left: int, least: int) -> Placed | None:
    """Return a word as it is on one of the sides, around the middle that it has; nothing where it is not."""
    number, share = ((found.first, found.first_share), (found.second, found.second_share))[side]
    if not number:
        return None
    part = math.sqrt(share / max(found.first_share, found.second_share))
    size = min(item.size, max(least, round(item.size * part)))
    (wide, high), (own_wide, own_high) = _extent(item.word, item.size), _extent(item.word, size)
    if item.upright:
        wide, high, own_wide, own_high = high, wide, own_high, own_wide
    x = left + item.x + round((wide - own_wide) / 2)
    y = item.y + round((high - own_high) / 2)
    way = _BOTH if found.way == "same" else _FIRST if found.score < 0 else _SECOND
    return replace(item, tweets=number, x=x, y=y, size=size, tone=way)


def _extent(word: str, size: int) -> tuple[int, int]:
    left, top, right, bottom = box(word, size)
    return right - left, bottom - top
