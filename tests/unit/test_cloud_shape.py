"""Clouds in a shape and in the colours of an image: wordcloud places, and every promise of a cloud holds."""

from __future__ import annotations

import io
import json
import math
import re
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image, ImageDraw
from test_cloud_layout import intruders, letters
from wordcloud import WordCloud

from opslib.cli import main
from opslib.cloud import fonts
from opslib.cloud.draw import Head, png, svg
from opslib.cloud.layout import Layout, place
from opslib.cloud.look import BadImage, Look, image_of, shape_of
from opslib.cloud.theme import THEMES

if TYPE_CHECKING:
    from pathlib import Path

needs_noto = pytest.mark.skipif(not fonts.NOTO.is_dir(), reason="Debian's Noto fonts are not installed")
SIZE = (640, 480)
SCRIPTS = [
    *("coração", "#Carnaval", "#हिन्दी", "क्षत्रिय", "#ريال_مدريد", "رمضان", "😂", "❤", "🇧🇷", "Москва", "ไทย"),
    *("São Paulo", "gol", "festa", "chuva", "trânsito", "bom dia", "eleição"),
]
COUNTS = {word: 400 - 20 * number for number, word in enumerate(SCRIPTS)}


def disc(size: tuple[int, int] = (300, 300)) -> Image.Image:
    image = Image.new("RGB", size, "white")
    ImageDraw.Draw(image).ellipse((20, 20, size[0] - 20, size[1] - 20), fill="black")
    return image


def covered(layout: Layout) -> np.ndarray:
    """Return how many words cover each pixel."""
    found = np.zeros((layout.height, layout.width), dtype=int)
    for item in layout.placed:
        word = letters(item)
        found[item.y : item.y + word.shape[0], item.x : item.x + word.shape[1]] += word
    return found


@needs_noto
def test_words_of_all_scripts_fill_a_shape_each_as_large_as_its_number() -> None:
    layout = place(COUNTS, *SIZE, 1, ["gol"], look=Look(disc()))
    assert list(layout.counts.items()) == list(COUNTS.items())
    assert not layout.left_out
    assert not layout.unwritable
    ink = covered(layout)
    assert ink.max() == 1, "no two words on one pixel"
    assert intruders(layout) == []
    rows, columns = np.nonzero(ink)
    away = np.hypot(rows - SIZE[1] / 2, columns - SIZE[0] / 2)
    assert away.max() <= 240, "none outside of the disc, which is as large as the picture has it"
    assert ink.sum() > 0.15 * math.pi * 240**2
    first = layout.placed[0]
    for item in layout.placed:
        wanted = first.size * math.sqrt(item.tweets / first.tweets)
        assert 0.8 * wanted - 1 <= item.size <= wanted + 1
        assert not (item.upright and item.word in "😂❤🇧🇷")
    tones = {item.word: item.tone for item in layout.placed}
    assert (tones["gol"], tones["#Carnaval"]) == ("own", "tag")
    assert layout == place(COUNTS, *SIZE, 1, ["gol"], look=Look(disc()))
    assert layout != place(COUNTS, *SIZE, 2, ["gol"], look=Look(disc()))


@needs_noto
def test_png_and_svg_have_the_words_and_the_contour() -> None:
    layout = place(COUNTS, *SIZE, 1, look=Look(disc()))
    head, size = Head("Nuvem", "1"), (SIZE[0] + 72, SIZE[1] + 160)
    for theme in THEMES:
        image = Image.open(io.BytesIO(png(layout, head, *size, theme))).convert("RGB")
        read = ET.fromstring(svg(layout, head, *size, theme))  # noqa: S314 - it is our own
        texts = [text.text for text in read.iter("{http://www.w3.org/2000/svg}text")]
        assert texts[2:] == SCRIPTS
        (path,) = read.iter("{http://www.w3.org/2000/svg}path")
        points = [tuple(map(float, pair.split())) for pair in path.attrib["d"][1:].split("L")]
        assert len(points) > 50
        assert all(abs(math.hypot(x - SIZE[0] / 2, y - SIZE[1] / 2) - 240) < 4 for x, y in points)
        assert points[0] == points[-1], "closed"
        edge, top = round(36 * size[0] / 1600), round(124 * size[0] / 1600)
        stroke = Image.new("RGB", (1, 1), theme.own).getpixel((0, 0))
        at = [image.getpixel((round(x + edge), round(y + top))) for x, y in points]
        near = sum(math.dist(pixel, stroke) < 60 for pixel in at)
        assert near > 0.8 * len(points)


def test_wordcloud_finds_the_places(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    generate = WordCloud.generate_from_frequencies

    def counted(
        self: WordCloud, frequencies: dict[str, float], max_font_size: int | None = None
    ) -> WordCloud:
        asked.append(len(frequencies))
        return generate(self, frequencies, max_font_size)

    monkeypatch.setattr(WordCloud, "generate_from_frequencies", counted)
    place({"gol": 3, "festa": 2}, *SIZE, 1)
    assert not asked
    for look in (Look(disc()), Look(None, disc())):
        asked.clear()
        place({"gol": 3, "festa": 2}, *SIZE, 1, look=look)
        assert asked
        assert set(asked) == {2}


def contrast(one: str, other: str) -> float:
    def luminance(colour: str) -> float:
        parts = (int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))
        linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("shape", [None, disc()], ids=["rectangle", "disc"])
def test_words_have_the_colour_of_the_image_where_they_stand_and_can_be_read(
    shape: Image.Image | None,
) -> None:
    halves = Image.new("RGB", (200, 200), "#ff8080")
    halves.paste("#ffff00", (100, 0, 200, 200))
    counts = {f"palavra{number}": 60 - number for number in range(40)}
    layout = place(counts, *SIZE, 1, look=Look(shape, halves))
    assert not layout.left_out
    assert bool(layout.outline) == (shape is not None)
    sides = set()
    for item in layout.placed:
        high, wide = letters(item).shape
        parts = [int(str(item.tone)[at : at + 2], 16) for at in (1, 3, 5)]
        if item.x + wide < SIZE[0] / 2 - 5:
            sides.add("left")
            assert parts == [255, 128, 128]
        elif item.x > SIZE[0] / 2 + 5:
            sides.add("right")
            assert parts == [255, 255, 0]
        assert all(contrast(theme.colour(item.tone), theme.background) >= 4.5 for theme in THEMES)
        assert high
    assert sides == {"left", "right"}


@pytest.mark.slow
def test_what_has_no_room_in_a_shape_is_told_and_the_rest_is_drawn() -> None:
    thin = Image.new("RGB", (300, 300), "white")
    thin.paste("black", (140, 20, 160, 280))
    counts = {"a" * 40: 90, **{f"palavra{number}": 80 for number in range(120)}, "gol": 3}
    layout = place(counts, 300, 240, 1, look=Look(thin))
    assert layout.placed
    assert layout.left_out
    assert {*layout.counts, *layout.left_out} == set(counts)
    assert set(layout.counts) & set(layout.left_out) == set()


def written(path: Path, image: Image.Image) -> Path:
    image.save(path)
    return path


@pytest.fixture
def tweets(tmp_path: Path) -> Path:
    path = tmp_path / "tweets.ndjson"
    words = ["festa", "chuva", "praia", "gol", "samba"]
    lines = [{"id": str(n), "text": " ".join(words[: 1 + n % 5]), "lang": "pt"} for n in range(30)]
    path.write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    return path


def test_the_command_draws_in_a_shape_and_in_colours(tmp_path: Path, tweets: Path) -> None:
    shape = written(tmp_path / "disc.png", disc())
    outputs = [tmp_path / "cloud.png", tmp_path / "cloud.svg"]
    call = [
        "cloud",
        "--input",
        str(tweets),
        "--shape",
        str(shape),
        "--colors-from",
        str(shape),
        "--format",
        "json",
    ]
    call += [part for path in outputs for part in ("--output", str(path))]
    done = CliRunner().invoke(main, call)
    assert done.exit_code == 0, done.output
    assert Image.open(outputs[0]).size == (1600, 900)
    assert '<path d="M' in outputs[1].read_text(encoding="utf-8")
    assert ">festa<" in outputs[1].read_text(encoding="utf-8")


@pytest.mark.slow
@pytest.mark.parametrize("option", ["--shape", "--colors-from"])
def test_an_image_that_is_none_is_one_line(tmp_path: Path, tweets: Path, option: str) -> None:
    (tmp_path / "text.png").write_text("no image at all")
    (tmp_path / "empty.png").write_bytes(b"")
    whole = io.BytesIO()
    disc((900, 900)).save(whole, "PNG")
    (tmp_path / "half.png").write_bytes(whole.getvalue()[: len(whole.getvalue()) // 2])
    written(tmp_path / "large.png", Image.new("1", (20_000, 5_000)))
    wrong = {
        "text.png": "is no image",
        "empty.png": "is no image",
        "half.png": "is no image",
        "large.png": "is too large",
        "missing.png": "does not exist",
        ".": "is a directory",
    }
    if option == "--shape":
        written(tmp_path / "white.png", Image.new("L", (50, 50), 255))
        written(tmp_path / "clear.png", Image.new("RGBA", (50, 50), (0, 0, 0, 0)))
        dot = Image.new("L", (4000, 3000), 255)
        dot.paste(0, (0, 0, 4000, 2))
        written(tmp_path / "thin.png", dot)
        wrong |= {
            "white.png": "is all white",
            "clear.png": "is all white",
            "thin.png": "too small or too thin",
        }
    for name, message in wrong.items():
        output = tmp_path / "cloud.png"
        call = ["cloud", "--input", str(tweets), option, str(tmp_path / name), "--output", str(output)]
        done = CliRunner().invoke(main, call)
        assert done.exit_code == 2, (name, done.output, done.exception)
        assert re.search(message, done.stderr), (name, done.stderr)
        assert len([line for line in done.stderr.splitlines() if line.startswith("Error: ")]) == 1
        assert not output.exists()


def test_transparent_parts_are_no_part_of_a_shape_and_a_photograph_s_white_is_white(tmp_path: Path) -> None:
    clear = Image.new("RGBA", (60, 60), (0, 0, 0, 0))
    clear.paste((0, 0, 0, 255), (0, 0, 30, 60))
    assert shape_of(written(tmp_path / "half.png", clear)).getpixel((45, 30)) == (255, 255, 255)
    written(tmp_path / "photo.jpg", Image.new("RGB", (64, 64), (252, 252, 252)))
    with pytest.raises(BadImage, match="all white"):
        shape_of(tmp_path / "photo.jpg")
    assert image_of(tmp_path / "photo.jpg").size == (64, 64)
