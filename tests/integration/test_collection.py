"""From the X API to MongoDB through a real NiFi, which is killed while it collects.

The flow is the project's own, deployed by `opslib flow deploy`; X is the local one.
"""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING

import services
from collection import PAGE, TOPICS, X

if TYPE_CHECKING:
    from pathlib import Path

    from collection import Collector
    from conftest import Lake

TWEETS = 20_000
KILLS = 3
SEED = 20_260_131


def tweets(path: Path, number: int) -> Path:
    lines = [f"tweet {n} sobre #tema{n % TOPICS:02}" for n in range(number)]
    path.write_text("".join(f"{line}\n" for line in lines))
    return path


def test_nothing_is_lost_or_paid_for_twice_when_nifi_is_killed(
    collector: Collector, lake: Lake, tmp_path: Path
) -> None:
    x = X(tmp_path, "--no-limits", "--tweets", str(tweets(tmp_path / "tweets.txt", TWEETS)))
    lake.start_sink()
    chance = random.Random(SEED)  # noqa: S311 - the same kills each time
    try:
        collector.deploy(x, tmp_path / "budget.sqlite")
        for part in range(1, KILLS + 1):
            wanted = TWEETS * part // (KILLS + 1) + chance.randrange(500)
            services.wait_until(
                f"{wanted} tweets are collected",
                lambda least=wanted: len(x.ledger()["returned"]) >= least,
                300,
            )
            time.sleep(chance.random())
            collector.nifi.kill()
            collector.nifi.start()
        services.wait_until(
            lambda: f"MongoDB has {len(lake.ids())} of {TWEETS} tweets",
            lambda: len(lake.ids()) >= TWEETS,
            300,
        )
        ledger = x.ledger()
        assert lake.ids() == {int(tweet) for tweet in ledger["offered"]}
        repeated = sum(times - 1 for times in ledger["returned"].values())
        assert repeated <= KILLS * PAGE, f"{repeated} tweets were asked for again"
        assert lake.dead_letters() == []
        told = lake.last_headers()
        assert {"x.budget.today.resources", "x.budget.today.usd"} <= set(told)
        assert int(told["x.budget.today.resources"]) > 0
    finally:
        x.stop()
