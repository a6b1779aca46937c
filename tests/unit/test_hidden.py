"""What is hidden: which words, tweets and authors, and pictures without them."""

from __future__ import annotations

import io
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from opslib.cloud.compare import Comparison, differences
from opslib.cloud.draw import Head, png, svg, words_size
from opslib.cloud.hide import png_without, svg_without
from opslib.cloud.layout import Layout, place
from opslib.cloud.theme import DARK, LIGHT
from opslib.settings import SettingsError, load
from opslib.store.hidden import Hidden
from opslib.words import merge, words_of

WORDS = Hidden({"gol": "a test", "Bom Dia": "a test", "👍": "a test", "東京": "a test", "@bot": "a test"})
AUTHORS = Hidden({}, {"@Ana": "she asked for it", "2244994945": "spam"})


@pytest.mark.parametrize(
    "text",
    [
        *("gol", "GOL!", "que gol, hein", "#Gol", "(gol)", "gols", "bom dia", "um BOM  dia a todos"),
        *("👍🏽", "ok👍", "今日の東京は", "@bot", "fala @BOT!", "x-gol-y"),
    ],
)
def test_a_word_is_hidden_in_all_its_spellings_and_wherever_it_stands(text: str) -> None:
    assert WORDS.holds(text)


@pytest.mark.parametrize(
    "text", ["", "golfe", "#golpe", "gola", "dia bom", "bom", "dia", "京東", "bot", "@gol", "👎", "@robot"]
)
def test_what_only_looks_like_a_hidden_word_is_shown(text: str) -> None:
    assert not WORDS.holds(text)


def test_accents_and_case_hide_nothing_from_it() -> None:
    hidden = Hidden({"Previsão": "a test"})
    assert all(map(hidden.holds, ["previsao", "PREVISÃO", "#previsao", "#previsão", "previsões"]))


@given(st.text(max_size=40))
def test_nothing_is_hidden_where_nothing_is_to_be(text: str) -> None:
    assert not Hidden().holds(text)
    assert not Hidden().tweet({"_id": 1, "text": text})
    assert not Hidden()


@given(st.text(min_size=1, max_size=20), st.sampled_from(["{}", "#{}", "antes {} depois", "({})", "{}, {}"]))
def test_whatever_is_counted_of_a_text_is_hidden_by_its_own_name(text: str, around: str) -> None:
    """What a table shows can be hidden as it stands there, whatever strangers wrote."""
    for word in merge(dict.fromkeys(words_of({"text": text, "lang": "pt"}), 1)):
        hidden = Hidden({word: "a test"})
        assert hidden.holds(word)
        assert hidden.holds(around.replace("{}", word))


def tweet(text: str, **more: Any) -> dict[str, Any]:
    return {"_id": 7, "text": text, "author": {"id": "1", "username": "rui", "name": "Rui"}, **more}


def test_a_tweet_is_hidden_by_what_a_reader_would_see_of_it() -> None:
    assert WORDS.tweet(tweet("que gol"))
    assert WORDS.tweet(tweet("x", author={"id": "1", "username": "rui", "name": "Rui Gol"}))
    assert WORDS.tweet(tweet("x", author={"id": "1", "username": "gol"}))
    assert WORDS.tweet(
        tweet("x", entities={"urls": [{"url": "https://t.co/1", "display_url": "gol.example"}]})
    )
    assert not WORDS.tweet(tweet("x", entities={"urls": [{"url": "https://t.co/gol"}, None]}))


def test_the_tweets_of_an_author_are_hidden_and_the_retweets_that_hold_their_text() -> None:
    retweets = [{"type": "retweeted", "id": "3"}]
    assert AUTHORS.tweet(tweet("x", author={"id": "9", "username": "ANA"}))
    assert AUTHORS.tweet(tweet("x", author={"id": "2244994945"}))
    assert AUTHORS.tweet(tweet("RT @ana: x", referenced_tweets=retweets))
    assert AUTHORS.tweet(tweet("RT @other: x", referenced_tweets=retweets, retweet_author="2244994945"))
    # Who answers them, or speaks of them, has words of their own.
    assert not AUTHORS.tweet(tweet("@ana olha isso"))
    assert not AUTHORS.tweet(tweet("x", author={}))
    assert AUTHORS.author("2244994945")
    assert not AUTHORS.author(None)


def test_what_hides_nothing_or_says_no_reason_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPSLIB_WORDS__HIDDEN", '{"gol": "a test"}')
    monkeypatch.setenv("OPSLIB_AUTHORS__HIDDEN", '{"ana": "she asked for it"}')
    assert Hidden.of(load()) == Hidden({"gol": "a test"}, {"ana": "she asked for it"})
    for wrong in ('{"gol": " "}', '{" ": "a test"}', '{"#": "a test"}'):
        monkeypatch.setenv("OPSLIB_WORDS__HIDDEN", wrong)
        with pytest.raises(SettingsError, match=r"words\.hidden"):
            load()


def test_what_is_hidden_is_no_difference_that_is_shown_and_counts_in_all_shares() -> None:
    sides: Any = (None, None)
    numbers = {"gol": 30, "chuva": 10, "sol": 10}, {"gol": 1, "chuva": 20, "sol": 10}
    found = tuple(differences(*numbers, {}))
    words: Any = None
    plain, hiding = Comparison(sides, (0, 0), words, found), Comparison(sides, (0, 0), words, found, WORDS)
    assert "gol" in {one.word for one in plain.shown}
    assert list(hiding.shown) == [one for one in plain.shown if one.word != "gol"]
    assert "gol" not in {one.word for side in (*hiding.most(9), hiding.largest(9)) for one in side}


# ---- pictures

SIZE = (800, 450)
HEAD = Head("Brasil", "gol is in the head too")


@pytest.fixture(scope="module")
def layout() -> Layout:
    counts = {"gol": 90, "chuva": 70, "#Gol": 60, "bom dia": 30, "sol & mar": 20, "vento": 10}
    return place(counts, *words_size(*SIZE), 1)


def test_a_drawing_has_no_word_that_was_hidden_after_it_was_drawn(layout: Layout) -> None:
    for theme in (LIGHT, DARK):
        drawn = svg(layout, HEAD, *SIZE, theme).encode()
        assert svg_without(drawn, Hidden()) == drawn
        shown = svg_without(drawn, WORDS).decode()
        words = shown.split("<g transform")[1]
        assert not any(f">{word}<" in words for word in ("gol", "#Gol", "bom dia"))
        assert all(f">{word}<" in words for word in ("chuva", "sol &amp; mar", "vento"))
        assert "gol: " not in words


@pytest.mark.parametrize("hidden", ["gol", "chuva", "bom dia", "vento"])
def test_in_a_picture_the_room_of_a_hidden_word_is_empty(layout: Layout, hidden: str) -> None:
    drawn, lines = png(layout, HEAD, *SIZE), svg(layout, HEAD, *SIZE).encode()
    assert png_without(drawn, lines, Hidden()) == drawn
    shown = Image.open(io.BytesIO(png_without(drawn, lines, Hidden({hidden: "a test"})))).convert("RGB")
    # What the picture of the other words alone leaves empty is empty.
    kept = tuple(item for item in layout.placed if not Hidden({hidden: ""}).holds(item.word))
    others = Layout(layout.width, layout.height, kept, (), ())
    alone = Image.open(io.BytesIO(png(others, HEAD, *SIZE))).convert("RGB")
    places = [(x, y) for x in range(0, SIZE[0], 2) for y in range(0, SIZE[1], 2)]
    inked, wanted = (
        {at for at in places if one.getpixel(at) != one.getpixel((0, 0))} for one in (shown, alone)
    )
    assert inked <= wanted
    # Of what reaches into its room a piece is lost, and no more.
    assert len(inked) > 0.7 * len(wanted)
