"""Spans and moments as people say them, wherever a command takes one."""

from __future__ import annotations

import datetime as dt
import re
from typing import Any
from zoneinfo import ZoneInfo

import click
import pytest
import time_machine
from hypothesis import given
from hypothesis import strategies as st

from opslib.cli import main
from opslib.cli._times import MOMENT, MomentType, Span, SpanType, written

UTC = dt.timezone.utc
SAO_PAULO = ZoneInfo("America/Sao_Paulo")
BERLIN = ZoneInfo("Europe/Berlin")
UNITS = {"d": 86_400, "h": 3600, "m": 60, "s": 1}


def within(first: int, last: int) -> st.SearchStrategy[dt.datetime]:
    return st.datetimes(*(dt.datetime(year, 1, 1, tzinfo=UTC).replace(tzinfo=None) for year in (first, last)))


def span(text: str, **how: Any) -> Span:
    return SpanType(**how).convert(text, None, None)


def moment(text: str, zone: Any = UTC) -> dt.datetime:
    return MOMENT.convert(text, None, None).within(zone)


@given(st.dictionaries(st.sampled_from("dhms"), st.integers(1, 500), min_size=1))
def test_a_span_is_the_sum_of_its_parts_and_is_read_as_it_is_written(parts: dict[str, int]) -> None:
    text = "".join(f"{parts[unit]}{unit}" for unit in "dhms" if unit in parts)
    length = dt.timedelta(seconds=sum(number * UNITS[unit] for unit, number in parts.items()))
    assert span(text) == length
    assert span(text).said == text
    assert span(written(length)) == length


def test_a_number_alone_is_in_the_unit_of_the_option() -> None:
    assert span("90", unit="s") == span("1.5", unit="m") == span("1m30s")
    assert span("720", unit="h") == dt.timedelta(days=30)
    assert span("2h", unit="s") == dt.timedelta(hours=2)
    with pytest.raises(click.BadParameter, match="is no span such as"):
        span("90")


@pytest.mark.parametrize(
    ("text", "how"),
    [("0h", {}), ("20001d", {}), ("99999999999d", {}), ("30s", {"least": dt.timedelta(minutes=1)})],
)
def test_a_span_has_bounds_that_are_named(text: str, how: dict[str, Any]) -> None:
    with pytest.raises(click.BadParameter, match=r"is no span from .* to \d+d"):
        span(text, **how)


@given(st.text(max_size=20) | st.from_regex(r"[0-9TZ:dhms.+-]{0,20}", fullmatch=True))
def test_any_text_is_a_span_or_a_moment_or_refused(text: str) -> None:
    for kind in (SpanType("h"), MomentType()):
        try:
            found = kind.convert(text, None, None)
        except click.BadParameter:
            continue
        if not isinstance(found, dt.timedelta):
            for zone in (UTC, SAO_PAULO, ZoneInfo("Pacific/Kiritimati")):
                assert found.within(zone).tzinfo == UTC


@given(
    within(2007, 2099),
    st.sampled_from([UTC, SAO_PAULO, BERLIN, dt.timezone(dt.timedelta(hours=5, minutes=45))]),
)
def test_a_moment_is_read_as_iso_8601_writes_it(at: dt.datetime, zone: dt.tzinfo) -> None:
    aware = at.replace(tzinfo=zone)
    # Held against it in UTC: Python calls moments of two zones unequal in the hour that a clock shows twice.
    utc = aware.astimezone(UTC)
    assert moment(aware.isoformat(), SAO_PAULO) == utc
    assert moment(utc.isoformat().replace("+00:00", "Z")) == utc
    assert moment(at.isoformat(sep=" "), zone) == utc, "without an offset it is the place's time"
    minute = at.replace(second=0, microsecond=0)
    assert moment(minute.strftime("%Y-%m-%dT%H:%M"), zone) == minute.replace(tzinfo=zone).astimezone(UTC)
    day = dt.datetime(*at.timetuple()[:3], tzinfo=zone)
    assert moment(at.strftime("%Y-%m-%d"), zone) == day.astimezone(UTC)


@given(
    within(2020, 2030),
    st.times().map(lambda time: time.replace(second=0, microsecond=0)),
    st.sampled_from([UTC, SAO_PAULO, BERLIN, ZoneInfo("Asia/Kathmandu")]),
)
def test_a_time_of_the_clock_is_the_last_time_that_clocks_there_showed_it(
    now: dt.datetime, clock: dt.time, zone: Any
) -> None:
    now = now.replace(tzinfo=UTC)
    with time_machine.travel(now, tick=False):
        found = moment(clock.strftime("%H:%M"), zone)
    assert dt.timedelta() <= now - found <= dt.timedelta(hours=25)
    there = found.astimezone(zone)
    skipped = there.replace(tzinfo=None) - dt.timedelta(hours=1)  # in the hour that a spring has less
    assert clock in (there.time(), skipped.time())


def test_so_long_ago_and_now_are_counted_from_now() -> None:
    with time_machine.travel(dt.datetime(2026, 3, 1, 0, 30, tzinfo=UTC), tick=False):
        assert moment("now") == dt.datetime(2026, 3, 1, 0, 30, tzinfo=UTC)
        assert moment("2h") == dt.datetime(2026, 2, 28, 22, 30, tzinfo=UTC)
        assert moment("06:45") == dt.datetime(2026, 2, 28, 6, 45, tzinfo=UTC)
        assert moment("0:15", SAO_PAULO) == dt.datetime(2026, 2, 28, 3, 15, tzinfo=UTC)
        assert moment("21:15", SAO_PAULO) == dt.datetime(2026, 3, 1, 0, 15, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    [
        "0001-01-01",
        "9999-12-31",
        "2026-02-30",
        "24:00",
        "noon",
        "",
        "2026-03-01T12:00+99:99",
        "20001d",
        "-2h",
    ],
)
def test_what_is_no_moment_is_told(text: str) -> None:
    with pytest.raises(click.BadParameter) as told:
        moment(text)
    assert repr(text) in told.value.message


def options() -> list[tuple[str, click.Parameter]]:
    import fuzz

    return [
        (name, parameter)
        for name, command in fuzz.commands(main)
        for parameter in command.params
        if isinstance(parameter, click.Option)
    ]


def test_whatever_asks_for_a_span_or_a_moment_understands_them_all() -> None:
    """No option that is about time has a type of its own."""
    of_time = re.compile(r"--(at|since|until|last|hours|days|seconds|minutes|every|span|backlog|.*-days)$")
    found = {
        (name, parameter.opts[-1]): parameter.type
        for name, parameter in options()
        if of_time.match(parameter.opts[-1]) and (name, parameter.opts[-1]) != ("report list", "--last")
    }
    assert len(found) >= 10
    assert {
        option: kind for option, kind in found.items() if not isinstance(kind, (SpanType, MomentType))
    } == {}
    hours = re.compile(r"\b(hours|seconds|minutes|days)\b", re.IGNORECASE)
    others = {
        (name, parameter.opts[-1])
        for name, parameter in options()
        if isinstance(parameter.type, (click.types.FloatParamType, click.types.IntParamType))
        and hours.search(getattr(parameter, "help", "") or "")
    }
    assert others == set()


def test_there_is_one_option_for_the_format() -> None:
    # Who keeps an audit wants a table of it.
    formats = [p for name, p in options() if p.opts == ["--format"] and name != "audit"]
    assert len(formats) >= 12
    assert {(p.name, p.default, p.help, tuple(p.type.choices)) for p in formats} == {
        ("form", "text", formats[0].help, ("text", "json"))
    }
