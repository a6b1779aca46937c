"""Going on behind what librdkafka cannot unpack, or not within bounds.

It tells of such a batch again and again and never comes past it, and Quix Streams ends of that without
knowing where it was. The storage layer keeps a dead letter of what was skipped.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from confluent_kafka import KafkaError as ClientError
from confluent_kafka import TopicPartition
from kafka import TopicPartition as Partition  # type: ignore[import-untyped]
from kafka.errors import KafkaError  # type: ignore[import-untyped]

from opslib.reading import end_of_batch
from opslib.run.failures import said

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_LOG = logging.getLogger(__name__)


def skip(consumer: Any, options: Mapping[str, Any], skipped: Callable[[], None]) -> None:
    """Let the *consumer* of an application of Quix Streams skip batches that cannot be unpacked.

    *options* are those of a client of kafka-python; *skipped* is called once for each batch.
    """
    whole = consumer.poll

    def poll(timeout: float | None = None) -> Any:
        found = whole(timeout)
        error = found.error() if found is not None else None
        if error is None or error.code() != ClientError._BAD_COMPRESSION:  # noqa: SLF001 - its name
            return found
        topic, number, offset = found.topic(), found.partition(), found.offset()
        try:
            behind = end_of_batch(options, Partition(topic, number), offset)
        except KafkaError as trouble:
            _LOG.warning("no way behind %s-%d at %d yet: %s", topic, number, offset, said(trouble))
            return None  # librdkafka tells of it again
        consumer.seek(TopicPartition(topic, number, behind))
        _LOG.warning("skipped %s-%d from %d to %d: %s", topic, number, offset, behind - 1, error.str())
        skipped()
        return None

    consumer.poll = poll
