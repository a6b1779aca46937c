"""The sink's main loop: one batch is decoded while the one before it is written.

Offsets are committed for what has been written and acknowledged, never before. While MongoDB is away the
partitions are paused and the loop keeps polling, so the sink stays in its group and nothing is fetched
that there is no room for.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import TYPE_CHECKING, Any

from kafka import AsyncConsumerRebalanceListener, TopicPartition  # type: ignore[import-untyped]
from kafka.errors import AuthorizationError, FencedInstanceIdError, KafkaError  # type: ignore[import-untyped]
from kafka.structs import OffsetAndMetadata  # type: ignore[import-untyped]

from opslib.metrics import Sink as Figures
from opslib.run.notify import notify
from opslib.run.retry import refused_by_kafka
from opslib.settings import SettingsError
from opslib.sink import batch as batches

if TYPE_CHECKING:
    from collections.abc import Iterable

    from opslib.kafka_client import KafkaConsumer
    from opslib.sink.batch import Batch
    from opslib.sink.writer import Writer
    from opslib.store.write import Outcome

_LOG = logging.getLogger(__name__)
_TURN_SECONDS = 1.0  # how long one turn of the loop may take, and so how soon it sees SIGTERM
_REVOKE_SECONDS = 5.0  # well below the session timeout: heartbeats stand still for so long
DRAIN_SECONDS = 20.0
_REPORT_SECONDS = 10.0
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
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="writer")
        self._waiting: deque[Batch] = deque()
        self._written: Batch | None = None  # in the writer's hands
        self._writing: Future[Outcome] | None = None
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
                self._writer.pulse.check()
                notify(WATCHDOG="1", STATUS=self._writer.trouble or f"stored {self._totals}")
            self._drain()
        except (AuthorizationError, FencedInstanceIdError) as error:
            raise SettingsError(_refusal(error)) from error
        finally:
            self._writer.abandon()
            self._consumer.close(timeout_ms=5000)
            self._thread.shutdown()
            self._totals.tell(now=True)

    def _turn(self) -> None:
        if self._waiting and self._writing:
            wait([self._writing], _TURN_SECONDS)
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
        if self._writing is None and self._waiting:
            self._written = self._waiting.popleft()
            self._writing = self._thread.submit(self._writer.write, self._written)

    def _settle(self) -> None:
        """If the writer is done, commit what it wrote."""
        if self._writing is None or not self._writing.done():
            return
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
        """Return the offsets that the finished write allows to commit, and free the writer."""
        assert self._writing is not None  # noqa: S101 - for the type checker
        assert self._written is not None  # noqa: S101
        written, outcome = self._written, self._writing.result()
        self._written = self._writing = None
        self._count(written, outcome)
        return {
            TopicPartition(*partition): OffsetAndMetadata(offset, "", -1)
            for partition, offset in written.next_offsets.items()
        }

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
            assert self._writing is not None  # noqa: S101
            wait([self._writing], max(0.0, deadline - time.monotonic()))
            if not self._writing.done():
                left = sum(batch.size for batch in (*self._waiting, self._written) if batch)
                _LOG.warning("%d messages were not written in time and stay in Kafka", left)
                return
            self._settle()

    async def revoke(self) -> None:
        """Give the partitions up: commit what can be finished now, drop what was only fetched.

        Runs in the consumer's own thread while :meth:`_poll` waits for it, so nothing else is at work.
        """
        self._waiting.clear()
        if self._writing is None:
            return
        wait([self._writing], _REVOKE_SECONDS)
        if not self._writing.done():
            # It may be written yet, but by then its partitions can be another's: do not commit for them.
            if self._written:
                self._written.next_offsets.clear()
            return
        if self._writing.exception() is None:
            offsets = self._taken()
            try:
                await self._consumer.commit_async(offsets)
            except KafkaError as error:
                _LOG.warning("%s: %s", _UNCOMMITTED, error)

    def end_figures(self, partitions: Iterable[TopicPartition]) -> None:
        """Let the figures of partitions end: whoever has them next tells about them."""
        self._figures.drop(partitions)

    def lose(self) -> None:
        """Take note that the partitions are another's already."""
        self._waiting.clear()
        if self._written:
            self._written.next_offsets.clear()


class _Listener(AsyncConsumerRebalanceListener):  # type: ignore[misc]  # kafka-python has no types
    """Tells the service about partitions that come and go."""

    def __init__(self, service: Service) -> None:
        self._service = service

    async def on_partitions_revoked(self, revoked: Any) -> None:
        if revoked:
            await self._service.revoke()
            self._service.end_figures(revoked)

    async def on_partitions_lost(self, lost: Any) -> None:
        _LOG.warning("the group went on without this sink: %s", _names(lost))
        self._service.lose()
        self._service.end_figures(lost)

    async def on_partitions_assigned(self, assigned: Any) -> None:
        _LOG.info("reading %s", _names(assigned) or "nothing: there are more sinks than partitions")


def _names(partitions: Any) -> str:
    return " ".join(sorted(f"{p.topic}-{p.partition}" for p in partitions))


def _refusal(error: KafkaError) -> str:
    if isinstance(error, FencedInstanceIdError):
        return "another sink runs with the same --instance name: give each its own"
    return refused_by_kafka(error)
