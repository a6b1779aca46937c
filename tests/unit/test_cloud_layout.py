"""Where words stand: sizes by number, nothing inside another word, and where they stood a moment ago."""

from __future__ import annotations

import re
import string
from datetime import datetime, timedelta, timezone
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from opslib.cloud import kept
from opslib.cloud.draw import words_size
from opslib.cloud.fonts import NOTO, box, picture
from opslib.cloud.layout import Layout, Placed, place
from opslib.cloud.picture import LEGIBLE, picture_of
from opslib.cloud.report import Place, Report, Topic
from opslib.cloud.theme import LIGHT
from opslib.settings import Settings
from opslib.words import count, words_of

REAL_TWEETS = Path(__file__).resolve().parents[3] / "shared/data/tweets"
LONG = "pneumoultramicroscopicossilicovulcanoconiótico"
needs_tweets = pytest.mark.skipif(
    not REAL_TWEETS.is_dir(), reason="the shared real tweets are not beside this checkout"
)
needs_noto = pytest.mark.skipif(not NOTO.is_dir(), reason="Debian's Noto fonts are not installed")


def real(lang: str, first: int, last: int, most: int = 200) -> dict[str, int]:
    """Return the words of some of the real tweets."""
    lines = (REAL_TWEETS / f"{lang}.txt").read_text(encoding="utf-8").splitlines()[first:last]
    return dict(list(count(words_of({"text": line, "lang": lang}) for line in lines).items())[:most])


def letters(item: Placed) -> np.ndarray:
    """Return which pixels of its box a word covers."""
    drawn = picture(item.word, item.size, "black", upright=item.upright)
    return np.asarray(drawn.getchannel("A")) > 127


def between(covered: np.ndarray) -> np.ndarray:
    """Return the pixels that have covered ones on both sides: left and right, or above and below."""
    inside = np.zeros_like(covered)
    for pixels, found in ((covered, inside), (covered.T, inside.T)):
        for line, whole in zip(pixels, found):
            (there,) = np.nonzero(line)
            if len(there):
                whole[there[0] : there[-1] + 1] = True
    return inside


def ink(layout: Layout) -> float:
    """Return the part of a picture that letters cover."""
    return sum(int(letters(item).sum()) for item in layout.placed) / (layout.width * layout.height)


def intruders(layout: Layout) -> list[tuple[str, str]]:
    """Return pairs of a word and one that has a part of it between its letters."""
    owner = np.full((layout.height + 400, layout.width + 400), -1)
    found = []
    for pass_ in ("take", "look"):
        for number, item in enumerate(layout.placed):
            covered = letters(item)
            here = owner[item.y : item.y + covered.shape[0], item.x : item.x + covered.shape[1]]
            if pass_ == "take":
                here[covered] = number
            else:
                others = set(here[between(covered) & (here >= 0) & (here != number)].tolist())
                found += [(item.word, layout.placed[other].word) for other in others]
    return found


counts_of_words = st.dictionaries(
    st.text(string.ascii_lowercase + "áO ", min_size=2, max_size=14)
    .map(str.strip)
    .filter(lambda w: len(w) > 1),
    st.integers(1, 3000),
    min_size=2,
    max_size=60,
).map(lambda words: dict(sorted(words.items(), key=lambda pair: -pair[1])))


@pytest.mark.slow
@examples(max_examples=25)
@given(
    counts=counts_of_words, seed=st.integers(0, 1000), wide=st.integers(300, 1000), high=st.integers(200, 900)
)
def test_no_word_stands_inside_another_and_none_is_larger_than_one_in_more(
    counts: dict[str, int], seed: int, wide: int, high: int
) -> None:
    layout = place(counts, wide, high, seed)
    assert intruders(layout) == []
    assert {*layout.counts, *layout.left_out} == set(counts)
    sizes = [item.size for item in layout.placed]
    assert sizes == sorted(sizes, reverse=True)
    for item in layout.placed:
        rows, columns = letters(item).shape
        assert 0 <= item.x <= wide - columns
        assert 0 <= item.y <= high - rows


@pytest.mark.slow
@needs_tweets
@needs_noto
@pytest.mark.parametrize("lang", ["pt", "es", "en", "fr", "hi", "ar"])
def test_no_word_stands_inside_another_of_real_tweets(lang: str) -> None:
    layout = place(real(lang, 0, 1800), *words_size(1600, 900), seed=1)
    assert not layout.left_out
    assert intruders(layout) == []
    assert ink(layout) > 0.2
    # A word's area goes by its number: those in as many tweets are as high, but for what makes them fit.
    by_number: dict[int, list[int]] = {}
    for item in layout.placed:
        by_number.setdefault(item.tweets, []).append(item.size)
    assert all(min(sizes) >= int(0.9 * max(sizes)) for sizes in by_number.values())


@pytest.mark.slow
def test_one_long_word_leaves_the_others_readable() -> None:
    counts = {LONG: 1000, **{f"palavra{number}": 60 - number // 4 for number in range(199)}}
    layout = place(counts, *words_size(1600, 900), seed=1)
    assert list(layout.counts) == list(counts)
    assert ink(layout) > 0.2, "0.037 when it held all others down"
    others = [item.size for item in layout.placed[1:]]
    assert min(others) >= 10
    assert others == sorted(others, reverse=True)
    # Where there is nothing to be gained, its number counts as everybody's does.
    few = place({"um_tanto_longo_demais": 100, "gol": 90}, 900, 500, seed=1).placed
    assert few[0].size >= few[1].size


@pytest.mark.slow
@pytest.mark.parametrize("length", range(8, 60, 6))
def test_whatever_its_length_a_word_leaves_most_of_the_picture_to_the_others(length: int) -> None:
    counts = {"m" * length: 900, **{f"palavra{number}": 40 for number in range(150)}}
    layout = place(counts, *words_size(1600, 900), seed=1)
    assert not layout.left_out
    assert ink(layout) > 0.12


def stayed(before: Layout, after: Layout) -> float:
    """Return which part of the words of both stands within its own width of where it stood."""
    kept, common = 0, 0
    for item in after.placed:
        if item.word not in before.spots:
            continue
        common += 1
        left, _, right, _ = box(item.word, item.size)
        old, new = before.spots[item.word], after.spots[item.word]
        away = np.hypot((old.x - new.x) * after.width, (old.y - new.y) * after.height)
        kept += bool(away <= right - left)
    return kept / common


@pytest.mark.slow
@needs_tweets
@needs_noto
@pytest.mark.parametrize(
    ("lang", "step", "least"),
    [
        ("pt", 4, 0.95),
        pytest.param("ar", 4, 0.9, marks=pytest.mark.long),
        pytest.param("ar", 200, 0.7, marks=pytest.mark.long),
    ],
)
def test_words_keep_their_places_from_one_picture_to_the_next(lang: str, step: int, least: float) -> None:
    size = words_size(1600, 900)
    first = place(real(lang, 0, 1200), *size, seed=1)
    second = place(real(lang, step, 1200 + step), *size, seed=1, before=first.spots)
    assert set(first.counts) != set(second.counts)
    assert stayed(first, second) >= least
    assert stayed(first, place(real(lang, step, 1200 + step), *size, seed=1)) < 0.6, "else it proves nothing"
    assert second == place(real(lang, step, 1200 + step), *size, seed=1, before=first.spots)
    colours = {item.word: LIGHT.colour(item.tone) for item in first.placed}
    common = [item for item in second.placed if item.word in colours]
    assert all(LIGHT.colour(item.tone) == colours[item.word] for item in common)
    assert len({colours[item.word] for item in common}) == 1 + len(LIGHT.words)
    assert intruders(second) == []


def test_nothing_is_left_out_for_the_sake_of_where_words_stood() -> None:
    size = (420, 300)
    crowd = {f"palavra{number}": 30 for number in range(44)}
    corner = place({"a" * 9: 5, **crowd}, *size, seed=1)
    lost = set(place({**crowd, "gol": 25}, *size, seed=1).left_out)
    assert len(place({**crowd, "gol": 25}, *size, seed=1, before=corner.spots).left_out) <= len(lost)


@pytest.mark.slow
@needs_tweets
@needs_noto
@pytest.mark.parametrize("lang", ["pt", "ar"])
def test_a_phone_shows_words_that_can_be_read(lang: str) -> None:
    now = datetime(2026, 3, 1, 12, tzinfo=timezone.utc)
    words = real(lang, 0, 1800, most=3000)
    topics = (Topic("#MasterChefBR", 1, None),)
    place_ = Place(1, "São José do Rio Preto", "America/Sao_Paulo")
    report = Report("words", place_, now - timedelta(hours=6), now, 1800, topics, words)
    shown = picture_of(report, 200, 390, 640, 1, smallest=LEGIBLE)
    sizes = [item.size for item in shown.layout.placed]
    assert min(sizes) >= LEGIBLE
    assert max(sizes) >= 2 * LEGIBLE, "the numbers are to be seen as well"
    assert len(sizes) >= 50
    assert list(shown.layout.counts) == list(words)[: len(sizes)]
    assert not shown.layout.left_out
    assert f"{len(sizes)} of 3,000 words" in shown.head.caption
    drawn = shown.svg().decode()
    assert all(int(size) >= LEGIBLE for size in re.findall(r'font-size="(\d+)"', drawn))


def test_a_kept_cloud_holds_where_its_words_stand_and_goes_by_the_one_before() -> None:
    now = datetime(2026, 3, 1, 12, tzinfo=timezone.utc)
    words = {"festa": 90, "chuva": 70, "praia": 50, "gol": 30}
    report = Report("words", Place(1, "Rio"), now - timedelta(hours=6), now, 90, (), words)
    moved = [["chuva", 0.2, 0.2, False], ["gol", 0.8, 0.85, False], ["gone", 0.5, 0.5, True]]
    document = kept.document(report, Settings(), now, {"spots": moved, "spots_tall": moved})
    for name in ("spots", "spots_tall"):
        spots = {word: place for word, *place in document[name]}
        assert list(spots) == list(words)
        for word, x, y, _ in moved[:2]:
            assert spots[word][:2] == [pytest.approx(x, abs=0.02), pytest.approx(y, abs=0.02)]
    again = kept.document(report, Settings(), now, {"spots": moved, "spots_tall": moved})
    assert again == document
    assert kept.document(report, Settings(), now)["svg"] != document["svg"]
