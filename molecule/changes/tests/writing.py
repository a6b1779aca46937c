"""Writers that go on while a lake changes, and count what was acknowledged: nothing of it may be lost."""

from __future__ import annotations

import contextlib
import itertools
import threading
import time
import uuid
from typing import TYPE_CHECKING, Any

from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from pymongo import MongoClient

if TYPE_CHECKING:
    from collections.abc import Iterator


class Writers:
    """One producer with ``acks=all`` and one client of MongoDB with majority writes."""

    def __init__(self, kafka: dict[str, Any], mongodb: dict[str, Any], topic: str) -> None:
        self._kafka, self._mongodb, self._topic = kafka, mongodb, topic
        self._stop = threading.Event()
        self._run = uuid.uuid4().hex
        self.acknowledged: dict[str, set[str]] = {"kafka": set(), "mongodb": set()}
        self.refused: list[str] = []
        # How long, in seconds, the slowest of them waited for its acknowledgement, retries included.
        self.longest = {"kafka": 0.0, "mongodb": 0.0}

    def names(self) -> Iterator[str]:
        """Return names of what is to be written, a few a second, until the end."""
        for number in itertools.count():
            if self._stop.wait(0.05):
                return
            yield f"{self._run}-{number}"

    @contextlib.contextmanager
    def acknowledging(self, service: str, name: str) -> Iterator[None]:
        """Count *name* as acknowledged once the block has ended well, and how long that took."""
        began = time.monotonic()
        yield
        self.longest[service] = max(self.longest[service], time.monotonic() - began)
        self.acknowledged[service].add(name)

    def _produce(self) -> None:
        producer = KafkaProducer(acks="all", retries=1_000_000, delivery_timeout_ms=600_000, **self._kafka)
        for name in self.names():
            try:
                with self.acknowledging("kafka", name):
                    producer.send(self._topic, key=name.encode(), value=b"x" * 500).get(timeout=600)
            except Exception as error:  # noqa: PERF203 - each is on its own
                self.refused.append(f"kafka: {error!r}")
        producer.close()

    def _insert(self) -> None:
        with MongoClient(w="majority", retryWrites=True, **self._mongodb) as client:
            for name in self.names():
                try:
                    with self.acknowledging("mongodb", name):
                        client.verify.things.insert_one({"_id": name})
                except Exception as error:  # noqa: PERF203 - each is on its own
                    self.refused.append(f"mongodb: {error!r}")

    @contextlib.contextmanager
    def going_on(self) -> Iterator[None]:
        """Write until the end of the block, and at least something before and after it."""
        threads = [threading.Thread(target=each) for each in (self._produce, self._insert)]
        for thread in threads:
            thread.start()
        try:
            self.more()
            yield
            self.more()
        finally:
            self._stop.set()
            for thread in threads:
                thread.join(timeout=700)

    def more(self) -> None:
        """Wait until both have written more."""
        before = {name: len(written) for name, written in self.acknowledged.items()}
        end = time.monotonic() + 300
        while any(len(self.acknowledged[name]) < before[name] + 20 for name in before):
            assert time.monotonic() < end, f"nothing more was written: {self.refused[-3:]}"
            time.sleep(0.5)

    def figures(self) -> dict[str, Any]:
        """Return what docs/members.md and docs/rolling.md tell of a run."""
        return {
            "acknowledged": {service: len(names) for service, names in self.acknowledged.items()},
            "longest_seconds": {service: round(seconds, 2) for service, seconds in self.longest.items()},
            "refused": len(self.refused),
        }

    def lost(self) -> dict[str, set[str]]:
        """Return what was acknowledged and is not there."""
        kept = self._messages()
        with MongoClient(**self._mongodb) as client:
            there = {one["_id"] for one in client.verify.things.find()}
        return {"kafka": self.acknowledged["kafka"] - kept, "mongodb": self.acknowledged["mongodb"] - there}

    def _messages(self) -> set[str]:
        consumer = KafkaConsumer(**self._kafka)
        partitions = [TopicPartition(self._topic, number) for number in range(6)]
        consumer.assign(partitions)
        consumer.seek_to_beginning()
        ends = consumer.end_offsets(partitions)
        kept: set[str] = set()
        give_up = time.monotonic() + 300
        while any(consumer.position(partition) < end for partition, end in ends.items()):
            assert time.monotonic() < give_up, "not all that is there can be read"
            read = consumer.poll(timeout_ms=1000, max_records=5000)
            kept |= {message.key.decode() for records in read.values() for message in records if message.key}
        consumer.close()
        return kept
