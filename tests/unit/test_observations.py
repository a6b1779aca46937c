"""Where a tweet stands for which place and topic, what a copy changes of that, and how words are packed."""

from __future__ import annotations

import datetime as dt
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from recount import keys_of, moment_for

from opslib.store.buckets import packed, unpacked
from opslib.store.counting import _alike
from opslib.store.observations import ANYTHING, moments_of, moved
from opslib.store.texts import text_of

NOON = dt.datetime(2026, 3, 1, 12, tzinfo=dt.timezone.utc)

minutes = st.integers(0, 600).map(lambda n: NOON + dt.timedelta(minutes=n))
topics = st.dictionaries(
    st.one_of(
        st.tuples(st.sampled_from([None, 1, 2]), st.sampled_from(["#a", "#b", "c"]), st.none()),
        st.tuples(st.none(), st.sampled_from(["#a", "c"]), st.just("follow")),
    ),
    minutes,
    max_size=6,
)


def tweet(
    observed: dict[tuple[int | None, str, str | None], dt.datetime], first_seen_at: dt.datetime = NOON
) -> dict[str, Any]:
    found = [
        {"woeid": woeid, "name": name, "first_at": at, **({"kind": kind} if kind else {})}
        for (woeid, name, kind), at in observed.items()
    ]
    return {"_id": 1, "topics": found, "first_seen_at": first_seen_at, "collected_at": NOON + dt.timedelta(9)}


@given(topics, minutes)
def test_a_tweet_stands_at_the_earliest_first_at_that_matches(observed: Any, seen: dt.datetime) -> None:
    one = tweet(observed, seen)
    assert moments_of(one) == {key: moment_for(one, *key) for key in keys_of(one)}


@given(topics, topics)
def test_a_later_collection_moves_no_observation_and_an_earlier_one_marks_what_it_moves(
    before: Any, copy: Any
) -> None:
    after = {
        place: min(at for at in (before.get(place), copy.get(place)) if at) for place in {**before, **copy}
    }
    old, new = tweet(before), tweet(after)
    marked = moved(old, new, counted=False)
    was, now = moments_of(old), moments_of(new)
    if before:
        assert all(now[key] <= was[key] for key in was)
        if copy and min(copy.values()) >= max(before.values()):
            assert all(now[key] == was[key] for key in was), "it was collected later"
    for key in {*was, *now}:
        if was.get(key) != now.get(key):
            assert marked >= {at for at in (was.get(key), now.get(key)) if at is not None}
    assert moved(old, new, counted=True) >= {*was.values(), *now.values()}
    assert moved(None, new, counted=False) == set(now.values())
    assert moved(new, new, counted=False) == set()


def test_a_tweet_without_topics_is_counted_for_anything_where_it_was_first_seen() -> None:
    assert moments_of(tweet({}, NOON)) == {ANYTHING: NOON}


def test_what_is_followed_and_a_trend_of_the_same_name_are_two_topics() -> None:
    later = NOON + dt.timedelta(minutes=1)
    moments = moments_of(tweet({(23, "c", None): later, (None, "c", "follow"): NOON}))
    assert moments == {
        (None, "c", "follow"): NOON,
        (None, "c", None): later,
        (23, "c", None): later,
        (23, None, None): later,
        ANYTHING: NOON,
    }


def test_the_text_of_a_retweet_is_that_of_what_it_retweets() -> None:
    assert (text_of({"_id": 7}), text_of({"_id": 8, "retweet_of": 7})) == (7, 7)


words = st.dictionaries(st.text(st.characters(exclude_characters="\n"), min_size=1), st.integers(1, 9))


@given(words, st.integers(0, 12))
def test_words_are_packed_without_loss_up_to_the_most_that_are_kept(counted: Any, most: int) -> None:
    assert unpacked(packed(counted, len(counted))) == counted
    kept = unpacked(packed(counted, most))
    first = sorted(counted.items(), key=lambda item: (-item[1], item[0]))[:most]
    assert kept == dict(first)
    numbers = [entry["n"] for entry in packed(counted, most)]
    assert numbers == sorted(set(numbers), reverse=True), "an entry a number"


def test_one_word_an_entry_is_read_as_well() -> None:
    assert unpacked([{"w": "festa", "n": 2}, {"w": "gol", "n": 1}, {"w": "sol", "n": 1}]) == {
        "festa": 2,
        "gol": 1,
        "sol": 1,
    }


keys = st.frozensets(st.tuples(st.sampled_from([None, 1]), st.sampled_from([None, "#a", "#b"])))


@given(st.lists(keys, max_size=8))
def test_keys_that_are_in_the_same_sets_are_together_and_no_others(sets: Any) -> None:
    together = _alike(enumerate(sets))
    of_key = {key: among for among, some in together.items() for key in some}
    assert of_key == {
        key: tuple(number for number, some in enumerate(sets) if key in some) for key in set().union(*sets)
    }
