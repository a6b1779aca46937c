"""How fast tweets come from X through NiFi into Kafka, beside kafka-python alone. Not part of the test runs.

    .venv/bin/python tests/bench/extraction.py [--stream 60] [--latency 60] [--search 20000] [--publish 60]

A real NiFi with the project's processors, and a broker over mutual TLS. A *tweet* is a message of about 1 KB.

- ``stream``: the project's flow follows the local X API's stream, to which 2,200 tweets a second are written.
- ``latency``: the same at 60 a second: from the moment that a tweet was written, which its id tells, to its
  arrival at a consumer of the topic.
- ``search``: the project's flow collects tweets of the local X API by search, a page of 100 after another.
- ``publish``: a processor of this benchmark makes messages up inside NiFi, as fast as it can, and the
  project's PublishToKafka publishes them: what the part between X and Kafka carries.

A rate is that of a consumer's first to last message, the slowest 10 s of it beside. After each part
kafka-python alone publishes the very same messages with the same settings in this process. Prints JSON, one
figure a line.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).parents[2]
sys.path[:0] = [str(PROJECT / "tests"), str(PROJECT / "tests/integration")]

from collection import FLOW, TOPICS, Collector, X  # noqa: E402
from conftest import Servers, running  # noqa: E402
from kafka import KafkaConsumer, KafkaProducer, TopicPartition  # noqa: E402
from nifi import QUICK  # noqa: E402

from opslib import message  # noqa: E402
from opslib.message import moment_of_id  # noqa: E402

EMIT = PROJECT / "tests/bench/EmitTweets.py"
# What PublishToKafka gives its producer.
PUBLISHER = {
    "acks": "all",
    "enable_idempotence": True,
    "compression_type": "zstd",
    "linger_ms": 20,
    "batch_size": 262144,
    "max_request_size": 2097152,
}


def report(name: str, value: object) -> None:
    """Print one figure."""
    print(json.dumps({name: value}), flush=True)  # noqa: T201


class Reader:
    """Reads ``tweets.raw`` from its end on, and notes when each message was there."""

    def __init__(self, servers: Servers) -> None:
        self._consumer = KafkaConsumer(**servers.operator)
        partitions = [TopicPartition(message.TWEETS, number) for number in range(3)]
        self._consumer.assign(partitions)
        self._consumer.seek_to_end()
        for partition in partitions:
            self._consumer.position(partition)
        self.at: list[float] = []
        self.values: list[bytes] = []

    def read(self, number: int, seconds: float) -> None:
        """Read until *number* messages are there, or for so long."""
        deadline = time.monotonic() + seconds
        while len(self.values) < number and time.monotonic() < deadline:
            for records in self._consumer.poll(timeout_ms=500).values():
                now = time.time()
                self.at += [now] * len(records)
                self.values += [record.value for record in records]

    def figures(self, begun: float | None = None) -> dict[str, Any]:
        """Return number, size and rate of what was read since *begun*, or since the first message."""
        if len(self.at) < 2:
            return {"messages": len(self.at)}
        begun = begun or self.at[0]
        taken = self.at[-1] - begun
        parts = [0] * (int(taken // 10) + 1)
        for moment in self.at:
            parts[int((moment - begun) // 10)] += 1
        return {
            "messages": len(self.values),
            "bytes_each": round(sum(map(len, self.values)) / len(self.values)),
            "seconds": round(taken, 1),
            "tweets_per_second": round(len(self.values) / taken),
            # The last part is not whole.
            "slowest_10_s": round(min(parts[:-1]) / 10) if len(parts) > 1 else None,
        }

    def close(self) -> None:
        """Leave the broker."""
        self._consumer.close()


def write_tweets(path: Path, number: int) -> Path:
    """Write tweets that make messages of about 1 KB, each of one of the topics."""
    chance = random.Random(1)  # noqa: S311 - the same each time
    words = [f"palavra{n}" for n in range(4000)]
    with path.open("w") as file:
        for n in range(number):
            text = " ".join(chance.choices(words, k=24))
            tweet = {"text": f"{n} {text} #tema{n % TOPICS:02}", "author_id": str(1000 + n % 5000)}
            file.write(json.dumps(tweet) + "\n")
    return path


class Writer(threading.Thread):
    """Writes tweets to the local X API, so many a second, twenty times a second."""

    def __init__(self, x: X, lines: list[str], rate: float) -> None:
        super().__init__(daemon=True)
        self._x, self._lines, self._rate = x, lines, rate
        self._ended = threading.Event()

    def run(self) -> None:
        begun, written = time.monotonic(), 0
        while not self._ended.wait(0.05):
            due = int((time.monotonic() - begun) * self._rate)
            if due > written:
                self._x.add(*(self._lines[n % len(self._lines)] for n in range(written, due)))
                written = due

    def end(self) -> None:
        """Write no more."""
        self._ended.set()
        if self.is_alive():
            self.join()


def by_stream(servers: Servers, collector: Collector, folder: Path, rate: float, seconds: float) -> Reader:
    """Follow a stream of *rate* tweets a second for so long; return what was read."""
    lines = write_tweets(folder / "tweets.ndjson", 20_000).read_text().splitlines(keepends=True)
    x = X(folder, "--rate", "0", "--keep", "200000", "--no-limits", strict=False)
    # Topics trend for what was written about them.
    x.add(*lines[: 10 * TOPICS])
    reader, writer = Reader(servers), Writer(x, lines, rate)
    try:
        collector.deploy(x, folder / f"budget-{rate:g}.sqlite", trends_interval="1 hour", mode="stream")
        writer.start()
        reader.read(1, 120)
        reader.read(10**9, seconds)
    finally:
        writer.end()
        reader.close()
        x.stop()
    return reader


def throughput(servers: Servers, collector: Collector, folder: Path, rate: float, seconds: float) -> None:
    """Report what comes of a stream that is as fast as it has to be."""
    reader = by_stream(servers, collector, folder, rate, seconds)
    figures = {"offered_per_second": rate, **reader.figures(), "load": round(os.getloadavg()[0], 1)}
    report("stream", figures)
    alone(servers, reader.values)


def latency(servers: Servers, collector: Collector, folder: Path, seconds: float) -> None:
    """Report how long tweets are under way at 60 a second."""
    reader = by_stream(servers, collector, folder, 60, seconds)
    # What was written before the connect is no part of it.
    late = [
        at - written
        for at, value in zip(reader.at, reader.values)
        if (written := moment_of_id(int(json.loads(value)["id"])).timestamp()) > reader.at[0]
    ]
    report("latency", {**quantiles(late), "load": round(os.getloadavg()[0], 1)})
    sent: dict[bytes, float] = {}
    peer = Reader(servers)
    reading = threading.Thread(target=peer.read, args=(len(late), seconds + 60))
    reading.start()
    producer = KafkaProducer(**servers.operator, **PUBLISHER)
    for value in reader.values[-len(late) :]:
        sent[value] = time.time()
        producer.send(message.TWEETS, value, key=message.key_of(json.loads(value)))
        time.sleep(1 / 60)
    producer.close()
    reading.join()
    peer.close()
    report("kafka-python alone", quantiles([at - sent[value] for at, value in zip(peer.at, peer.values)]))


def quantiles(seconds: list[float]) -> dict[str, Any]:
    """Return number and quantiles, in milliseconds."""
    ordered = sorted(seconds)
    told = {f"p{q}_ms": ordered[min(len(ordered) - 1, len(ordered) * q // 100)] for q in (50, 95, 99)}
    return {
        "messages": len(ordered),
        **{k: round(v * 1000) for k, v in {**told, "max_ms": ordered[-1]}.items()},
    }


def by_search(servers: Servers, collector: Collector, folder: Path, number: int) -> list[bytes]:
    """Collect *number* tweets by search; return the messages."""
    tweets = write_tweets(folder / "tweets.ndjson", number)
    keep = ("--keep", str(number), "--no-limits")
    x = X(folder, *keep, "--tweets", str(tweets), strict=False)
    reader = Reader(servers)
    try:
        collector.deploy(x, folder / "budget.sqlite", trends_interval="1 hour")
        reader.read(number, 60 + number / 50)
    finally:
        reader.close()
        x.stop()
    report("search", {**reader.figures(), "load": round(os.getloadavg()[0], 1)})
    return reader.values


def emitting(folder: Path) -> Path:
    """Write a flow of this benchmark's source and the project's publisher."""
    text = FLOW.read_text().replace('"trendlake"', '"bench"')
    definition = json.loads(text)
    contents = definition["flowContents"]
    source, publisher = (
        next(p for p in contents["processors"] if p["name"] == name)
        for name in ("Collect trends", "Publish trends")
    )
    kept = [
        c
        for c in contents["connections"]
        if c["destination"]["name"] == "Publish trends"
        and c["source"]["name"] in (source["name"], "Publish trends")
    ]
    source.update(
        type="EmitTweets",
        name="Emit tweets",
        properties={"Lines": "500"},
        propertyDescriptors={},
        schedulingPeriod="0 sec",
        bundle={"group": "org.apache.nifi", "artifact": "python-extensions", "version": "1"},
    )
    publisher["properties"]["Topic"] = message.TWEETS
    for connection in kept:
        connection["backPressureObjectThreshold"] = 20
        if connection["source"]["name"] == "Collect trends":
            connection["source"]["name"] = "Emit tweets"
    contents.update(processors=[source, publisher], connections=kept)
    path = folder / "bench.json"
    path.write_text(json.dumps(definition))
    return path


def by_emitting(servers: Servers, collector: Collector, folder: Path, seconds: float) -> list[bytes]:
    """Publish what is made up inside NiFi for so long; return the messages."""
    x = X(folder, strict=False)
    reader = Reader(servers)
    try:
        parameters = collector.parameters(x, folder / "b.sqlite")
        done = collector.flow("deploy", str(emitting(folder)), "--parameters", str(parameters))
        assert done.returncode == 0, done.stderr + collector.nifi.log()[-3000:]
        reader.read(10**9, seconds)
    finally:
        reader.close()
        x.stop()
    report("publish", {**reader.figures(), "load": round(os.getloadavg()[0], 1)})
    return reader.values


def alone(servers: Servers, values: list[bytes]) -> None:
    """Publish the same messages with kafka-python alone."""
    reader = Reader(servers)
    producer = KafkaProducer(**servers.operator, **PUBLISHER)
    keys = [message.key_of(json.loads(value)) for value in values]
    reading = threading.Thread(target=reader.read, args=(len(values), 600))
    reading.start()
    begun = time.time()
    sent = [producer.send(message.TWEETS, value, key=key) for key, value in zip(keys, values)]
    producer.flush()
    for future in sent:
        future.get(10)
    reading.join()
    producer.close()
    reader.close()
    report("kafka-python alone", reader.figures(begun))


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--stream", type=float, default=60, help="seconds of following the stream (60)")
    parser.add_argument("--rate", type=float, default=2200, help="tweets a second that it is offered (2200)")
    parser.add_argument("--latency", type=float, default=60, help="seconds at 60 tweets a second (60)")
    parser.add_argument("--search", type=int, default=20_000, help="tweets collected by search (20000)")
    parser.add_argument("--publish", type=float, default=60, help="seconds of publishing (60)")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended by SIGTERM"))
    report("machine", f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    with tempfile.TemporaryDirectory(prefix="trendlake-bench-") as name:
        folder = Path(name)
        with running(folder / "servers") as servers:
            collector = Collector(servers, folder)
            # As it is deployed, with the compiler that is for longer runs.
            collector.nifi.command.remove(QUICK)
            shutil.copy(EMIT, folder / "nifi/data/python/extensions")
            collector.nifi.start()
            try:
                # First, where nothing was followed before: what another X had left would be searched for.
                if options.latency:
                    latency(servers, collector, folder, options.latency)
                if options.stream:
                    throughput(servers, collector, folder, options.rate, options.stream)
                if options.search:
                    values = by_search(servers, collector, folder, options.search)
                    alone(servers, values)
                if options.publish:
                    values = by_emitting(servers, collector, folder, options.publish)
                    alone(servers, values)
            finally:
                collector.nifi.stop()


if __name__ == "__main__":
    main()
