"""When X is asked again after it said no, or has no calls left."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from opslib.x.client import RateLimited, Refused, Unavailable, XError
from opslib.x.gate import Gate

NOW = datetime(2026, 1, 31, 12, tzinfo=timezone.utc)


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def gate(clock: Clock) -> Gate:
    return Gate(clock)


@pytest.mark.parametrize(
    ("error", "first", "longest"),
    [
        (RateLimited(None), 60, 900),
        (Refused(401, "token"), 60, 3600),
        (Refused(429, "usage cap"), 60, 3600),
        (Unavailable("503", maybe_charged=False), 5, 320),
    ],
)
def test_waits_double_up_to_the_longest_and_begin_anew_after_an_answer(
    gate: Gate, error: XError, first: float, longest: float
) -> None:
    waits = []
    for _ in range(12):
        gate.shut(error)
        waits.append(gate.closed_for())
    assert waits[:3] == [first, 2 * first, 4 * first]
    assert waits[-1] == longest
    gate.answered()
    gate.shut(error)
    assert gate.closed_for() == first


def test_it_opens_when_the_wait_is_over(gate: Gate, clock: Clock) -> None:
    assert gate.closed_for() == 0
    gate.shut(Unavailable("503", maybe_charged=False))
    clock.now += timedelta(seconds=4)
    assert gate.closed_for() == 1
    clock.now += timedelta(seconds=1)
    assert gate.closed_for() == 0


def test_a_rate_limit_is_waited_out_until_the_moment_that_x_told(gate: Gate) -> None:
    reset = int((NOW + timedelta(minutes=7)).timestamp())
    assert "asked again then" in gate.shut(RateLimited(reset))
    assert gate.closed_for() == 7 * 60 + 1


def test_the_last_call_of_a_window_closes_until_the_next(gate: Gate) -> None:
    gate.answered(int((NOW + timedelta(minutes=3)).timestamp()))
    assert gate.closed_for() == 3 * 60 + 1
