"""Every word is drawn with glyphs that its fonts have, in PNG and in SVG."""

from __future__ import annotations

import base64
import io
import re
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from fontTools.ttLib import TTFont
from PIL import Image

from opslib.cloud import fonts
from opslib.cloud.draw import Head, png, svg, words_size
from opslib.cloud.layout import place
from opslib.cloud.theme import LIGHT
from opslib.words import count, words_of

REAL_TWEETS = Path(__file__).resolve().parents[3] / "shared/data/tweets"
SIZE = (1000, 600)
needs_noto = pytest.mark.skipif(not fonts.NOTO.is_dir(), reason="Debian's Noto fonts are not installed")
SVG = "{http://www.w3.org/2000/svg}"
UNSEEN = set("\u200c\u200d\ufe0e\ufe0f")


def drawn(counts: dict[str, int]) -> str:
    layout = place(counts, *words_size(*SIZE), seed=1)
    assert not layout.unwritable
    return svg(layout, Head("Nuvem", "1"), *SIZE)


def missing(picture: str) -> set[str]:
    """Return the characters of *picture* that none of the fonts embedded in it has a glyph for."""
    embedded = {
        name: set(map(chr, TTFont(io.BytesIO(base64.b64decode(data))).getBestCmap()))
        for name, data in re.findall(r"font-family:'([^']+)'.*?base64,([^)]+)\)", picture)
    }
    lost = set()
    for text in ET.fromstring(picture).iter(f"{SVG}text"):  # noqa: S314 - it is our own
        named = re.findall(r"'(cloud-[^']+)'", text.attrib["font-family"])
        lost |= set(text.text or "") - set().union(*(embedded[name] for name in named)) - UNSEEN
    return lost


@pytest.mark.slow
@needs_noto
@pytest.mark.skipif(not REAL_TWEETS.is_dir(), reason="the shared real tweets are not beside this checkout")
@pytest.mark.parametrize("lang", ["pt", "es", "en", "fr", "hi", "ar"])
def test_no_glyph_is_missing_in_clouds_of_real_tweets(lang: str) -> None:
    lines = (REAL_TWEETS / f"{lang}.txt").read_text(encoding="utf-8").splitlines()
    counts = count(words_of({"text": line, "lang": lang}) for line in lines)
    assert missing(drawn(dict(list(counts.items())[:200]))) == set()


@pytest.mark.slow
@needs_noto
def test_scripts_and_emoji_in_one_cloud() -> None:
    words = ["coração", "#हिन्दी", "क्षत्रिय", "#ريال_مدريد", "رمضان", "😂", "❤", "🇧🇷", "Москва", "ไทย"]
    picture = drawn(dict.fromkeys(words, 1))
    assert missing(picture) == set()
    texts = [text.text for text in ET.fromstring(picture).iter(f"{SVG}text")]  # noqa: S314
    assert texts[2:] == words
    assert all(len(fonts.runs(word)) == 1 for word in ("क्षत्रिय", "رمضان", "🇧🇷"))


@needs_noto
def test_arabic_is_joined_and_its_hashtag_sign_stands_at_the_right() -> None:
    assert fonts.length("رمضان", 100) < sum(fonts.length(letter, 100) for letter in "رمضان")
    runs = fonts.runs("#سوريا")
    assert len(runs) == 1 or runs[-1].text == "#"


@needs_noto
def test_emoji_have_colours_of_their_own_and_are_not_turned() -> None:
    colours = {pixel[:3] for _, pixel in fonts.picture("😂", 80, "#0b5fa5").getcolors(1 << 16) if pixel[3]}
    assert len(colours) > 10
    layout = place({f"{flag}": 1 for flag in "😂😍😭😱👏😘❤👌"}, 900, 500, seed=3)
    assert not any(item.upright for item in layout.placed)


def test_what_no_font_has_is_told_and_the_rest_is_drawn() -> None:
    layout = place({"\U000e0fff\U000e0ffe": 3, "gol": 2}, 500, 300, seed=1)
    assert layout.unwritable == ("U+E0FFF U+E0FFE",)
    assert [item.word for item in layout.placed] == ["gol"]


def test_the_same_input_and_seed_give_the_same_picture() -> None:
    layout = [place({"gol": 3, "#Bahia": 2, "ação": 1}, *words_size(*SIZE), seed=7) for _ in range(2)]
    head = Head("Título", "legenda")
    assert layout[0] == layout[1]
    assert png(layout[0], head, *SIZE) == png(layout[1], head, *SIZE)
    assert svg(layout[0], head, *SIZE) == svg(layout[1], head, *SIZE)


@pytest.mark.parametrize(
    "name", ["\u200b\u200b", "\u200d", "\u3164", "\u2800", "\u00a0", "\ufe0f", "\u115f", ""]
)
def test_a_name_that_nobody_can_see_is_told_and_the_rest_is_drawn(name: str) -> None:
    layout = place({name: 9, "gol": 2}, 500, 300, seed=1)
    assert [item.word for item in layout.placed] == ["gol"]
    told = " ".join(f"U+{ord(character):04X}" for character in name) or "a name without characters"
    assert layout.unwritable == (told,)


@pytest.mark.slow
@pytest.mark.parametrize(
    "title", ["two\nlines\r\n", "\x07bell", "half \udcff of one", "\u200b", "", "\n", "tab\there"]
)
def test_a_title_is_one_line_whatever_was_typed(title: str) -> None:
    layout = place({"gol": 2}, *words_size(*SIZE), seed=1)
    head = Head(title, title)
    assert png(layout, head, *SIZE).startswith(b"\x89PNG")
    read = ET.fromstring(svg(layout, head, *SIZE).encode())  # noqa: S314 - it is our own
    assert not set("".join(read.itertext())) & set("\x07\udcff\r")
    assert "\n" not in head.title + head.caption


@pytest.mark.slow
@pytest.mark.skipif(not fonts._CJK.is_file(), reason="Debian's fonts-noto-cjk is not installed")
def test_chinese_japanese_and_korean_are_drawn() -> None:
    words = ["#嵐・相葉", "방탄소년단", "東京", "ありがとう", "카타르 월드컵", "gol"]
    picture = drawn(dict.fromkeys(words, 1))
    assert missing(picture) == set()
    texts = [text.text for text in ET.fromstring(picture).iter(f"{SVG}text")]  # noqa: S314
    assert texts[2:] == words


def test_a_png_has_a_palette_with_the_colours_of_its_theme() -> None:
    layout = place({"gol": 9, "#Bahia": 5, "chuva": 4, "festa": 3, "praia": 2}, *words_size(*SIZE), seed=1)
    image = Image.open(io.BytesIO(png(layout, Head("Nuvem", "1"), *SIZE)))
    assert image.mode == "P"
    found = {
        f"#{red:02x}{green:02x}{blue:02x}" for _, (red, green, blue) in image.convert("RGB").getcolors(256)
    }
    assert {LIGHT.background, *(LIGHT.colour(item.tone) for item in layout.placed)} <= found
