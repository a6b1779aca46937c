"""The parts of the sink that need no server: decoding, retrying, giving partitions up, telling systemd."""

from __future__ import annotations

import asyncio
import datetime as dt
import socket
import threading
from concurrent import futures
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from kafka import TopicPartition
from kafka.errors import (
    CommitFailedError,
    KafkaTimeoutError,
    MessageSizeTooLargeError,
    NotLeaderForPartitionError,
    TopicAuthorizationFailedError,
)
from kafka.future import Future
from prometheus_client import CollectorRegistry
from pymongo.errors import AutoReconnect, OperationFailure

from opslib import message, metrics
from opslib.run import notify, retry
from opslib.run.threads import Pulse, ThreadFailedError
from opslib.settings import SettingsError
from opslib.sink import batch, dead_letters, service, writer
from opslib.store.write import Outcome

if TYPE_CHECKING:
    from pathlib import Path


class Record(NamedTuple):
    topic: str
    partition: int
    offset: int
    key: bytes
    value: bytes | None


NOON = dt.datetime(2026, 3, 1, 12, tzinfo=dt.timezone.utc)


def tweet(number: int, minute: int = 0) -> bytes:
    data = {"id": str(number), "text": "um texto", "public_metrics": {"like_count": minute}}
    at = NOON + dt.timedelta(minutes=minute)
    return message.encode(message.tweet_message(data, None, f"topic {minute}", 1, "q", at))


def polled(*values: bytes | None, topic: str = message.TWEETS, first: int = 10) -> Any:
    records = [Record(topic, 2, first + n, b"k", value) for n, value in enumerate(values)]
    return {TopicPartition(topic, 2): records}


def test_a_batch_has_one_document_a_tweet_and_a_reason_for_what_is_none() -> None:
    read = batch.read(polled(tweet(1, 5), b"{", tweet(2), tweet(1, 9), None))
    assert set(read.tweets.by_id) == {1, 2}
    assert read.tweets.by_id[1]["public_metrics"]["like_count"] == 9
    assert len(read.tweets.by_id[1]["topics"]) == 2
    assert [letter.record.offset for letter in read.dead] == [11, 14]
    assert read.next_offsets == {(message.TWEETS, 2): 15}
    assert read.size == 5


def test_whatever_breaks_while_decoding_is_a_dead_letter(monkeypatch: pytest.MonkeyPatch) -> None:
    def breaks(_: Any) -> Any:
        raise AttributeError("surprise")

    monkeypatch.setattr(batch, "tweet_document", breaks)
    (letter,) = batch.read(polled(tweet(1))).dead
    assert letter.reason == "AttributeError: surprise"


def test_each_copy_of_a_refused_tweet_becomes_a_dead_letter() -> None:
    read = batch.read(polled(tweet(1, 5), tweet(1, 9), tweet(2)))
    read.refuse(read.tweets, {1: "too large"})
    assert [(letter.record.offset, letter.reason) for letter in read.dead] == [
        (10, "too large"),
        (11, "too large"),
    ]


@pytest.fixture
def unhurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retry, "FIRST_PAUSE", 0.001)
    monkeypatch.setattr(retry, "LONGEST_PAUSE", 0.002)


class Database(dict[str, Any]):
    def __missing__(self, name: str) -> Any:
        return self

    def with_options(self, **_: Any) -> Any:
        return self

    def find(self, *_: Any) -> Any:
        return iter(())  # nobody is to be forgotten


def failing(*errors: Exception) -> Any:
    left = list(errors)

    def act(*_: Any) -> Outcome:
        if left:
            raise left.pop(0)
        return Outcome(inserted=1)

    return act


@pytest.mark.usefixtures("unhurried")
def test_a_fault_that_passes_is_waited_for(monkeypatch: pytest.MonkeyPatch, caplog: Any) -> None:
    monkeypatch.setattr(writer, "write_tweets", failing(AutoReconnect("gone"), AutoReconnect("still gone")))
    database: Any = Database()
    registry = CollectorRegistry()
    subject = writer.Writer(database, lambda _: None, metrics.Sink(registry))
    with caplog.at_level("INFO"):
        assert subject.write(batch.read(polled(tweet(1)))).inserted == 1
    mongodb = {"target": "mongodb"}
    assert registry.get_sample_value("trendlake_sink_failed_attempts_total", mongodb) == 2
    assert registry.get_sample_value("trendlake_sink_waiting", mongodb) == 0
    assert next(r.message for r in caplog.records) == "waiting for MongoDB: gone"
    assert "MongoDB is back" in caplog.text
    assert subject.trouble == ""


@pytest.mark.usefixtures("unhurried")
@pytest.mark.parametrize(
    "error", [OperationFailure("no", 18), OperationFailure("no", 13), TopicAuthorizationFailedError("no")]
)
def test_wrong_settings_are_not_waited_for(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    monkeypatch.setattr(writer, "write_tweets", failing(error))
    database: Any = Database()
    with pytest.raises(SettingsError):
        writer.Writer(database, lambda _: None).write(batch.read(polled(tweet(1))))


@pytest.mark.usefixtures("unhurried")
def test_the_dead_letters_are_tried_again_without_mongodb(monkeypatch: pytest.MonkeyPatch) -> None:
    writes = []
    monkeypatch.setattr(writer, "write_tweets", lambda *a: writes.append(a) or Outcome())
    sent = []
    attempts = iter([AutoReconnect("gone"), None])

    def send(letters: Any) -> None:
        error = next(attempts)
        if error:
            raise error
        sent.extend(letters)

    database: Any = Database()
    writer.Writer(database, send).write(batch.read(polled(tweet(1), b"{")))
    assert (len(writes), len(sent)) == (1, 1)


@pytest.mark.usefixtures("unhurried")
def test_a_message_refused_once_makes_one_dead_letter_whatever_the_attempts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    written: list[set[int]] = []

    def refuses(_: Any, documents: Any, *__: Any) -> Outcome:
        written.append(set(documents))
        return Outcome(refused={key: "too large" for key in documents if key == 1})

    monkeypatch.setattr(writer, "write_tweets", refuses)
    monkeypatch.setattr(writer, "write_once", failing(AutoReconnect("gone"), AutoReconnect("still gone")))
    snapshot = message.trends_message(1, "Brazil", [{"trend_name": "a"}], NOON)
    records = {
        **polled(tweet(1, 5), tweet(1, 9), tweet(2)),
        **polled(message.encode(snapshot), topic=message.TRENDS),
    }
    sent: list[Any] = []
    database: Any = Database()
    writer.Writer(database, sent.extend).write(batch.read(records))
    assert [letter.record.offset for letter in sent] == [10, 11]
    assert written == [{1, 2}, {2}, {2}], "what was refused was written again"


class Sent(Future):  # type: ignore[misc]  # kafka-python has no types
    """A letter on its way, as the producer's own futures show it."""

    def get(self, timeout: float) -> Any:
        if not self.is_done:
            raise KafkaTimeoutError(f"not within {timeout} s")
        if self.exception:
            raise self.exception
        return self.value


class Producer:
    """Stands for Kafka's producer: what becomes of each letter says the test, and no broker could."""

    def __init__(self) -> None:
        self.sent: list[tuple[bytes, Sent]] = []

    def __call__(self, **_: Any) -> Producer:
        return self

    def send(self, _: str, *, value: bytes, **__: Any) -> Sent:
        self.sent.append((value, Sent()))
        return self.sent[-1][1]

    def flush(self, timeout: float) -> None:
        if not all(future.is_done for _, future in self.sent):
            raise KafkaTimeoutError(f"not within {timeout} s")


def test_a_letter_that_the_broker_has_or_that_is_on_its_way_is_not_sent_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    producer = Producer()
    monkeypatch.setattr(dead_letters, "KafkaProducer", producer)
    subject = dead_letters.DeadLetters({})
    letters = batch.read(polled(b"acknowledged", b"on its way", b"lost")).dead
    with pytest.raises(KafkaTimeoutError):
        subject.send(letters)
    (_, acknowledged), (_, on_its_way), (_, lost) = producer.sent
    acknowledged.success(None)
    lost.failure(NotLeaderForPartitionError())
    with pytest.raises(KafkaTimeoutError):
        subject.send(letters)
    on_its_way.success(None)
    producer.sent[3][1].success(None)
    subject.send(letters)
    assert [value for value, _ in producer.sent] == [b"acknowledged", b"on its way", b"lost", b"lost"]


def test_a_letter_too_large_for_the_topic_is_sent_without_its_bytes_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    producer = Producer()
    monkeypatch.setattr(dead_letters, "KafkaProducer", producer)
    subject = dead_letters.DeadLetters({})
    letters = batch.read(polled(b"large")).dead
    with pytest.raises(KafkaTimeoutError):
        subject.send(letters)
    producer.sent[0][1].failure(MessageSizeTooLargeError())

    def sends(*_: Any, value: bytes, **__: Any) -> Sent:
        producer.sent.append((value, Sent().success(None)))
        return producer.sent[-1][1]

    monkeypatch.setattr(producer, "send", sends)
    subject.send(letters)
    assert [value for value, _ in producer.sent] == [b"large", b""]


def test_a_writer_told_to_stop_gives_up(monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(*_: Any) -> Outcome:
        subject.abandon()  # while it is at it
        raise AutoReconnect("gone")

    monkeypatch.setattr(writer, "write_tweets", gone)
    database: Any = Database()
    subject = writer.Writer(database, lambda _: None)
    with pytest.raises(retry.Stopped):
        subject.write(batch.read(polled(tweet(1))))


def test_a_writer_is_well_for_as_long_as_its_attempts_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """However long MongoDB is away; one that hangs in an attempt is missed."""
    now = [0.0]
    database: Any = Database()
    subject = writer.Writer(database, lambda _: None)
    subject.pulse = Pulse("writer", 180, clock=lambda: now[0])
    attempts = iter([170.0] * 10)

    def slow(*_: Any) -> Outcome:
        took = next(attempts, None)
        if took is None:
            now[0] += 181
            with pytest.raises(ThreadFailedError, match="the thread writer has been stuck for 181 s"):
                subject.pulse.check()
            return Outcome()
        now[0] += took
        subject.pulse.check()
        raise AutoReconnect("gone")

    monkeypatch.setattr(writer, "write_tweets", slow)
    monkeypatch.setattr(retry, "FIRST_PAUSE", 0.001)
    monkeypatch.setattr(retry, "LONGEST_PAUSE", 0.002)
    subject.write(batch.read(polled(tweet(1))))
    now[0] += 10_000  # with nothing to write
    subject.pulse.check()


def test_a_sink_whose_writer_is_stuck_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "_TURN_SECONDS", 0.01)
    subject, consumer, slow = made(polled(tweet(1)))
    slow.pulse = Pulse("writer", 60, clock=iter([0.0, *[61.0] * 10]).__next__)
    slow.pulse.well()
    with pytest.raises(ThreadFailedError, match="the thread writer has been stuck for 61 s"):
        subject.run()
    assert consumer.committed == []


class Consumer:
    """Hands out what it was given and remembers what was committed."""

    def __init__(self, *polls: Any) -> None:
        self.polls = list(polls)
        self.committed: list[dict[tuple[str, int], int]] = []
        self.held: set[Any] = set()
        self.refuse = False

    def poll(self, timeout_ms: int, max_records: int) -> Any:
        assert max_records > 0
        if self.held or not self.polls:
            threading.Event().wait(timeout_ms / 1000)
            return {}
        return self.polls.pop(0)

    def commit(self, offsets: Any, timeout_ms: int = 0) -> None:
        assert timeout_ms >= 0
        if self.refuse:
            raise CommitFailedError
        self.committed.append({tuple(p): o.offset for p, o in offsets.items()})

    async def commit_async(self, offsets: Any) -> None:
        self.commit(offsets)

    def assignment(self) -> set[Any]:
        return {TopicPartition(message.TWEETS, 2)}

    def highwater(self, _: Any) -> int:
        return 1000

    def paused(self) -> set[Any]:
        return set(self.held)

    def pause(self, *partitions: Any) -> None:
        self.held |= set(partitions)

    def resume(self, *partitions: Any) -> None:
        self.held -= set(partitions)

    def close(self, **_: Any) -> None:
        pass


class SlowWriter:
    """Writes when it is allowed to."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.begun = threading.Event()
        self.batches: list[Any] = []
        self.trouble = ""
        self.pulse = Pulse("writer", 60)

    def write(self, one: Any) -> Outcome:
        self.batches.append(one)
        self.begun.set()
        self.gate.wait(10)
        return Outcome(inserted=one.size)

    def abandon(self) -> None:
        self.gate.set()


def made(*polls: Any, **options: Any) -> tuple[Any, Any, Any]:
    consumer, slow = Consumer(*polls), SlowWriter()
    subject: Any = service.Service(consumer, slow, batch_size=10, batch_seconds=0.01, **options)  # type: ignore[arg-type]
    return subject, consumer, slow


def test_offsets_follow_the_write_and_fetching_pauses_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "_TURN_SECONDS", 0.01)
    subject, consumer, slow = made(polled(tweet(1)), polled(tweet(2), first=20))
    for _ in range(5):
        subject._turn()
    assert consumer.committed == []
    assert consumer.held, "one batch is being written and one waits: nothing more is to be fetched"
    slow.gate.set()
    while len(consumer.committed) < 2:
        subject._turn()
    assert consumer.committed == [{(message.TWEETS, 2): 11}, {(message.TWEETS, 2): 21}]
    assert not consumer.held


def test_partitions_given_up_take_their_offsets_with_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "_TURN_SECONDS", 0.01)
    monkeypatch.setattr(service, "_REVOKE_SECONDS", 0.01)
    subject, consumer, slow = made(polled(tweet(1)), polled(tweet(2), first=20))
    for _ in range(4):
        subject._turn()
    asyncio.run(subject.revoke())
    slow.gate.set()
    consumer.held.clear()
    for _ in range(5):
        subject._turn()
    assert consumer.committed == [], "it committed for partitions that may be another's by now"
    assert len(slow.batches) == 1, "it wrote what another reads again"


def ends_while_it_is_waited_for(monkeypatch: pytest.MonkeyPatch, slow: SlowWriter) -> None:
    """Let the writer end once somebody waits for it, which then takes as long as it takes."""

    def waited(writing: Any, _: float) -> None:
        slow.gate.set()
        futures.wait(writing, 10)

    monkeypatch.setattr(service, "wait", waited)


def test_partitions_given_up_are_committed_for_what_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "_TURN_SECONDS", 0.01)
    subject, consumer, slow = made(polled(tweet(1)))
    for _ in range(2):
        subject._turn()
    ends_while_it_is_waited_for(monkeypatch, slow)
    asyncio.run(subject.revoke())
    assert consumer.committed == [{(message.TWEETS, 2): 11}]


def test_partitions_that_are_lost_are_not_committed_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "_TURN_SECONDS", 0.01)
    subject, consumer, slow = made(polled(tweet(1)), polled(tweet(2), first=20), polled(tweet(3), first=30))
    for _ in range(4):
        subject._turn()
    assert consumer.held, "one batch is being written, and one waits"
    asyncio.run(service._Listener(subject).on_partitions_lost([TopicPartition(message.TWEETS, 2)]))
    slow.gate.set()
    while not consumer.committed:
        subject._turn()
    assert consumer.committed == [{(message.TWEETS, 2): 31}], "it committed for what is another's"
    assert [list(one.tweets.by_id) for one in slow.batches] == [[1], [3]], "it wrote what another reads again"


def test_a_partition_given_up_shows_no_lag_any_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "_TURN_SECONDS", 0.01)
    registry = CollectorRegistry()
    subject, consumer, slow = made(polled(tweet(1), b"{"), figures=metrics.Sink(registry))
    slow.gate.set()
    while not consumer.committed:
        subject._turn()
    lag = ("trendlake_sink_lag_messages", {"topic": message.TWEETS, "partition": "2"})
    assert registry.get_sample_value(*lag) == 1000 - 12
    assert registry.get_sample_value("trendlake_sink_messages_total") == 2
    assert registry.get_sample_value("trendlake_sink_dead_letters_total") == 1
    asyncio.run(service._Listener(subject).on_partitions_revoked([TopicPartition(message.TWEETS, 2)]))
    assert registry.get_sample_value(*lag) is None


def test_a_commit_that_is_refused_ends_nothing() -> None:
    subject, consumer, slow = made(polled(tweet(1)), polled(tweet(2), first=20))
    consumer.refuse = True
    slow.gate.set()
    for _ in range(6):
        subject._turn()
    assert len(slow.batches) == 2


def test_a_sink_told_to_stop_finishes_what_it_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "_TURN_SECONDS", 0.01)
    subject, consumer, slow = made(polled(tweet(1)), polled(tweet(2), first=20))
    thread = threading.Thread(target=subject.run)
    thread.start()
    while not consumer.held:  # one batch is being written, the other waits
        threading.Event().wait(0.01)
    ends_while_it_is_waited_for(monkeypatch, slow)
    subject.stop()
    thread.join(60)
    assert consumer.committed == [{(message.TWEETS, 2): 11}, {(message.TWEETS, 2): 21}]


def test_a_sink_told_to_stop_does_not_wait_for_ever(monkeypatch: pytest.MonkeyPatch, caplog: Any) -> None:
    monkeypatch.setattr(service, "_TURN_SECONDS", 0.01)
    monkeypatch.setattr(service, "DRAIN_SECONDS", 0.05)
    subject, consumer, slow = made(polled(tweet(1)))
    thread = threading.Thread(target=subject.run)
    thread.start()
    slow.begun.wait(5)
    subject.stop()
    thread.join(60)
    assert not thread.is_alive()
    assert consumer.committed == []
    assert "1 messages were not written in time and stay in Kafka" in caplog.text


def test_systemd_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    address = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind(str(address))
        monkeypatch.setenv("NOTIFY_SOCKET", str(address))
        notify.notify(READY="1", STATUS="first line\nsecond")
        assert receiver.recv(1000) == b"READY=1\nSTATUS=first line"


def test_without_systemd_nobody_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    notify.notify(READY="1")
