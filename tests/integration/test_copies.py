"""Copies of a tweet against a real MongoDB: what it holds in the end does not depend on how they came."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

from bson.int64 import Int64
from copies import COPIES, copy, merged
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from opslib.store.documents import complete
from opslib.store.write import Outcome, safely, write_tweets

if TYPE_CHECKING:
    from conftest import Lake

ONE_EXAMPLE_AFTER_ANOTHER = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]


@settings(max_examples=60, deadline=None, suppress_health_check=ONE_EXAMPLE_AFTER_ANOTHER)
@given(COPIES, st.data())
def test_copies_end_alike_in_every_order_and_in_whatever_batches(lake: Lake, copies: Any, data: Any) -> None:
    tweets = safely(lake.database["tweets"])
    tweets.delete_many({})
    orders = data.draw(
        st.lists(st.sampled_from(list(itertools.permutations(copies))), min_size=2, max_size=4)
    )
    expected = {"as_of": [], **complete(merged(copies))}
    for turn in range(len(copies)):
        # Each order has a tweet of its own, and some of them get two copies in one batch.
        batch: dict[int, Any] = {}
        for number, order in enumerate(orders, start=1):
            came = order[: turn + 1] if data.draw(st.booleans()) else order[turn : turn + 1]
            batch[number] = {**merged(came), "_id": Int64(number)}
        assert write_tweets(tweets, batch).refused == {}
    for number in range(1, len(orders) + 1):
        assert {"as_of": [], **tweets.find_one({"_id": number})} == {**expected, "_id": number}
    again = {number: {**merged(orders[0]), "_id": Int64(number)} for number in range(1, len(orders) + 1)}
    assert write_tweets(tweets, again) == Outcome(unchanged=len(orders)), "it wrote needlessly"


def test_what_two_sinks_write_at_once_is_joined(lake: Lake) -> None:
    """A tweet that changes between the look and the update is looked at again."""
    tweets = safely(lake.database["tweets"])
    base, named, liked = (
        {**complete(one), "_id": Int64(1)}
        for one in (
            merged([copy(0), copy(5)]),
            copy(2, author={"id": "7", "username": "ana"}),
            copy(3, author={"id": "7", "name": "Ana"}, public_metrics={"likes": 3}),
        )
    )
    write_tweets(tweets, {1: base})
    others = iter([{1: named}])

    def meanwhile(_: Any) -> None:
        for other in others:
            write_tweets(tweets, other)

    write_tweets(tweets, {1: liked}, meanwhile)
    found = tweets.find_one({"_id": 1})
    assert found["author"] == {"id": "7", "username": "ana", "name": "Ana"}
    assert found["public_metrics"] == {"likes": 3}


def test_a_retweet_that_one_collected_before_it_takes_the_place_of_is_told_before_it_is_written(
    lake: Lake,
) -> None:
    """Its words are counted no more, and without its moment nobody would count that minute anew."""
    tweets = safely(lake.database["tweets"])
    reference = {"text": "RT @ana: festa", "referenced_tweets": [{"type": "retweeted", "id": "5"}]}
    first, later = ({**copy(minute, **reference), "_id": Int64(id_)} for id_, minute in ((71, 10), (72, 40)))
    told: list[set[Any]] = []
    write_tweets(tweets, {72: later}, told.append)
    write_tweets(tweets, {71: first}, told.append)
    assert told == [{later["collected_at"]}, {first["collected_at"], later["collected_at"]}]
