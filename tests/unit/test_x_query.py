from __future__ import annotations

import contextlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opslib.simulate.query import QueryError, index, parse

TEXT = "Que prova difícil, coca-cola no #MasterChefBR 😀 @Ana_B"
DATA: dict[str, Any] = {
    "id": "1",
    "author_id": "42",
    "lang": "pt",
    "conversation_id": "1",
    "entities": {"hashtags": [{"tag": "MasterChefBR"}], "mentions": [{"username": "Ana_B"}]},
    "referenced_tweets": [{"type": "replied_to", "id": "0"}],
}
TWEET = index(DATA, "Joao_S", TEXT, answered="Ana_B")


@pytest.mark.parametrize(
    "query",
    [
        "PROVA",
        "difícil",
        "prova difícil",
        "difícil prova",
        '"prova difícil"',
        '"PROVA, Difícil"',
        "coca-cola",
        "masterchefbr",
        "#masterchefbr",
        "@ana_b",
        "😀",
        "from:joao_s",
        "from:42",
        "to:ana_b",
        "conversation_id:1",
        "prova lang:pt",
        "prova has:hashtags has:mentions -has:links -has:media",
        "prova is:reply -is:retweet",
        "nada OR prova",
        "nada prova OR difícil",
        "prova (nada OR difícil)",
        "-nada prova",
        "-(nada OR tudo) prova",
        '-"difícil prova" prova',
    ],
)
def test_matches(query: str) -> None:
    assert parse(query)(TWEET)


@pytest.mark.parametrize(
    "query",
    [
        "prov",
        "dificil",
        '"difícil prova"',
        "#master",
        "#prova",
        "@ana",
        "ana_c",
        "from:ana_b",
        "prova lang:en",
        "prova -difícil",
        "prova is:retweet",
        "prova has:links",
        "nada OR tudo",
        "prova nada OR tudo",
        "(nada OR prova) tudo",
        "-(nada OR difícil) prova",
        '"from:joao_s"',
        '"prova OR nada"',
    ],
)
def test_does_not_match(query: str) -> None:
    assert not parse(query)(TWEET)


@pytest.mark.parametrize(
    ("query", "message"),
    [
        (" ", "empty"),
        ("a" * 513, "512"),
        ("(a", "without its '\\)'"),
        ("a)", "without its '\\('"),
        ("a OR", "clause is missing"),
        ("OR a", "clause is missing"),
        ("()", "clause is missing"),
        ("foo:bar", "invalid operator 'foo'"),
        ("a is:funny", "invalid value 'funny'"),
        ('"a', "no viable alternative"),
        ("lang:pt", "at least one positive"),
        ("-a", "at least one positive"),
        ("a OR lang:pt", "at least one positive"),
        ("-(a b)", "at least one positive"),
        ("...", "nothing to match"),
    ],
)
def test_is_refused(query: str, message: str) -> None:
    with pytest.raises(QueryError, match=message):
        parse(query)


@given(st.text(alphabet='ab "()-#@:ORlangis', max_size=40))
def test_any_query_is_understood_or_refused(query: str) -> None:
    with contextlib.suppress(QueryError):
        assert parse(query)(TWEET) in (True, False)
