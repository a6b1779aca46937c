"""What is counted of a file of tweets."""

from __future__ import annotations

import json
from typing import Any

import pytest

from opslib.cloud.counts import BadInput, Counted, from_lines


def counted(*tweets: dict[str, Any]) -> Counted:
    return from_lines([json.dumps(tweet).encode() for tweet in tweets], "tweets.ndjson", "pt")


def test_a_tweet_and_its_retweets_have_their_words_once() -> None:
    reference = {"referenced_tweets": [{"type": "quoted", "id": "9"}, {"type": "retweeted", "id": "1"}]}
    found = counted(
        {"id": "1", "text": "festa na praia"},
        {"id": "2", "text": "RT @ana: festa na praia", **reference},
        {"id": "3", "text": "RT @ana: festa na praia", **reference},
        {"id": "4", "text": "festa na rua"},
    )
    assert (found.tweets, found.words) == (4, {"festa": 2, "praia": 1, "rua": 1})


def test_retweets_that_name_no_id_are_one_if_their_text_is_the_same() -> None:
    same = [{"id": str(number), "text": "RT @ana: festa na praia"} for number in range(3)]
    found = counted(*same, {"id": "7", "text": "RT @ana: outra festa"}, {"id": "8", "text": "festa"})
    assert (found.tweets, found.words) == (5, {"festa": 3, "praia": 1})


def test_people_who_write_the_same_are_as_many_as_they_are() -> None:
    found = counted(*({"id": str(number), "text": "festa"} for number in range(3)))
    assert (found.tweets, found.words) == (3, {"festa": 3})


@pytest.mark.parametrize(
    "references", [5, ["x"], [{"type": "retweeted"}], [{"type": "retweeted", "id": "x"}]]
)
def test_references_that_are_none_are_told_with_their_line(references: Any) -> None:
    with pytest.raises(BadInput, match="line 1 has referenced_tweets that are none"):
        counted({"id": "1", "text": "festa", "referenced_tweets": references})
