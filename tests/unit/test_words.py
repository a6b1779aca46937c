from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path

import pytest

from opslib.words import count, fold, words_of
from opslib.words.extract import Found, hashtags, links, mentions

REAL_TWEETS = Path(__file__).resolve().parents[3] / "shared/data/tweets"


def words(text: str, lang: str = "pt") -> list[str]:
    return words_of({"text": text, "lang": lang})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("O povo quer trabalho e tempo", ["povo", "trabalho", "tempo"]),
        ("vc tá pra q? tbm né", []),
        ("Brasil brasil BRASIL", ["Brasil"]),
        ("café cafe", ["café"]),
        ("pão &amp; café &lt;3", ["pão", "café"]),
        ("@ana_b veja https://t.co/aB1 www.x.com/#a festa", ["veja", "festa"]),
        ("kkkkkk hahaha rsrsrs ahuahua gooool", ["gol"]),
        ("segunda-feira d\u2019água", ["segunda-feira", "d'água"]),
        ("2026 10h 4", ["10h"]),
        ("#MasterChefBR começou #masterchefbr", ["#MasterChefBR", "começou"]),
        ("o#sol #2026 &#39;", ["sol"]),
        ("RT @ana: amor demais pelo #Masterch\u2026", ["amor"]),
        ("", []),
    ],
)
def test_the_words_of_a_tweet(text: str, expected: list[str]) -> None:
    assert words(text) == expected


def test_what_x_says_of_hashtags_counts_more_than_what_the_text_shows() -> None:
    entities = {"hashtags": [{"start": 0, "end": 5, "tag": "Gol"}]}
    assert words_of({"text": "#Gol do #Bahia", "entities": entities, "lang": "pt"}) == ["#Gol", "Bahia"]
    assert words_of({"text": "#Gol", "entities": {}}) == ["Gol"]


def test_stop_words_are_those_of_the_tweets_language() -> None:
    assert words("the time venceu", "pt") == ["the", "time", "venceu"]
    assert words("the team won", "en") == ["team", "won"]
    assert words("el tiempo de la gente", "es") == ["tiempo", "gente"]
    assert words_of({"text": "the povo la gente"}) == ["povo", "gente"]


def test_marks_belong_to_their_words() -> None:
    assert words("#हिन्दी भाषा", "hi") == ["#हिन्दी", "भाषा"]
    assert fold("हिन्दी") == "हिन्दी"


def test_a_count_is_a_number_of_tweets_in_the_commonest_spelling() -> None:
    tweets = ["amanhecer Café café café", "cafe bom", "Café", "#Café #cafe", "café"]
    assert count(map(words, tweets)) == {"Café": 4, "#cafe": 1, "#Café": 1, "amanhecer": 1, "bom": 1}


def test_hashtags_differ_by_accent_and_not_by_case() -> None:
    assert fold("#MaisVocê") == "#maisvocê"
    assert fold("#maisvoce") != fold("#maisvocê")
    assert fold("VOCÊ") == "voce"


def test_places_in_the_text() -> None:
    text = "veja (https://a.b/c#d). @ana e a@b.c #Gol"
    assert links(text) == [Found(6, 21, "https://a.b/c#d")]
    assert mentions(text) == [Found(24, 28, "ana")]
    assert hashtags(text) == [Found(37, 41, "Gol")]


@pytest.mark.skipif(not REAL_TWEETS.is_dir(), reason="the shared real tweets are not beside this checkout")
def test_hashtags_of_real_tweets_are_counted_as_they_stand_in_the_file() -> None:
    lines = (REAL_TWEETS / "pt.txt").read_text(encoding="utf-8").splitlines()
    expected = Counter(
        tag.casefold() for line in lines for tag in {t.casefold() for t in re.findall(r"#(\w+)", line)}
    )
    del expected["55357"]  # &amp;#55357; is half an emoji that somebody encoded twice
    counted = count(words_of({"text": line, "lang": "pt"}) for line in lines)
    assert {word[1:].casefold(): n for word, n in counted.items() if word.startswith("#")} == expected


@pytest.mark.parametrize("lang", ["pt", "es", "en"])
def test_stop_word_lists_keep_content_words(lang: str) -> None:
    content = {
        "pt": "tempo estado povo trabalho dia time",
        "es": "tiempo gente trabajo",
        "en": "time people work",
    }
    assert words(content[lang], lang) == content[lang].split()


def test_words_can_be_written_as_json() -> None:
    assert json.loads(json.dumps(words("Olá, mundo! #oi"))) == ["#oi", "mundo"]
