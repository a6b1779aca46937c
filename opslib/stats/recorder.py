"""The third reader of the lake's topics: it counts by minute and writes the minutes that are over.

A minute is over once a while has passed since its end and every partition either has come to a later one or
was read up to what stood in it after that while. Offsets are committed to the group behind the write, so that
others see how far the recorder is; where it goes on it reads in MongoDB (:mod:`opslib.stats.series`). One
recorder reads all partitions: their sum is what a minute is.
"""

from __future__ import annotations

import logging
import time
from datetime import datetime, timezone
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import pymongo
from kafka import TopicPartition  # type: ignore[import-untyped]
from kafka.errors import AuthorizationError, KafkaError  # type: ignore[import-untyped]
from kafka.structs import OffsetAndMetadata  # type: ignore[import-untyped]

from opslib.run.failures import said
from opslib.run.notify import notify
from opslib.run.retry import Stopped, persist, refused_by_kafka
from opslib.settings import SettingsError
from opslib.stats import delays
from opslib.stats.minutes import MINUTE, Minutes, begin_of
from opslib.stats.series import BUDGET, FOLLOWS, LAG

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Mapping

    from opslib.metrics import Stats as Figures
    from opslib.stats.minutes import Minute, Offsets, Partition
    from opslib.stats.observer import Observer
    from opslib.stats.series import Document, Series
    from opslib.stats.stored import Stored

Result = TypeVar("Result")
_LOG = logging.getLogger(__name__)
_POLL_MILLISECONDS = 500
_MOST_RECORDS = 2_000
_ATTEMPT_SECONDS = 10
# Kafka keeps a week. Older minutes are not made up, however long nobody recorded.
_LOOK_BACK = 8 * 24 * 60


class Recorder:
    """Moves figures of messages from a consumer to the time series until it is told to stop."""

    def __init__(
        self,
        consumer: Any,
        series: Series,
        observer: Observer,
        stored: Stored,
        figures: Figures,
        stop: threading.Event,
        *,
        topics: Mapping[str, int],
        grace_seconds: float,
    ) -> None:
        """Read *topics*, given with the number of their partitions, until *stop* is set."""
        self._consumer = consumer
        self._series = series
        self._observer = observer
        self._stored = stored
        self._figures = figures
        self._topics = topics
        self._grace = grace_seconds
        self._minutes = Minutes(self._collected)
        self._partitions: list[TopicPartition] = []
        self._ends: tuple[float, dict[Any, int]] = (0.0, {})  # as of when
        self._lag_at = 0.0
        self._stop = stop

    def run(self) -> None:
        """Record until stopped; raise :class:`SettingsError` for what a restart will not cure.

        What was read and not written yet is read again the next time.
        """
        try:
            self._begin()
            while not self._stop.is_set():
                self._read()
                self._record()
                self._tell_systemd(f"recording {begin_of(self._minutes.oldest()):%Y-%m-%d %H:%M}")
        except Stopped:
            pass
        except AuthorizationError as error:
            raise SettingsError(refused_by_kafka(error)) from error
        finally:
            self._consumer.close()

    def _tell_systemd(self, status: str) -> None:
        """Feed the watchdog, unless the thread beside this one is not well."""
        self._observer.check()
        notify(WATCHDOG="1", STATUS=status)

    def _begin(self) -> None:
        """Go to where the newest minute in MongoDB ended."""
        newest = self._persist("where the record ends", self._series.newest)
        now = int(time.time()) // MINUTE
        self._assign(self._topics)
        kept = self._consumer.beginning_offsets(self._partitions)
        ends = self._consumer.end_offsets(self._partitions)
        after = newest[0] if newest else 0
        offsets: Offsets = newest[1] if newest else {}
        lost = 0
        for partition in self._partitions:
            wanted = offsets.get(tuple(partition), 0)
            if wanted > ends[partition]:  # the topic was made anew
                wanted = 0
            lost += max(0, kept[partition] - wanted) if newest else 0
            self._consumer.seek(partition, max(wanted, kept[partition]))
        if newest and not lost and after >= now - _LOOK_BACK:
            self._minutes.resume(after)
        else:
            self._minutes.begin(max(after + 1, now - _LOOK_BACK), now)
        if lost:
            _LOG.warning("%d messages left Kafka before they were counted", lost)
        known = self._persist("where the record ends", self._series.newest_budget)
        if known:
            self._figures.tell_budget(known["today"], known["left"])
        _LOG.info("started behind %s", f"{begin_of(after):%Y-%m-%d %H:%M}" if newest else "nothing")

    def _assign(self, topics: Mapping[str, int]) -> bool:
        """Take all partitions, the new ones from their beginning; return whether the consumer knows them yet.

        By itself it would notice them within five minutes.
        """
        found = [TopicPartition(topic, number) for topic, count in topics.items() for number in range(count)]
        new = [partition for partition in found if partition not in self._partitions]
        if not new:
            return True
        self._consumer.topics()  # which asks for all that there is
        if any(number not in self._consumer.partitions_for_topic(topic) for topic, number in new):
            return False
        positions = {partition: self._consumer.position(partition) for partition in self._partitions}
        self._partitions = found
        self._consumer.assign(found)
        for partition, position in positions.items():
            self._consumer.seek(partition, position)
        self._consumer.seek_to_beginning(*new)
        return True

    def _read(self) -> None:
        # A partition that is ahead is not paused: kafka-python 3.0.12, with some partitions paused, can
        # hold what it fetched of one back for good. What is open meanwhile takes 8 bytes a tweet.
        found = self._consumer.poll(timeout_ms=_POLL_MILLISECONDS, max_records=_MOST_RECORDS)
        now = int(time.time()) // MINUTE
        for partition, records in found.items():
            self._minutes.add(tuple(partition), records, now)

    def _collected(self, partition: Partition, offset: int, at: datetime) -> None:
        self._stored.read(partition, offset, at.timestamp())

    def _record(self) -> None:
        """Write the minutes that are over."""
        while not self._stop.is_set():
            minute = self._minutes.oldest()
            if not self._is_over(minute):
                return
            positions = {tuple(p): self._consumer.position(p) for p in self._partitions}
            counted, offsets = self._minutes.close(minute, positions)
            figures = self._figures_of(minute, counted)
            snapshots = self._snapshots(counted)
            self._persist("the record", partial(self._series.record, minute, figures, offsets))
            self._tell(minute, counted, figures)
            self._persist("the record", partial(self._series.add, snapshots))
            self._commit(offsets)

    def _is_over(self, minute: int) -> bool:
        over = (minute + 1) * MINUTE + self._grace
        if time.time() < over:
            return False
        if self._ends[0] < over:
            # Partitions that were added belong to the minute as well, so they are asked for behind its end.
            known = self._observer.topics
            if known is None or known[0] < over or not self._assign(known[1]):
                return False
            asked_at = time.time()
            try:
                self._ends = (asked_at, self._consumer.end_offsets(self._partitions))
            except AuthorizationError:
                raise
            except KafkaError as error:
                _LOG.warning("how far the topics go cannot be asked for: %s", error)
                return False
        ends = self._ends[1]
        return all(
            self._minutes.is_behind(tuple(partition), minute)
            or self._consumer.position(partition) >= ends[partition]
            for partition in self._partitions
        )

    def _figures_of(self, minute: int, counted: Minute) -> Document:
        # Delays to the store become known as time goes by; whoever catches up has none of those minutes.
        lately = time.time() - (minute + 1) * MINUTE < self._grace + 2 * MINUTE
        return {
            **counted.figures(),
            "delay_stored": delays.summary(self._stored.taken()) if lately else None,
        }

    def _snapshots(self, counted: Minute) -> list[Document]:
        documents: list[Document] = []
        if counted.budget is not None:
            documents.append({"meta": BUDGET, **counted.budget})
        if counted.follows is not None:
            documents.append({"meta": FOLLOWS, **counted.follows})
        lag = self._observer.lag
        if lag is not None and lag[0] > self._lag_at:
            self._lag_at = lag[0]
            groups = {group: sum(topics.values()) for group, topics in lag[1].items() if topics}
            at = datetime.fromtimestamp(lag[0], timezone.utc)
            documents.append({"at": at, "meta": LAG, "groups": groups})
        return documents

    def _commit(self, offsets: Offsets) -> None:
        try:
            self._consumer.commit(
                {TopicPartition(*p): OffsetAndMetadata(offset, "", -1) for p, offset in offsets.items()},
                timeout_ms=10_000,
            )
        except AuthorizationError:
            raise
        except KafkaError as error:
            _LOG.warning("offsets not committed, others see the recorder where it was: %s", error)

    def _tell(self, minute: int, counted: Minute, figures: Document) -> None:
        shown = self._figures
        shown.tweets.inc(counted.tweets)
        shown.dead_letters.inc(counted.dead_letters)
        shown.minute_tweets.set(counted.tweets)
        shown.newest_minute.set(minute * MINUTE)
        for stage in ("collected", "stored"):
            found = figures[f"delay_{stage}"]
            for quantile in (*delays.QUANTILES, "max"):
                shown.delay.labels(stage, quantile).set(found[quantile] if found else float("nan"))
        if counted.budget is not None:
            shown.tell_budget(counted.budget["today"], counted.budget["left"])

    def _persist(self, what: str, attempt: Callable[[], Result]) -> Result:
        """Return what *attempt* returns once MongoDB lets it; raises :class:`Stopped`."""
        troubled = False

        def bounded() -> Result:
            with pymongo.timeout(_ATTEMPT_SECONDS):
                return attempt()

        def failed(error: BaseException) -> None:
            nonlocal troubled
            troubled = True
            _LOG.warning("%s waits for MongoDB: %s", what, said(error))
            self._tell_systemd(f"waiting for MongoDB: {said(error)}")

        result = persist(bounded, self._stop, failed)
        if troubled:
            _LOG.info("MongoDB is back")
        return result
