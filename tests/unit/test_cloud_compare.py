"""Words that two sides say differently, held against the formulas of Monroe and others (2008)."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from opslib.cloud.compare import PRIOR, differences

WORDS = st.sampled_from(["festa", "samba", "gol", "chuva", "praia", "#carnaval", "pão"])
COUNTS = st.dictionaries(WORDS, st.integers(0, 400), min_size=1)


@given(COUNTS, COUNTS, COUNTS)
def test_scores_are_those_of_an_independent_computation(
    first: dict[str, int], second: dict[str, int], more: dict[str, int]
) -> None:
    """In matrices, and with nothing of ours."""
    vocabulary = sorted({w for side in (first, second) for w, n in side.items() if n})
    said = {w: first.get(w, 0) + second.get(w, 0) + more.get(w, 0) for w in {*first, *second, *more}}
    found = {one.word: one for one in differences(first, second, said)}
    assert sorted(found) == vocabulary
    if len(vocabulary) < 2:
        return  # of one word there are no odds
    columns = np.array([[side.get(w, 0) for side in (first, second)] for w in vocabulary], dtype=float)
    ground = np.array([said[w] for w in vocabulary])
    alpha = 500 * ground / ground.sum()
    with_prior = columns + alpha[:, None]
    totals = np.array([sum(first.values()), sum(second.values())]) + 500
    log_odds = np.log(with_prior / (totals - with_prior))
    delta = log_odds[:, 1] - log_odds[:, 0]
    zeta = delta / np.sqrt((1 / with_prior + 1 / (totals - with_prior)).sum(axis=1))
    assert PRIOR == 500
    for word, score in zip(vocabulary, zeta):
        assert math.isclose(found[word].score, score, rel_tol=1e-9, abs_tol=1e-9), word


def test_what_is_new_grown_shrunk_gone_and_the_same_is_told() -> None:
    first = {"festa": 400, "praia": 300, "samba": 200, "gol": 50, "o": 1000}
    second = {"festa": 150, "chuva": 300, "samba": 200, "gol": 220, "o": 1000}
    said = {word: first.get(word, 0) + second.get(word, 0) for word in {*first, *second}}
    found = {one.word: one for one in differences(first, second, said)}
    ways = {word: one.way for word, one in found.items()}
    assert ways == {
        "chuva": "new", "gol": "grown", "samba": "same", "o": "same", "festa": "shrunk", "praia": "gone",
    }  # fmt: skip
    assert math.isclose(found["gol"].second_share, 220 / 1870)
    assert differences(first, second, said)[0].word == "chuva"


def test_a_rare_difference_is_no_difference_and_sides_may_be_empty() -> None:
    said = {"festa": 1000, "gol": 1000, "chuva": 2}
    assert {one.way for one in differences({"gol": 500}, {"gol": 499, "chuva": 1}, said)} == {"same"}
    assert differences({}, {}, said) == []
    assert [one.first for one in differences({}, {"gol": 4}, said)] == [0]
    assert differences({"gol": 4}, {}, {}) != []
