"""The search index beside MongoDB's own text index, on the same tweets in one run. Not part of the test runs.

    .venv/bin/python tests/bench/search.py [--count 1000000] [--clients 50] [--seconds 60] [--looks 5]

Tweets are the texts of shared/data/tweets again and again, a number added to each so that no two are the
same, with authors, places, metrics and times by chance. They are put into an index as the service puts them,
and into a collection with a text index of their own. Then words, phrases, histograms and counts are asked for
by one client and by many, each in a process of its own that looks at each answer for --looks seconds in the
mean, as people do, and the newest 50 of a common word of both. Prints one figure a line.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import random
import statistics
import sys
import tempfile
import time
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).parents[1] / "integration"))
sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parent))

import search_by_hand as by_hand
import services
from certificates import Authority
from sink import report

from opslib.message import decode_tweet, encode, tweet_document
from opslib.search import find
from opslib.search.folder import Folder
from opslib.search.index import Index
from opslib.search.query import parse
from opslib.store.documents import complete

if TYPE_CHECKING:
    from collections.abc import Iterator

BATCH = 2000
COMMON, RARE = "de", "maravilhosa"
QUESTIONS = {
    "word": ("page", [COMMON, "love", "que", RARE, "amor lang:pt", "#masterchefbr"]),
    "phrase": ("page", ['"bom dia"', '"of the"', '"masterchef brasil"']),
    "exact": ("page", ["=Love", "=São", '="Bom dia"']),
    "reach": ("reach", [COMMON, "love", "lang:pt", "has:links"]),
    "count": ("count", [COMMON, "love", "sa*", "rio OR de", "lang:pt -de"]),
    "histogram": ("course", [COMMON, "love", "sa*", "lang:pt"]),
    "beside": ("beside", [COMMON, "love", "lang:pt"]),
}


def tweets(count: int) -> Iterator[list[dict[str, Any]]]:
    """Yield documents, in the order in which they were written."""
    some = by_hand.lake(1)
    number = 0
    while number < count:
        batch = []
        for tweet in some[: count - number]:
            at = by_hand.BEGIN + timedelta(seconds=3 * number)
            milliseconds = int((at - by_hand.EPOCH) / timedelta(milliseconds=1))
            raw = {**tweet.message(at), "id": str((milliseconds << 22) + number % 4096)}
            raw["text"] = f"{tweet.came} n{number}"
            batch.append(tweet_document(decode_tweet(encode(raw))))
            number += 1
        yield batch


def fill(folder: Folder, count: int) -> None:
    index = Index(folder.fresh())
    seconds = 0.0
    for documents in tweets(count):
        for first in range(0, len(documents), BATCH):
            began = time.perf_counter()
            with index.writing():
                index.put(documents[first : first + BATCH])
            seconds += time.perf_counter() - began
    report("tweets a second into the index", round(count / seconds))
    report("bytes a tweet", round(index.size() / count))
    began = time.perf_counter()
    assert index.whole() is None
    report("seconds to look at all of it, as at each start", round(time.perf_counter() - began, 1))
    index.close()
    folder.turn_to(index.path)


def ask(path: Path, kind: str, line: str) -> float:
    began = time.perf_counter()
    query = parse(line)
    with find.opened(path) as answers:
        if kind == "reach":
            answers.page(query, "reach")
        else:
            getattr(answers, kind)(query)
    return time.perf_counter() - began


def client(path: Path, seconds: float, looks: float, seed: int, results: Any) -> None:
    chance = random.Random(seed)  # noqa: S311
    took: list[tuple[str, float]] = []
    until = time.monotonic() + seconds
    while True:
        time.sleep(chance.expovariate(1 / looks))
        if time.monotonic() > until:
            break
        name = chance.choice(list(QUESTIONS))
        kind, lines = QUESTIONS[name]
        took.append((name, ask(path, kind, chance.choice(lines))))
    results.put(took)


def p95(values: list[float]) -> float:
    return statistics.quantiles(values, n=20)[-1] if len(values) > 1 else values[0]


def alone(path: Path) -> None:
    for name, (kind, lines) in QUESTIONS.items():
        took = [ask(path, kind, line) for line in lines for _ in range(20)]
        report(f"ms at p95, one client, {name}", round(1000 * p95(took), 1))


def together(path: Path, clients: int, seconds: float, looks: float) -> None:
    results: Any = multiprocessing.Queue()
    started = [
        multiprocessing.Process(target=client, args=(path, seconds, looks, seed, results))
        for seed in range(clients)
    ]
    for process in started:
        process.start()
    took = [one for _ in started for one in results.get()]
    for process in started:
        process.join()
    report(f"questions a second, {clients} clients", round(len(took) / seconds, 1))
    for name in QUESTIONS:
        times = [1000 * one for asked, one in took if asked == name]
        report(f"ms at p95, {clients} clients, {name}", round(p95(times), 1))


def beside_mongodb(path: Path, count: int, port: int, ca: Path) -> None:
    """Put the same into MongoDB, and ask both for the newest 50 of a common word."""
    with services.mongodb_client(port, ca) as client_of:
        collection = client_of["bench"]["tweets"]
        collection.create_index([("text", "text")], default_language="none")
        seconds = 0.0
        for documents in tweets(count):
            written = [complete(document) for document in documents]
            began = time.perf_counter()
            collection.insert_many(written, ordered=False)
            seconds += time.perf_counter() - began
        report("tweets a second into MongoDB with a text index", round(count / seconds))
        asked = {"$text": {"$search": COMMON}}
        theirs, ours = [], []
        # By turns, so that whatever else the machine does is the same for both.
        for _ in range(5):
            began = time.perf_counter()
            found = [t["_id"] for t in collection.find(asked, {"_id": 1}).sort("_id", -1).limit(50)]
            theirs.append(time.perf_counter() - began)
            began = time.perf_counter()
            with find.opened(path) as answers:
                ids = answers.page(parse(COMMON)).ids
            ours.append(time.perf_counter() - began)
        assert len(ids) == len(found) == 50
        report("ms of ours, the newest 50 of a common word", round(1000 * statistics.median(ours), 2))
        report("ms of MongoDB's text index", round(1000 * statistics.median(theirs), 2))
        report("times as fast", round(statistics.median(theirs) / statistics.median(ours)))
        client_of.drop_database("bench")


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--count", type=int, default=1_000_000)
    parser.add_argument("--clients", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--looks", type=float, default=5)
    options = parser.parse_args()
    report("machine", f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    with tempfile.TemporaryDirectory(prefix="trendlake-bench-") as made:
        folder = Folder(Path(made) / "search")
        folder.path.mkdir()
        fill(folder, options.count)
        alone(folder.path)
        together(folder.path, options.clients, options.seconds, options.looks)
        authority = Authority(Path(made) / "certificates")
        mongodb = services.mongodb(Path(made) / "mongodb", authority.certificate("server"))
        mongodb.start()
        try:
            services.initiate(mongodb.port, authority.ca)
            beside_mongodb(folder.path, options.count, mongodb.port, authority.ca)
        finally:
            mongodb.stop()


if __name__ == "__main__":
    main()
