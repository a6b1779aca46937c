"""What services log: complaints that come many times a second, told now and then."""

from __future__ import annotations

import logging

from opslib.cli._journal import Seldom


def complaint(
    text: str, seconds: float, line: int = 10, name: str = "kafka.net.connection"
) -> logging.LogRecord:
    record = logging.LogRecord(name, logging.ERROR, "/kafka/net/connection.py", line, text, (), None)
    record.created = 1_800_000_000 + seconds
    return record


def passed(*records: logging.LogRecord) -> list[str]:
    seldom = Seldom()
    return [record.getMessage() for record in records if seldom.filter(record)]


def test_a_kind_of_complaint_comes_once_a_minute_whatever_numbers_are_in_it() -> None:
    said = passed(*(complaint(f"127.0.0.1:{40_000 + n} lost after {n / 10} s", n / 10) for n in range(700)))
    assert said == [
        "127.0.0.1:40000 lost after 0.0 s",
        "127.0.0.1:40600 lost after 60.0 s (and 599 more like it since the last)",
    ]


def test_another_kind_is_not_held_back() -> None:
    assert passed(complaint("lost", 0), complaint("refused", 0, line=20), complaint("lost", 1)) == [
        "lost",
        "refused",
    ]


def test_what_opslib_itself_says_is_always_told() -> None:
    assert passed(*(complaint("waiting", n, name="opslib.sink.writer") for n in range(3))) == ["waiting"] * 3


def test_the_limiter_keeps_no_more_than_there_are_kinds() -> None:
    seldom = Seldom()
    for n in range(10_000):
        seldom.filter(complaint(f"attempt {n}", n * 61, line=n % 3))
    assert len(seldom._last) == 3
