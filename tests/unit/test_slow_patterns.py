"""Whoever may post must not slow what reads: texts so long that the square of their length has no end.

`tests/bench/patterns.py` takes the times.
"""

from __future__ import annotations

from typing import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from slow_texts import LETTERS, ONLY_WHOLE, REPEATED, patterns, text

from opslib.message import whole_text
from opslib.simulate.query import tokens_of
from opslib.web.answers.tweets import parts
from opslib.words import words_of
from opslib.words.extract import cashtags, hashtags, links, mentions

# The length of X's longest posts. 30,000 characters took a link pattern 116 seconds once; the longest text
# here would have taken it an hour and a half.
LENGTH = 10_000
LONGEST = 200_000
READERS: dict[str, Callable[[str], object]] = {
    "links": links,
    "hashtags": hashtags,
    "mentions": mentions,
    "cashtags": cashtags,
    "words": lambda subject: words_of({"text": subject, "lang": "pt"}),
    "whole text": lambda subject: whole_text({"text": subject}),
    "the page": lambda subject: parts(subject, None),
    "the local X API": tokens_of,
}


@pytest.mark.slow
@pytest.mark.parametrize("repeated", REPEATED, ids=ascii)
def test_a_long_text_of_anything_is_read_to_its_end(repeated: str) -> None:
    for read in READERS.values():
        read(text(repeated, "é", LENGTH, end=" x.com #é"))


@pytest.mark.parametrize("script", LETTERS)
@pytest.mark.parametrize("beginning", ["", "http://", "#", "x.com/("])
def test_a_long_word_of_any_script_is_read_to_its_end(script: str, beginning: str) -> None:
    for read in READERS.values():
        read(text("L", LETTERS[script], LENGTH, beginning, "!"))


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name, _ in patterns()])
def test_each_pattern_comes_to_the_end_of_a_long_text(name: str) -> None:
    pattern = dict(patterns())[name]
    for repeated in (
        "L",
        "1",
        "L.",
        "L-",
        "#L",
        "@L",
        "http://L",
        "L\u0301",
        "\u0301",
        " ",
        '"L',
        "(L",
        "L/",
        "hL",
        "&L",
    ):
        subject = text(repeated, "a", LENGTH, end="!")
        if name not in ONLY_WHOLE:
            assert sum(1 for _ in pattern.finditer(subject)) <= LENGTH + 2
        pattern.fullmatch(subject)


@settings(max_examples=15)
@given(
    pieces=st.lists(st.sampled_from([*REPEATED, *LETTERS.values()]), min_size=1, max_size=4),
    beginning=st.sampled_from(["", "http://", "x.com/", "#", "é"]),
    end=st.sampled_from(["", "!", ".", " x.com"]),
)
def test_what_anybody_repeats_is_read_to_its_end(pieces: list[str], beginning: str, end: str) -> None:
    subject = text("".join(pieces), "é", LENGTH, beginning, end)
    for read in READERS.values():
        read(subject)


@pytest.mark.slow
@pytest.mark.parametrize(
    "repeated", ["é", "a.", "é-", "http://é.", "x.com/(", "#1", "é\u0301\u0323", "São Paulo/", "@a"]
)
def test_the_longest_texts_are_read_to_their_end(repeated: str) -> None:
    for read in READERS.values():
        read(text(repeated, "é", LONGEST))


@pytest.mark.slow
def test_parts_of_a_text_are_held_against_its_links_once() -> None:
    subject = "x.com/a #b @c $D " * 20_000
    for read in (hashtags, mentions, cashtags):
        assert len(read(subject)) == 20_000  # type: ignore[arg-type]
