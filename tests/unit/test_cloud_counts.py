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


@pytest.mark.parametrize("name", ["note_tweet", "note_post"])
def test_long_posts_are_counted_whole(name: str) -> None:
    note = {
        "text": "festa &amp; carnaval na praia de #Copacabana",
        "entities": {"hashtags": [{"tag": "Copacabana"}]},
    }
    long = {"text": "festa &amp; carna", "entities": {"urls": []}, name: note}
    retweet = {
        "id": "2",
        "text": "RT @ana: festa &amp; car…",
        "referenced_tweets": [{"type": "retweeted", "id": "1"}],
    }
    for tweet in ({"id": "1", **long}, {**retweet, "referenced": [{"id": "1", **long}]}):
        assert counted(tweet).words == {"#Copacabana": 1, "festa": 1, "carnaval": 1, "praia": 1}


def test_html_of_a_file_is_decoded_once() -> None:
    assert counted({"id": "1", "text": "BTC&amp;ETH AT&amp;amp;T"}).words == {"AT": 1, "BTC": 1, "ETH": 1}


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"note_tweet": "x"}, "note_tweet is a str"),
        ({"note_post": {"text": 1}}, "note_post.text is a int"),
        ({"referenced": [{"id": "1"}]}, "referenced.text is missing"),
        ({"referenced": [{"id": "1", "text": "x", "note_tweet": []}]}, "referenced.note_tweet is a list"),
    ],
)
def test_notes_that_are_none_are_told_with_their_line(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(BadInput, match=f"line 1: {said}"):
        counted({"id": "1", "text": "festa", **wrong})
