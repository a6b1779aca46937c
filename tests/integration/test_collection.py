"""From the X API to MongoDB through a real NiFi, which is killed while it collects from an X that fails.

The flow is the project's own, deployed by `opslib flow deploy`; X is the local one. `tests/bench/kills.py`
runs the same with more kills and shows the figures.
"""

from __future__ import annotations

import json
import os
import random
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import services
from collection import PAGE, TOPICS, X

from opslib.x.budget import Budget

if TYPE_CHECKING:
    from collection import Collector
    from conftest import Lake

TWEETS = 20_000
KILLS = int(os.environ.get("TRENDLAKE_TEST_KILLS", "3"))
SEED = 20_260_131
FAULTS = {
    "seed": SEED,
    "rates": {
        "429": 0.02,
        "503": 0.01,
        "disconnect": 0.01,
        "malformed": 0.01,
        "partial": 0.03,
        "stall": 0.02,
    },
    "stall_seconds": 1,
    # Told in whole seconds: a time that is past when it is read would be waited out for a minute.
    "reset_seconds": 3,
}


def tweets(path: Path, number: int) -> Path:
    lines = [f"tweet {n} sobre #tema{n % TOPICS:02}" for n in range(number)]
    path.write_text("".join(f"{line}\n" for line in lines))
    return path


def test_nothing_is_lost_or_paid_for_twice_when_x_fails_and_nifi_is_killed(
    collector: Collector, lake: Lake, tmp_path: Path
) -> None:
    x = X(tmp_path, "--no-limits", "--tweets", str(tweets(tmp_path / "tweets.txt", TWEETS)))
    x.faults(**FAULTS)
    lake.start_sink()
    chance = random.Random(SEED)  # noqa: S311 - the same kills each time
    begun = time.monotonic()
    try:
        collector.deploy(x, tmp_path / "budget.sqlite")
        for part in range(1, KILLS + 1):
            wanted = TWEETS * part // (KILLS + 1) + chance.randrange(500)
            collector.kill_after(x, wanted, chance)
        services.wait_until(
            lambda: f"MongoDB has {len(lake.ids())} of {TWEETS} tweets",
            lambda: len(lake.ids()) >= TWEETS,
            300,
            pause=0.5,
        )
        ledger = x.ledger()
        figures = {
            "tweets": TWEETS,
            "kills": KILLS,
            "seconds": round(time.monotonic() - begun),
            "lost": len({int(tweet) for tweet in ledger["searchable"]} - lake.ids()),
            "not_offered": len(lake.ids() - {int(tweet) for tweet in ledger["searchable"]}),
            "returned_again": sum(times - 1 for times in ledger["returned"].values()),
            "in_answers_that_were_cut": sum(ledger["cut"].values()),
            "paid_again": sum(ledger["paid_again"].values()),
            "charged_usd": ledger["charged"]["usd"],
            "counted_usd": round(Budget.of(tmp_path / "budget.sqlite").spent_this_month().usd, 3),
        }
        show(figures)
        assert (figures["lost"], figures["not_offered"]) == (0, 0)
        assert figures["returned_again"] <= KILLS * PAGE
        assert figures["paid_again"] <= KILLS * PAGE
        assert figures["charged_usd"] <= figures["counted_usd"], "X has charged more than was counted"
        assert lake.dead_letters() == []
        status, shown = collector.nifi.get("flow/metrics/prometheus")
        assert (status, "nifi_amount_items_queued" in shown) == (200, True), shown[:2000]
        told = lake.last_headers()
        assert {"x.budget.today.resources", "x.budget.today.usd"} <= set(told)
        assert int(told["x.budget.today.resources"]) > 0
    finally:
        report = x.stop()
    assert report["broken"], "no fault has befallen an answer"


def show(figures: dict[str, Any]) -> None:
    """Hand the figures to `tests/bench/kills.py`, if it asked for them."""
    wanted = os.environ.get("TRENDLAKE_TEST_FIGURES")
    if wanted:
        Path(wanted).write_text(json.dumps(figures))
