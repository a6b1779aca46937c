"""One batch: Kafka records turned into documents, or into letters to the dead-letter topic."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from opslib import message
from opslib.message import trend_document, tweet_document
from opslib.reading import Unreadable
from opslib.store.documents import Document, changes

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Partition = tuple[str, int]  # topic and number


@dataclass(frozen=True)
class DeadLetter:
    """A record that cannot be stored, and why."""

    record: Any
    reason: str


@dataclass
class Documents:
    """The documents of one collection by id, and the records that each is made of."""

    join: Callable[[Document, Document], Document]
    by_id: dict[Any, Document] = field(default_factory=dict)
    records: dict[Any, list[Any]] = field(default_factory=dict)

    def add(self, record: Any, document: Document) -> None:
        """Take a document in; a further copy in the same batch joins the first."""
        key = document["_id"]
        known = self.by_id.get(key)
        self.by_id[key] = document if known is None else self.join(known, document)
        self.records.setdefault(key, []).append(record)

    def take(self, key: Any) -> list[Any]:
        """Take a document out again, and return the records that it was made of."""
        del self.by_id[key]
        return self.records.pop(key)


def _tweets() -> Documents:
    return Documents(lambda known, copy: {**known, **changes(known, copy)})


def _trends() -> Documents:
    return Documents(lambda known, _copy: known)  # a snapshot is what it is


@dataclass
class Batch:
    """What one poll brought, decoded."""

    tweets: Documents = field(default_factory=_tweets)
    trends: Documents = field(default_factory=_trends)
    dead: list[DeadLetter] = field(default_factory=list)
    next_offsets: dict[Partition, int] = field(default_factory=dict)
    size: int = 0
    forgotten: int = 0

    def leave_out(self, unwanted: set[Any]) -> None:
        """Write none of the tweets of these ids."""
        for key in unwanted:
            self.forgotten += len(self.tweets.take(key))

    def refuse(self, documents: Documents, refused: Mapping[Any, str]) -> None:
        """Turn the records of documents that MongoDB will never take into dead letters.

        They are no longer to be written then: a further attempt at the batch makes no further letters.
        """
        for key, reason in refused.items():
            self.dead += [DeadLetter(record, reason) for record in documents.take(key)]


def read(records: Mapping[Any, list[Any]]) -> Batch:
    """Decode what a poll returned; whatever cannot be decoded becomes a dead letter with the reason."""
    batch = Batch()
    for partition, part in records.items():
        documents, decode = _decoder(batch, partition.topic)
        for record in part:
            document = _decoded(decode, record.value)
            if isinstance(document, str):
                batch.dead.append(DeadLetter(record, document))
            else:
                documents.add(record, document)
        batch.next_offsets[partition.topic, partition.partition] = part[-1].offset + 1
        batch.size += len(part)
    return batch


def _decoded(decode: Callable[[bytes], Document], value: bytes) -> Document | str:
    """Return the document in *value*, or the reason why there is none."""
    if isinstance(value, Unreadable):
        return value.reason
    try:
        return decode(value)
    except message.BadMessage as error:
        return str(error)
    except (ValueError, TypeError, KeyError, OverflowError, AttributeError, RecursionError) as error:
        # Whatever a stranger can put into a message must not stop those behind it.
        return f"{type(error).__name__}: {error}"


def _decoder(batch: Batch, topic: str) -> tuple[Documents, Callable[[bytes], Document]]:
    if topic == message.TWEETS:
        return batch.tweets, lambda value: tweet_document(message.decode_tweet(value))
    return batch.trends, lambda value: trend_document(message.decode_trends(value))
