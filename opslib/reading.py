"""The consumer of the lake's readers, which unpacks no more of a batch than it has room for.

A batch of Kafka is compressed as a whole, and a broker measures it as it came: 33 KB of zstd may be one
record of a gibibyte. So batches are unpacked here as streams, up to :data:`MOST_UNPACKED`. Records that were
whole by then are handed on; in place of all behind them comes one whose value is an :class:`Unreadable`, at
the last of their offsets. So it is with what cannot be unpacked at all, as with a codec that is not there.
Whoever reads goes on behind it, and whoever keeps dead letters has one to write. The bytes stay in Kafka, at
these offsets.
"""

from __future__ import annotations

import gzip
import io
import zlib
from contextlib import closing
from typing import TYPE_CHECKING, Any

import zstandard
from kafka.errors import CorruptRecordError, KafkaTimeoutError  # type: ignore[import-untyped]
from kafka.record.default_records import DefaultRecord, DefaultRecordBatch  # type: ignore[import-untyped]

from opslib.kafka_client import KafkaConsumer

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from kafka import TopicPartition  # type: ignore[import-untyped]
    from kafka.record.memory_records import MemoryRecords  # type: ignore[import-untyped]

# Of a batch. A producer fills one up to a megabyte, whatever it is compressed to, unless told otherwise, and
# no tweet comes near; the reader of a full one takes four times as much for a moment.
MOST_UNPACKED = 32 * 1024 * 1024
_CODECS = {1: "gzip", 2: "snappy", 3: "lz4", 4: "zstd"}
_ANSWER_MILLISECONDS = 10_000


class Unreadable(bytes):
    """The value of records that were not read: no bytes, and the ``reason`` why."""

    reason: str

    def __new__(cls, reason: str) -> Unreadable:  # noqa: PYI034 - typing.Self is newer than Python 3.9
        """Make one for a *reason*."""
        value = super().__new__(cls)
        value.reason = reason
        return value


class Reader(KafkaConsumer):  # type: ignore[misc]  # kafka-python has no types
    """A ``KafkaConsumer`` whose memory a producer cannot exhaust."""

    def __init__(self, *topics: str, most_unpacked: int = MOST_UNPACKED, **options: Any) -> None:
        """Take what a ``KafkaConsumer`` takes; *most_unpacked* is in bytes, of a batch."""
        super().__init__(*topics, **options)
        # What parses an answer of the broker, of this consumer alone; the library has no option for it.
        whole = self._fetcher.PartitionRecords
        self._fetcher.PartitionRecords = type("_Bounded", (_Bounded, whole), {"most": most_unpacked})


def end_of_batch(options: Mapping[str, Any], partition: TopicPartition, offset: int) -> int:
    """Return the offset behind the compressed batch that holds *offset*, without unpacking it.

    *options* are those of a Kafka client; raises a ``KafkaError`` if the broker does not answer.
    """
    with closing(Reader(most_unpacked=0, enable_auto_commit=False, **options)) as reader:
        reader.assign([partition])
        reader.seek(partition, offset)
        found = reader.poll(timeout_ms=_ANSWER_MILLISECONDS, max_records=1)
        if not found:
            raise KafkaTimeoutError(f"no answer about {partition.topic} for {_ANSWER_MILLISECONDS} ms")
        return int(found[partition][0].offset) + 1


class _Bounded:
    """Makes the library's reader of an answer one of :class:`_Batches`."""

    most: int

    def __init__(self, fetch_offset: int, partition: Any, records: Any, **options: Any) -> None:
        super().__init__(fetch_offset, partition, _Batches(records, self.most), **options)  # type: ignore[call-arg]


class _Batches:
    """The batches of an answer, each with a bound."""

    def __init__(self, records: MemoryRecords, most: int) -> None:
        self._records = records
        self._most = most

    def next_batch(self) -> Any:
        batch = self._records.next_batch()
        # Since version 3.0 brokers keep no other format than this one.
        return _Batch(batch, self._most) if isinstance(batch, DefaultRecordBatch) else batch


class _Batch:
    """A batch of which the records are read as far as there is room."""

    def __init__(self, batch: Any, most: int) -> None:
        self._batch = batch
        self._most = most

    def __getattr__(self, name: str) -> Any:
        return getattr(self._batch, name)

    def __iter__(self) -> Iterator[Any]:
        batch = self._batch
        reason = None
        if batch.compression_type != batch.CODEC_NONE:
            packed = bytes(memoryview(batch._buffer)[batch._pos :])  # noqa: SLF001 - it has no other way to them
            unpacked, reason = _unpacked(packed, _CODECS.get(batch.compression_type, "?"), self._most)
            # As the library leaves a batch that it has unpacked.
            batch._buffer, batch._pos, batch._decompressed = bytearray(unpacked), 0, True  # noqa: SLF001
        if reason is None:
            yield from batch
            return
        unread = batch.base_offset
        try:
            for record in batch:
                unread = record.offset + 1
                yield record
        except CorruptRecordError:
            pass  # the one in which there was no more room
        yield _stand_in(batch, unread, reason)


def _unpacked(packed: bytes, codec: str, most: int) -> tuple[bytes, str | None]:
    """Return as much of a batch as there is room for, and why it is not all of it, if so."""
    try:
        if codec == "zstd":
            unpacked = _zstd(packed, most)
        elif codec == "gzip":
            with gzip.GzipFile(fileobj=io.BytesIO(packed)) as stream:
                unpacked = stream.read(most + 1)
        else:
            return b"", f"its batch is compressed with {codec}, which is not read here"
    except (OSError, EOFError, zlib.error, zstandard.ZstdError) as error:
        return b"", f"its batch cannot be unpacked: {error}"
    if len(unpacked) > most:
        return unpacked[:most], f"its batch is more than {most >> 20} MiB when unpacked"
    return unpacked, None


def _zstd(packed: bytes, most: int) -> bytes:
    # A frame says itself how much memory it wants for looking back; 1024 bytes is the least that is allowed.
    decompressor = zstandard.ZstdDecompressor(max_window_size=max(1024, most))
    with decompressor.stream_reader(io.BytesIO(packed), read_across_frames=True) as stream:
        return bytes(stream.read(most + 1))


def _stand_in(batch: Any, first: int, reason: str) -> Any:
    """Return what stands for the records of *batch* from the offset *first* on."""
    last = batch.last_offset
    if last > first:
        reason = f"{reason}; so are the messages from offset {first} on"
    # Its time is that of the newest: older ones may be long past.
    return DefaultRecord(0, last, batch.max_timestamp, batch.timestamp_type, None, Unreadable(reason), [])
