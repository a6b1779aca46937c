# ruff: noqa: RUF001 - the scripts of the world are what this is about
"""What is searched for when a topic trends, in whatever script, and that X's search finds it."""

from __future__ import annotations

import sys
import unicodedata
from pathlib import Path
from typing import Any

import pytest
import regex
import yaml
from hypothesis import given
from hypothesis import strategies as st

from opslib.simulate.query import index, parse
from opslib.words import extract
from opslib.x.query import MAX_QUERY, query_for

SUITE = Path(__file__).resolve().parents[3] / "shared/data/twitter-text/extract.yml"


@pytest.mark.parametrize(
    ("topic", "query"),
    [
        ("#MasterChefBR", "#MasterChefBR"),
        ("#vídeoshow", "#vídeoshow"),
        ("#2026", '"#2026"'),  # X takes digits alone for no hashtag
        ("Pão de  Açúcar", '"Pão de Açúcar"'),
        ("from:nasa OR lang:en", '"from:nasa OR lang:en"'),
        ('a" OR "b\\', '"a OR b"'),
        ("#a -is:retweet", '"#a -is:retweet"'),
    ],
)
def test_a_topic_becomes_a_query_without_operators(topic: str, query: str) -> None:
    assert query_for(topic) == query
    assert query_for(topic, retweets=False) == f"{query} -is:retweet"


@pytest.mark.parametrize("topic", ["x" * 2000, "palavra " * 200, "#" + "x" * 2000])
def test_a_query_is_never_longer_than_x_takes(topic: str) -> None:
    for retweets in (True, False):
        query = query_for(topic, retweets=retweets)
        assert 400 < len(query) <= MAX_QUERY
        assert query.count('"') == 2


@pytest.mark.parametrize("topic", ["", '""', " … "])
def test_a_topic_without_words_is_not_searched_for(topic: str) -> None:
    with pytest.raises(ValueError, match="nothing to search for"):
        query_for(topic)


@pytest.mark.parametrize(
    ("topic", "query"),
    [
        ("#हिन्दी", "#हिन्दी"),
        ("#বাংলাদেশ", "#বাংলাদেশ"),
        ("#嵐・相葉", "#嵐・相葉"),
        ("\uff03東京", "\uff03東京"),
        ("#ویکی\u200cپدیا", "#ویکی\u200cپدیا"),
        ("#עַל־יְדֵי", "#עַל־יְדֵי"),
        ("#l·l", "#l·l"),
        ("#a b", '"#a b"'),
        ("#a!", '"#a!"'),
        ("#१२३", '"#१२३"'),
        ("💙", "💙"),
        ("🇧🇷", "🇧🇷"),
        ("◾", "◾"),
        # X wants one with variants in quotation marks, and takes several for a phrase.
        ("❤\ufe0f", '"❤\ufe0f"'),
        ("👍🏽", '"👍🏽"'),
        ("👨\u200d👩\u200d👧", '"👨\u200d👩\u200d👧"'),
        ("💙💚", '"💙💚"'),
        ("\u203c\ufe0f", '"\u203c\ufe0f"'),
        ("#\ufe0f\u20e3", '"#\ufe0f\u20e3"'),
        ("Feliz Natal 🎄", '"Feliz Natal 🎄"'),
        ("हिन्दी दिवस", '"हिन्दी दिवस"'),
    ],
)
def test_a_topic_of_any_script_becomes_its_hashtag_its_emoji_or_a_phrase(topic: str, query: str) -> None:
    assert query_for(topic) == query
    assert query_for(topic, retweets=False) == f"{query} -is:retweet"


@pytest.mark.parametrize(
    "topic",
    ["#हिन्दी", "#বাংলাদেশ", "#嵐・相葉", "#ویکی\u200cپدیا", "💙", "🇧🇷", "❤\ufe0f", "हिन्दी दिवस", "São João"],
)
def test_a_search_finds_the_tweets_about_it(topic: str) -> None:
    text = f"agora {topic} outra vez"
    tags = [{"tag": part.text} for part in extract.hashtags(text)]
    tweet = index({"id": "1", "entities": {"hashtags": tags}}, "ana", text)
    assert parse(query_for(topic))(tweet)
    other = index({"id": "2", "entities": {"hashtags": [{"tag": "हिन्द"}, {"tag": "嵐"}]}}, "ana", "outra 🇦🇷")
    assert not parse(query_for(topic))(other)


def hashtags_of_the_suite() -> list[str]:
    if not SUITE.is_file():
        return []
    cases: Any = yaml.safe_load(SUITE.read_text(encoding="utf-8"))["tests"]["hashtags"]
    return sorted({tag for case in cases for tag in case["expected"]})


@pytest.mark.skipif(not SUITE.is_file(), reason="twitter-text's suite is not beside this checkout")
def test_the_hashtags_of_twitter_texts_suite_are_asked_for_as_hashtags() -> None:
    tags = hashtags_of_the_suite()
    assert len(tags) > 60
    assert [tag for tag in tags if query_for(f"#{tag}") != f"#{tag}"] == []
    # One with what ends a hashtag behind it is a phrase.
    assert [tag for tag in tags if query_for(f"#{tag}.a") != f'"#{tag}.a"'] == []


# What the Unicode of this Python and that of `regex` both have: the one of Debian 11 is older.
KNOWN = st.characters(blacklist_categories=("Cn", "Cs", "Co"))


@given(st.text(KNOWN | st.sampled_from("_\u200c\u200d・·־#ा्"), max_size=12))
def test_what_is_a_hashtag_in_a_text_is_one_as_a_topic(name: str) -> None:
    topic = f"#{name}".strip()
    found = [part.text for part in extract.hashtags(topic)]
    assert (query_for_or_none(topic) == topic) == (found == [topic[1:]])


def query_for_or_none(topic: str) -> str | None:
    try:
        return query_for(topic)
    except ValueError:
        return None


def test_every_emoji_is_searched_for() -> None:
    """As Unicode's own data has them, of those that are pictures by themselves."""
    picture = regex.compile(r"\p{Emoji_Presentation}")
    # Flags are made of two, and tones of skin stand behind what they are a tone of.
    alone = regex.compile(r"(?!\p{Regional_Indicator}|\p{Emoji_Modifier})")
    found = [
        sign
        for sign in map(chr, range(sys.maxunicode + 1))
        if picture.match(sign) and alone.match(sign) and unicodedata.category(sign) != "Cn"
    ]
    assert len(found) > 1000
    assert [sign for sign in found if query_for_or_none(sign) != sign] == []


@given(st.text(max_size=700))
def test_a_query_is_always_one_that_x_understands(topic: str) -> None:
    query = query_for_or_none(topic)
    if query is not None:
        assert len(query) <= MAX_QUERY
        assert query.count('"') in (0, 2)
        assert not query.isspace()
