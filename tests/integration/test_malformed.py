"""Thousands of messages that are none, among good ones, through a real sink: each ends where it belongs."""

from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING, Any

import pytest
import services
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from kafka import KafkaProducer
from test_sink import ids, tweet

from opslib import message

if TYPE_CHECKING:
    from conftest import Lake

GOOD = 2_000
MEGABYTE = 1024 * 1024
Case = tuple[bytes, str]  # a message, and a word that the reason has to hold

FIELDS = [
    *(
        "id",
        "text",
        "collected_at",
        "created_at",
        "lang",
        "author_id",
        "author",
        "entities",
        "public_metrics",
    ),
    *("public_metrics", "note_tweet", "referenced", "referenced_tweets", "collected_for"),
]
SCALARS = st.integers(-5, 5) | st.floats(allow_nan=False, allow_infinity=False) | st.booleans()
NUMBERS = st.integers(10_000, 99_999)
WITHOUT_NUL = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=5)


def changed(number: int, **fields: Any) -> bytes:
    return json.dumps({**tweet(number), **fields}).encode()


@st.composite
def not_utf8(draw: st.DrawFn) -> Case:
    value = message.encode(tweet(draw(NUMBERS)))
    at = draw(st.integers(0, len(value) - 1))
    broken = draw(st.sampled_from([b"\xff", b"\xc3(", b"\xed\xa0\x80", b"\xf8\x88\x80\x80", b"\xe2\x82"]))
    return value[:at] + broken + value[at:].replace(b"\xc3", b"c"), "UTF-8"


@st.composite
def not_json(draw: st.DrawFn) -> Case:
    value = changed(draw(NUMBERS))
    cut = value[: draw(st.integers(1, len(value) - 1))]
    return draw(st.sampled_from([cut, value + b"}", value + b"\0", value.replace(b":", b"=", 1)])), "JSON"


@st.composite
def not_a_number(draw: st.DrawFn) -> Case:
    number = draw(st.sampled_from([float("nan"), float("inf"), float("-inf")]))
    return changed(draw(NUMBERS), public_metrics={"like_count": number}), "no number"


@st.composite
def no_object(draw: st.DrawFn) -> Case:
    value = draw(st.lists(SCALARS | st.text(), max_size=3) | SCALARS | st.text() | st.none())
    return json.dumps(value).encode(), "no JSON object"


@st.composite
def lone_surrogate(draw: st.DrawFn) -> Case:
    # No NUL before it: a key with both is refused for the NUL, and which texts are drawn hangs on the
    # constants of the modules that happen to be loaded.
    text = draw(WITHOUT_NUL) + draw(st.sampled_from(["\ud83d", "\udc00", "\udbff\ud800"]))
    field = draw(st.sampled_from(["text", "lang", "author", "entities"]))
    holder = {"author": {"id": "1", "name": text}, "entities": {text: 1}}.get(field, text)
    return changed(draw(NUMBERS), **{field: holder}), "surrogate"


@st.composite
def wrong_type(draw: st.DrawFn) -> Case:
    field = draw(st.sampled_from(FIELDS))
    return changed(draw(NUMBERS), **{field: draw(SCALARS)}), field


@st.composite
def missing(draw: st.DrawFn) -> Case:
    field = draw(st.sampled_from(["id", "text", "collected_at"]))
    return changed(draw(NUMBERS), **{field: None}), f"{field} is missing"


@st.composite
def too_deep(draw: st.DrawFn) -> Case:
    depth = draw(st.integers(101, 3000))
    opening, closing = draw(st.sampled_from([("[", "]"), ('{"a":', "}")]))
    inner = opening * depth + "1" + closing * depth
    return changed(draw(NUMBERS), entities={"x": 0}).replace(b'"x": 0', b'"x": ' + inner.encode()), "nested"


@st.composite
def nul_in_a_key(draw: st.DrawFn) -> Case:
    key = draw(st.text(max_size=3)) + "\0" + draw(st.text(max_size=3))
    return changed(draw(NUMBERS), entities={"mentions": [{key: 1}]}), "NUL"


@st.composite
def id_out_of_range(draw: st.DrawFn) -> Case:
    wrong = st.integers(max_value=0) | st.integers(min_value=2**63)
    return changed(draw(NUMBERS), id=str(draw(wrong | st.just("\uff11\uff12") | st.just("1e3")))), "id"


@st.composite
def number_out_of_range(draw: st.DrawFn) -> Case:
    wrong = draw(st.integers(min_value=2**63) | st.integers(max_value=-(2**63) - 1))
    return changed(draw(NUMBERS), public_metrics={"like_count": wrong}), "64 bits"


@st.composite
def date_out_of_range(draw: st.DrawFn) -> Case:
    field = draw(st.sampled_from(["collected_at", "created_at"]))
    year = draw(st.sampled_from(["1970", "9999", "2005", "2100", "0001"]))
    rest = draw(st.datetimes()).strftime("-%m-%dT%H:%M:%S.000Z")
    return changed(draw(NUMBERS), **{field: year + rest.replace("-02-29", "-02-28")}), field


@st.composite
def no_date(draw: st.DrawFn) -> Case:
    texts = ["", "yesterday", "2026-13-01T00:00:00Z", "2026-01-01T25:00:00Z", "10000-01-01T00:00:00Z"]
    return changed(draw(NUMBERS), collected_at=draw(st.sampled_from(texts))), "collected_at"


KINDS = [
    *(not_utf8(), not_json(), not_a_number(), no_object(), lone_surrogate(), wrong_type(), missing()),
    *(too_deep(), nul_in_a_key(), id_out_of_range(), number_out_of_range(), date_out_of_range(), no_date()),
]


def generated(number: int) -> list[Case]:
    """Return *number* malformed messages, the same ones each time; none twice, so that each can be told."""
    cases: dict[bytes, str] = {}

    @settings(
        max_examples=2 * number,
        phases=[Phase.generate],
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(st.one_of(KINDS))
    def collect(case: Case) -> None:
        if len(cases) < number:
            cases.setdefault(*case)

    collect()
    return list(cases.items())


def random_bytes(seed: int) -> bytes:
    return random.Random(seed).randbytes(MEGABYTE)  # noqa: S311 - not a secret


def large() -> list[Case]:
    """Return messages of 1 MB: tweets far too long, and bytes that no compression makes small."""
    noise = random_bytes(1)
    return [
        (changed(1, text="a" * MEGABYTE), "bytes"),
        (changed(2, entities={"x": noise.hex()[:MEGABYTE]}), "bytes"),
        (noise, "bytes"),
        (b"{" + noise[: 400 * 1024], "UTF-8"),
    ]


def good(number: int) -> dict[str, Any]:
    """Return a good tweet that holds what is only just allowed."""
    odd = [
        {"text": "emoji 😀 e \0 NUL num texto"},
        {"public_metrics": {"like_count": 2**63 - 1}},
        {"created_at": "2006-03-21T20:50:14.000Z"},
        {"created_at": "2099-12-31T23:59:59Z"},
        {"entities": {"": [[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]}},
        {},
    ]
    return {**tweet(number), **odd[number % len(odd)]}


@pytest.mark.parametrize("number", [2_000, pytest.param(10_000, marks=pytest.mark.long)])
def test_malformed_messages_end_in_the_dead_letters_and_all_good_ones_in_mongodb(
    lake: Lake, number: int
) -> None:
    cases = [*generated(number), *large(), (b"", "empty")]
    assert len(cases) > number
    everything: list[Any] = [*cases, *((message.encode(good(n)), None) for n in range(GOOD))]
    random.Random(2).shuffle(everything)  # noqa: S311 - not a secret
    sink = lake.start_sink()
    producer = KafkaProducer(**lake.servers.operator, acks="all", linger_ms=20, max_request_size=2 * MEGABYTE)
    futures = [(producer.send(message.TWEETS, key=b"", value=value), value) for value, _ in everything]
    futures.append((producer.send(message.TWEETS, key=b"a tombstone", value=None), b""))
    producer.flush()
    origins = {}
    for future, value in futures:
        sent = future.get(60)
        origins[sent.partition, sent.offset] = value
    producer.close()
    lake.wait_for_commit(60)

    assert lake.ids() == ids(range(GOOD))
    letters = lake.dead_letters()
    assert len(letters) == len(cases) + 1
    expected = {**dict(cases), b"": "empty"}
    for letter in letters:
        headers = {name: text.decode() for name, text in letter.headers}
        assert letter.value == origins.pop((int(headers["partition"]), int(headers["offset"])))
        assert expected[letter.value] in headers["reason"], letter.value[:200]
        assert headers["topic"] == message.TWEETS
    assert len(origins) == GOOD, "a message is neither in MongoDB nor among the dead letters"
    assert sink.poll() is None, "the sink ended"
    assert lake.log().count("started ") == 1, lake.log()
    assert "waiting for" not in lake.log(), "it took a bad message for a fault that passes"


def test_a_dead_letter_larger_than_its_topic_takes_goes_there_without_its_bytes(lake: Lake) -> None:
    noise = random_bytes(3)
    with services.topic_config(lake.admin, message.DEAD_LETTERS, {"max.message.bytes": "500000"}):
        lake.start_sink()
        lake.send(tweet(1), b"\xff" + noise[: 1000 * 1000], tweet(2))
        lake.wait_for_commit()
    assert lake.ids() == ids(range(1, 3))
    (letter,) = lake.dead_letters()
    headers = dict(letter.headers)
    assert letter.value == b""
    assert b"bytes" in headers["reason"]
    assert headers["left-out"] == b"1000007 bytes, more than the topic takes"
