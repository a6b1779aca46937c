"""A lake whose roll-ups an earlier version counted, by `collected_at` and one document a place and topic."""

from __future__ import annotations

import datetime as dt
from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Any

import pytest
from test_rollups import DAY, NO_WAIT, NOON, document, recounted, stored, write

from opslib.store import rollups
from opslib.store.before import bring_over
from opslib.store.collections import initialise

if TYPE_CHECKING:
    from conftest import Lake

LONG_AGO = NOON - 400 * DAY


def of_before(tweets: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the roll-ups of *tweets* as they were: every key by itself, every word an entry."""
    numbers: Counter[Any] = Counter()
    words: dict[Any, Counter[str]] = defaultdict(Counter)
    for tweet in tweets:
        at = tweet["collected_at"].replace(second=0, microsecond=0)
        places = {(None, None)}
        for topic in tweet["topics"]:
            places |= {(topic["woeid"], topic["name"]), (topic["woeid"], None), (None, topic["name"])}
        hour = at.replace(minute=0)
        for unit, begins in (("minute", at), ("hour", hour), ("day", hour.replace(hour=0))):
            for woeid, name in places:
                numbers[unit, begins, woeid, name] += 1
                words[unit, begins, woeid, name].update(tweet["words"])
    names = ("unit", "at", "woeid", "topic")
    return [
        {
            "_id": dict(zip(names, bucket)),
            **dict(zip(names, bucket)),
            "tweets": number,
            "words": [{"w": word, "n": n} for word, n in words[bucket].most_common()],
            "left_out": 0,
            "computed_at": bucket[1] + DAY,
        }
        for bucket, number in numbers.items()
    ]


@pytest.fixture
def old(lake: Lake) -> Lake:
    """Give the lake what the version before had: its index of roll-ups, and tweets collected twice."""
    lake.database.drop_collection("word_counts")
    lake.database.word_counts.create_index([("unit", 1), ("at", 1), ("woeid", 1), ("topic", 1)])
    lake.database.tweets.create_index(
        [("retweet_of", 1), ("_id", 1)], partialFilterExpression={"retweet_of": {"$exists": True}}
    )
    write(lake.database, *(document(n, 0, ["festa", f"{n}"], [("#a", 1)]) for n in range(20)))
    write(lake.database, *(document(n, 60, ["festa", f"{n}"], [("#b", 1)]) for n in range(10)))
    lake.database.rollup_marks.delete_many({})
    tweets = list(lake.database.tweets.find({}))
    gone = {**document(99, 0, ["outrora"], [("#a", 1)]), "collected_at": LONG_AGO}
    lake.database.word_counts.insert_many(of_before([*tweets, gone]))
    return lake


def test_it_is_brought_over_and_counted_anew_and_what_cannot_be_stays(old: Lake) -> None:
    old.log_in("opslib-store")
    many = old.database.word_counts.count_documents({})
    told = old.opslib("store", "init")
    assert told.returncode == 0, told.stderr
    assert f"{many} roll-ups of an earlier version" in told.stdout
    assert "no index word_counts.unit_1_at_1_woeid_1_topic_1" in told.stdout
    assert "no index tweets.retweet_of_1__id_1" in told.stdout
    assert old.opslib("store", "init").stdout == "nothing to change\n"

    before = LONG_AGO - DAY, LONG_AGO + DAY
    assert rollups.counts(old.database, *before, woeid=1).words == {"outrora": 1}
    rollups.refresh(old.database, settle=NO_WAIT)
    assert rollups.counts(old.database, *before, woeid=1, topic="#a").words == {"outrora": 1}
    there = {bucket: found for bucket, found in stored(old.database).items() if bucket[1] > NOON - DAY}
    assert there == recounted(old.database)
    hour = rollups.counts(old.database, NOON, NOON + dt.timedelta(hours=1), woeid=1, topic="#a")
    assert (hour.tweets, hour.words["festa"]) == (20, 20)


def test_a_stop_half_way_loses_nothing(old: Lake) -> None:
    initialise(old.database)
    steps = bring_over(old.database, batch=7)
    assert next(steps) == 7
    steps.close()
    # The worker that was started meanwhile has counted what was marked.
    rollups.refresh(old.database, settle=NO_WAIT)
    assert sum(bring_over(old.database, batch=7)) > 0
    assert list(bring_over(old.database)) == []
    rollups.refresh(old.database, settle=NO_WAIT)
    assert {b: found for b, found in stored(old.database).items() if b[1] > NOON - DAY} == recounted(
        old.database
    )
    of_then = [
        found["at"] for found in old.database.word_counts.find() if found["computed_at"] == found["at"] + DAY
    ]
    assert max(of_then) < (NOON - DAY).replace(tzinfo=None), "those of tweets that have gone, and no others"
