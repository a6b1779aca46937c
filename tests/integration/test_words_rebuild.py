"""`opslib words rebuild` against a real MongoDB."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opslib.words import VERSION
from opslib.words.rebuild import outdated, rebuild_words

if TYPE_CHECKING:
    from conftest import Lake


def test_stored_words_are_brought_up_to_date_and_a_stop_loses_nothing(lake: Lake) -> None:
    tweets = lake.database.get_collection("words_rebuild")
    tweets.insert_many(
        {"_id": n, "text": f"gols do Bahia {n}x", "lang": "pt", "words": ["old"]} for n in range(25)
    )
    tweets.update_one({"_id": 3}, {"$set": {"words_version": VERSION}})
    assert outdated(tweets) == 24

    first = next(rebuild_words(tweets, 10))  # and then it is stopped
    assert (first, outdated(tweets)) == (10, 14)
    assert list(rebuild_words(tweets, 10)) == [10, 4]

    assert outdated(tweets) == 0
    assert tweets.find_one({"_id": 3})["words"] == ["old"], "those by today's rules are left alone"
    assert tweets.find_one({"_id": 7})["words"] == ["gols\tgol", "Bahia", "7x", "Bahia 7x"]
    assert list(rebuild_words(tweets, 10)) == []
