"""Each SVG, opened in Debian's Chromium, shows the words of the layout with the fonts embedded in it."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import sync_playwright

from opslib.cloud.draw import Head, svg, words_size
from opslib.cloud.layout import place
from opslib.cloud.theme import DARK, LIGHT
from opslib.words import count, words_of

if TYPE_CHECKING:
    from collections.abc import Iterator

REAL_TWEETS = Path(__file__).resolve().parents[3] / "shared/data/tweets"
CHROMIUM = shutil.which("chromium")
SIZE = (1600, 900)
# What is shown of each word: its text without the number that a pointer brings, and how far it reaches.
SHOWN = """() => [...document.querySelectorAll('g > text')].map(
    text => [text.firstChild.data, text.getBBox().width > 0])"""
FONTS = "() => document.fonts.ready.then(fonts => [...fonts].map(font => font.status))"

pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="Debian's chromium is not installed: bin/setup does it"),
    pytest.mark.skipif(
        not REAL_TWEETS.is_dir(), reason="the shared real tweets are not beside this checkout"
    ),
]


@pytest.fixture(scope="module")
def page() -> Iterator[Any]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser.new_page()
        browser.close()


@pytest.mark.parametrize("lang", ["pt", "es", "en", "fr", "hi", "ar"])
def test_chromium_shows_the_same_words(page: Any, tmp_path: Path, lang: str) -> None:
    lines = (REAL_TWEETS / f"{lang}.txt").read_text(encoding="utf-8").splitlines()
    counts = count(words_of({"text": line, "lang": lang}) for line in lines)
    layout = place(dict(list(counts.items())[:200]), *words_size(*SIZE), seed=1)
    for theme in (LIGHT, DARK):
        path = tmp_path / f"{theme.name}.svg"
        path.write_text(svg(layout, Head("Cloud", "200"), *SIZE, theme), encoding="utf-8")
        page.goto(path.as_uri())
        assert page.evaluate(SHOWN) == [[item.word, True] for item in layout.placed]
        assert set(page.evaluate(FONTS)) == {"loaded"}
