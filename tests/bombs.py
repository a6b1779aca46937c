"""Batches that are small on their way and large when unpacked, as a producer gone bad could send them."""

from __future__ import annotations

import zlib
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import zstandard
from kafka import KafkaProducer
from kafka.record import default_records
from kafka.record.util import encode_varint

if TYPE_CHECKING:
    from collections.abc import Iterator

_CHUNK = bytes(1024 * 1024)
_SENT = 512 * 1024  # a producer sends a batch as it is unless packing makes it smaller


def send(
    options: dict[str, Any], topic: str, size: int, *, codec: str = "zstd", before: tuple[bytes, ...] = ()
) -> Any:
    """Send one batch of the records *before* and one of *size* zero bytes, and return where the last one is.

    It is packed as a stream, so that the sender needs no room for it.
    """
    with _packing(codec, [*before, size]):
        producer = KafkaProducer(
            **options, compression_type=codec, acks="all", linger_ms=1000, batch_size=2 * _SENT,
            enable_idempotence=False,
        )  # fmt: skip
        futures = [producer.send(topic, value=value, partition=0) for value in (*before, bytes(_SENT))]
        producer.flush(60)
        found = [future.get(60) for future in futures]
        producer.close()
    assert len({one.offset for one in found}) == len(found)
    return found[-1]


@contextmanager
def _packing(codec: str, values: list[bytes | int]) -> Iterator[None]:
    """Let kafka-python pack *values* whatever it is given, a number being that of zero bytes."""
    name = f"{codec}_encode"
    own = getattr(default_records, name)
    setattr(default_records, name, lambda _data, *_: _packed(codec, values))
    try:
        yield
    finally:
        setattr(default_records, name, own)


def _packed(codec: str, values: list[bytes | int]) -> bytes:
    packer: Any = (
        zstandard.ZstdCompressor().compressobj()
        if codec == "zstd"
        else zlib.compressobj(9, zlib.DEFLATED, 31)
    )
    packed = bytearray()
    for place, value in enumerate(values):
        size = value if isinstance(value, int) else len(value)
        head = bytearray(b"\0")  # attributes
        for number in (0, place, -1, size):  # timestamp and offset after the batch's, no key
            encode_varint(number, head.append)
        length = bytearray()
        encode_varint(len(head) + size + 1, length.append)
        packed += packer.compress(bytes(length + head))
        if isinstance(value, bytes):
            packed += packer.compress(value)
        else:
            for at in range(0, size, len(_CHUNK)):
                packed += packer.compress(_CHUNK[: min(len(_CHUNK), size - at)])
        packed += packer.compress(b"\0")  # no headers
    return bytes(packed + packer.flush())
