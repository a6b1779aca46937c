"""What a word is counted by: the texts that count for it are as many as its number says."""

from __future__ import annotations

import re
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opslib.words import merge, merged, words_of

VOCABULARY = re.split(
    " ",
    "Ana Maria Braga canta música músicas política políticos políticas nights night festa Festas "
    "São Paulo bom dia good luck #carnaval 🎉 casa casar cara caro Black Friday",
)
SENTENCES = st.lists(st.sampled_from(VOCABULARY), min_size=1, max_size=6).map(" ".join)
TEXTS = st.lists(
    st.tuples(SENTENCES, st.sampled_from(["pt", "es", "en", "fr", None]), st.integers(1, 5)),
    min_size=1,
    max_size=12,
)


@given(TEXTS)
def test_a_word_has_as_many_texts_as_its_number_says(texts: list[tuple[str, str | None, int]]) -> None:
    found = [words_of({"text": text, "lang": lang}) for text, lang, times in texts for _ in range(times)]
    spellings = Counter(entry for words in found for entry in words)
    made = merged(spellings)
    assert made.counts == merge(spellings)
    for word, number in made.counts.items():
        counted = made.counting(word)
        assert sum(one.counts(words) for words in found for one in counted) == number, word
    assert made.counting("nothing of this kind") == ()


@pytest.mark.slow
@given(TEXTS, TEXTS)
def test_a_side_is_counted_in_the_grouping_of_both(
    texts: list[tuple[str, str | None, int]], others: list[tuple[str, str | None, int]]
) -> None:
    sides = [
        [words_of({"text": text, "lang": lang}) for text, lang, times in side for _ in range(times)]
        for side in (texts, others)
    ]
    counts = [Counter(entry for words in side for entry in words) for side in sides]
    both = merged(counts[0] + counts[1])
    numbers = [both.of(side) for side in counts]
    for word, number in both.counts.items():
        assert numbers[0][word] + numbers[1][word] == number, word
        for side, counted in zip(sides, numbers):
            listed = sum(one.counts(words) for words in side for one in both.counting(word))
            assert listed == counted[word], word


def test_a_word_is_part_of_one_expression_at_most() -> None:
    spellings = Counter({"Ana": 9, "Maria": 12, "Braga": 6, "Ana Maria": 9, "Maria Braga": 6, "canta": 1})
    assert merge(spellings) == {"Ana Maria": 9, "Braga": 6, "Maria": 3, "canta": 1}
    (counted,) = merged(spellings).counting("Maria")
    assert counted.without == {"Ana Maria"}
    assert not counted.counts(["Ana", "Maria", "Braga", "Ana Maria", "Maria Braga"])
    assert counted.counts(["Maria", "Braga", "Maria Braga"])


def test_of_two_words_that_look_alike_the_rarer_one_is_shown_in_another_spelling() -> None:
    spellings = {"música\tmusico": 5, "música": 3, "músicas\tmusica": 2, "músico": 1}
    assert merge(spellings) == {"música": 6, "músicas": 5}
