"""One ZooKeeper, broker and MongoDB for the session; a consumer group and a database for each test."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import uuid
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
import services
from certificates import Authority
from collection import Collector
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import KafkaAdminClient, OffsetSpec
from kafka.errors import KafkaError
from page import Page, served

from opslib import message
from opslib.store.collections import initialise

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TOPICS = {message.TWEETS: 3, message.TRENDS: 1, message.DEAD_LETTERS: 1, message.FOLLOWS: 1}


@dataclass
class Servers:
    """The running servers and how to reach them."""

    authority: Authority
    zookeeper: services.Service
    kafka: services.Service
    mongodb: services.Service
    operator: dict[str, Any]  # options of a Kafka client

    @contextmanager
    def mongodb_away(self) -> Iterator[None]:
        """Keep MongoDB stopped for a while; afterwards it takes writes again."""
        with self.mongodb.away():
            yield
        port, ca = self.mongodb.port, self.authority.ca
        services.wait_until("MongoDB is primary again", lambda: services.primary(port, ca))


@contextmanager
def running(folder: Path) -> Iterator[Servers]:
    """Run the servers in *folder* for a while."""
    authority = Authority(folder / "certificates")
    certificate = authority.certificate("server")
    operator = authority.certificate("operator")
    zookeeper, plain_port = services.zookeeper(folder / "zookeeper", certificate)
    mongodb = services.mongodb(folder / "mongodb", certificate)
    kafka = services.kafka(folder / "kafka", certificate, plain_port)
    started = []
    try:
        for service in (zookeeper, mongodb, kafka):
            started.append(service)
            service.start()
        services.initiate(mongodb.port, authority.ca)
        services.create_topics(kafka.port, operator, TOPICS)
        yield Servers(authority, zookeeper, kafka, mongodb, services.kafka_options(kafka.port, operator))
    finally:
        for service in reversed(started):
            service.stop()


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    with running(tmp_path_factory.mktemp("servers")) as servers:
        yield servers


@pytest.fixture(scope="session")
def page(servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    """One page on one seeded lake for all tests of it."""
    with served(servers, tmp_path_factory.mktemp("page")) as page:
        yield page


@pytest.fixture(scope="module")
def collector(servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Collector]:
    """Give each module a NiFi of its own: what another one left queued would come to its Kafka and its X."""
    collector = Collector(servers, tmp_path_factory.mktemp("collector"))
    try:
        collector.nifi.start()
        yield collector
    finally:
        collector.nifi.stop()


@dataclass
class Lake:
    """A group and a database of its own on the shared servers, and what tests do with them."""

    servers: Servers
    folder: Path
    name: str = field(default_factory=lambda: f"test-{uuid.uuid4().hex[:8]}")

    def __post_init__(self) -> None:
        self.credentials = self.folder / "credentials"
        self.credentials.mkdir()
        self.config = self.folder / "opslib.toml"
        self.config.write_text(
            f"[kafka]\nbootstrap_servers = ['127.0.0.1:{self.servers.kafka.port}']\n"
            f"[zookeeper]\nservers = ['127.0.0.1:{self.servers.zookeeper.port}']\n"
            f"[mongodb]\nuri = 'mongodb://127.0.0.1:{self.servers.mongodb.port}/?replicaSet=trendlake&tls=true'\n"
            f"database = '{self.name}'\n"
            f"[sink]\ngroup_id = '{self.name}'\nbatch_size = 500\n"
        )
        client = self.servers.authority.certificate(self.name)
        for component in ("kafka", "zookeeper", "nifi"):
            self.put(f"{component}_cert", client.cert.read_text())
            self.put(f"{component}_key", client.key.read_text())
        self.put("ca", client.ca.read_text())
        self.log_in("opslib-sink")
        self.producer = KafkaProducer(**self.servers.operator, acks="all", linger_ms=5)
        self.admin = KafkaAdminClient(**self.servers.operator)
        self.mongo = services.mongodb_client(self.servers.mongodb.port, self.servers.authority.ca)
        self.database: Any = self.mongo[self.name]
        self.started: list[subprocess.Popen[str]] = []
        # The group begins where earlier tests ended.
        self.begun = self.ends()
        self.admin.alter_group_offsets(self.name, {p: offset_at(o) for p, o in self.begun.items()})
        self.dead_before = self.ends(message.DEAD_LETTERS)

    def put(self, credential: str, text: str) -> None:
        path = self.credentials / credential
        path.write_text(text)
        path.chmod(0o600)

    def log_in(self, account: str) -> None:
        """Let opslib use this account of MongoDB from now on."""
        self.put("mongodb_username", account)
        self.put("mongodb_password", services.PASSWORD)

    def environment(self, **extra: str) -> dict[str, str]:
        return services.environment(
            CREDENTIALS_DIRECTORY=str(self.credentials), OPSLIB_CONFIG=str(self.config), **extra
        )

    def opslib(self, *arguments: str, **extra: str) -> subprocess.CompletedProcess[str]:
        """Run a command of opslib to its end."""
        return subprocess.run(
            [sys.executable, "-m", "opslib", *arguments],
            env=self.environment(**extra), capture_output=True, text=True, timeout=600, check=False,
        )  # fmt: skip

    def start_sink(self, instance: str = "1", **extra: str) -> subprocess.Popen[str]:
        """Start a sink; its log is in the test's folder."""
        return self.start(f"sink-{instance}", "sink", "--instance", f"{self.name}-{instance}", **extra)

    def start(self, name: str, *arguments: str, **extra: str) -> subprocess.Popen[str]:
        """Start a command of opslib that goes on; its log is in the test's folder as *name*.log."""
        with (self.folder / f"{name}.log").open("a") as log:
            started = subprocess.Popen(
                [sys.executable, "-m", "opslib", *arguments],
                env=self.environment(**extra), stderr=log, text=True,
            )  # fmt: skip
        self.started.append(started)
        return started

    def log(self, instance: str = "1") -> str:
        return (self.folder / f"sink-{instance}.log").read_text()

    def send(self, *values: dict[str, Any] | bytes, topic: str = message.TWEETS) -> None:
        """Put messages on a topic and wait until the broker has them."""
        sent = [
            self.producer.send(
                topic,
                key=b"broken" if isinstance(value, bytes) else message.key_of(value),
                value=value if isinstance(value, bytes) else message.encode(value),
            )
            for value in values
        ]
        self.producer.flush()
        for future in sent:
            future.get(60)

    def partitions(self, *topics: str) -> list[TopicPartition]:
        return [TopicPartition(t, n) for t in topics for n in range(TOPICS[t])]

    def ends(self, *topics: str) -> dict[TopicPartition, int]:
        partitions = self.partitions(*(topics or (message.TWEETS, message.TRENDS)))
        found = self.admin.list_partition_offsets(dict.fromkeys(partitions, OffsetSpec.LATEST))
        return {partition: found[partition].offset for partition in partitions}

    def committed(self) -> dict[TopicPartition, int]:
        found = self.admin.list_group_offsets({self.name: None})[self.name]
        return {partition: offset.offset for partition, offset in found.items()}

    def wait_for_commit(self, seconds: float = 120) -> None:
        """Wait until the group has committed everything that was sent."""
        ends = self.ends()
        services.wait_until(
            lambda: f"the sink has committed everything, log:\n{self.log()}",
            lambda: all(self.committed().get(p, 0) >= end for p, end in ends.items()),
            seconds,
        )

    @contextmanager
    def kafka_away(self) -> Iterator[None]:
        """Keep the broker stopped for a while; afterwards the test's own client has found it again."""
        with self.servers.kafka.away():
            yield

        def found() -> bool:
            try:
                self.ends()
            except KafkaError:
                return False
            return True

        services.wait_until("the test's own client has found the broker again", found)

    def dead_letters(self) -> list[Any]:
        """Return the dead letters written since the test began."""
        ends = self.ends(message.DEAD_LETTERS)
        consumer = KafkaConsumer(**self.servers.operator, consumer_timeout_ms=60_000)
        consumer.assign(list(ends))
        for partition, offset in self.dead_before.items():
            consumer.seek(partition, offset)
        wanted = sum(ends.values()) - sum(self.dead_before.values())
        found = [next(consumer) for _ in range(wanted)]
        consumer.close()
        return found

    def last_headers(self) -> dict[str, str]:
        """Return the headers of one of the newest tweets."""
        ends = self.ends(message.TWEETS)
        (partition, end) = next((p, end) for p, end in ends.items() if end > self.begun[p])
        consumer = KafkaConsumer(**self.servers.operator, consumer_timeout_ms=60_000)
        consumer.assign([partition])
        consumer.seek(partition, end - 1)
        headers = dict(next(consumer).headers)
        consumer.close()
        return {name: value.decode() for name, value in headers.items()}

    def ids(self) -> set[int]:
        return {tweet["_id"] for tweet in self.database.tweets.find({}, {"_id": 1})}

    def close(self) -> None:
        for process in self.started:
            if process.poll() is None:
                process.kill()
            process.wait()
        self.producer.close()
        self.admin.close()
        self.mongo.drop_database(self.name)
        self.mongo.close()


def offset_at(offset: int) -> Any:
    from kafka.structs import OffsetAndMetadata

    return OffsetAndMetadata(offset, "", -1)


@pytest.fixture
def lake(servers: Servers, tmp_path: Path) -> Iterator[Lake]:
    lake = Lake(servers, tmp_path)
    assert initialise(lake.database)
    yield lake
    lake.close()


def end(process: subprocess.Popen[str], how: signal.Signals = signal.SIGTERM, seconds: float = 120) -> int:
    """Send a signal and return the exit code."""
    os.kill(process.pid, how)
    return process.wait(seconds)
