"""Counting by minute, delays and lag without a server."""

from __future__ import annotations

import json
import math
import threading
from datetime import datetime, timedelta, timezone
from typing import Any, NamedTuple
from unittest.mock import MagicMock

import pytest
import time_machine
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from kafka.errors import KafkaTimeoutError  # type: ignore[import-untyped]

from opslib import message
from opslib.cli import main
from opslib.run.lag import waiting
from opslib.stats import delays
from opslib.stats.minutes import OTHERS, Minute, Minutes, begin_of, budget_in, follows_in
from opslib.stats.recorder import Recorder
from opslib.stats.stored import Stored
from opslib.x.budget import Budget, Limits

NOW = 30_000_000  # a minute in 2027
PARTITIONS = [(message.TWEETS, 0), (message.TWEETS, 1)]


class Record(NamedTuple):
    offset: int
    timestamp: int
    value: bytes = b"{"
    headers: tuple[tuple[str, bytes], ...] = ()


def at(minute: float, offset: int = 0, **extra: Any) -> Record:
    return Record(offset, int(minute * 60_000), **extra)


def tweet(**different: Any) -> bytes:
    moment = begin_of(NOW - 5)
    data = {"id": "7", "text": "x", "lang": "pt", "created_at": message.stamp(moment - timedelta(seconds=4))}
    return message.encode(message.tweet_message({**data, **different}, None, "tema", 23424768, "q", moment))


def closed(minutes: Minutes, positions: dict[Any, int]) -> Any:
    minute = minutes.oldest()
    return minute, *minutes.close(minute, positions)


def test_a_minute_has_what_came_in_it() -> None:
    minutes = Minutes()
    minutes.begin(0, NOW)
    values = [tweet(), tweet(lang="en"), tweet(lang=None), b"{"]
    minutes.add(PARTITIONS[0], [at(NOW - 5, n, value=value) for n, value in enumerate(values)], NOW)
    letters = [at(NOW - 5), at(NOW - 5, headers=(("replayed", b"0:1"),))]
    minutes.add((message.DEAD_LETTERS, 0), letters, NOW)
    minute, counted, _ = closed(minutes, {})
    figures = counted.figures()
    assert minute == NOW - 5
    assert (figures["tweets"], figures["unreadable"], figures["dead_letters"]) == (3, 1, 1)
    assert figures["languages"] == {"pt": 1, "en": 1, "und": 1}
    assert figures["sources"] == {"23424768": 3}
    assert figures["delay_collected"]["p99"] == 4


def test_names_that_strangers_make_up_are_one_name() -> None:
    minutes = Minutes()
    minutes.begin(0, NOW)
    langs = ["$x", "a.b", "", "x" * 50, *(f"l{n}" for n in range(60)), "pt", "pt"]
    minutes.add(PARTITIONS[0], [at(NOW, n, value=tweet(lang=lang)) for n, lang in enumerate(langs)], NOW)
    _, counted, _ = closed(minutes, {})
    languages = counted.figures()["languages"]
    assert languages["pt"] == 2
    assert sum(languages.values()) == len(langs)
    assert len(languages) <= 42
    assert not [name for name in languages if "." in name or name.startswith("$")]


@given(
    st.lists(st.tuples(st.integers(0, 1), st.integers(-4, 6), st.integers(1, 3)), min_size=1, max_size=40),
    st.integers(0, 39),
)
def test_whoever_goes_on_at_the_offsets_of_a_minute_counts_each_message_once(
    blocks: list[tuple[int, int, int]], kill: int
) -> None:
    """Whatever the order of times: after a kill the minutes are those that they would have been."""
    logs: dict[Any, list[Record]] = {partition: [] for partition in PARTITIONS}
    for number, minute, many in blocks:
        log = logs[PARTITIONS[number]]
        log += [at(NOW + minute, len(log) + n) for n in range(many)]

    def ends() -> dict[Any, int]:
        return {partition: len(log) for partition, log in logs.items()}

    def read(minutes: Minutes, offsets: dict[Any, int]) -> None:
        for partition, log in logs.items():
            minutes.add(partition, log[offsets.get(partition, 0) :], NOW + 6)

    def recorded(killed_after: int | None) -> list[tuple[int, int]]:
        minutes, offsets, found = Minutes(), {}, []
        minutes.begin(0, NOW)
        read(minutes, offsets)
        while minutes.oldest() <= NOW + 6:
            minute, counted, offsets = closed(minutes, ends())
            found.append((minute, counted.unreadable))
            if len(found) - 1 == killed_after:
                minutes = Minutes()
                minutes.resume(minute)
                read(minutes, offsets)
        return found

    whole = recorded(None)
    assert sum(count for _, count in whole) == sum(many for *_, many in blocks)
    assert [minute for minute, _ in whole] == list(range(whole[0][0], NOW + 7))
    again = recorded(kill)
    assert [minute for minute, _ in again] == [minute for minute, _ in whole]
    assert sum(count for _, count in again) == sum(many for *_, many in blocks)


@pytest.mark.parametrize(
    ("name", "counted"),
    [
        ("Minha casa", "follow Minha casa"),
        ("Pão de Açúcar", "follow Pão de Açúcar"),
        ("a.b", OTHERS),
        ("$a", OTHERS),
    ],
)
def test_what_is_followed_is_counted_by_its_name_where_a_document_can_have_it(
    name: str, counted: str
) -> None:
    value = json.loads(tweet())
    value["collected_for"] = [{"kind": "follow", "name": name, "woeid": None, "query": "x"}]
    minutes = Minutes()
    minutes.begin(0, NOW)
    minutes.add(PARTITIONS[0], [at(NOW - 5, value=message.encode(value))], NOW)
    assert closed(minutes, {})[1].figures()["sources"] == {counted: 1}


def test_in_one_partition_minutes_never_go_back_nor_into_the_future() -> None:
    minutes = Minutes()
    minutes.begin(0, NOW)
    minutes.add(PARTITIONS[0], [at(NOW - 2, 0), at(NOW - 9, 1), at(NOW + 99, 2), at(0, 3)], NOW)
    counts = []
    while minutes.oldest() <= NOW:
        minute, counted, _ = closed(minutes, {})
        counts.append((minute, counted.unreadable))
    assert counts == [(NOW - 2, 2), (NOW - 1, 0), (NOW, 2)]


def test_a_minute_ends_in_a_partition_with_the_first_message_of_a_later_one() -> None:
    minutes = Minutes()
    minutes.begin(0, NOW)
    minutes.add(PARTITIONS[0], [at(NOW - 50)], NOW)
    minutes.add(PARTITIONS[1], [at(NOW - 50), at(NOW - 20, 1)], NOW)
    assert minutes.is_behind(PARTITIONS[1], NOW - 30)
    assert not minutes.is_behind(PARTITIONS[0], NOW - 50)


def test_a_recorder_without_any_message_begins_now() -> None:
    minutes = Minutes()
    minutes.begin(NOW - 1000, NOW)
    assert minutes.oldest() == NOW
    assert closed(minutes, {PARTITIONS[0]: 7})[2] == {PARTITIONS[0]: 7}
    assert minutes.oldest() == NOW + 1


def test_the_budget_is_read_from_headers() -> None:
    names = {"x.budget.today.resources": b"12", "x.budget.today.usd": b"0.060", "x.budget.left.usd": b"4.94"}
    headers = (("other", b"1"), ("x.budget.odd", b"1"), ("x.budget.left.resources", b"many"), *names.items())
    assert budget_in(at(NOW, headers=headers)) == {
        "at": begin_of(NOW),
        "today": {"resources": 12, "usd": 0.06},
        "left": {"usd": 4.94},
    }
    assert budget_in(at(NOW)) is None


def test_what_each_follow_has_cost_is_read_from_the_header_that_one_message_of_many_has() -> None:
    told = at(NOW, headers=(("x.budget.follows", '{"Pão": [0.25, 12.5]}'.encode()),))
    found = {"at": begin_of(NOW), "follows": [{"name": "Pão", "today": 0.25, "all": 12.5}]}
    assert follows_in(told) == found
    minute = Minute()
    for record in (told, at(NOW), at(NOW, headers=(("x.budget.follows", b"[1]"),))):
        minute.add(message.DEAD_LETTERS, record)
    assert minute.follows == found
    for wrong in (b"", b"{", b'{"a": 1}', b'{"a": [1]}', b'{"a": ["x", 1]}', b"null", b"\xff"):
        assert follows_in(at(NOW, headers=(("x.budget.follows", wrong),))) is None


def test_a_delay_is_known_from_the_first_answer_that_covers_its_message() -> None:
    stored, partition = Stored(), PARTITIONS[0]
    stored.read(partition, 1, 100.0)  # nobody asked yet
    stored.told({partition: 5}, 110.0)
    stored.read(partition, 4, 100.0)  # stored before anybody asked
    stored.read(partition, 5, 109.0)
    stored.told({partition: 5}, 111.0)
    assert stored.taken() == []
    stored.told({partition: 8}, 112.0)
    stored.read(partition, 7, 108.0)  # the sink was faster than the recorder
    stored.read(partition, 8, 108.5)
    stored.told({partition: 20}, 113.0)
    assert stored.taken() == [3.0, 4.0, 4.5]
    assert stored.taken() == []


def test_a_sink_that_is_away_for_long_leaves_the_oldest_waiting_and_bounds_them() -> None:
    stored, partition = Stored(), PARTITIONS[0]
    stored.told({partition: 0}, 0.0)
    for offset in range(20_001):
        stored.read(partition, offset, float(offset))
    stored.told({partition: 20_001}, 30_000.0)
    found = stored.taken()
    assert len(found) == 20_000
    assert found[0] == 30_000.0, "the oldest, whose delay says how long it was away"
    # What was left out has made room for what comes now.
    stored.read(partition, 20_001, 30_001.0)
    stored.told({partition: 20_002}, 30_003.0)
    assert stored.taken() == [2.0]


def test_a_recorder_outlasts_a_broker_that_does_not_say_how_far_topics_go() -> None:
    stop, asked = threading.Event(), []

    def end_offsets(partitions: list[Any]) -> dict[Any, int]:
        asked.append(partitions)
        if len(asked) == 1:  # where to begin
            return dict.fromkeys(partitions, 0)
        if len(asked) == 3:
            stop.set()
        raise KafkaTimeoutError("Failed to get offsets by timestamps in 30000 ms")

    consumer = MagicMock(end_offsets=end_offsets)
    consumer.beginning_offsets.side_effect = lambda partitions: dict.fromkeys(partitions, 0)
    series = MagicMock()
    series.newest.return_value = series.newest_budget.return_value = None
    consumer.partitions_for_topic.return_value = {0, 1}
    observer = MagicMock(topics=(math.inf, {message.TWEETS: 2}), lag=None)
    with time_machine.travel(begin_of(NOW), tick=False) as clock:
        consumer.poll.side_effect = lambda **_: clock.shift(60) or {}
        Recorder(
            consumer, series, observer, MagicMock(), MagicMock(), stop,
            topics={message.TWEETS: 2}, grace_seconds=1,
        ).run()  # fmt: skip
    assert len(asked) == 3
    assert not series.record.called


def test_answers_are_kept_for_as_long_as_the_recorder_may_be_behind() -> None:
    """One a second for ten minutes; when a message was stored that lies before them, nobody knows."""
    stored, partition = Stored(), PARTITIONS[0]
    for second in range(700):
        stored.told({partition: second}, float(second))
    stored.read(partition, 99, 99.0)  # behind the answer of 100 s ago, which is gone
    assert stored.taken() == []
    stored.read(partition, 100, 100.0)
    stored.read(partition, 698, 698.0)
    assert stored.taken() == [1.0, 1.0]
    stored.read(partition, 699, 699.0)  # not stored yet
    assert stored.taken() == []


def test_the_offset_that_was_told_is_the_first_that_is_not_stored() -> None:
    stored, partition = Stored(), PARTITIONS[0]
    stored.told({partition: 5}, 100.0)
    stored.read(partition, 8, 101.0)
    stored.told({partition: 8}, 102.0)
    assert stored.taken() == []
    stored.told({partition: 9}, 103.0)
    assert stored.taken() == [2.0]


def test_answers_of_a_quiet_hour_do_not_take_the_place_of_those_that_tell_something() -> None:
    stored, partition = Stored(), PARTITIONS[0]
    stored.told({partition: 5}, 0.0)
    for second in range(1, 3600):
        stored.told({partition: 8}, float(second))
    stored.read(partition, 7, 0.5)
    assert stored.taken() == [0.5]


def test_partitions_do_not_share_their_answers_nor_what_waits() -> None:
    stored = Stored()
    stored.told(dict.fromkeys(PARTITIONS, 0), 0.0)
    for partition in PARTITIONS:
        stored.read(partition, 0, 1.0)
    stored.told({PARTITIONS[1]: 1}, 3.0)
    assert stored.taken() == [2.0]


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=200), st.integers(1, 5))
def test_percentiles_of_several_minutes_are_those_of_all_their_delays(found: list[float], parts: int) -> None:
    whole = delays.summary(found)
    together = delays.joined(delays.summary(found[n::parts]) for n in range(parts))
    assert whole
    assert together
    for name in ("p50", "p95", "p99"):
        assert together[name] == pytest.approx(whole[name], rel=0.06, abs=0.002)
    assert (together["max"], together["number"]) == (whole["max"], len(found))


def test_percentiles_are_of_the_nearest_rank() -> None:
    found = delays.summary([float(n) for n in range(1, 101)])
    assert found
    assert (found["p50"], found["p95"], found["p99"], found["max"]) == (50, 95, 99, 100)
    assert delays.summary([]) is None
    assert delays.joined([None]) is None


def test_lag_counts_what_kafka_still_has_of_topics_that_the_group_reads() -> None:
    bounds = {("a", 0): (10, 30), ("a", 1): (0, 5), ("b", 0): (0, 9)}
    assert waiting({("a", 0): 12}, bounds) == {"a": 18 + 5}
    assert waiting({("a", 0): 3, ("a", 1): 9}, bounds) == {"a": 20}
    assert waiting({}, bounds) == {}


@time_machine.travel(datetime(2026, 3, 31, 23, 59, 59, tzinfo=timezone.utc), tick=False)
def test_without_mongodb_the_budget_is_told_alone(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    budget = tmp_path / "budget.sqlite"
    with Budget(budget, Limits(usd_day=5)).call({"post": 3}) as came:
        came({"post": ["1", "2", "3"]})
    monkeypatch.setenv("OPSLIB_X__BUDGET_FILE", str(budget))
    said = CliRunner().invoke(main, ["stats", "--format", "json"])
    assert said.exit_code == 0
    assert json.loads(said.stdout)["budget"]["kinds"] == {"post": {"resources": 3, "usd": 0.015}}
    assert "only what collecting cost: the credential ca is needed" in said.stderr
    monkeypatch.setenv("OPSLIB_X__BUDGET_FILE", str(tmp_path / "none"))
    nothing = CliRunner().invoke(main, ["stats"])
    assert (nothing.exit_code, nothing.stderr.count("\n")) == (2, 1)


@pytest.mark.parametrize("span", ["1", "0h", "h", "2w", "-1h", "9" * 9 + "d"])
def test_a_wrong_span_is_told(span: str) -> None:
    said = CliRunner().invoke(main, ["stats", "--last", span])
    assert said.exit_code == 2
    assert "is no span" in said.stderr


def test_a_moment_is_the_minute_it_is_in() -> None:
    assert begin_of(NOW) == datetime.fromtimestamp(NOW * 60, timezone.utc)
