"""`opslib words rebuild` against a real MongoDB."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from test_sink import tweet

from opslib.message import tweet_document
from opslib.store import rollups
from opslib.store.rebuild import outdated, rebuild_words
from opslib.store.write import safely
from opslib.words import VERSION

if TYPE_CHECKING:
    from conftest import Lake

NOON = dt.datetime(2026, 3, 1, 12, tzinfo=dt.timezone.utc)


def test_stored_words_are_brought_up_to_date_and_a_stop_loses_nothing(lake: Lake) -> None:
    tweets, marks = lake.database.get_collection("words_rebuild"), lake.database.rollup_marks
    tweets.insert_many(
        {"_id": n, "text": f"gols do Bahia {n}x", "lang": "pt", "words": ["old"], "collected_at": NOON}
        for n in range(25)
    )
    tweets.update_one({"_id": 3}, {"$set": {"words_version": VERSION}})
    assert outdated(tweets) == 24

    first = next(rebuild_words(tweets, marks, 10))  # and then it is stopped
    assert (first, outdated(tweets)) == (10, 14)
    assert list(rebuild_words(tweets, marks, 10)) == [10, 4]

    assert outdated(tweets) == 0
    assert tweets.find_one({"_id": 3})["words"] == ["old"], "those by today's rules are left alone"
    assert tweets.find_one({"_id": 7})["words"] == ["gols\tgol", "Bahia", "7x", "Bahia 7x"]
    assert list(rebuild_words(tweets, marks, 10)) == []


def test_roll_ups_have_the_new_words(lake: Lake) -> None:
    tweets, marks = safely(lake.database.tweets), safely(lake.database.rollup_marks)
    stored = tweet_document({**tweet(1), "text": "gols do Bahia", "lang": "pt"})
    stored.update(words=["old"], words_version=VERSION - 1)
    tweets.insert_one(stored)
    rollups.mark(marks, [stored["collected_at"]])
    rollups.refresh(lake.database, settle=dt.timedelta(0))
    assert set(rollups.counts(lake.database, NOON, NOON + dt.timedelta(hours=1)).words) == {"old"}

    assert list(rebuild_words(tweets, marks, 10)) == [1]
    rollups.refresh(lake.database, settle=dt.timedelta(0))
    words = rollups.counts(lake.database, NOON, NOON + dt.timedelta(hours=1)).words
    assert set(words) == {"gols\tgol", "Bahia"}


def test_retweets_stored_before_they_were_told_apart_count_once(lake: Lake) -> None:
    tweets, marks = safely(lake.database.tweets), safely(lake.database.rollup_marks)
    reference = {"referenced_tweets": [{"type": "retweeted", "id": "1"}]}
    for number in range(3):
        stored = tweet_document({**tweet(number, minutes=number), "text": "RT @ana: gols", **reference})
        del stored["retweet_of"]
        tweets.insert_one({**stored, "words": ["gols"], "words_version": VERSION - 1})
    assert list(rebuild_words(tweets, marks, 2)) == [2, 1]
    rollups.refresh(lake.database, settle=dt.timedelta(0))
    found = rollups.counts(lake.database, NOON, NOON + dt.timedelta(hours=1))
    assert (found.tweets, found.words) == (3, {"gols": 1})
