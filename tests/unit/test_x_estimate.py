"""What a query will bring and cost, against the local X API: estimated, then collected."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pytest
import time_machine
from click.testing import CliRunner, Result
from local_x import Client, local_x, serving

from opslib.cli import main
from opslib.simulate.generator import Generator
from opslib.x.budget import Budget, Limits
from opslib.x.client import Refused, XClient
from opslib.x.estimate import Counted, Counter, estimate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

NOON = datetime(2026, 1, 31, 12, tzinfo=timezone.utc)
DAY = timedelta(days=1)


def now() -> datetime:
    return datetime.now(timezone.utc)


@pytest.fixture(autouse=True)
def noon() -> Iterator[None]:
    with time_machine.travel(NOON, tick=False):
        yield


@pytest.fixture
def x() -> Iterator[Client]:
    """A week of a made-up tweet a minute."""
    with serving(local_x(Generator(1, 1 / 60, now(), 7 * DAY), now, token="right")) as client:
        yield client


@pytest.fixture
def run(tmp_path: Path, x: Client, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    monkeypatch.setenv("OPSLIB_X__BASE_URL", x.url)
    monkeypatch.setenv("OPSLIB_X__BUDGET_FILE", str(tmp_path / "budget.sqlite"))
    (tmp_path / "x_token").write_text("right\n")
    return lambda *arguments: CliRunner().invoke(main, ["x", "estimate", *arguments])


def collected(client: Client, query: str) -> int:
    """Return the posts that X gives out for a query, page by page."""
    number, token = 0, None
    while True:
        answer = client.search(query, max_results=100, **({"next_token": token} if token else {}))
        number += len(answer.get("data", []))
        token = answer["meta"].get("next_token")
        if not token:
            return number


@pytest.mark.slow
def test_an_estimate_is_within_five_percent_of_what_is_then_collected(
    run: Callable[..., Result], x: Client
) -> None:
    told = json.loads(run("de lang:pt").output)
    came = collected(x, "de lang:pt")
    assert came > 500
    assert told["posts"] == pytest.approx(came, rel=0.05)
    assert told["posts_a_day"] * 7 == pytest.approx(came, rel=0.05)
    assert told["usd_a_day"] == pytest.approx(told["posts_a_day"] * 0.005, rel=0.01)
    assert 0 < told["error"] < 0.2


@pytest.mark.slow
def test_it_is_paid_for_once_an_hour_and_counted_in_the_budget(
    run: Callable[..., Result], x: Client, tmp_path: Path
) -> None:
    budget = Budget(tmp_path / "budget.sqlite", Limits(usd_day=1))
    first, second = (json.loads(run("de").output) for _ in range(2))
    assert (first["usd_paid"], second["usd_paid"]) == (0.005, 0)
    assert first["days"] == second["days"]
    assert x.ledger()["charged"]["counts"] == 1
    assert budget.spent_today().usd == pytest.approx(0.005)
    more = json.loads(run("de", "--also", "de lang:pt", "--also", "de lang:es").output)
    assert set(more["also"]) == {"de lang:pt", "de lang:es"}
    assert budget.spent_today().usd == pytest.approx(0.015)


def test_a_used_up_budget_and_a_broken_query_are_said_in_a_line(
    run: Callable[..., Result], tmp_path: Path
) -> None:
    broken = run("de (")
    assert broken.exit_code == 2
    assert "X does not take this query" in broken.output
    Budget(tmp_path / "budget.sqlite", Limits(usd_day=0.001))
    poor = run("de")
    assert poor.exit_code == 1
    assert "the budget of money for a day (0.001 USD) is used up" in poor.output


@pytest.mark.slow
def test_more_than_a_week_is_counted_in_the_archive_31_days_a_request(
    run: Callable[..., Result], x: Client
) -> None:
    week, months = json.loads(run("de").output), json.loads(run("de", "--days", "70").output)
    assert months["usd_paid"] == pytest.approx(0.03)
    assert len(months["days"]) == 70
    assert months["posts"] == pytest.approx(week["posts"], rel=0.01)
    assert x.ledger()["charged"]["counts_all"] == 3


def made(numbers: list[int]) -> Counted:
    hours = [
        (NOON + n * DAY + timedelta(hours=h), number) for n, number in enumerate(numbers) for h in range(24)
    ]
    return Counted(NOON, NOON + len(numbers) * DAY, hours, 1)


def test_a_cap_buys_its_share_and_the_error_is_that_of_different_days() -> None:
    steady = estimate(made([10, 10, 10, 10]), 0.005, 0.6)
    assert (steady["posts_a_day"], steady["usd_a_day"], steady["usd_a_month"]) == (240, 1.2, 36)
    assert steady["share"] == 0.5
    assert steady["error"] == pytest.approx(960**0.5 / 4 / 240, abs=0.001)
    assert estimate(made([1, 30, 1, 30]), 0.005)["error"] > 0.4
    nothing = estimate(made([0, 0]), 0.005, 1.0)
    assert (nothing["share"], nothing["error"], nothing["usd_a_day"]) == (1.0, None, 0)


def test_what_x_refuses_is_kept_as_no_answer(tmp_path: Path, x: Client) -> None:
    budget = Budget(tmp_path / "budget.sqlite", Limits())
    client = XClient(x.url, "right")
    counter = Counter(client, budget, now)
    with pytest.raises(Refused):
        counter.last("de (", 7)
    assert budget.spent_today().usd == 0
    client.close()


@pytest.mark.slow
def test_people_see_a_plot(run: Callable[..., Result]) -> None:
    from opslib.cli import _estimate

    said: Any = _estimate.lines(json.loads(run("de", "--usd-day", "1").output, object_hook=_dates))
    assert len([line for line in said if "█" in line]) == 7
    assert any("the cap buys" in line for line in said)


def _dates(one: dict[str, Any]) -> dict[str, Any]:
    return {k: datetime.fromisoformat(v) if k == "since" else v for k, v in one.items()}
