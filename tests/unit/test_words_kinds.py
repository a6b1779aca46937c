# ruff: noqa: RUF001 - the signs of other scripts are what this is about
"""Kinds of words that Unicode, CLDR or X define: each is held against all that there is of the kind."""

from __future__ import annotations

import sys
import unicodedata

import pytest
import regex
from babel import Locale
from babel.core import get_global
from hypothesis import example, given
from hypothesis import strategies as st

from opslib.message import decode_tweet, encode, tweet_document
from opslib.words import parts, words_of
from opslib.words.languages import _iso, language, stop_words
from opslib.words.spelling import spelling


def words(text: str, lang: str | None = "pt") -> list[str]:
    """Return the single words of a text, as they are spelt."""
    return [parts(entry)[0] for entry in words_of({"text": text, "lang": lang}) if " " not in entry]


def characters(property_: str) -> list[str]:
    pattern = regex.compile(property_, regex.V1)
    return [c for c in map(chr, range(sys.maxunicode + 1)) if pattern.match(c)]


# --- Languages as X names them


@pytest.mark.parametrize(
    ("lang", "meant"),
    [
        ("in", "id"), ("iw", "he"), ("pt-br", "pt"), ("pt_BR", "pt"), ("PT", "pt"), ("zh-Hant-TW", "zh"),
        ("und", None), ("zxx", None), ("qme", None), ("qst", None), ("qht", None), ("qam", None),
        ("qct", None), ("", None), ("nb", "no"), (None, None), ("hi", "hi"), ("fil", "tl"), ("quz", "quz"),
    ],
)  # fmt: skip
def test_a_language_is_the_one_that_x_means(lang: str | None, meant: str | None) -> None:
    assert language(lang) == meant


def test_languages_that_iso_639_renamed_have_their_stop_words() -> None:
    renamed = {
        old: new for old, new in get_global("language_aliases").items() if len(old) == 2 and new in _iso()
    }
    assert {"in", "iw"} <= renamed.keys()
    for old, new in renamed.items():
        assert stop_words(language(old)) == stop_words(new), old


@pytest.mark.parametrize("lang", sorted(set(_iso())))
def test_a_languages_list_is_that_of_its_regions(lang: str) -> None:
    assert language(lang) == lang
    assert stop_words(language(f"{lang}-XX")) == stop_words(lang)
    word = next(word for word in sorted(stop_words(lang)) if word.isalpha() and len(word) > 1)
    assert words(word, lang) == words(word, f"{lang}-xx") == []


def test_a_tweet_in_no_language_has_the_stop_words_of_none() -> None:
    text = "the povo la gente kota yang"
    for lang in ("zxx", "qme", "und", None):
        assert words(text, lang) == ["povo", "gente", "kota", "yang"]
    assert words("kota yang", "in") == words("kota yang", "id") == ["kota"]


# --- Stop words with accents


@pytest.mark.parametrize(
    ("lang", "text", "left"),
    [
        ("vi", "Việt Nam thắng Thái Lan", "Việt Nam thắng Thái Lan"),
        ("vi", "năm tháng lần", ""),
        ("de", "Größe große GROSSE", "Größe"),
        ("fr", "maïs mais MAIS déjà deja été ete ÉTÉ", "maïs"),
        ("pt", "você voce VOCÊ não nao Pará para pará", "Pará"),
        ("es", "está esta más mas qué que", ""),
        ("tr", "İÇİN için", ""),
        ("ar", "مِنْ من", ""),
        ("ru", "мой ещё еще", ""),
    ],
)
def test_a_word_with_accents_is_a_stop_word_only_where_it_is_listed_so(
    lang: str, text: str, left: str
) -> None:
    assert words(text, lang) == left.split()


@pytest.mark.parametrize("lang", sorted(set(_iso())))
def test_listed_words_are_stop_words_and_their_accented_neighbours_are_not(lang: str) -> None:
    listed = stop_words(lang)
    for word in sorted(listed)[:300]:
        if word.isalpha() and len(word) > 2:
            assert words(word, lang) == words(word.upper(), lang) == [] or "ı" in word, word
    accents = "\u0302\u0308\u0323"
    for word in sorted(word for word in listed if word.isascii() and word.isalpha() and len(word) > 2)[:50]:
        other = unicodedata.normalize("NFC", f"{word[:-1]}{accents[1]}{word[-1]}")
        if other not in listed and other[-2] != word[-2]:
            assert words(other, lang) == [other], word


# --- Three of a kind


@pytest.mark.parametrize(
    "word",
    [
        "BBB",
        "bbb",
        "BBB26",
        "WWIII",
        "XIII",
        "VIII",
        "XXXIII",
        "10000km",
        "СССР",
        "XXXL",
        "AAA",
        "XIII-XVIII",
        "CCC",
        "IEEE",
        "CEEE",
        "AAAI",
    ],
)
def test_what_is_spelt_with_three_stays_as_written(word: str) -> None:
    assert spelling(word) == word
    assert words(f"final {word}!", "pt") == ["final", word]


@pytest.mark.parametrize(
    ("held", "word"),
    [
        ("gooool", "gol"), ("GOOOOL", "GOL"), ("GOOOL", "GOL"), ("GoOOol", "Gol"), ("COMEÇOOOU", "COMEÇOU"),
        ("AGORAAAA", "AGORA"), ("NÃOOO", "NÃO"), ("nãããão", "não"), ("BBBBB", "B"), ("SIMMM", "SIM"),
        ("IEEEE", "IE"), ("ieee", "ie"), ("AEEE", "AE"), ("OIII", "OI"), ("NOOO", "NO"),
        ("XIIIII", "XI"), ("हाााा", "हा"), ("دوووول", "دول"), ("哈哈哈哈", "哈"), ("g̃g̃g̃a", "g̃a"),
        ("gooool2026", "gol2026"), ("2000", "2000"), ("___a___", "a"), ("10000000", "10000000"),
    ],
)  # fmt: skip
def test_the_held_letters_of_words_shorten(held: str, word: str) -> None:
    assert unicodedata.normalize("NFC", spelling(held)) == unicodedata.normalize("NFC", word)


@given(st.integers(1, 3999))
def test_every_roman_numeral_is_as_written(number: int) -> None:
    roman = ""
    values = (1000, 900, 500, 400, 100, 90, 50, 40, 10, 9, 5, 4, 1)
    for value, letters in zip(
        values, ("M", "CM", "D", "CD", "C", "XC", "L", "XL", "X", "IX", "V", "IV", "I")
    ):
        roman += letters * (number // value)
        number %= value
    assert spelling(roman) == roman


@given(st.text(st.sampled_from("aeiouãéğжあन"), min_size=1, max_size=6), st.data())
def test_a_word_counts_as_itself_wherever_a_letter_is_held(word: str, data: st.DataObject) -> None:
    word = f"g{word}l"
    if regex.search(r"(.)\1", word):
        return
    place, times = data.draw(st.integers(1, len(word) - 2)), data.draw(st.integers(3, 9))
    held = word[:place] + word[place] * times + word[place + 1 :]
    assert spelling(held) == word
    assert spelling(held.upper()) == spelling(word.upper()).upper()


@pytest.mark.slow
@given(st.from_regex(r"[0-9]{1,12}(?:km|h|kg)?", fullmatch=True))
def test_numbers_are_as_written(number: str) -> None:
    assert spelling(number) == number


# --- Decoded once


def stored(text: str, **more: object) -> dict[str, object]:
    message = {"id": "1", "text": text, "lang": "pt", "collected_at": "2026-01-31T12:00:00.000Z", **more}
    return tweet_document(decode_tweet(encode(message)))


@pytest.mark.parametrize(
    ("sent", "text", "counted"),
    [
        ("BTC&amp;ETH", "BTC&ETH", ["BTC", "ETH"]),
        ("AT&amp;amp;T &amp;lt;b&amp;gt;", "AT&amp;T &lt;b&gt;", ["AT", "lt", "gt"]),
        ("R&amp;B &lt;3 &#39;x&#39;", "R&B <3 'x'", []),
        ("BTC&ETH &copy &notit;", "BTC&ETH &copy &notit;", ["BTC", "ETH", "copy", "notit"]),
        ("&#" + "9" * 5000 + "; fim", "&#" + "9" * 5000 + "; fim", ["fim"]),
    ],
    ids=["once", "what was typed", "characters", "no references", "a number of 5000 digits"],
)
def test_html_is_decoded_once(sent: str, text: str, counted: list[str]) -> None:
    document = stored(sent)
    assert document["text"] == text
    assert sorted(w for w in words_of(document) if " " not in w) == sorted(counted)


@given(st.text(st.sampled_from("&;amplt#3x9BTCÐ <>\"'"), max_size=40))
@example("&amp;lt;")
def test_what_x_encodes_is_stored_and_counted_as_it_was_typed(typed: str) -> None:
    sent = typed.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    if not sent.strip():
        return
    assert stored(sent)["text"] == typed
    assert words_of(stored(sent)) == words_of({"text": typed, "lang": "pt"})


# --- Emoji: sequences as UTS #51 has them


@pytest.mark.slow
def test_every_emoji_is_one() -> None:
    shown = characters(r"[\p{Emoji_Presentation}--\p{Regional_Indicator}--\p{Emoji_Modifier}]")
    asked_for = characters(r"[\p{Emoji}--\p{Emoji_Presentation}--[0-9#*]]")
    assert len(shown) > 1000
    assert {"ℹ", "🅱", "©", "♥", "Ⓜ"} <= set(asked_for)
    for emoji in shown:
        assert words(f"amor{emoji}amor {emoji}\ufe0f") == ["amor", emoji], hex(ord(emoji))
    for emoji in asked_for:
        assert words(f"amor{emoji}\ufe0fgol") == ["amor", emoji, "gol"], hex(ord(emoji))
    for emoji in characters(r"\p{Emoji_Modifier_Base}"):
        assert words(" ".join(f"{emoji}{chr(tone)}" for tone in range(0x1F3FB, 0x1F400))) == [emoji]


def test_every_flag_is_one_and_differs_from_the_others() -> None:
    def of_letters(code: str) -> str:
        return "".join(chr(0x1F1E6 + ord(letter) - 65) for letter in code)

    def of_tags(code: str) -> str:
        return "\U0001f3f4" + "".join(chr(0xE0000 + ord(sign)) for sign in code) + "\U000e007f"

    countries = [of_letters(code) for code in Locale("en").territories if len(code) == 2 and code.isalpha()]
    parts_of_them = [of_tags(code) for code in ("gbeng", "gbsct", "gbwls", "ustx", "brsp")]
    assert len(countries) > 200
    assert words("".join([*countries, *parts_of_them]) + "🏴 🏳️‍🌈") == [
        *countries,
        *parts_of_them,
        "🏴",
        "🏳‍🌈",
    ]


BASES = characters(r"[\p{Emoji_Modifier_Base}&&\p{Emoji_Presentation}]")
JOINED = characters(r"[\p{Extended_Pictographic}&&\p{Emoji}--\w--[©®™]]")


@given(
    st.sampled_from(BASES),
    st.sampled_from(["", "🏻", "🏿"]),
    st.lists(st.sampled_from(JOINED), min_size=1, max_size=3),
)
@example("👩", "🏽", ["🚀"])
@example("👨", "", ["👩", "👧"])
def test_joined_emoji_are_one(base: str, tone: str, others: list[str]) -> None:
    sequence = "\u200d".join([base + tone, *(f"{other}\ufe0f" for other in others)])
    assert words(f"gol{sequence}gol") == ["gol", "\u200d".join([base, *others])]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("#️⃣ ligue *️⃣ 1️⃣", ["ligue"]),
        ("#️⃣amor", ["amor"]),
        ("gol1️⃣", ["gol1"]),
        ("♥︎amor amor", ["♥", "amor"]),
        ("❤︎ ❤️ ❤", ["❤"]),
        ("🅱️rasil ℹ️nfo", ["🅱", "rasil", "ℹ", "nfo"]),
        ("copyright © x® tm™ ©️", ["copyright", "tm", "©"]),
        ("a\ufe0fmor b\ufe0elá", ["amor", "blá"]),
        ("\u200damor ❤️‍amor", ["amor", "❤"]),
    ],
)
def test_what_dresses_an_emoji_is_no_part_of_a_word(text: str, expected: list[str]) -> None:
    assert words(text) == expected


# --- Apostrophes, hyphens and what is not seen


@pytest.mark.parametrize("sign", "'\u2018\u2019\u201b\u02b9\u02bb\u02bc\u2032\u00b4`\uff07\ua78c")
def test_every_apostrophe_is_one(sign: str) -> None:
    assert words(f"I don{sign}t like David{sign}s team", "en") == ["David", "team"]
    assert words(f"copo d{sign}água") == ["copo", "d'água"]
    assert words(f"l{sign}écologie", "fr") == ["écologie"]
    assert words(f"{sign}gol{sign} {sign}") == ["gol"]


@pytest.mark.parametrize("sign", "-\u2010\u2011")
def test_every_hyphen_is_one(sign: str) -> None:
    assert words(f"segunda{sign}feira") == ["segunda-feira"]


BREAKS = {"\u200b", "\u115f", "\u1160", "\u3164", "\uffa0"}
JOINERS = {"\u200c", "\u200d"}


def test_characters_that_nobody_sees_are_no_part_of_words() -> None:
    unseen = characters(r"\p{Default_Ignorable_Code_Point}")
    assert len(unseen) > 4000
    for character in unseen:
        assert words(f"{character} {character * 3}") == [], hex(ord(character))
        assert words(f"{character}amor{character} amor") == ["amor"], hex(ord(character))
        expected = ["amor", "oso"] if character in BREAKS else ["amoroso"]
        assert words(f"amor{character}oso") == expected, hex(ord(character))
        if character not in BREAKS | JOINERS:
            assert words(f"مح{character}مد", "ar") == ["محمد"], hex(ord(character))


def test_joiners_belong_to_words_of_scripts_that_join() -> None:
    assert words("می‌خواهم", "fa") == ["می‌خواهم"]
    assert words("ශ්‍රීලංකා", "si") == ["ශ්‍රීලංකා"]


def test_set_expressions_are_found_where_a_soft_hyphen_is_in_them() -> None:
    assert words("São Pau\u00adlo") == ["São Paulo"]
