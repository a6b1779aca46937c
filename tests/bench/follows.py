"""What 5, 50 and 500 USD a month bring: a day of each plan, collected from the local X API, by its ledger.

    python tests/bench/follows.py

The processors' own turns run against `opslib x simulate` with a clock that goes from round to round, so a day
takes minutes; the tweets are made up, four a minute. The figures of docs/collecting.md are from here.
"""

from __future__ import annotations

import json
import sys
import tempfile
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "unit"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from flowfiles import Held
from local_x import Clock, local_x, serving

from opslib.message import encode
from opslib.simulate.generator import Generator
from opslib.x.budget import Budget, Limits
from opslib.x.client import XClient
from opslib.x.estimate import Counter, estimate
from opslib.x.follows import Follow
from opslib.x.turns import FOLLOWS
from opslib.x.turns.search import SearchTurns
from opslib.x.turns.trends import TrendsTurns
from opslib.x.walk import CollectionPolicy

MIDNIGHT = datetime(2026, 6, 1, tzinfo=timezone.utc)
RATE = 1 / 15
DAYS_A_MONTH = 30


@dataclass(frozen=True)
class Plan:
    """What a month may cost, and what is asked for."""

    usd_month: float
    hours: int  # between rounds
    part_of_trends: float
    topics: int
    caps: tuple[float, ...]  # of the follows, USD a day


QUERIES = ("boleto OR senha", "reunião OR planilha", "show -ingresso")
PLANS = (
    Plan(5, 12, 0.0, 1, (0.14,)),
    Plan(50, 4, 0.2, 1, (0.7, 0.35)),
    Plan(500, 1, 0.5, 20, (4.0, 2.0, 2.0)),
)


def day_of(plan: Plan, folder: Path) -> dict[str, Any]:
    """Collect for a day, and return what came of it."""
    clock = Clock(MIDNIGHT)
    x = local_x(Generator(1, RATE, MIDNIGHT, timedelta(days=7)), clock, token="right")
    budget = Budget(folder / "budget.sqlite", Limits(usd_day=plan.usd_month / DAYS_A_MONTH), {}, clock)
    every = timedelta(hours=plan.hours)
    policy = CollectionPolicy(interval=every, kept_for_trends=plan.part_of_trends)
    follows = [Follow(f"f{n}", QUERIES[n], cap, lang="pt") for n, cap in enumerate(plan.caps)]
    came = {"trends": 0, **{follow.name: 0 for follow in follows}}
    with serving(x) as served:
        client = XClient(served.url, "right", timeout=600)
        counted = {f.name: Counter(client, None, clock).last(f.full_query, 7) for f in follows}
        trends = TrendsTurns(client, budget, {23424768: "Brazil"}, plan.topics, every, clock)
        search = SearchTurns(client, budget, policy, "search", clock)
        state: dict[str, str] = {}
        before = served.ledger()["charged"]["usd"]
        for number in range(24 // plan.hours):
            clock.now = MIDNIGHT + number * every
            told = Held(
                b"\n".join(encode(f.to_record()) for f in follows),
                {"uuid": f"f{number}", FOLLOWS: str(len(follows))},
            )
            snapshot = trends.turn()
            # What is followed is told within a second of the start, trends come after X has answered.
            for flowfile in (told, Held(snapshot.content or b"", {"uuid": f"t{number}"})):
                while True:
                    done = search.turn(state, flowfile)
                    if done.relationship != "success":
                        break
                    flowfile = flowfile.after(done)
                    for line in flowfile.held.splitlines():
                        for topic in json.loads(line)["collected_for"]:
                            came[topic["name"] if topic.get("kind") else "trends"] += 1
        charged = served.ledger()["charged"]
        client.close()
    price = 0.005
    return {
        "plan": plan.usd_month,
        "usd_day": round(charged["usd"] - before, 3),
        "usd_month": round((charged["usd"] - before) * DAYS_A_MONTH, 2),
        "requests_for_trends": charged["trends"],
        "posts": charged["posts"],
        "came": came,
        "estimated": {
            n: estimate(c, price, f.usd_day) | {"days": None} for (n, c), f in zip(counted.items(), follows)
        },
    }


if __name__ == "__main__":
    for plan in PLANS:
        with tempfile.TemporaryDirectory() as folder:
            sys.stdout.write(json.dumps(day_of(plan, Path(folder)), default=str) + "\n")
            sys.stdout.flush()
