"""Two clouds side by side: each word in the same place in both."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

import pytest

from opslib.cloud.abreast import abreast
from opslib.cloud.compare import Comparison, differences
from opslib.cloud.fonts import box
from opslib.cloud.theme import DARK, LIGHT
from opslib.store.behind import Span
from opslib.words import merged

if TYPE_CHECKING:
    from opslib.cloud.layout import Placed

NOON = datetime(2026, 3, 1, 12, tzinfo=timezone.utc)
FIRST = {"festa": 900, "samba": 400, "praia": 300, "gol": 120, "chuva": 0, "sol": 80}
SECOND = {"festa": 200, "samba": 390, "praia": 0, "gol": 500, "chuva": 250, "sol": 80}
SPAN = Span(NOON, NOON + timedelta(days=1))


@pytest.fixture
def found() -> Comparison:
    said = {word: FIRST[word] + SECOND[word] for word in FIRST}
    return Comparison((SPAN, SPAN), (1800, 1400), merged(said), tuple(differences(FIRST, SECOND, said)))


def middle(item: Placed) -> tuple[float, float]:
    left, top, right, bottom = box(item.word, item.size)
    wide, high = (bottom - top, right - left) if item.upright else (right - left, bottom - top)
    return item.x + wide / 2, item.y + high / 2


def test_a_word_stands_in_the_same_place_and_colour_in_both(found: Comparison) -> None:
    layout = abreast(found, ["one", "two"], 0, 1000, 450, 1).layout
    sides = [
        {item.word: item for item in layout.placed if (item.x > layout.width / 2) == side}
        for side in (False, True)
    ]
    assert sides[0].keys() == {word for word, number in FIRST.items() if number}
    assert sides[1].keys() == {word for word, number in SECOND.items() if number}
    shifts = []
    for word in sides[0].keys() & sides[1].keys():
        first, second = (side[word] for side in sides)
        assert (first.tone, first.upright) == (second.tone, second.upright)
        (x, y), (other_x, other_y) = middle(first), middle(second)
        assert abs(y - other_y) <= 1
        shifts.append(other_x - x)
        assert (first.size > second.size) == (FIRST[word] / 1800 > SECOND[word] / 1420 * 1.1), word
    assert max(shifts) - min(shifts) <= 2
    assert (sides[0]["festa"].tweets, sides[1]["festa"].tweets) == (900, 200)
    assert sides[0]["festa"].tone != sides[0]["gol"].tone


def test_no_word_of_either_side_lies_over_another(found: Comparison) -> None:
    layout = abreast(found, ["one", "two"], 0, 1000, 450, 1).layout
    boxes = []
    for item in layout.placed:
        left, top, right, bottom = box(item.word, item.size)
        wide, high = (bottom - top, right - left) if item.upright else (right - left, bottom - top)
        boxes.append((item.x, item.y, item.x + wide, item.y + high))
    # Letters may stand between those of others, so boxes overlap a little; middles never lie in another box.
    for number, one in enumerate(boxes):
        x, y = (one[0] + one[2]) / 2, (one[1] + one[3]) / 2
        for other in boxes[:number] + boxes[number + 1 :]:
            assert not (other[0] < x < other[2] and other[1] < y < other[3])


def test_both_themes_are_drawn_with_the_numbers_of_each_side(found: Comparison) -> None:
    picture = abreast(found, ["one", "two"], 3, 1000, 450, 1)
    svg = picture.svg(LIGHT).decode()
    assert "festa: 900 texts" in svg
    assert "festa: 200 texts" in svg
    assert "one | two" in svg
    assert picture.svg(DARK) != picture.svg(LIGHT)
    assert picture.png()[:4] == b"\x89PNG"
