"""The dead-letter topic: what could not be stored, as it came, with the reason and where it came from."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from kafka.errors import MessageSizeTooLargeError, RecordListTooLargeError  # type: ignore[import-untyped]

from opslib import message
from opslib.kafka_client import KafkaProducer
from opslib.reading import Unreadable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from opslib.sink.batch import DeadLetter

Origin = tuple[str, int, int]  # topic, partition and offset
# Larger than any message that Kafka takes in by default, for the headers come on top of it.
_LARGEST = 4 * 1024 * 1024
_HEADERS = 64 * 1024
_FLUSH_SECONDS = 30
_LONGEST_KEY = 1000  # bytes; the lake's keys are ids
_TOO_LARGE = (MessageSizeTooLargeError, RecordListTooLargeError)


class DeadLetters:
    """Writes dead letters; connects when the first one is to be written.

    A letter is sent once, however often :meth:`send` has to be called for it: what the broker has
    acknowledged is not sent again, nor what is still on its way there.
    """

    def __init__(self, client_options: dict[str, Any]) -> None:
        self._options = client_options
        self._producer: KafkaProducer | None = None
        self._sent: dict[Origin, Any] = {}  # futures of what a call before this one had to leave

    def send(self, letters: Sequence[DeadLetter]) -> None:
        """Write *letters* and return once the broker has acknowledged all of them.

        If it raises, it is to be called again with the same letters.
        """
        if self._producer is None:
            # What the broker refuses as too large ends an idempotent producer for good. So an acknowledgement
            # that is lost on its way makes a second letter, of the same origin.
            self._producer = KafkaProducer(
                **self._options,
                acks="all",
                enable_idempotence=False,
                max_request_size=_LARGEST + _HEADERS,
            )
        producer = self._producer
        for letter in letters:
            if not self._is_sent(letter):
                self._sent[_origin(letter)] = self._send(producer, letter, _left_out(letter))
        producer.flush(timeout=_FLUSH_SECONDS)
        for letter in letters:
            future = self._sent[_origin(letter)]
            if isinstance(future.exception, _TOO_LARGE):
                # It is to stop nobody behind it; where it came from, Kafka has it still.
                future = self._send(producer, letter, f"{_size(letter)} bytes, more than the topic takes")
                self._sent[_origin(letter)] = future
            future.get(timeout=_FLUSH_SECONDS)
        self._sent.clear()

    def _is_sent(self, letter: DeadLetter) -> bool:
        """Say whether a letter is with the broker, on its way, or known to be too large for it."""
        future = self._sent.get(_origin(letter))
        return future is not None and (not future.failed() or isinstance(future.exception, _TOO_LARGE))

    def close(self) -> None:
        """Let go of the connection."""
        if self._producer is not None:
            self._producer.close(timeout=5)
            self._producer = None

    def _send(self, producer: KafkaProducer, letter: DeadLetter, left_out: str) -> Any:
        """Send a letter without its bytes if *left_out* says why."""
        record = letter.record
        key, value = record.key, record.value or b""  # a record may lack both, a letter may not
        headers = {
            "reason": letter.reason,
            "topic": record.topic,
            "partition": str(record.partition),
            "offset": str(record.offset),
            "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        }
        if left_out:
            headers["left-out"] = left_out
            key, value = (key or b"")[:_LONGEST_KEY], b""
        return producer.send(
            message.DEAD_LETTERS,
            key=key,
            value=value,
            headers=[
                (name, value.encode(errors="backslashreplace")[:2000]) for name, value in headers.items()
            ],
        )


def _left_out(letter: DeadLetter) -> str:
    """Return why a letter goes without its bytes, if that is clear before the broker has seen it."""
    if isinstance(letter.record.value, Unreadable):
        return "bytes that were not read"
    size = _size(letter)
    return f"{size} bytes, more than a letter has" if size > _LARGEST else ""


def _size(letter: DeadLetter) -> int:
    return len(letter.record.key or b"") + len(letter.record.value or b"")


def _origin(letter: DeadLetter) -> Origin:
    return letter.record.topic, letter.record.partition, letter.record.offset
