"""The budget: never exceeded, whatever is killed, whoever shares it, and whichever day it is."""

from __future__ import annotations

import multiprocessing
import sqlite3
from contextlib import closing
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

import pytest
from clocks import NOON, Clock

from opslib.x.budget import UNLIMITED, Budget, Exhausted, Limits
from opslib.x.budget_file import BudgetFile

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "budget.sqlite"


def posts(first: int, number: int) -> dict[str, list[str]]:
    return {"post": [str(n) for n in range(first, first + number)]}


def test_what_came_is_counted_by_kind_and_priced(path: Path, clock: Clock) -> None:
    budget = Budget(path, Limits(), {"user": 0.02}, clock)
    with budget.call({"post": 100, "user": 100}) as came:
        came({**posts(0, 40), "user": ["1", "2"]})
    report = Budget(path, Limits(), {}, clock).report()
    assert report["kinds"] == {
        "post": {"resources": 40, "usd": 0.2},
        "user": {"resources": 2, "usd": 0.04},
    }
    assert report["today"] == report["month"] == {"resources": 42, "usd": 0.24}


def test_a_post_is_free_again_on_the_same_utc_day_and_not_on_the_next(path: Path, clock: Clock) -> None:
    budget = Budget(path, Limits(), {}, clock)
    for _ in range(2):
        with budget.call({"post": 100}) as came:
            came(posts(0, 100))
    assert budget.spent_today().resources == 100
    clock.now += timedelta(hours=12)
    with budget.call({"post": 100}) as came:
        came(posts(0, 100))
    assert budget.spent_today().resources == 100
    assert budget.spent_this_month().resources == 100, "February began"


@pytest.mark.parametrize(
    ("limits", "calls", "until"),
    [
        (Limits(resources_day=250), 2, datetime(2026, 2, 1, tzinfo=timezone.utc)),
        (Limits(usd_day=1.0), 2, datetime(2026, 2, 1, tzinfo=timezone.utc)),
        (Limits(resources_month=100, resources_day=1000), 1, datetime(2026, 2, 1, tzinfo=timezone.utc)),
        (Limits(usd_month=0.4), 0, datetime(2026, 2, 1, tzinfo=timezone.utc)),
    ],
)
def test_a_limit_is_not_exceeded(
    path: Path, clock: Clock, limits: Limits, calls: int, until: datetime
) -> None:
    budget = Budget(path, limits, {}, clock)
    for n in range(calls):
        with budget.call({"post": 100}) as came:
            came(posts(n * 100, 100))
    with pytest.raises(Exhausted, match="pauses until 2026-02-01 00:00 UTC") as exhausted:
        budget.reserve({"post": 100})
    assert exhausted.value.until == until
    clock.now = until
    budget.release(budget.reserve({"post": 50}))


def test_a_month_ends_where_the_year_does(path: Path, clock: Clock) -> None:
    clock.now = datetime(2026, 12, 31, 23, tzinfo=timezone.utc)
    with pytest.raises(Exhausted) as exhausted:
        Budget(path, Limits(resources_month=1), {}, clock).reserve({"post": 2})
    assert exhausted.value.until == datetime(2027, 1, 1, tzinfo=timezone.utc)


def test_a_killed_call_stays_counted(path: Path, clock: Clock) -> None:
    budget = Budget(path, Limits(resources_day=150), {}, clock)
    budget.reserve({"post": 100})
    again = Budget(path, Limits(resources_day=150), {}, clock)
    assert again.spent_today().resources == 100
    assert again.affordable({"post": 1}) == 50
    clock.now += timedelta(hours=3)
    with pytest.raises(Exhausted):
        again.reserve({"post": 51})


class Charged(Exception):  # noqa: N818
    maybe_charged = True


class Free(Exception):  # noqa: N818
    maybe_charged = False


def test_a_call_that_x_refused_costs_nothing_and_a_cut_answer_does(path: Path, clock: Clock) -> None:
    budget = Budget(path, Limits(), {}, clock)
    with pytest.raises(Free), budget.call({"post": 100}):
        raise Free
    assert budget.spent_today().resources == 0
    with pytest.raises(Charged), budget.call({"post": 100}):
        raise Charged
    assert budget.spent_today().resources == 100


def test_a_call_over_midnight_counts_on_both_days(path: Path, clock: Clock) -> None:
    budget = Budget(path, Limits(resources_day=100), {}, clock)
    clock.now = datetime(2026, 1, 31, 23, 59, 59, tzinfo=timezone.utc)
    with budget.call({"post": 60}) as came:
        clock.now += timedelta(seconds=2)
        assert budget.affordable({"post": 1}) == 40, "the new day has to wait for what it brings"
        came(posts(0, 60))
    assert budget.spent_today().resources == 60


def test_what_is_left_is_told(path: Path, clock: Clock) -> None:
    budget = Budget(path, Limits(resources_day=100, usd_month=0.2), {}, clock)
    assert budget.left_today() == {"resources": 100, "usd": 0.2}
    assert budget.affordable({"post": 1, "user": 1}) == 13
    assert budget.affordable({"post": 1}, keep={"trend": 10}) == 20
    assert Budget(path, Limits(), {}, clock).affordable({"post": 1}) == UNLIMITED
    assert Budget(path, Limits(), {}, clock).left_today() == {"resources": None, "usd": None}


def test_x_own_count_wins_where_it_is_higher(path: Path, clock: Clock) -> None:
    budget = Budget(path, Limits(), {}, clock)
    with budget.call({"post": 100}) as came:
        came(posts(0, 100))
    budget.reconcile({"2026-01-31": 130, "2026-01-30": 7})
    assert budget.spent_today().resources == 130
    budget.reconcile({"2026-01-31": 90})
    assert budget.spent_today().resources == 130
    assert budget.spent_this_month().resources == 137


def test_calls_that_nobody_settled_are_let_go_once_x_has_counted_their_day(path: Path, clock: Clock) -> None:
    budget = Budget(path, Limits(), {}, clock)
    clock.now = NOON - timedelta(days=2)
    budget.reserve({"post": 100})
    clock.now = NOON
    assert budget.spent_this_month().resources == 100
    budget.reconcile({"2026-01-29": 3})
    assert budget.spent_this_month().resources == 3


def test_its_rules_are_with_the_file(path: Path, clock: Clock) -> None:
    Budget(path, Limits(usd_day=5), {"post": 0.5}, clock)
    assert Budget.of(path, clock).report() == Budget(path, Limits(usd_day=5), {"post": 0.5}, clock).report()


def seen_from_outside(path: Path) -> dict[str, tuple[bytes, int]]:
    return {file.name: (file.read_bytes(), file.stat().st_mtime_ns) for file in path.parent.iterdir()}


def asked(budget: Budget) -> None:
    budget.report()
    budget.left_today()
    budget.spent_today()
    budget.spent_this_month()
    budget.affordable({"post": 1})


def test_whoever_reads_leaves_no_trace(path: Path, clock: Clock) -> None:
    Budget(path, Limits(usd_day=5), {}, clock).reserve({"post": 3})
    path.chmod(0o640)
    before = seen_from_outside(path)
    reader = Budget.of(path, clock)
    asked(reader)
    assert seen_from_outside(path) == before
    assert set(before) == {path.name}, "what a write leaves beside it is gone when it is over"
    # Its owner changes the terms: who has read the old ones does not bring them back by spending.
    Budget(path, Limits(usd_day=7), {}, clock)
    with reader.call({"post": 1}) as came:
        came(posts(0, 1))
    assert Budget.of(path, clock).limits == Limits(usd_day=7)


def test_what_is_written_and_not_yet_in_the_file_itself_is_read(path: Path, clock: Clock) -> None:
    budget = Budget(path, Limits(), {}, clock)
    # Somebody has it open, so that what is written stays in the log.
    with closing(sqlite3.connect(path)) as held:
        held.execute("SELECT * FROM spent").fetchall()
        budget.reserve({"post": 3})
        assert path.with_name(f"{path.name}-wal").stat().st_size
        before = path.read_bytes()
        assert Budget.of(path, clock).spent_today().resources == 3
        assert path.read_bytes() == before


def test_a_file_has_its_tables_from_its_first_moment_on(path: Path) -> None:
    with BudgetFile(path).transaction():
        assert BudgetFile(path).terms() == {}
    assert [one.name for one in path.parent.iterdir()] == [path.name]


def test_a_file_that_cannot_be_read_is_said_to_be_so(path: Path) -> None:
    with pytest.raises(sqlite3.OperationalError):
        Budget.of(path)
    assert not path.exists()
    path.write_text("no database" * 1000)
    with pytest.raises(sqlite3.DatabaseError):
        Budget.of(path)


def spend(path: Path, first: int) -> int:
    budget, spent = Budget(path, Limits(resources_day=1000), clock=Clock()), 0
    for n in range(100):
        try:
            with budget.call({"post": 10}) as came:
                came(posts(first + n * 10, 10))
        except Exhausted:
            break
        spent += 10
    return spent


@pytest.mark.slow
def test_processes_share_one_budget_and_a_reader_sees_it_grow(path: Path) -> None:
    Budget(path, Limits(resources_day=1000))
    clock = Clock()
    with multiprocessing.get_context("spawn").Pool(3) as pool:
        spending = pool.starmap_async(spend, [(path, n * 10_000) for n in range(3)])
        seen = [0]
        while not spending.ready():
            seen.append(Budget.of(path, clock).spent_today().resources)
        assert sum(spending.get()) == 1000
    assert seen == sorted(seen)
    assert Budget.of(path, clock).spent_today().resources == 1000
