"""The board of what is followed: the compacted Kafka topic ``follows``, read from its beginning.

Whoever reads it has a consumer without a group and keeps no place: the topic is small, and compaction leaves
the last message of each key. Keys are the names of follows; ``backfill/NAME`` is what is looked up for one.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Callable, Optional

from opslib.message import FOLLOWS, encode

if TYPE_CHECKING:
    from collections.abc import Mapping

BACKFILL = "backfill/"
_POLL_MILLISECONDS = 200
_CONFIRMED_SECONDS = 30
_PARTITION = 0  # it has one: what is said of a name keeps its order

Records = dict[str, dict[str, Any]]
Record = Optional[dict[str, Any]]  # ``None`` removes it


def tls_options(tls_directory: str) -> dict[str, str]:
    """Return how kafka-python connects with the cert.pem, key.pem and ca.pem of a folder; empty: no TLS."""
    if not tls_directory:
        return {}
    return {
        "security_protocol": "SSL",
        "ssl_cafile": f"{tls_directory}/ca.pem",
        "ssl_certfile": f"{tls_directory}/cert.pem",
        "ssl_keyfile": f"{tls_directory}/key.pem",
    }


def connect(servers: str, tls_directory: str) -> Any:
    """Return a consumer for :class:`Board`."""
    return consumer(bootstrap_servers=servers.split(","), **tls_options(tls_directory))


def consumer(**options: Any) -> Any:
    """Return a consumer of the topic that belongs to no group."""
    from opslib.reading import Reader

    return Reader(
        group_id=None,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        bootstrap_timeout_ms=5_000,
        allow_auto_create_topics=False,
        metrics_enabled=False,
        **options,
    )


class Board:
    """What is on the board, as the consumer that *connecting* returns reads it on."""

    def __init__(self, connecting: Callable[[], Any]) -> None:
        self._connecting = connecting
        self._consumer: Any = None
        self._records: Records = {}
        self._ends = 0

    def read(self) -> Records:
        """Return all records by their keys, as they are now. Raises what kafka-python raises."""
        try:
            if self._consumer is None:
                self._begin()
            return self._read_on()
        except Exception:
            self.close()
            raise

    def _begin(self) -> None:
        from kafka import TopicPartition  # type: ignore[import-untyped]

        self._consumer = self._connecting()
        partition = TopicPartition(FOLLOWS, _PARTITION)
        self._consumer.assign([partition])
        self._consumer.seek_to_beginning(partition)
        self._records = {}

    def _read_on(self) -> Records:
        (partition,) = self._consumer.assignment()
        (end,) = self._consumer.end_offsets([partition]).values()
        while self._consumer.position(partition) < end:
            for records in self._consumer.poll(timeout_ms=_POLL_MILLISECONDS).values():
                for record in records:
                    self._take(record)
        return dict(self._records)

    def _take(self, record: Any) -> None:
        name = (record.key or b"").decode("utf-8", "replace")
        try:
            found = json.loads(record.value) if record.value is not None else None
        except ValueError:
            return  # not of ours: only who may write here can have done it
        if isinstance(found, dict):
            self._records[name] = found
        elif found is None:
            self._records.pop(name, None)

    def close(self) -> None:
        """Let go of the connection; what is read next is read from the beginning."""
        if self._consumer is not None:
            self._consumer.close(autocommit=False)
            self._consumer = None


def publish(producer: Any, changes: Mapping[str, Record]) -> None:
    """Write *changes* by their keys, and wait until the brokers have every one."""
    sent = [
        producer.send(
            FOLLOWS,
            None if record is None else encode(record),
            key=key.encode("utf-8"),
            partition=_PARTITION,
        )
        for key, record in changes.items()
    ]
    producer.flush(_CONFIRMED_SECONDS)
    for future in sent:
        future.get(timeout=_CONFIRMED_SECONDS)


def save(options: Mapping[str, Any], changes: Mapping[str, Record]) -> None:
    """Write *changes* with a producer of their own. Raises what kafka-python raises."""
    from opslib.kafka_client import KafkaProducer

    producer = KafkaProducer(**options, acks="all", enable_idempotence=False, bootstrap_timeout_ms=10_000)
    try:
        publish(producer, changes)
    finally:
        producer.close(timeout=5)
