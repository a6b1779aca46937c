"""`opslib x check` and `opslib stats` against the local X API."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

import pytest
import time_machine
from click.testing import CliRunner, Result
from local_x import Client, local_x, serving

from opslib.cli import main
from opslib.simulate.generator import Generator
from opslib.simulate.limits import RateLimits
from opslib.x.budget import Budget, Limits

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


NOON = datetime(2026, 1, 31, 12, tzinfo=timezone.utc)


def now() -> datetime:
    return datetime.now(timezone.utc)


@pytest.fixture(autouse=True)
def noon() -> Iterator[None]:
    """The commands go by the clock of their host: here it is noon, and no budget ends meanwhile."""
    with time_machine.travel(NOON):
        yield


@pytest.fixture
def x() -> Iterator[str]:
    hour = Generator(1, 1, now(), timedelta(hours=1))
    with serving(local_x(hour, now, token="good", limits=RateLimits())) as client:
        Client(client.url, "good").add(*(f"the end of day {n}" for n in range(30)))
        yield client.url


@pytest.fixture
def run(tmp_path: Path, x: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[object]:
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    monkeypatch.setenv("OPSLIB_X__BASE_URL", x)
    monkeypatch.setenv("OPSLIB_X__BUDGET_FILE", str(tmp_path / "budget.sqlite"))

    def call(token: str, *arguments: str) -> Result:
        (tmp_path / "x_token").write_text(token + "\n")
        return CliRunner().invoke(main, arguments)

    return call  # type: ignore[return-value]


def test_a_good_token_may_do_what_collecting_needs(run, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    budget = Budget(tmp_path / "budget.sqlite", Limits(usd_day=5, resources_day=100))
    with budget.call({"trend": 20}) as came:
        came({"trend": [str(n) for n in range(20)]})
    done = run("good", "x", "check", "--format", "json")
    assert done.exit_code == 0, done.output
    found = json.loads(done.output)
    calls = {call["call"]: call for call in found["calls"]}
    assert calls["usage"]["ok"]
    assert calls["trends"]["ok"]
    assert calls["search"]["ok"]
    assert calls["rules"]["ok"]
    assert (calls["search"]["limit"], calls["search"]["left"]) == (450, 449)
    assert found["cost_usd"] == pytest.approx(0.06)
    assert calls["search"]["posts"] == 10
    assert found["spent_today_usd"] == pytest.approx(0.2 + found["cost_usd"]) == budget.spent_today().usd
    assert found["left_today"]["resources"] == 100 - 20 - 1 - 10
    assert "0.270 USD today, 68 resources and 4.73 USD left" in run("good", "x", "check").output


def test_a_check_does_not_exceed_the_budget(run, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    budget = Budget(tmp_path / "budget.sqlite", Limits(resources_day=5))
    done = run("good", "x", "check")
    assert done.exit_code == 1
    assert "refused  search   the budget of resources for a day (5) is used up" in done.output
    assert budget.spent_today().resources == 1


def test_a_budget_file_that_is_none_is_one_line(run, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    (tmp_path / "budget.sqlite").write_bytes(b"no budget" * 1000)
    done = run("good", "x", "check")
    assert done.exit_code == 2
    assert done.stderr.count("\n") == 1
    assert "budget.sqlite (x.budget_file) cannot be used: file is not a database" in done.stderr


def test_a_wrong_token_is_said_to_be_refused(run) -> None:  # type: ignore[no-untyped-def]
    done = run("wrong", "x", "check")
    assert done.exit_code == 1
    assert "refused  search   X refused (401): Unauthorized" in done.output


def test_what_was_spent_is_shown_with_its_limits(run, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    missing = run("good", "stats")
    assert missing.exit_code == 2
    assert "there is no budget file" in missing.output
    budget = Budget(tmp_path / "budget.sqlite", Limits(usd_day=5, resources_month=1000))
    with budget.call({"post": 100}) as came:
        came({"post": [str(n) for n in range(100)]})
    shown = run("good", "stats")
    assert shown.exit_code == 0, shown.output
    assert "posts          100       0.500 USD" in shown.output
    assert "today          100       0.500 USD  of 5 USD" in shown.output
    assert "month          100       0.500 USD  of no limit, 1000 resources" in shown.output
    report = json.loads(run("good", "stats", "--format", "json").stdout)
    assert report["budget"]["kinds"] == {"post": {"resources": 100, "usd": 0.5}}
