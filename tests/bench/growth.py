"""What ten times as many tweets cost: storing, rolling up, asking. Not part of the test runs.

    .venv/bin/python tests/bench/growth.py [--count 20000]

A month of tweets, collected every half hour for 50 topics, and then a month of ten times as many. For each:
the sink's rate, the time to count all roll-ups and those of one busy minute, and the time of a cloud's query
over the last hour, day and month, from the roll-ups and, as the peer, from the tweets themselves. Prints
JSON, one figure a line; the last lines are the ratios.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).parent))

from sink import Bench, report

from opslib.cloud.counts import Selection, from_database
from opslib.settings import Sink
from opslib.store import rollups
from opslib.store.collections import initialise
from opslib.words import merge

if TYPE_CHECKING:
    from collections.abc import Callable

TURNS = 31 * 48
BEGIN = datetime(2026, 3, 1, 12, tzinfo=timezone.utc)
SPANS = {"hour": 1.0, "day": 24.0, "month": 31 * 24.0}


def seconds(act: Callable[[], Any], times: int = 1) -> float:
    """Return the median time of *act*."""
    taken = []
    for _ in range(times):
        began = time.perf_counter()
        act()
        taken.append(time.perf_counter() - began)
    return statistics.median(taken)


def measured(folder: Path, options: argparse.Namespace) -> dict[str, float]:
    """Fill a lake of its own and return its figures."""
    bench = Bench(folder, options)
    try:
        bench.start()
        database: Any = bench.mongo["growth"]
        initialise(database)
        figures = {
            "sink, tweets/s": bench.measured(bench.ours("growth", "growth", "ours"), "growth", "ours")["rate"]
        }
        no_wait = timedelta(0)
        figures["all roll-ups, s"] = seconds(lambda: rollups.refresh(database, settle=no_wait))
        last = BEGIN + timedelta(minutes=30 * (TURNS - 1))
        rollups.mark(database["rollup_marks"], [last])
        figures["roll-ups of one minute, s"] = seconds(lambda: rollups.refresh(database, settle=no_wait))
        until = last + timedelta(minutes=1)
        for name, hours in SPANS.items():
            since = until - timedelta(hours=hours)
            found = rollups.counts(database, since, until)
            same = from_database(database, Selection(until, hours))
            if merge(found.words) != same.words or found.tweets != same.tweets:
                sys.exit(f"the roll-ups of the last {name} are not the words of its tweets")
            figures[f"cloud of the last {name} from roll-ups, s"] = seconds(
                lambda since=since: merge(rollups.counts(database, since, until).words), 5
            )
            figures[f"cloud of the last {name} from tweets, s"] = seconds(
                lambda hours=hours: from_database(database, Selection(until, hours)), 3
            )
        stats = database.command("collStats", "word_counts")
        figures["word_counts, MB"] = stats["size"] / 2**20
        figures["tweets, MB"] = database.command("collStats", "tweets")["size"] / 2**20
    finally:
        bench.stop()
    return figures


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description="What ten times as many tweets cost.")
    parser.add_argument("--count", type=int, default=20_000)
    count = parser.parse_args().count
    report("machine", f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    results = []
    for number in (count, 10 * count):
        options = argparse.Namespace(
            count=number, turns=TURNS, sinks=1, tasks=1, batch_size=Sink().batch_size
        )
        with tempfile.TemporaryDirectory(prefix="trendlake-bench-") as folder:
            results.append(measured(Path(folder), options))
        for name, value in results[-1].items():
            report(f"{number} tweets: {name}", float(f"{value:.3g}"))
    for name, value in results[0].items():
        report(f"ten times as many: {name}", round(results[1][name] / value, 2))


if __name__ == "__main__":
    main()
