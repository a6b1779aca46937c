"""A budget that cannot work is refused before anything is deployed, with the sum."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opslib.x.budget import Budget, Limits
from opslib.x.fair import MIN_RESULTS
from opslib.x.parameters import limits_in, places_in
from opslib.x.plan import period_of, unworkable
from opslib.x.walk import CollectionPolicy, allowance

if TYPE_CHECKING:
    from pathlib import Path

MIDNIGHT = datetime(2026, 1, 31, tzinfo=timezone.utc)
PARAMETERS = {"places": "23424768:Brazil,1:World", "trends_interval": "1 min", "x_budget_usd_day": "20"}


def test_trends_that_use_up_the_budget_are_refused_with_the_sum() -> None:
    assert unworkable(PARAMETERS) == (
        "the budget cannot work: trends are asked for 1440 times a day in 2 places, 1440 x 2 x 0.01 USD = "
        "28.80 USD a day. Of x_budget_usd_day = 20.00 USD that leaves nothing, 0 posts a round, and no page "
        "of X has fewer than 10. Raise it, or ask for trends less often (trends_interval)"
    )
    one_place = {**PARAMETERS, "places": "1:World"}
    assert "leaves 5.60 USD for 1440 rounds, 0 posts a round" in str(unworkable(one_place))
    assert unworkable({**PARAMETERS, "trends_interval": "60 min"}) is None
    assert unworkable({**PARAMETERS, "x_budget_usd_day": ""}) is None


@pytest.mark.parametrize(
    ("name", "limit", "refused"),
    [
        ("x_budget_usd_month", "0.5", True),
        ("x_budget_usd_month", "2.5", False),
        ("x_budget_resources_day", "48", True),
        ("x_budget_resources_day", "287", True),
        ("x_budget_resources_day", "288", False),
    ],
)
def test_each_limit_is_looked_at(name: str, limit: str, refused: bool) -> None:
    parameters = {"places": "1:World,2:Rio", "trends_interval": "1 hour", name: limit}
    assert (name in str(unworkable(parameters))) == refused


def test_what_comes_with_a_post_is_paid_for_as_well() -> None:
    parameters = {**PARAMETERS, "trends_interval": "10 mins", "x_budget_usd_day": "11"}
    assert unworkable(parameters) is None
    assert "posts a round" in str(unworkable({**parameters, "authors": "true"}))
    assert "posts a round" in str(unworkable({**parameters, "x_prices": "post:0.01"}))


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("60 min", timedelta(hours=1)),
        ("1 hour", timedelta(hours=1)),
        ("90 secs", timedelta(seconds=90)),
        ("1.5 days", timedelta(hours=36)),
        ("0.1 sec", timedelta(seconds=1)),
    ],
)
def test_periods_are_read_as_nifi_reads_them(text: str, span: timedelta) -> None:
    assert period_of(text) == span


@pytest.mark.parametrize("text", ["", "60", "min", "0 min", "1 fortnight"])
def test_what_is_no_period_is_said(text: str) -> None:
    with pytest.raises(ValueError, match="is no time such as"):
        period_of(text)


@pytest.mark.slow
@settings(max_examples=200)
@given(
    st.integers(1, 12),
    st.integers(1, 26 * 60),
    st.integers(0, 60_00),
    st.sampled_from(["usd_day", "usd_month", "resources_day", "resources_month"]),
)
def test_what_is_refused_is_what_would_search_for_nothing(
    tmp_path_factory: pytest.TempPathFactory, places: int, minutes: int, cents: int, limit: str
) -> None:
    """The sum is the same as the one that the first round of a day goes by."""
    value = f"{cents / 100:g}" if limit.startswith("usd") else str(cents)
    parameters = {
        "places": ",".join(f"{n}:{n}" for n in range(1, places + 1)),
        "trends_interval": f"{minutes} min",
        f"x_budget_{limit}": value,
    }
    limits: Limits = limits_in({limit: value})
    path: Path = tmp_path_factory.mktemp("plan") / "b"
    budget = Budget(path, limits, {}, lambda: MIDNIGHT)
    names = places_in(parameters["places"])
    policy = CollectionPolicy(interval=timedelta(minutes=minutes))
    paid = budget.affordable({"trend": 1}) >= len(names)
    if paid:
        with budget.call({"trend": len(names)}) as came:
            came({"trend": [str(woeid) for woeid in names]})
    posts = allowance(budget, policy, len(names), MIDNIGHT) if paid else 0
    assert (unworkable(parameters) is None) == (posts >= MIN_RESULTS)
