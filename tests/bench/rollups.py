"""One busy minute rolled up, ours beside MongoDB's own aggregation. Not part of the test runs.

    .venv/bin/python tests/bench/rollups.py [--count 60000] [--topics 50]

A minute of tweets of one place, 20 spellings each, every tenth of two topics, in an hour that is not over.
Ours is `rollups.refresh` from the mark to the written buckets; the peer is a pipeline that multiplies every
word by the place and topic keys, groups and writes, without retweets and bounds. Prints one figure a line.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import tempfile
import time
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).parents[1] / "integration"))
sys.path.insert(0, str(Path(__file__).parent))

import services
from certificates import Authority
from sink import report

from opslib.store import rollups
from opslib.store.collections import initialise

if TYPE_CHECKING:
    from collections.abc import Iterator

AT = datetime.now(timezone.utc).replace(second=0, microsecond=0)
BRAZIL = 23424768
SPELLINGS, VOCABULARY = 20, 60_000
CACHE = ("--wiredTigerCacheSizeGB", "1")
PEER: list[dict[str, Any]] = [
    {
        "$project": {
            "words": 1,
            "keys": {
                "$setUnion": [
                    [{"woeid": None, "topic": None}],
                    *(
                        {"$map": {"input": "$topics", "as": "t", "in": {"woeid": woeid, "topic": name}}}
                        for woeid, name in (
                            ("$$t.woeid", "$$t.name"),
                            ("$$t.woeid", None),
                            (None, "$$t.name"),
                        )
                    ),
                ]
            },
        }
    },
    {"$unwind": "$keys"},
    {"$unwind": "$words"},
    {"$group": {"_id": {"key": "$keys", "w": "$words"}, "n": {"$sum": 1}}},
    {"$group": {"_id": "$_id.key", "words": {"$push": {"w": "$_id.w", "n": "$n"}}}},
    {"$merge": {"into": "peer", "whenMatched": "replace"}},
]


def tweets(count: int, topics: int) -> Iterator[dict[str, Any]]:
    """Yield documents whose words are as frequent as those of a language: the nth in a part of n."""
    chance = random.Random(1)  # noqa: S311 - not a secret
    for number in range(count):
        ranks = {int(VOCABULARY ** chance.random()) for _ in range(SPELLINGS)}
        at = AT + timedelta(milliseconds=number % 600 * 100)
        names = {f"#topic{int(topics * chance.random() ** 2)}" for _ in range(1 + (number % 10 == 0))}
        yield {
            "_id": 1_800_000_000_000_000_000 + number,
            "text": "",
            "words": [f"spelling{rank}" for rank in ranks],
            "words_version": 0,
            "topics": [{"name": name, "woeid": BRAZIL, "first_at": at} for name in names],
            "first_seen_at": at,
            "collected_at": at,
        }


def measured(database: Any, count: int, topics: int) -> None:
    """Fill the minute and print what it costs."""
    initialise(database)
    batch: list[dict[str, Any]] = []
    for document in tweets(count, topics):
        batch.append(document)
        if len(batch) == 10_000:
            database.tweets.insert_many(batch, ordered=False)
            batch = []
    if batch:
        database.tweets.insert_many(batch, ordered=False)
    for name in ("from nothing", "again"):
        rollups.mark(database.rollup_marks, [AT])
        began, worked = time.monotonic(), time.process_time()
        done = rollups.refresh(database, settle=timedelta(0))
        ours, worked = time.monotonic() - began, time.process_time() - worked
        assert done["minute"] == 1, done
        report(f"ours {name}, s", round(ours, 2))
        report(f"ours {name}, of it Python at work, s", round(worked, 2))
    began = time.monotonic()
    list(database.tweets.aggregate(PEER, allowDiskUse=True))
    peer = time.monotonic() - began
    report("MongoDB's aggregation, s", round(peer, 2))
    report("ours, of that", round(ours / peer, 3))
    sizes = {
        name: database.command("collStats", name)["size"] / 2**20
        for name in ("tweets", "word_counts", "peer")
    }
    for name, size in sizes.items():
        report(f"{name}, MB", round(size, 1))


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--count", type=int, default=60_000)
    parser.add_argument("--topics", type=int, default=50)
    wanted = parser.parse_args()
    report("machine", f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    with tempfile.TemporaryDirectory(prefix="trendlake-bench-") as name:
        folder = Path(name)
        authority = Authority(folder / "certificates")
        server = services.mongodb(folder / "mongodb", authority.certificate("server"))
        # The tests' 0.25 GB is for lakes of some thousand tweets.
        server.command[server.command.index(CACHE[0]) + 1] = CACHE[1]
        server.start()
        try:
            services.initiate(server.port, authority.ca)
            database = services.mongodb_client(server.port, authority.ca)["bench"]
            measured(database, wanted.count, wanted.topics)
        finally:
            server.stop()


if __name__ == "__main__":
    main()
