# ruff: noqa: RUF001 - the marks of other scripts are what this is about
"""Hashtags of all scripts: the rule by itself, in a text, and held against each character of Unicode."""

from __future__ import annotations

import sys
import unicodedata

import pytest
from babel import Locale
from babel.localedata import locale_identifiers
from hypothesis import example, given
from hypothesis import strategies as st

from opslib.hashtag import is_hashtag
from opslib.words.extract import hashtags

# twitter-text's own list, from its source.
SPECIAL = frozenset("_\u200c\u200d\ua67e\u05be\u05f3\u05f4～〜゛゜゠・〃\u0f0b\u0f0c·")


@pytest.mark.parametrize(
    "tag",
    ["#हिन्दी", "#বাংলাদেশ", "#嵐・相葉", "＃ＡＢＣ", "#maisvocê", "#2bahia", "#می‌خواهم", "#ශ්‍රීලංකා", "#གནའ་བོ"],
)
def test_hashtags_of_all_scripts_are_whole(tag: str) -> None:
    assert is_hashtag(tag)
    assert [found.text for found in hashtags(f"veja {tag}, sim")] == [tag[1:]]


@pytest.mark.parametrize(
    "text", ["#️⃣", "#⃣", "#️⃣amor", "#2026", "#", "", "amor", "##a", "#a#b", "#a b", "#a!", "#・", "# a", "💙"]
)
def test_what_is_no_hashtag(text: str) -> None:
    assert not is_hashtag(text)


def test_the_keycap_of_the_number_sign_is_no_hashtag() -> None:
    assert [found.text for found in hashtags("ligue #️⃣ e #️⃣amor, depois ✌️#paz")] == ["paz"]


@pytest.mark.slow
def test_each_character_of_unicode_is_in_a_hashtag_or_ends_it() -> None:
    wrong = []
    for character in map(chr, range(sys.maxunicode + 1)):
        category = unicodedata.category(character)
        if category in ("Cn", "Cs"):  # regex may know more of them
            continue
        inside = category[0] in "LM" or category == "Nd" or character in SPECIAL
        found = [part.text for part in hashtags(f"#a{character}")]
        # One # more makes none of either.
        expected = [f"a{character}"] if inside else [] if character in "#＃" else ["a"]
        if found != expected or is_hashtag(f"#a{character}") != inside:
            wrong.append((character, category, found))
    assert wrong == []


def names() -> list[str]:
    """Return how CLDR's languages call themselves and some countries, where that is one word."""
    found = set()
    for identifier in locale_identifiers():
        locale = Locale.parse(identifier)
        called = [
            locale.languages.get(locale.language),
            *(locale.territories.get(c) for c in ("BR", "IN", "EG")),
        ]
        found.update(name for name in called if name)
    return sorted(name for name in found if all(unicodedata.category(c)[0] in "LM" for c in name))


@pytest.mark.slow
def test_the_names_of_languages_and_countries_are_hashtags_as_their_people_write_them() -> None:
    called = names()
    assert len(called) > 500
    assert len({unicodedata.name(name[0]).split()[0] for name in called}) > 30, "scripts"
    for name in called:
        assert is_hashtag(f"#{name}"), name
        assert [found.text for found in hashtags(f"{name} #{name}. ＃{name}")] == [name, name]


def by_the_rule(text: str) -> list[str]:
    """Return the hashtags of a text without links, character by character as twitter-text's pattern reads."""

    def inside(character: str) -> bool:
        category = unicodedata.category(character)
        return category[0] in "LM" or category == "Nd" or character in SPECIAL

    found = []
    for place, character in enumerate(text):
        before = text[place - 1] if place else " "
        if character not in "#＃" or (before not in "\ufe0e\ufe0f" and (inside(before) or before == "&")):
            continue
        end = place + 1
        while end < len(text) and inside(text[end]):
            end += 1
        tag = text[place + 1 : end]
        letters = any(unicodedata.category(c)[0] in "LM" for c in tag)
        if letters and tag[0] not in "\ufe0f\u20e3" and text[end : end + 1] not in ("#", "＃"):
            found.append(tag)
    return found


@given(st.text(st.sampled_from("#＃#&aé1_·・न\u093f्ا٣\u200d\ufe0f\ufe0e\u20e3 😀!")))
@example("é#a न\u093f#a ·#a /#a ✌\ufe0f#a #\ufe0fa 1#a")
def test_the_hashtags_of_any_text_are_those_of_twitter_text(text: str) -> None:
    assert [found.text for found in hashtags(text)] == by_the_rule(text)
    assert is_hashtag(text) == (text[:1] in ("#", "＃") and by_the_rule(text) == [text[1:]])
