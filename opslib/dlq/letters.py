"""Reading the dead-letter topic, and sending its letters again to where they came from.

What was sent again is marked in the same topic: a record without a value whose header ``replayed`` names the
letter as ``partition:offset``. A mark is younger than its letter, so Kafka keeps it for longer; it needs no
other store and no rights elsewhere; and it marks single letters in any order, which the offset of a consumer
group cannot. It is written after the broker has acknowledged the letter: whoever is killed in between sends
the letter once more, and MongoDB's ``_id`` makes that the same tweet.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from kafka import TopicPartition  # type: ignore[import-untyped]
from kafka.errors import KafkaTimeoutError  # type: ignore[import-untyped]

from opslib import message

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

REPLAYED = "replayed"
REPLAYED_FROM = "replayed-from"
_POLL_MILLISECONDS = 1000
_SEND_SECONDS = 30
_SILENT_SECONDS = 30
_TARGETS = (message.TWEETS, message.TRENDS)  # a header cannot send a letter anywhere else

Location = tuple[int, int]  # partition and offset in the dead-letter topic


@dataclass(frozen=True)
class Letter:
    """One dead letter without its bytes: where it is, where it came from, and why it is there."""

    place: Location
    at: datetime
    reason: str
    topic: str
    origin: str  # partition:offset in the topic it came from
    size: int
    left_out: bool  # the bytes were too many for the topic and are at the origin alone
    replayed_at: datetime | None = None

    def described(self) -> dict[str, Any]:
        """Return it as JSON can hold it."""
        return {
            "letter": written(self.place),
            "at": message.stamp(self.at),
            "topic": self.topic,
            "origin": self.origin,
            "reason": self.reason,
            "bytes": self.size,
            "left_out": self.left_out,
            "replayed_at": message.stamp(self.replayed_at) if self.replayed_at else None,
        }


@dataclass(frozen=True)
class Filter:
    """Which letters are meant; what is not given does not narrow them."""

    reason: str | None = None  # a part of it, in any case
    topic: str | None = None
    since: datetime | None = None
    offset: int | None = None  # this one and those behind it
    places: frozenset[Location] = field(default_factory=frozenset)

    def has(self, letter: Letter) -> bool:
        """Tell whether *letter* is one of them."""
        return (
            (self.reason is None or self.reason.casefold() in letter.reason.casefold())
            and (self.topic is None or self.topic == letter.topic)
            and (self.since is None or letter.at >= self.since)
            and (self.offset is None or letter.place[1] >= self.offset)
            and (not self.places or letter.place in self.places)
        )


def written(place: Location) -> str:
    """Return *place* as a person writes it: ``partition:offset``."""
    return f"{place[0]}:{place[1]}"


def place_of(text: str) -> Location:
    """Return the place that *text* names, ``offset`` or ``partition:offset``; ``ValueError`` if none."""
    partition, _, offset = text.rpartition(":")
    for part in (partition or "0", offset):
        if not (part.isascii() and part.isdigit() and len(part) < len(str(2**63))):
            raise ValueError(f"{text!r} is no letter: give its offset, or partition:offset")
    return int(partition or 0), int(offset)


def find(consumer: Any, wanted: Filter) -> list[Letter]:
    """Return the letters that are meant, the oldest first, each with when it was last sent again.

    *consumer* is a ``KafkaConsumer`` without a group: looking leaves no trace.
    """
    letters: dict[Location, Letter] = {}
    marks: dict[str, datetime] = {}
    for record in _records(consumer):
        headers = _headers(record)
        if REPLAYED in headers:
            marks[headers[REPLAYED]] = _moment(record)
            continue
        letter = _letter(record, headers)
        if wanted.has(letter):
            letters[letter.place] = letter
    return [
        Letter(**{**vars(letter), "replayed_at": marks.get(written(place))})
        for place, letter in sorted(letters.items(), key=lambda item: (item[1].at, item[0]))
    ]


def records_of(consumer: Any, letters: Iterable[Letter]) -> Iterator[tuple[Letter, Any]]:
    """Yield each letter with its record, read again, in the order of the topic."""
    by_place = {letter.place: letter for letter in letters}
    if not by_place:
        return
    for record in _records(consumer, from_offset=min(offset for _, offset in by_place)):
        letter = by_place.pop((record.partition, record.offset), None)
        if letter is not None:
            yield letter, record
        if not by_place:
            return


def replay(consumer: Any, producer: Any, letters: Iterable[Letter], sent: Callable[[Letter], None]) -> int:
    """Send *letters* again to where they came from, mark each, and return how many it were.

    Left alone are those that were sent again before, those whose bytes were left out, and those whose origin
    is no topic of the lake.
    """
    todo = [letter for letter in letters if can_replay(letter) is None]
    number = 0
    for letter, record in records_of(consumer, todo):
        headers = [(REPLAYED_FROM, f"{message.DEAD_LETTERS}:{written(letter.place)}".encode())]
        producer.send(letter.topic, key=record.key, value=record.value, headers=headers).get(_SEND_SECONDS)
        mark = [(REPLAYED, written(letter.place).encode())]
        producer.send(message.DEAD_LETTERS, key=b"", value=b"", headers=mark).get(_SEND_SECONDS)
        sent(letter)
        number += 1
    return number


def can_replay(letter: Letter) -> str | None:
    """Return why *letter* is not to be sent again, or ``None``."""
    if letter.replayed_at is not None:
        return f"was sent again at {message.stamp(letter.replayed_at)}"
    if letter.left_out:
        return f"was too large for {message.DEAD_LETTERS}: its bytes are in {letter.topic} at {letter.origin}"
    if letter.topic not in _TARGETS:
        return f"did not come from {' or '.join(_TARGETS)} but from {letter.topic or 'nowhere'}"
    return None


def _records(consumer: Any, from_offset: int | None = None) -> Iterator[Any]:
    """Yield what the topic holds by now, and end there."""
    numbers = consumer.partitions_for_topic(message.DEAD_LETTERS) or ()
    partitions = [TopicPartition(message.DEAD_LETTERS, number) for number in sorted(numbers)]
    consumer.assign(partitions)
    ends = consumer.end_offsets(partitions)
    begins = consumer.beginning_offsets(partitions)
    for partition in partitions:
        consumer.seek(partition, min(max(begins[partition], from_offset or 0), ends[partition]))
    silent_since = time.monotonic()
    while any(consumer.position(partition) < ends[partition] for partition in partitions):
        found = consumer.poll(timeout_ms=_POLL_MILLISECONDS)
        if found:
            silent_since = time.monotonic()
        elif time.monotonic() - silent_since > _SILENT_SECONDS:
            raise KafkaTimeoutError(f"no answer about {message.DEAD_LETTERS} for {_SILENT_SECONDS} s")
        for partition, records in found.items():
            yield from (record for record in records if record.offset < ends[partition])


def _headers(record: Any) -> dict[str, str]:
    return {name: (value or b"").decode("utf-8", "replace") for name, value in record.headers}


def _letter(record: Any, headers: dict[str, str]) -> Letter:
    return Letter(
        place=(record.partition, record.offset),
        at=_moment(record),
        reason=headers.get("reason") or str(getattr(record.value, "reason", "")),  # of an Unreadable
        topic=headers.get("topic", ""),
        origin=f"{headers.get('partition', '?')}:{headers.get('offset', '?')}",
        size=len(record.value or b""),
        left_out="left-out" in headers,
    )


def _moment(record: Any) -> datetime:
    return datetime.fromtimestamp(record.timestamp / 1000, timezone.utc)
