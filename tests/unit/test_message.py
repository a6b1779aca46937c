from __future__ import annotations

import json
import subprocess
import sys
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opslib import message
from opslib.message import (
    MAX_BYTES,
    MAX_DEPTH,
    BadMessage,
    decode_trends,
    decode_tweet,
    encode,
    key_of,
    moment_of,
    moment_of_id,
    searched_in,
    stamp,
    trend_document,
    trends_message,
    tweet_document,
    tweet_message,
)

NOW = datetime(2026, 3, 1, 12, 30, 0, 123456, tzinfo=timezone.utc)
GOOD: dict[str, Any] = {"id": "1578520094778740736", "text": "a", "collected_at": "2026-03-01T12:30:00.123Z"}


def nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


def test_a_tweet_goes_through_kafka_into_its_document() -> None:
    data = {
        "id": "1578520094778740736",
        "text": "Pão &amp; café #MasterChefBR",
        "author_id": "7",
        "lang": "pt",
        "created_at": "2022-10-07T22:58:12.000Z",
        "entities": {"hashtags": [{"start": 15, "end": 28, "tag": "MasterChefBR"}]},
        "public_metrics": {"like_count": 3},
        "referenced_tweets": [{"type": "quoted", "id": "5"}, {"type": "replied_to", "id": "6"}],
    }
    includes = {
        "users": [
            {"id": "8", "username": "x", "name": "X"},
            {"id": "7", "username": "ana", "name": "Ana", "url": "u"},
        ],
        "tweets": [{"id": "5", "text": "quoted"}],
    }
    message = tweet_message(data, includes, "#MasterChefBR", 23424768, '"q"', NOW)
    assert key_of(message) == b"1578520094778740736"
    assert message["referenced"] == [{"id": "5", "text": "quoted"}]
    assert decode_tweet(encode(message)) == message
    document = tweet_document(decode_tweet(encode(message)))
    seen = NOW.replace(microsecond=123000)
    assert document == {
        "_id": 1578520094778740736,
        "text": "Pão & café #MasterChefBR",
        "lang": "pt",
        "author": {"id": "7", "username": "ana", "name": "Ana"},
        "entities": data["entities"],
        "public_metrics": {"like_count": 3},
        "referenced_tweets": data["referenced_tweets"],
        "topics": [{"name": "#MasterChefBR", "woeid": 23424768, "first_at": seen}],
        "created_at": datetime(2022, 10, 7, 22, 58, 12, tzinfo=timezone.utc),
        "first_seen_at": seen,
        "collected_at": seen,
    }


def test_what_is_followed_is_a_topic_of_its_own_kind_and_what_was_looked_up_stands_where_it_was_written() -> (
    None
):
    data = {"id": "1578520094778740736", "text": "oi", "created_at": "2022-10-07T22:58:12.000Z"}
    message = tweet_message(data, {}, "Pix", None, "pix", NOW)
    live = {"kind": "follow", "name": "Pix", "woeid": None, "query": "pix"}
    message["collected_for"] = [
        live,
        {**live, "name": "old", "looked_up": True},
        {"name": "Pix", "kind": "trend"},
    ]
    assert tweet_document(decode_tweet(encode(message)))["topics"] == [
        {"kind": "follow", "name": "Pix", "woeid": None, "first_at": NOW.replace(microsecond=123000)},
        {
            "kind": "follow",
            "name": "old",
            "woeid": None,
            "first_at": datetime(2022, 10, 7, 22, 58, 12, tzinfo=timezone.utc),
        },
        {"name": "Pix", "woeid": None, "first_at": NOW.replace(microsecond=123000)},
    ]


def test_the_fields_that_x_gives_by_default_are_enough() -> None:
    document = tweet_document(
        decode_tweet(encode(tweet_message({"id": "20", "text": "t"}, None, "x", None, "x", NOW)))
    )
    assert (document["lang"], document["author"], document["created_at"]) == (None, None, None)
    assert "retweet_of" not in document
    newer = tweet_document(decode_tweet(encode(GOOD)))
    assert newer["created_at"].isoformat(timespec="seconds") == "2022-10-07T22:58:12+00:00"


def test_texts_that_x_cut_short_are_taken_in_full() -> None:
    retweet = {
        "id": "9",
        "text": "RT @ana: a long t…",
        "referenced_tweets": [{"type": "retweeted", "id": "5"}],
    }
    includes = {
        "tweets": [{"id": "5", "text": "a long text #tag", "entities": {"hashtags": [{"tag": "tag"}]}}]
    }
    document = tweet_document(tweet_message(retweet, includes, "x", 1, "x", NOW))
    assert document["text"] == "RT @ana: a long text #tag"
    assert document["entities"] == {"hashtags": [{"tag": "tag"}]}
    assert document["retweet_of"] == 5
    note = {"id": "9", "text": "cut…", "note_tweet": {"text": "all of it"}}
    assert tweet_document(tweet_message(note, None, "x", 1, "x", NOW))["text"] == "all of it"


@pytest.mark.parametrize("name", ["note_tweet", "note_post"])
def test_a_retweet_of_a_long_post_has_the_whole_of_it(name: str) -> None:
    tags = {"hashtags": [{"tag": "fim"}]}
    original = {
        "id": "5",
        "text": "all of it, not a cut charac",
        "entities": {"urls": []},
        name: {"text": "all of it &amp; not a cut character #fim", "entities": tags},
    }
    retweet = {
        "id": "9",
        "text": "RT @ana: all of it, not a cut…",
        "referenced_tweets": [{"type": "retweeted", "id": "5"}],
    }
    document = tweet_document(tweet_message(retweet, {"tweets": [original]}, "x", 1, "x", NOW))
    assert document["text"] == "RT @ana: all of it & not a cut character #fim"
    assert document["entities"] == tags
    alone = tweet_document(tweet_message(original, None, "x", 1, "x", NOW))
    assert (alone["text"], alone["entities"]) == ("all of it & not a cut character #fim", tags)


WHOLE = {
    "article": {"title": "Carnaval &amp; chuva", "plain_text": "Um artigo inteiro"},
    "attachments": {"media_keys": ["3_1"]},
    "community_id": "1500000000000000001",
    "context_annotations": [{"domain": {"id": "45"}, "entity": {"id": "10", "name": "Carnaval"}}],
    "geo": {"place_id": "68e019afec7d0ba5"},
    "paid_partnership": False,
    "withheld": {"copyright": False, "country_codes": ["DE"], "scope": "tweet"},
}


def test_what_x_says_besides_stands_in_the_document_where_it_stood_in_the_post() -> None:
    document = tweet_document(decode_tweet(json.dumps({**GOOD, **WHOLE}).encode()))
    assert {name: document[name] for name in WHOLE} == WHOLE
    assert WHOLE.keys().isdisjoint(tweet_document(decode_tweet(json.dumps(GOOD).encode())))


@pytest.mark.parametrize("part", ["plain_text", "text", "preview_text"])
def test_an_article_s_text_counts_as_the_post_s(part: str) -> None:
    article = {"title": "Carnaval &amp; chuva", part: "Um artigo inteiro #folia"}
    entities = {"hashtags": [{"start": 0, "end": 2, "tag": "a"}]}
    post = {**GOOD, "text": "#a https://t.co/x", "article": article, "entities": entities}
    document = tweet_document(decode_tweet(json.dumps(post).encode()))
    assert document["text"] == "#a https://t.co/x\n\nCarnaval & chuva\n\nUm artigo inteiro #folia"
    assert document["entities"] == entities, "which are in their places"
    retweet = {
        **GOOD,
        "text": "RT @ana: #a https://t…",
        "referenced_tweets": [{"type": "retweeted", "id": "5"}],
        "referenced": [{**post, "id": "5"}],
    }
    assert tweet_document(decode_tweet(json.dumps(retweet).encode()))["text"].endswith("inteiro #folia")


def test_a_snapshot_says_for_how_many_of_its_trends_tweets_are_collected() -> None:
    trends = [{"trend_name": f"#t{rank}"} for rank in range(1, 51)]
    told = decode_trends(encode(trends_message(1, "World", trends, NOW, 10)))
    assert [trend["name"] for trend in searched_in(told)] == [f"#t{rank}" for rank in range(1, 11)]
    document = trend_document(told)
    assert (len(document["trends"]), document["searched"]) == (50, 10)
    before = decode_trends(encode(trends_message(1, "World", trends, NOW)))
    assert searched_in(before) == before["trends"], "one from before it said so is searched for all of them"
    assert "searched" not in trend_document(before)


def test_a_snapshot_goes_through_kafka_into_its_document() -> None:
    trends = [{"trend_name": "#A", "tweet_count": 12}, {"trend_name": "b"}]
    message = trends_message(23424768, "Brasil", trends, NOW)
    assert key_of(message) == b"23424768"
    document = trend_document(decode_trends(encode(message)))
    assert document["trends"] == [
        {"name": "#A", "tweet_count": 12, "rank": 1},
        {"name": "b", "tweet_count": None, "rank": 2},
    ]
    assert document["collected_at"] == NOW.replace(microsecond=123000)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, "empty"),
        (b"", "empty"),
        (b"\xff{}", "not UTF-8: invalid start byte at byte 0"),
        (b"{", "not JSON"),
        (b'{"id": NaN}', "not JSON: NaN"),
        (b"[]", "no JSON object but a list"),
        (b"[" * 100_000, "nested deeper"),
        ({"id": None}, "id is missing"),
        ({"id": 5}, "id is a int, not a str"),
        ({"id": "x1"}, "id 'x1' is not numeric"),
        ({"id": "\u0661"}, "is not numeric"),
        ({"id": "0"}, "not between 1"),
        ({"id": str(2**63)}, "not between 1"),
        ({"id": "9" * 10_000}, "not between 1"),
        ({"text": None}, "text is missing"),
        ({"text": ["a"]}, "text is a list"),
        ({"collected_at": None}, "collected_at is missing"),
        ({"collected_at": "yesterday"}, "collected_at 'yesterday': is no time"),
        ({"collected_at": "2026-02-30T00:00:00.000Z"}, "collected_at '2026-02-30T"),
        ({"created_at": "1970-01-01T00:00:00.000Z"}, "created_at 1970-01-01T00:00:00.000Z is out of range"),
        ({"created_at": "9999-12-31T23:59:59.999Z"}, "out of range"),
        ({"created_at": "0001-01-01T00:00:00+14:00"}, "created_at"),
        ({"lang": 5}, "lang is a int"),
        ({"entities": []}, "entities is a list, not a dict"),
        ({"author": {"id": "a"}}, "author.id 'a' is not numeric"),
        ({"referenced": ["a"]}, "referenced holds a str"),
        ({"collected_for": [{"name": 1}]}, "collected_for.name is a int"),
        ({"collected_for": [{"name": "x", "woeid": True}]}, "collected_for.woeid is a bool"),
        ({"collected_for": [{"name": "x", "kind": "fan"}]}, "collected_for.kind is 'fan', neither trend nor"),
        ({"collected_for": [{"name": "x", "looked_up": 1}]}, "collected_for.looked_up is a int"),
        ({"note_tweet": {"text": 1}}, "note_tweet.text is a int"),
        ({"note_post": {"text": 1}}, "note_post.text is a int"),
        ({"referenced": [{"id": "5", "text": "x", "note_tweet": 1}]}, "referenced.note_tweet is a int"),
        ({"article": {"title": 1}}, "article.title is a int"),
        ({"referenced": [{"id": "5", "text": "x", "article": []}]}, "referenced.article is a list"),
        ({"paid_partnership": 1}, "paid_partnership is a int, not a bool"),
        ({"context_annotations": ["a"]}, "context_annotations holds a str"),
        ({"community_id": 7}, "community_id is a int"),
        ({"text": "\ud83d"}, "lone surrogate"),
        ({"entities": {"a\udc00": 1}}, "a key contains half a character"),
        ({"entities": {"a\0": 1}}, "a key contains NUL"),
        ({"public_metrics": {"like_count": 2**63}}, "too large for 64 bits"),
        ({"entities": {"deep": nested(MAX_DEPTH)}}, "nested deeper than 90 levels"),
    ],
)
def test_a_broken_tweet_is_refused_with_its_reason(value: Any, reason: str) -> None:
    # json.dumps writes lone surrogates as escapes, which is how they come over the wire.
    raw = json.dumps({**GOOD, **value}).encode() if isinstance(value, dict) else value
    with pytest.raises(BadMessage) as caught:
        decode_tweet(raw)
    assert reason in str(caught.value)
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"woeid": "1"}, "woeid is a str"),
        ({"trends": None}, "trends is missing"),
        ({"trends": [{"name": "a"}]}, "trends.rank is missing"),
        ({"trends": [{"name": "a", "rank": 1, "tweet_count": "9"}]}, "trends.tweet_count is a str"),
    ],
)
def test_a_broken_snapshot_is_refused_with_its_reason(change: dict[str, Any], reason: str) -> None:
    with pytest.raises(BadMessage, match=reason):
        decode_trends(encode({**trends_message(1, "p", [], NOW), **change}))


def test_half_characters_that_make_a_whole_are_none() -> None:
    assert decode_tweet(json.dumps({**GOOD, "text": "😀"}).encode())["text"] == "😀"


@pytest.mark.slow
@given(
    st.dictionaries(
        st.sampled_from(
            [
                *(*GOOD, "created_at", "author", "entities", "referenced", "collected_for", "note_tweet"),
                *("article", "attachments", "community_id", "context_annotations", "geo"),
                *("paid_partnership", "withheld"),
            ]
        ),
        st.recursive(
            st.none()
            | st.booleans()
            | st.integers()
            | st.floats(allow_nan=False, allow_infinity=False)
            | st.text(),
            lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
            max_leaves=10,
        ),
    )
)
def test_whatever_decodes_makes_a_document(change: dict[str, Any]) -> None:
    try:
        message = decode_tweet(json.dumps({**GOOD, **change}).encode())
    except BadMessage:
        return
    assert isinstance(tweet_document(message)["_id"], int)


@given(st.binary(max_size=50))
def test_any_bytes_are_decoded_or_refused(value: bytes) -> None:
    with pytest.raises(BadMessage):
        decode_tweet(value)


def outcome(decode: Any, value: bytes) -> Any:
    try:
        return decode(value)
    except BadMessage as error:
        return str(error)


NUMBERS = st.sampled_from(
    [2**63 - 1, 2**63, -(2**63), -(2**63) - 1, 2**64, 10**19, 0.1, -0.0, 1e300, 1234567890123456789]
)
JSON = st.recursive(
    st.none() | st.booleans() | NUMBERS | st.text(max_size=5),
    lambda children: (
        st.lists(children, max_size=3) | st.dictionaries(st.text(max_size=3), children, max_size=3)
    ),
    max_leaves=8,
)
SEPARATORS = st.sampled_from([(",", ":"), (", ", ": "), (" ,\n", "\t:\r")])


@given(st.dictionaries(st.text(max_size=3), JSON), SEPARATORS, st.booleans(), st.integers(0, 99))
def test_reading_quickly_and_carefully_is_the_same(
    content: dict[str, Any], separators: tuple[str, str], ascii_: bool, depth: int
) -> None:
    text = json.dumps({**content, "deep": nested(depth)}, separators=separators, ensure_ascii=ascii_)
    value = text.encode("utf-8", "surrogatepass")
    assert repr(outcome(message._object_of, value)) == repr(outcome(message._carefully, value))


@pytest.mark.parametrize(
    "value",
    [b'{"a":"\\ud800"}', b'{"a\\u0000":1}', b'{"a":1e400}', b'{"a":NaN}', b'{"a":-12345678901234567890}'],
)
def test_what_orjson_would_take_or_name_otherwise_is_refused_the_same(value: bytes) -> None:
    assert isinstance(outcome(message._object_of, value), str)
    assert outcome(message._object_of, value) == outcome(message._carefully, value)


def test_a_message_larger_than_any_tweet_is_refused() -> None:
    value = json.dumps({**GOOD, "text": "a" * MAX_BYTES}).encode()
    with pytest.raises(BadMessage, match=f"has {len(value)} bytes"):
        decode_tweet(value)


@given(st.datetimes(datetime(2006, 1, 1), datetime(2099, 1, 1)))  # noqa: DTZ001 - the zone comes next
def test_moments_survive_being_written(moment: datetime) -> None:
    moment = moment.replace(
        tzinfo=timezone(timedelta(hours=-3)), microsecond=moment.microsecond // 1000 * 1000
    )
    assert moment_of(stamp(moment)) == moment


def test_an_id_tells_its_moment() -> None:
    moment = moment_of_id(1346889436626259968)
    assert moment is not None
    assert stamp(moment) == "2021-01-06T18:40:40.344Z"
    assert moment_of_id(20) is None


def test_the_module_needs_the_standard_library_alone() -> None:
    code = "import sys; sys.path.insert(0, '.'); import opslib.message; print(*sorted(sys.modules))"
    loaded = subprocess.run(
        [sys.executable, "-S", "-I", "-c", code], check=True, capture_output=True, text=True
    ).stdout.split()
    assert [name for name in loaded if name.startswith("opslib")] == ["opslib", "opslib.message"]
