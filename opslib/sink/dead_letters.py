"""The dead-letter topic: what could not be stored, as it came, with the reason and where it came from."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from kafka import KafkaProducer  # type: ignore[import-untyped]
from kafka.errors import MessageSizeTooLargeError, RecordListTooLargeError  # type: ignore[import-untyped]

from opslib import message

if TYPE_CHECKING:
    from collections.abc import Sequence

    from opslib.sink.batch import DeadLetter

Origin = tuple[str, int, int]  # topic, partition and offset
_MEGABYTE = 1024 * 1024
_FLUSH_SECONDS = 30
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
            # Larger than any message that Kafka takes in by default, for the headers come on top of it. What
            # is refused all the same ends an idempotent producer for good. So an acknowledgement that is
            # lost on its way makes a second letter, of the same origin.
            self._producer = KafkaProducer(
                **self._options, acks="all", enable_idempotence=False, max_request_size=4 * _MEGABYTE
            )
        producer = self._producer
        for letter in letters:
            if not self._is_sent(letter):
                self._sent[_origin(letter)] = self._send(producer, letter)
        producer.flush(timeout=_FLUSH_SECONDS)
        for letter in letters:
            future = self._sent[_origin(letter)]
            if isinstance(future.exception, _TOO_LARGE):
                # It is to stop nobody behind it; where it came from, Kafka has it still.
                future = self._send(producer, letter, without_value=True)
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

    def _send(self, producer: KafkaProducer, letter: DeadLetter, *, without_value: bool = False) -> Any:
        record = letter.record
        headers = {
            "reason": letter.reason,
            "topic": record.topic,
            "partition": str(record.partition),
            "offset": str(record.offset),
            "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        }
        if without_value:
            headers["left-out"] = f"{len(record.value)} bytes, more than the topic takes"
        return producer.send(
            message.DEAD_LETTERS,
            key=record.key,
            value=b""
            if without_value
            else record.value or b"",  # a record may lack both key and value, a letter may not
            headers=[
                (name, value.encode(errors="backslashreplace")[:2000]) for name, value in headers.items()
            ],
        )


def _origin(letter: DeadLetter) -> Origin:
    return letter.record.topic, letter.record.partition, letter.record.offset
