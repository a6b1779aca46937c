from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path

import pytest

from opslib.cloud.report import names_in
from opslib.message import decoded
from opslib.words import JOINT, count, fold, merge, parts, words_of
from opslib.words.extract import Found, hashtags, links, mentions
from opslib.words.languages import expressions

REAL_TWEETS = Path(__file__).resolve().parents[3] / "shared/data/tweets"


def words(text: str, lang: str = "pt") -> list[str]:
    """Return the single words of a text as X sends it, as they are spelt."""
    return spelt(words_of({"text": decoded(text), "lang": lang}))


def spelt(entries: list[str]) -> list[str]:
    return [parts(entry)[0] for entry in entries if " " not in entry]


def counted(*texts: str, lang: str = "pt") -> dict[str, int]:
    return count(words_of({"text": decoded(text), "lang": lang}) for text in texts)


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
        ("amei 😂😂 ❤️ 👍🏽 👍 🇧🇷", ["amei", "😂", "❤", "👍", "🇧🇷"]),
        ("", []),
    ],
)
def test_the_words_of_a_tweet(text: str, expected: list[str]) -> None:
    assert words(text) == expected


def test_what_x_says_of_hashtags_counts_more_than_what_the_text_shows() -> None:
    entities = {"hashtags": [{"start": 0, "end": 5, "tag": "Gol"}]}
    assert spelt(words_of({"text": "#Gol do #Bahia", "entities": entities, "lang": "pt"})) == [
        "#Gol",
        "Bahia",
    ]
    assert words_of({"text": "#Gol", "entities": {}}) == ["Gol"]


def test_stop_words_are_those_of_the_tweets_language() -> None:
    assert words("the time venceu", "pt") == ["the", "time", "venceu"]
    assert words("the team won", "en") == ["team", "won"]
    assert words("el tiempo de la gente", "es") == ["tiempo", "gente"]
    assert spelt(words_of({"text": "the povo la gente"})) == ["povo", "gente"]


def test_marks_belong_to_their_words() -> None:
    assert words("#हिन्दी भाषा", "hi") == ["#हिन्दी", "भाषा"]
    assert fold("हिन्दी") == "हिन्दी"


def test_a_count_is_a_number_of_tweets_in_the_commonest_spelling() -> None:
    tweets = ["amanhecer Café café café", "cafe bom", "Café", "#Café #cafe", "café"]
    assert counted(*tweets) == {"Café": 4, "#cafe": 1, "#Café": 1, "amanhecer": 1, "bom": 1}


def test_hashtags_differ_by_accent_and_not_by_case() -> None:
    assert fold("#MaisVocê") == "#maisvocê"
    assert fold("#maisvoce") != fold("#maisvocê")
    assert fold("VOCÊ") == "voce"


def test_places_in_the_text() -> None:
    text = "veja (https://a.br/c#d). @ana e a@b.c #Gol"
    assert links(text) == [Found(6, 22, "https://a.br/c#d")]
    assert mentions(text) == [Found(25, 29, "ana")]
    assert hashtags(text) == [Found(38, 42, "Gol")]


@pytest.mark.skipif(not REAL_TWEETS.is_dir(), reason="the shared real tweets are not beside this checkout")
def test_hashtags_of_real_tweets_are_counted_as_they_stand_in_the_file() -> None:
    lines = (REAL_TWEETS / "pt.txt").read_text(encoding="utf-8").splitlines()
    expected = Counter(
        tag.casefold() for line in lines for tag in {t.casefold() for t in re.findall(r"#(\w+)", line)}
    )
    del expected["55357"]  # &amp;#55357; is half an emoji that somebody encoded twice
    found = counted(*lines)
    assert {word[1:].casefold(): n for word, n in found.items() if word.startswith("#")} == expected


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


# Labelled by hand: which forms are one word, and which are not.
LEMMAS = [
    ("pt", "gol gols", True),
    ("pt", "cantando cantou cantar", True),
    ("pt", "mulher mulheres", True),
    ("pt", "novela novelas", True),
    ("pt", "festa festar", False),
    ("pt", "partido partir", False),
    ("pt", "casa casar", False),
    ("es", "amigo amigos", True),
    ("es", "hablando hablar", True),
    ("es", "canciones canción", True),
    ("es", "partido partir", False),
    ("en", "game games", True),
    ("en", "winning wins win", True),
    ("en", "better good", False),
    ("en", "news new", False),
    ("fr", "énergies énergie", True),
    ("fr", "chevaux cheval", True),
    ("fr", "police politique", False),
    ("fr", "gouvernements gouvernement", True),
    ("es", "niño niños", True),
    ("en", "stories story", True),
    ("hi", "लड़का लड़के", True),
    ("hi", "किताब किताबें किताबों", True),
    ("hi", "कहानी कहानियाँ कहानियों", True),
    ("hi", "चुनाव चुनावों", True),
    ("hi", "भाषा भाषाओं", True),
    ("hi", "सरकार सरकारी", False),
    ("hi", "भारत भारतीय", False),
    # simplemma has no Arabic: forms stay apart, but for what folding makes one.
    ("ar", "كتاب كتب", False),
    ("ar", "كتاب الكتاب", False),
    ("ar", "أحمد احمد", True),
    ("ar", "مُحَمَّد محمد", True),
    ("ar", "جميـــل جميل", True),
]


@pytest.mark.parametrize(("lang", "forms", "together"), LEMMAS)
def test_inflections_are_one_word(lang: str, forms: str, together: bool) -> None:
    found = counted(*forms.split(), lang=lang)
    assert len(found) == (1 if together else len(forms.split()))
    assert sum(found.values()) == len(forms.split())


def test_forms_of_one_word_count_once_a_tweet_and_show_the_commonest() -> None:
    assert counted("gol gols", "gols!", "os gols", "gol") == {"gols": 4}
    assert words("gol gols Gol") == ["gol"]


def test_two_words_that_belong_together_are_one() -> None:
    tweets = ["Ana Maria chegou"] * 4 + ["ana maria", "viva Ana"]
    assert counted(*tweets) == {"Ana Maria": 5, "Ana": 1, "chegou": 4, "viva": 1}


@pytest.mark.parametrize("lang", ["pt", "es", "en", "fr", None])
def test_each_set_expression_is_one_word_of_its_language(lang: str | None) -> None:
    listed = expressions(lang)
    assert len(listed) > 10
    for expression in listed:
        assert words_of({"text": expression, "lang": lang}) == [expression.replace(" ", JOINT)]


# Labelled by hand: what a text is counted for.
SET_EXPRESSIONS = [
    ("pt", "São Paulo é linda", "São Paulo|linda"),
    ("pt", "moro em SAO PAULO", "moro|SAO PAULO"),
    ("pt", "Paulo foi a São Paulo", "Paulo|São Paulo"),
    ("pt", "São Paulo, Paulo!", "São Paulo|Paulo"),
    ("pt", "(são paulo), bom diaaaa", "são paulo|bom dia"),
    ("pt", "moro em São Paulo/SP", "moro|São Paulo|SP"),
    ("pt", "São Paulo/Nova York/SP", "São Paulo|Nova York|SP"),
    ("pt", "na Vila Nova York", "Vila Nova|York"),
    ("pt", "eles são pessoas boas", "pessoas|boas"),
    ("pt", "boa tarde e boa noite", "boa tarde|boa noite"),
    ("pt", "que noite boa", "noite|boa"),
    ("pt", "São  Paulo", "Paulo"),
    ("pt", "São\nPaulo", "Paulo"),
    ("pt", "São\u00a0Paulo", "Paulo"),
    ("pt", "São, Paulo", "Paulo"),
    ("pt", "São @ana Paulo", "Paulo"),
    ("pt", "São https://t.co/a Paulo", "Paulo"),
    ("pt", "São x.com/são Paulo", "Paulo"),
    ("pt", "São Paulo.com/a", ""),
    ("pt", "@sao Paulo", "Paulo"),
    ("pt", "São Paulo-SP", "Paulo-SP"),
    ("pt", "#São Paulo", "#São|Paulo"),
    ("pt", "#SãoPaulo em São Paulo", "#SãoPaulo|São Paulo"),
    ("pt", "são\u00a0outros dias", "dias"),
    ("es", "Buenos días, feliz Navidad", "Buenos días|feliz Navidad"),
    ("es", "los dias buenos", "dias|buenos"),
    ("es", "viajo a Los Ángeles y a El Salvador", "viajo|Los Ángeles|El Salvador"),
    ("es", "queremos la paz", "queremos|paz"),
    ("en", "Black Friday's deals", "Black Friday|deals"),
    ("en", "the black cat on Friday", "black|cat|Friday"),
    ("en", "New York\u2019s finest", "New York|finest"),
    ("en", "a happy new year york", "happy|new year|york"),
    ("en", "bom dia, buenos dias", "bom|dia|buenos|dias"),
    ("fr", "bom dia à New York", "bom|dia|New York"),
    ("hi", "Good morning dosto", "Good morning|dosto"),
    (None, "bom dia, buenos días, good morning", "bom dia|buenos días|good morning"),
]


@pytest.mark.parametrize(("lang", "text", "expected"), SET_EXPRESSIONS)
def test_set_expressions_are_words(lang: str | None, text: str, expected: str) -> None:
    assert spelt(words_of({"text": text, "lang": lang})) == [word for word in expected.split("|") if word]


def test_a_word_counts_for_the_places_where_it_stands_outside_expressions() -> None:
    tweets = ["São Paulo"] * 3 + ["sao paulo e Paulo", "Paulo", "boa noite"]
    assert counted(*tweets) == {"São Paulo": 4, "Paulo": 2, "boa noite": 1}


def test_roll_ups_of_set_expressions_add_up() -> None:
    tweets = [{"text": text, "lang": "pt"} for text in ["São Paulo", "sao paulo", "Paulo", "São Paulo"]]
    sums = Counter(word for tweet in tweets[:2] for word in words_of(tweet))
    sums.update(word for tweet in tweets[2:] for word in words_of(tweet))
    assert merge(sums) == count(map(words_of, tweets)) == {"São Paulo": 3, "Paulo": 1}


def test_set_expressions_are_halves_of_pairs_as_words_are() -> None:
    assert counted(*["Bom dia Brasil"] * 4, "bom dia") == {"Bom dia Brasil": 4, "Bom dia": 1}


def test_an_expression_of_one_language_is_the_same_as_a_pair_of_another() -> None:
    english = [words_of({"text": "good luck", "lang": "en"})] * 3
    french = [words_of({"text": "GOOD LUCK", "lang": "fr"})] * 4
    assert count([*english, *french, ["goal"], ["luck"], ["Boa"]]) == {
        "good luck": 7,
        "Boa": 1,
        "goal": 1,
        "LUCK": 1,
    }


def test_the_names_of_topics_may_be_set_expressions() -> None:
    own = ["São Paulo", "SAO PAULO", "Black Friday", "casas", "Santa Casa"]
    others = ["São Pedro", "Pedro", "bom dia", "seria"]
    topics = ["São Paulo!", "#BlackFriday", "black friday", "Santa Casa"]
    assert names_in([*own, *others], topics) == set(own)


# Labelled by hand among the pairs that four of the real tweets or more have: what belongs together,
# what does not; and then where the rules err: what belongs together and is missed, and what is taken for one
# and is none. Some of the first are set expressions, which no numbers would find.
EXPRESSIONS = {
    "pt": (
        "Ana Maria|Fátima Bernardes|Terra Nostra|Trem Bala|vídeo show|Rodrigo Santoro",
        "melhor pessoa|passar roupa|melhor programa|Mirian sai",
        "Maria Braga",
        "",
    ),
    "es": (
        "buenos días|feliz navidad|feliz cumpleaños|año nuevo",
        "dos días|último día",
        "muchísimas gracias",
        "",
    ),
    "en": (
        "Kanye West|Boko Haram|Red Sox|White Sox|Big Brother|Saudi Arabia|Ice Cream|Black Friday",
        "1st time|1st place|first time|Monday night",
        "Magic Mike|Jurassic World",
        "Mike XXL",
    ),
    "fr": (
        "réchauffement climatique|développement durable|énergies renouvelables|déchets toxiques",
        "suspectes autour|grand temps|solaire capable|propre énergie",
        "énergie verte|énergie éolienne",
        "banques invitent|Cour rejette|temps agir|armée vent|ONU prédit",
    ),
    "hi": ("salman khan|bajrangi bhaijaan|world cup|eid mubarak|new year", "thursday night", "", "bada fan"),
    "ar": (
        "هاري بوتر|ريال مدريد|البيت الأبيض|الولايات المتحدة|كرة القدم|مجلس الأمن",
        "بدون ميسي|الأميركي باراك|بيونسيه تتصدر|نجم برشلونة",
        "شهر رمضان",
        "تكسب معركة|أسرع هاتف|تتصدر قائمة",
    ),
}


@pytest.mark.slow
@pytest.mark.skipif(not REAL_TWEETS.is_dir(), reason="the shared real tweets are not beside this checkout")
@pytest.mark.parametrize("lang", EXPRESSIONS)
def test_expressions_of_real_tweets(lang: str) -> None:
    lines = (REAL_TWEETS / f"{lang}.txt").read_text(encoding="utf-8").splitlines()
    entries = [words_of({"text": line, "lang": lang}) for line in lines]
    pairs = Counter(fold(parts(entry)[0]) for words in entries for entry in words if " " in entry)
    found = {fold(word) for word in count(entries) if " " in word}
    together, apart, missed, mistaken = (
        {fold(pair) for pair in labelled.split("|") if pair} for labelled in EXPRESSIONS[lang]
    )
    assert {pair for pair in apart | missed if pairs[pair] < 4} == set(), "too few have it to tell anything"
    assert together - found == set()
    assert apart & found == set()
    assert missed & found == set(), "it is found: it belongs to the first list"
    assert mistaken - found == set(), "it is no longer taken for one: it belongs to the second list"


@pytest.mark.parametrize(
    "between",
    [", ", ". ", " e ", " @x ", " https://t.co/a ", " #b ", "\n", "  "],
    ids=lambda text: text.strip(),
)
def test_what_parts_two_words_parts_them(between: str) -> None:
    assert not any(" " in word for word in counted(*[f"Ana{between}Maria"] * 9))


def test_words_that_meet_by_chance_stay_apart() -> None:
    tweets = ["gente linda"] * 4 + ["gente"] * 30 + ["linda"] * 30
    assert counted(*tweets) == {"gente": 34, "linda": 34}


def test_what_hangs_on_a_word_with_an_apostrophe() -> None:
    assert words("l\u2019écologie n'est qu'une énergie", "fr") == ["écologie", "énergie"]
    assert words("David's team don\u2019t", "en") == ["David", "team"]


@pytest.mark.parametrize(
    "text", ["a" * 25_000, "a." * 12_500, "#a" * 10_000, "@a" * 10_000, "RT @a: " + "…" * 9_000]
)
def test_long_strings_are_read_to_their_end(text: str) -> None:
    assert len(words_of({"text": text, "lang": "pt"})) <= 2


def test_the_words_of_a_topic_are_told_apart_in_any_inflection() -> None:
    topics = ["Eleições 2026", "Gols da rodada", "#AnaMaria", "canción", "Ana Maria"]
    own = [
        "eleição",
        "ELEIÇÕES",
        "gol",
        "gols",
        "Rodada",
        "AnaMaria",
        "canciones",
        "Ana",
        "ana maria",
        "#2026",
    ]
    others = ["eleger", "goleiro", "gola", "cantar", "Mariana", "festa", "Ana Paula", "🎉"]
    assert names_in([*own, *others], topics) == set(own)


def test_a_pair_whose_words_a_roll_up_did_not_keep_is_none() -> None:
    assert merge({"ana maria": 9, "ana": 12}) == {"ana": 12}
    assert merge({"ana maria": 9, "ana": 12, "maria": 5}) == {"ana": 12, "maria": 5}
    assert merge({"ana maria": 9, "ana": 12, "maria": 9}) == {"ana maria": 9, "ana": 3}
