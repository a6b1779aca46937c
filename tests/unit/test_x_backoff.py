"""When X is asked again after it said no, or has no calls left."""

from __future__ import annotations

from datetime import timedelta

import pytest
from clocks import NOON as NOW
from clocks import Clock

from opslib.x.backoff import CALLS, STREAM, Backoff
from opslib.x.client import RateLimited, Refused, Unavailable, XError


@pytest.fixture
def backoff(clock: Clock) -> Backoff:
    return Backoff(clock)


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
    backoff: Backoff, error: XError, first: float, longest: float
) -> None:
    waits = []
    for _ in range(12):
        backoff.failed(error)
        waits.append(backoff.seconds())
    assert waits[:3] == [first, 2 * first, 4 * first]
    assert waits[-1] == longest
    backoff.succeeded()
    backoff.failed(error)
    assert backoff.seconds() == first


def test_it_opens_when_the_wait_is_over(backoff: Backoff, clock: Clock) -> None:
    assert backoff.seconds() == 0
    backoff.failed(Unavailable("503", maybe_charged=False))
    clock.now += timedelta(seconds=4)
    assert backoff.seconds() == 1
    clock.now += timedelta(seconds=1)
    assert backoff.seconds() == 0


def test_a_rate_limit_is_waited_out_until_the_moment_that_x_told(backoff: Backoff) -> None:
    reset = int((NOW + timedelta(minutes=7)).timestamp())
    assert "asked again at 12:07:01 UTC" in backoff.failed(RateLimited(reset))
    assert backoff.seconds() == 7 * 60 + 1


def test_the_last_call_of_a_window_closes_until_the_next(backoff: Backoff) -> None:
    backoff.succeeded(int((NOW + timedelta(minutes=3)).timestamp()))
    assert backoff.seconds() == 3 * 60 + 1


@pytest.mark.parametrize("past", [0, 1, 60, 10**6, int(NOW.timestamp())])
def test_a_reset_in_the_past_means_the_first_wait_doubling(clock: Clock, past: int) -> None:
    for delays in (CALLS, STREAM):
        backoff, waits = Backoff(clock, delays), []
        for _ in range(6):
            backoff.failed(RateLimited(int(clock.now.timestamp()) - past))
            waits.append(backoff.seconds())
            clock.now += timedelta(seconds=waits[-1])
        assert waits == [60, 120, 240, 480, 900, 900]


def test_a_rate_limit_that_x_ends_by_a_clock_of_its_own_is_no_storm(clock: Clock) -> None:
    """For an hour X answers 429 with a reset that this host's clock has passed."""
    backoff, calls, end = Backoff(clock), 0, clock.now + timedelta(hours=1)
    while clock.now < end:
        if not backoff.seconds():
            calls += 1
            backoff.failed(RateLimited(int(clock.now.timestamp()) - 5))
        clock.now += timedelta(seconds=1)
    assert calls <= 8


@pytest.mark.parametrize("ahead", [15 * 60 + 1, 86_400, 10**10, 10**18])
def test_a_reset_further_ahead_than_a_window_is_bounded_by_one(backoff: Backoff, ahead: int) -> None:
    backoff.failed(RateLimited(int(NOW.timestamp()) + ahead))
    assert backoff.seconds() == 15 * 60 + 1
    backoff.succeeded()
    backoff.succeeded(int(NOW.timestamp()) + ahead)
    assert backoff.seconds() == 15 * 60 + 1


def test_a_clock_that_was_set_back_keeps_nothing_closed(backoff: Backoff, clock: Clock) -> None:
    backoff.failed(Refused(401, "token"))
    clock.now -= timedelta(days=1)
    assert backoff.seconds() == 0
    backoff.failed(Refused(401, "token"))
    assert backoff.seconds() == 120


def test_an_answer_whose_window_is_over_closes_nothing(backoff: Backoff) -> None:
    backoff.succeeded(int(NOW.timestamp()) - 1)
    assert backoff.seconds() == 0
