"""The main loop: what Kafka brings goes into the index, what is forgotten goes out of it, a new one is made.

While an index is made anew of what MongoDB holds, the one before goes on answering, and takes in what comes
if it can. The new one begins to read Kafka where the storage layer was when it was begun: what was stored by
then is in MongoDB, and what was not is behind that place. So it may be behind the other one, and each file
says itself from which message on it is to be handed messages.
"""

from __future__ import annotations

import logging
import sqlite3
import time
from datetime import datetime, timedelta, timezone
from functools import partial
from typing import TYPE_CHECKING, Any

import pymongo
from kafka import TopicPartition  # type: ignore[import-untyped]
from kafka.errors import AuthorizationError, KafkaError  # type: ignore[import-untyped]
from kafka.structs import OffsetAndMetadata  # type: ignore[import-untyped]

from opslib import message
from opslib.message import decode_tweet, tweet_document
from opslib.reading import Unreadable
from opslib.run.failures import said
from opslib.run.notify import notify
from opslib.run.retry import Stopped, persist, refused_by_kafka
from opslib.search.index import FIELDS, FORM, Index
from opslib.settings import SettingsError
from opslib.store.collections import TWEETS
from opslib.store.unwanted import Notes, Policy

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from pymongo.database import Database

    from opslib.metrics import Search as Figures
    from opslib.reading import Reader
    from opslib.search.folder import Folder
    from opslib.search.index import Done, Partition
    from opslib.store.documents import Document

_LOG = logging.getLogger(__name__)
_ATTEMPT_SECONDS = 20
_POLL_MILLISECONDS = 500
_BESIDE_MILLISECONDS = 20  # while there are tweets of MongoDB to take in
_LOOK_SECONDS = 1.0
_TIDY_SECONDS = 60.0
_EXPIRED_AT_ONCE = 2000
_AGAIN = timedelta(minutes=5)  # what was noted just before the last look may have become visible since
_NO_TWEET = (ValueError, TypeError, KeyError, OverflowError, AttributeError, RecursionError)


class Service:
    """Keeps the index of a folder, until it is told to stop."""

    def __init__(
        self,
        consumer: Reader,
        database: Database[Document],
        folder: Folder,
        figures: Figures,
        stop: threading.Event,
        *,
        stored: Callable[[], Mapping[Partition, int]],
        batch_size: int,
        keep_days: float | None = None,
    ) -> None:
        """Take what it works with.

        *stored* says from which message on the storage layer has not stored what Kafka brought.
        """
        self._consumer = consumer
        self._tweets = database[TWEETS.name]
        self._notes = Notes(database)
        self._folder = folder
        self._figures = figures
        self._stop = stop
        self._stored = stored
        self._batch_size = batch_size
        self._keep_days = keep_days
        self._index: Index | None = None  # that answers; None if none does that can be gone on with
        self._making: Index | None = None  # that is to follow it
        self._looked = self._tidied = 0.0
        self._seen: set[Any] = set()  # of what was noted lately, what was seen to

    # ---- which files there are

    def open(self) -> None:
        """Go on with the files that there are, and begin a new one where none can answer for long."""
        current = self._folder.current()
        self._index = self._opened(current) if current else None
        for path in self._folder.others():
            found = self._opened(path)
            if found is None:
                self._folder.remove(path)
            elif self._making is None:
                self._making = found
        if self._index is None and self._making is None:
            self._begin()
        self._seek()

    def _opened(self, path: Path) -> Index | None:
        """Return the index at *path* if it can be gone on with."""
        try:
            found = Index(path)
            wrong = f"it has form {found.form}, and not {FORM}" if found.form != FORM else found.whole()
        except sqlite3.Error as error:
            found, wrong = None, said(error)
        if wrong is None:
            return found
        _LOG.warning("%s cannot be gone on with: %s", path, wrong)
        if found is not None:
            found.close()
        return None

    def _begin(self) -> None:
        """Begin a new index."""
        stored = self._persist("Kafka", self._stored)
        path = self._folder.fresh()
        self._making = Index(path)
        with self._making.writing():
            self._making.note_offsets(stored)
            self._making.note("looked", datetime.now(timezone.utc).isoformat())
            self._making.note("made", 0)
            self._making.note("total", self._persist("MongoDB", self._tweets.estimated_document_count))
        _LOG.info("making %s", path)

    def _seek(self) -> None:
        """Read on from the first message that one of the indexes lacks."""
        partitions = self._partitions()
        self._consumer.assign(partitions)
        begins = self._persist("Kafka", lambda: self._consumer.beginning_offsets(partitions))
        ends = self._persist("Kafka", lambda: self._consumer.end_offsets(partitions))
        for partition in partitions:
            wanted = []
            for index in self._indexes:
                following = index.offsets().get(tuple(partition), begins[partition])
                if not begins[partition] <= following <= ends[partition]:
                    # Kept for too short, or a topic that was made anew: all that there is is read.
                    following = begins[partition]
                    with index.writing():
                        index.note_offsets({tuple(partition): following})
                wanted.append(following)
            self._consumer.seek(partition, min(wanted))
        # What an index begins with has been read, whether or not anything comes.
        self._commit({tuple(partition): begins[partition] for partition in partitions})

    def _partitions(self) -> list[TopicPartition]:
        numbers = self._consumer.partitions_for_topic(message.TWEETS) or ()
        return [TopicPartition(message.TWEETS, number) for number in sorted(numbers)]

    @property
    def _indexes(self) -> list[Index]:
        return [index for index in (self._index, self._making) if index is not None]

    @property
    def _scanning(self) -> bool:
        """Say whether MongoDB has tweets that a new index lacks."""
        return self._making is not None and self._making.state("until") is None

    # ---- the loop

    def run(self) -> None:
        """Work until told to stop."""
        try:
            self.open()
            notify(READY="1", STATUS="reading")
            while not self._stop.is_set():
                self._try(self._turn)
                notify(WATCHDOG="1", STATUS=self._status())
        except Stopped:
            pass
        except AuthorizationError as error:
            raise SettingsError(refused_by_kafka(error)) from error
        finally:
            notify(STOPPING="1")
            for index in self._indexes:
                index.close()
            self._consumer.close(timeout_ms=5000)

    def _try(self, turn: Callable[[], None]) -> None:
        """Do a *turn*; an index that turns out to be damaged is no longer written, and made anew."""
        try:
            turn()
        except sqlite3.OperationalError as error:
            # A full disk, a file that is locked: it may pass.
            _LOG.warning("the index cannot be written: %s", error)
            self._stop.wait(_LOOK_SECONDS)
            # What was read of Kafka for it is read again.
            self._seek()
        except sqlite3.DatabaseError as error:
            _LOG.warning("the index is damaged: %s", error)
            self._damaged()

    def _damaged(self) -> None:
        for index in self._indexes:
            index.close()
        self._index = self._making = None
        # Looks at each of them whole.
        self.open()

    def _turn(self) -> None:
        found = self._consumer.poll(
            timeout_ms=_BESIDE_MILLISECONDS if self._scanning else _POLL_MILLISECONDS,
            max_records=self._batch_size,
        )
        if found:
            self._take(found)
        now = time.monotonic()
        if now - self._looked > _LOOK_SECONDS:
            self._looked = now
            self._forget()
            if self._making is None and self._folder.wished():
                self._begin()
                self._seek()
            self._tell()
        if now - self._tidied > _TIDY_SECONDS:
            self._tidied = now
            self._tidy()
        if self._making is not None:
            self._make()

    def _persist(self, what: str, attempt: Callable[[], Any]) -> Any:
        def bounded() -> Any:
            with pymongo.timeout(_ATTEMPT_SECONDS):
                return attempt()

        def failed(error: BaseException) -> None:
            _LOG.warning("waiting for %s: %s", what, said(error))
            self._figures.failed_attempts.inc()
            notify(WATCHDOG="1", STATUS=f"waiting for {what}")

        return persist(bounded, self._stop, failed)

    # ---- what Kafka brings

    def _take(self, records: Mapping[Any, list[Any]]) -> None:
        read = [(record, _decoded(record.value)) for part in records.values() for record in part]
        tweets = [(record, document) for record, document in read if document is not None]
        self._figures.messages.inc(len(read))
        self._figures.unreadable.inc(len(read) - len(tweets))
        by_place = {(record.partition, record.offset): document for record, document in tweets}
        unwanted = self._persist("MongoDB", lambda: self._notes.unwanted(by_place)) if by_place else set()
        self._figures.forgotten.inc(len(unwanted))
        ends = {tuple(partition): part[-1].offset + 1 for partition, part in records.items()}
        for index in self._indexes:
            done = index.offsets()
            wanted = [
                document
                for record, document in tweets
                if (record.partition, record.offset) not in unwanted
                and record.offset >= done.get((record.topic, record.partition), 0)
            ]
            with self._figures.batch_seconds.time(), index.writing():
                self._count(index.put(wanted))
                index.note_offsets({place: max(end, done.get(place, 0)) for place, end in ends.items()})
        self._commit(ends)

    def _count(self, done: Done) -> None:
        for outcome in ("new", "changed", "unchanged"):
            self._figures.tweets.labels(outcome).inc(getattr(done, outcome))

    def _commit(self, ends: Mapping[Partition, int]) -> None:
        """Tell Kafka how far it is, for those who watch: where to go on, the index says itself."""
        index = self._index or self._making
        done = index.offsets() if index else {}
        offsets = {
            TopicPartition(*place): OffsetAndMetadata(done.get(place, end), "", -1)
            for place, end in ends.items()
        }
        try:
            self._consumer.commit(offsets, timeout_ms=5000)
        except KafkaError as error:
            _LOG.warning("Kafka was not told how far the index is: %s", error)

    # ---- what is forgotten

    def _forget(self) -> None:
        """Take out what was noted since the last look."""
        began = datetime.now(timezone.utc)
        for index in self._indexes:
            looked = index.state("looked")
            since = datetime.fromisoformat(looked) - _AGAIN if looked else None
            policy: Policy = self._persist("MongoDB", partial(self._notes.since, since))
            # A chunk of MongoDB may bring back what has gone since.
            new = policy if self._making is not None else self._not_seen(policy)
            ids = index.unwanted(new) if new else []
            with index.writing():
                self._figures.dropped.inc(index.drop(ids))
                index.note("looked", began.isoformat())
            self._seen = {*policy.tweets, *policy.authors, *policy.names}

    def _not_seen(self, policy: Policy) -> Policy:
        return Policy(
            set(policy.tweets) - self._seen, set(policy.authors) - self._seen, set(policy.names) - self._seen
        )

    def _tidy(self) -> None:
        """Take out what MongoDB keeps no longer, and look for partitions that were added."""
        if self._keep_days is not None:
            moment = datetime.now(timezone.utc) - timedelta(days=self._keep_days)
            for index in self._indexes:
                while ids := index.older(moment, _EXPIRED_AT_ONCE):
                    with index.writing():
                        index.drop(ids)
        if set(self._partitions()) != set(self._consumer.assignment()):
            self._seek()

    # ---- a new one

    def _make(self) -> None:
        """Take some more tweets out of MongoDB; with the last one it answers in place of the one before."""
        making = self._making
        assert making is not None  # noqa: S101 - for the type checker
        if making.state("until") is None:
            documents = self._persist("MongoDB", lambda: self._chunk(making.state("after") or 0))
            with making.writing():
                making.put(documents)
                making.note("made", making.state("made") + len(documents))
                if documents:
                    making.note("after", documents[-1]["_id"])
                else:
                    # What came meanwhile, which it may be behind of.
                    ends = self._persist("Kafka", lambda: self._consumer.end_offsets(self._partitions()))
                    making.note("until", [[*partition, end] for partition, end in ends.items()])
            self._figures.made.inc(len(documents))
        done = making.offsets()
        until = making.state("until")
        if until is not None and all(done.get((topic, number), 0) >= end for topic, number, end in until):
            self._turn_to(making)

    def _chunk(self, after: int) -> list[Document]:
        fields = {**dict.fromkeys(FIELDS, 1), "_id": 1}
        return list(self._tweets.find({"_id": {"$gt": after}}, fields).sort("_id", 1).limit(self._batch_size))

    def _turn_to(self, making: Index) -> None:
        before = self._index
        self._folder.turn_to(making.path)
        self._folder.fulfil()
        self._index, self._making = making, None
        self._commit(making.offsets())
        if before is not None:
            before.close()
        for path in self._folder.others():
            self._folder.remove(path)
        _LOG.info("%s answers", making.path)

    # ---- how it is

    def _tell(self) -> None:
        index = self._index or self._making
        done = index.offsets() if index else {}
        self._figures.making.set(int(self._making is not None))
        if index is not None:
            self._figures.bytes.set(index.size())
        for partition in self._consumer.assignment():
            end = self._consumer.highwater(partition)
            if end is not None:
                lag = max(0, end - done.get(tuple(partition), 0))
                self._figures.lag.labels(partition.topic, partition.partition).set(lag)

    def _status(self) -> str:
        if self._making is not None:
            return f"made {self._making.state('made')} of {self._making.state('total')} tweets"
        return "reading"


def _decoded(value: bytes) -> Document | None:
    """Return the document of a tweet, and of what is none nothing: the storage layer puts that aside."""
    if isinstance(value, Unreadable):
        return None
    try:
        return tweet_document(decode_tweet(value))
    except _NO_TWEET:
        return None
