"""Three hosts are one lake: what one keeps the others have, and any one of them may be away."""

from __future__ import annotations

import contextlib
import functools
import os
import re
import time
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

import opened
import pytest
import testinfra
import yaml
from ansible.parsing.vault import VaultLib, VaultSecret
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import KafkaAdminClient, NewTopic
from kazoo.client import KazooClient
from pymongo import MongoClient, ReadPreference

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from testinfra.host import Host

SCENARIO = os.environ.get("MOLECULE_SCENARIO_NAME", "cluster")
FOLDER = Path(__file__).resolve().parents[3] / "out/molecule" / SCENARIO
CA, CERTIFICATE = (str(FOLDER / "ca/operator" / name) for name in ("ca.pem", "operator.pem"))


@functools.cache
def secrets() -> dict[str, Any]:
    vault = VaultLib([("default", VaultSecret((FOLDER / "vault-password").read_bytes().strip()))])
    return yaml.safe_load(vault.decrypt((FOLDER / "vault.yml").read_bytes()))


@pytest.fixture
def brokers_pair(hosts: list[Host], tmp_path: Path) -> tuple[str, str]:
    """Return Kafka's certificate and key: nobody else may change ZooKeeper's tree."""
    for name in ("cert.pem", "key.pem"):
        (tmp_path / name).write_text(hosts[0].check_output(f"cat /etc/kafka/tls/{name}"))
    return str(tmp_path / "cert.pem"), str(tmp_path / "key.pem")


@pytest.fixture(scope="module")
def addresses() -> dict[str, str]:
    """Return the machines' addresses by name, in the inventory's order."""
    text = (FOLDER / "ssh_config").read_text()
    return dict(re.findall(r"^Host (\S+) \S+\n\s+HostName (\S+)", text, re.MULTILINE))


@pytest.fixture(scope="module")
def hosts(addresses: dict[str, str]) -> list[Host]:
    return [testinfra.get_host(f"ssh://{name}", ssh_config=str(FOLDER / "ssh_config")) for name in addresses]


@contextlib.contextmanager
def away(host: Host, unit: str) -> Iterator[None]:
    """Have a host's service killed and not come back until the end."""
    host.check_output("systemctl mask --runtime %s", unit)
    host.check_output("systemctl kill -s KILL %s", unit)
    try:
        yield
    finally:
        host.check_output("systemctl unmask --runtime %s", unit)
        # A broker's start fails while ZooKeeper still has the killed one's session; systemd tries again.
        host.check_output("systemctl start --no-block %s", unit)
        eventually(f"{unit} is back", lambda: host.service(unit).is_running, 180)


def eventually(what: str, seen: Callable[[], Any], seconds: float = 60) -> Any:
    end = time.monotonic() + seconds
    while True:
        try:
            found = seen()
        except Exception:
            if time.monotonic() > end:
                raise
            found = None
        if found:
            return found
        assert time.monotonic() < end, f"not within {seconds} s: {what}"
        time.sleep(1)


@contextlib.contextmanager
def zookeeper(address: str, pair: tuple[str, str]) -> Iterator[KazooClient]:
    client = KazooClient(
        f"{address}:2182", use_ssl=True, ca=CA, certfile=pair[0], keyfile=pair[1], verify_certs=True
    )
    client.start(timeout=15)
    try:
        yield client
    finally:
        client.stop()
        client.close()


def kafka(addresses: list[str]) -> dict[str, Any]:
    return {
        "bootstrap_servers": [f"{address}:9093" for address in addresses],
        "security_protocol": "SSL",
        "ssl_cafile": CA,
        "ssl_certfile": CERTIFICATE,
        "ssl_keyfile": opened.operator_key(FOLDER / "ca", secrets()["tls_operator_p12_password"]),
    }


@pytest.fixture
def mongodb(addresses: dict[str, str]) -> Iterator[MongoClient[dict[str, Any]]]:
    password = secrets()["mongodb_admin_password"]
    with MongoClient(
        list(addresses.values()), replicaSet="trendlake", tls=True, tlsCAFile=CA,
        username="admin", password=password, serverSelectionTimeoutMS=30_000,
    ) as client:  # fmt: skip
        yield client


def test_a_znode_made_on_one_member_is_read_on_the_others_while_one_is_away(addresses, hosts, brokers_pair):
    one, two, three = addresses.values()
    path = f"/verify-{uuid.uuid4().hex}"
    with zookeeper(one, brokers_pair) as client:
        client.create(path, b"seen")
    with zookeeper(three, brokers_pair) as client:
        client.sync(path)
        assert client.get(path)[0] == b"seen"
    with away(hosts[2], "zookeeper"):

        def deleted() -> bool:
            with zookeeper(two, brokers_pair) as client:
                if client.exists(path):
                    client.delete(path)
                return True

        eventually("two members of three are a quorum", deleted)


def test_brokers_keep_a_message_three_times_and_hand_it_on_while_one_is_away(addresses, hosts):
    topic, texts = f"verify-{uuid.uuid4().hex}", [uuid.uuid4().bytes for _ in range(60)]
    brokers = list(addresses.values())
    admin = KafkaAdminClient(**kafka(brokers))
    try:
        admin.create_topics([NewTopic(topic, num_partitions=3, replication_factor=3)])
        with away(hosts[1], "kafka"):
            producer = KafkaProducer(acks="all", **kafka(brokers))
            for number, text in enumerate(texts):
                producer.send(topic, text, partition=number % 3).get(timeout=60)
            producer.close()
            consumer = KafkaConsumer(consumer_timeout_ms=20_000, **kafka(brokers))
            consumer.assign([TopicPartition(topic, number) for number in range(3)])
            consumer.seek_to_beginning()
            found = {message.value for message, _ in zip(consumer, texts)}
            consumer.close()
        assert found == set(texts)
    finally:
        admin.delete_topics([topic])
        admin.close()


def test_a_document_is_on_every_member_and_written_while_one_is_away(mongodb, addresses, hosts):
    things = mongodb[f"verify-{uuid.uuid4().hex}"].things
    try:
        things.insert_one({"_id": 1})
        assert len(mongodb.secondaries) == 2
        seen = things.with_options(read_preference=ReadPreference.SECONDARY)
        eventually("a secondary has the document", lambda: seen.find_one({"_id": 1}))
        primary = list(addresses.values()).index(mongodb.primary[0])
        with away(hosts[primary], "mongodb"):
            eventually(
                "there is another primary",
                lambda: things.replace_one({"_id": 2}, {}, upsert=True).acknowledged,
            )
        assert things.count_documents({}) == 2
    finally:
        mongodb.drop_database(things.database.name)


def test_tweets_come_through_and_the_doctor_finds_everything_well(mongodb, hosts):
    tweets = mongodb.trendlake.tweets
    before = tweets.estimated_document_count()
    eventually("more tweets are stored", lambda: tweets.estimated_document_count() > before, 180)

    def well() -> bool:
        said = hosts[0].run("opslib doctor")
        return bool(said.rc == 0)

    eventually("the doctor finds everything well", well, 180)
