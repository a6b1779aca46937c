"""The sink's main loop: batches are decoded while those before them are written, two at once.

So one is prepared while MongoDB works on the other. Offsets are committed for what has been written and
acknowledged, never before, and batch by batch in their order. While MongoDB is away the partitions are paused
and the loop keeps polling, so the sink stays in its group and nothing is fetched that there is no room for.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kafka import AsyncConsumerRebalanceListener, KafkaConsumer, TopicPartition  # type: ignore[import-untyped]
from kafka.errors import AuthorizationError, FencedInstanceIdError, KafkaError  # type: ignore[import-untyped]
from kafka.structs import OffsetAndMetadata  # type: ignore[import-untyped]

from opslib.metrics import Sink as Figures
from opslib.settings import SettingsError
from opslib.sink import batch as batches
from opslib.sink.notify import notify
from opslib.sink.writer import Abandoned, Writer

if TYPE_CHECKING:
    from collections.abc import Iterable

    from opslib.sink.batch import Batch
    from opslib.store.write import Outcome

_LOG = logging.getLogger(__name__)
_TURN_SECONDS = 1.0  # how long one turn of the loop may take, and so how soon it sees SIGTERM
_REVOKE_SECONDS = 5.0  # well below the session timeout: heartbeats stand still for so long
DRAIN_SECONDS = 20.0
_REPORT_SECONDS = 10.0
_AT_ONCE = 2  # writes; a third would wait for the processor that the two leave to nobody
_UNCOMMITTED = "offsets not committed, the messages will be read again"


class _Totals:
    """What was done since the start, told to the journal now and then."""

    def __init__(self) -> None:
        self._counts = dict.fromkeys(("messages", "new", "updated", "unchanged", "dead", "forgotten"), 0)
        self._told = dict(self._counts)
        self._told_at = time.monotonic()

    def add(self, batch: Batch, outcome: Outcome) -> None:
        done = (
            batch.size,
            outcome.inserted,
            outcome.updated,
            outcome.unchanged,
            len(batch.dead),
            batch.forgotten,
        )
        for name, number in zip(self._counts, done):
            self._counts[name] += number

    def tell(self, *, now: bool = False) -> None:
        """Log what came since the last line, if there was anything and the last line is old enough."""
        if self._counts == self._told or not (now or time.monotonic() - self._told_at > _REPORT_SECONDS):
            return
        seconds = time.monotonic() - self._told_at
        since = " ".join(f"{name}={count - self._told[name]}" for name, count in self._counts.items())
        _LOG.info("stored %s seconds=%.1f", since, seconds)
        self._told, self._told_at = dict(self._counts), time.monotonic()

    def __str__(self) -> str:
        return " ".join(f"{name}={count}" for name, count in self._counts.items())


@dataclass(frozen=True)
class _Write:
    """A batch in the hands of the writer."""

    batch: Batch
    outcome: Future[Outcome]


class Service:
    """Moves messages from a subscribed consumer to a writer until it is told to stop."""

    def __init__(
        self,
        consumer: KafkaConsumer,
        writer: Writer,
        *,
        batch_size: int,
        batch_seconds: float,
        figures: Figures | None = None,
    ) -> None:
        self._consumer = consumer
        self._writer = writer
        self._batch_size = batch_size
        self._idle_seconds = min(batch_seconds, _TURN_SECONDS)
        self._threads = ThreadPoolExecutor(max_workers=_AT_ONCE, thread_name_prefix="writer")
        self._waiting: deque[Batch] = deque()
        self._writing: deque[_Write] = deque()  # in the order they were read
        self._stop = threading.Event()
        self._totals = _Totals()
        self._figures = figures or Figures()

    def stop(self) -> None:
        """Ask the loop to finish what it has begun and to end."""
        self._stop.set()

    def subscribe(self, topics: Iterable[str]) -> None:
        """Say what is to be read."""
        self._consumer.subscribe(list(topics), listener=_Listener(self))

    def run(self) -> None:
        """Work until :meth:`stop`; raise :class:`SettingsError` for what a restart will not cure."""
        try:
            while not self._stop.is_set():
                self._turn()
                self._totals.tell()
                notify(WATCHDOG="1", STATUS=self._writer.trouble or f"stored {self._totals}")
            self._drain()
        except (AuthorizationError, FencedInstanceIdError) as error:
            raise SettingsError(_refusal(error)) from error
        finally:
            self._writer.abandon()
            self._consumer.close(timeout_ms=5000)
            self._threads.shutdown()
            self._totals.tell(now=True)

    def _turn(self) -> None:
        if self._waiting and self._writing:
            wait([self._writing[0].outcome], _TURN_SECONDS)
        self._settle()
        self._start_writing()
        if self._waiting:
            # The writer takes longer than a turn: fetch nothing, but let the group see us.
            self._consumer.pause(*self._consumer.assignment())
            self._poll(0)
        else:
            self._consumer.resume(*self._consumer.paused())
            self._poll(0.1 if self._writing else self._idle_seconds)

    def _poll(self, seconds: float) -> None:
        records = self._consumer.poll(timeout_ms=int(seconds * 1000), max_records=self._batch_size)
        if records:
            self._waiting.append(batches.read(records))

    def _start_writing(self) -> None:
        while self._waiting and len(self._writing) < _AT_ONCE:
            batch = self._waiting.popleft()
            self._writing.append(_Write(batch, self._threads.submit(self._writer.write, batch)))

    def _settle(self) -> None:
        """Commit what has been written, as far as nothing before it is still being written."""
        offsets = self._taken()
        if not offsets:
            return
        try:
            self._consumer.commit(offsets, timeout_ms=10_000)
        except (AuthorizationError, FencedInstanceIdError):
            raise
        except KafkaError as error:
            # Written they are; whoever reads these messages again will find them in place.
            _LOG.warning("%s: %s", _UNCOMMITTED, error)

    def _taken(self) -> dict[Any, Any]:
        """Return the offsets that finished writes allow to commit, and let go of these."""
        offsets: dict[Any, Any] = {}
        while self._writing and self._writing[0].outcome.done():
            write = self._writing.popleft()
            self._count(write.batch, write.outcome.result())
            for partition, offset in write.batch.next_offsets.items():
                offsets[TopicPartition(*partition)] = OffsetAndMetadata(offset, "", -1)
        return offsets

    def _count(self, written: Batch, outcome: Outcome) -> None:
        self._totals.add(written, outcome)
        self._figures.messages.inc(written.size)
        for what in ("inserted", "updated", "unchanged"):
            self._figures.documents.labels(what).inc(getattr(outcome, what))
        self._figures.dead_letters.inc(len(written.dead))
        self._figures.forgotten.inc(written.forgotten)
        for topic, number in self._consumer.assignment() & set(written.next_offsets):
            end = self._consumer.highwater(TopicPartition(topic, number))
            if end is not None:
                self._figures.lag.labels(topic, number).set(max(0, end - written.next_offsets[topic, number]))

    def _drain(self) -> None:
        """Finish what was fetched, within limits; what is left stays in Kafka."""
        notify(STOPPING="1", STATUS="finishing what was fetched")
        deadline = time.monotonic() + DRAIN_SECONDS
        while self._writing or self._waiting:
            self._start_writing()
            wait([self._writing[0].outcome], max(0.0, deadline - time.monotonic()))
            if not self._writing[0].outcome.done():
                left = sum(batch.size for batch in (*self._waiting, *(w.batch for w in self._writing)))
                _LOG.warning("%d messages were not written in time and stay in Kafka", left)
                return
            self._settle()

    async def revoke(self) -> None:
        """Give the partitions up: commit what can be finished now, forget what was only fetched.

        Runs in the consumer's own thread while :meth:`_poll` waits for it, so nothing else is at work.
        """
        self._waiting.clear()
        wait([write.outcome for write in self._writing], _REVOKE_SECONDS)
        if any(write.outcome.done() and write.outcome.exception() for write in self._writing):
            return  # the loop's next turn ends the sink with it
        offsets = self._taken()
        # What is still being written may be another's by the time it is: do not commit for it.
        self.lose()
        if not offsets:
            return
        try:
            await self._consumer.commit_async(offsets)
        except KafkaError as error:
            _LOG.warning("%s: %s", _UNCOMMITTED, error)

    def forget(self, partitions: Iterable[TopicPartition]) -> None:
        """Let the figures of partitions end: whoever has them next tells about them."""
        self._figures.drop(partitions)

    def lose(self) -> None:
        """Take note that the partitions are another's already."""
        self._waiting.clear()
        for write in self._writing:
            write.batch.next_offsets.clear()


class _Listener(AsyncConsumerRebalanceListener):  # type: ignore[misc]  # kafka-python has no types
    """Tells the service about partitions that come and go."""

    def __init__(self, service: Service) -> None:
        self._service = service

    async def on_partitions_revoked(self, revoked: Any) -> None:
        if revoked:
            await self._service.revoke()
            self._service.forget(revoked)

    async def on_partitions_lost(self, lost: Any) -> None:
        _LOG.warning("the group went on without this sink: %s", _names(lost))
        self._service.lose()
        self._service.forget(lost)

    async def on_partitions_assigned(self, assigned: Any) -> None:
        _LOG.info("reading %s", _names(assigned) or "nothing: there are more sinks than partitions")


def _names(partitions: Any) -> str:
    return " ".join(sorted(f"{p.topic}-{p.partition}" for p in partitions))


def _refusal(error: KafkaError) -> str:
    if isinstance(error, FencedInstanceIdError):
        return "another sink runs with the same --instance name: give each its own"
    return f"Kafka refuses this client: {error}; check its certificate's name and its ACLs"


__all__ = ["Abandoned", "Service"]
