"""Certificates, the authority and secrets replaced while a lake is written to.

Of the lake that `test_changes.py` left.
"""

from __future__ import annotations

import hashlib
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from cryptography import x509
from kafka import KafkaProducer
from machines import ACLS, FOLDER, MEMBERS, ROOT, Lake, nothing_lost, secrets
from pymongo import MongoClient
from pymongo.errors import DuplicateKeyError, OperationFailure
from writing import Writers

if TYPE_CHECKING:
    from collections.abc import Callable


class Connecting(Writers):
    """Writers that read anew whom to trust, and with which password, whenever they connect anew."""

    def __init__(self, lake: Lake) -> None:
        self._kafka_now, self._mongodb_now = lambda: lake.kafka(lake.hosts), lambda: lake.mongodb(lake.hosts)
        super().__init__(self._kafka_now(), self._mongodb_now(), lake.topic)

    def _write(
        self,
        layer: str,
        connect: Callable[[], Any],
        write: Callable[[Any, str], Any],
        close: Callable[[Any], Any],
    ) -> None:
        client: Any = None
        for name in self.names():
            began = time.monotonic()
            while name not in self.acknowledged[layer]:
                try:
                    client = connect() if client is None else client
                    write(client, name)
                    self.acknowledged[layer].add(name)
                except Exception as error:  # noqa: PERF203 - each is on its own
                    self.refused.append(f"{layer}: {error!r}")
                    if time.monotonic() > began + 600:
                        return
                    if client is not None:
                        close(client)
                    client = None
            self.longest[layer] = max(self.longest[layer], time.monotonic() - began)
        if client is not None:
            close(client)

    def _produce(self) -> None:
        def write(client: KafkaProducer, name: str) -> None:
            client.send(self._topic, key=name.encode(), value=b"x" * 500).get(timeout=15)

        def connect() -> KafkaProducer:
            return KafkaProducer(
                acks="all",
                max_block_ms=15_000,
                request_timeout_ms=10_000,
                delivery_timeout_ms=12_000,
                **self._kafka_now(),
            )

        def close(client: KafkaProducer) -> None:
            # It may wait for a broker that it can no longer reach; what it holds was not acknowledged.
            threading.Thread(target=client.close, kwargs={"timeout": 5}, daemon=True).start()

        self._write("kafka", connect, write, close)

    def _insert(self) -> None:
        def connect() -> MongoClient[dict[str, Any]]:
            return MongoClient(w="majority", **{**self._mongodb_now(), "serverSelectionTimeoutMS": 15_000})

        def write(client: MongoClient[dict[str, Any]], name: str) -> None:
            try:
                client.verify.things.insert_one({"_id": name})
            except DuplicateKeyError:
                # Of the try before, whose answer was lost: it counts once a majority has it.
                client.verify.things.update_one({"_id": name}, {"$set": {"again": True}})

        self._write("mongodb", connect, write, lambda client: client.close())

    def lost(self) -> dict[str, set[str]]:
        """Return what was acknowledged and is not there."""
        self._kafka, self._mongodb = self._kafka_now(), self._mongodb_now()
        return super().lost()


def access_lists(lake: Lake) -> str:
    """Return Kafka's access lists as its own tool prints them."""
    said: str = lake.host(lake.hosts[0]).check_output(
        "/opt/java/current/bin/java -Xmx128m -cp '/opt/kafka/current/libs/*' kafka.admin.AclCommand "
        f"--list --bootstrap-server {lake.addresses[lake.hosts[0] - 1]}:9093 "
        "--command-config /etc/kafka/client.properties"
    )
    return said


@pytest.fixture(scope="module")
def lake() -> Lake:
    return Lake()


def while_written_to(lake: Lake, *arguments: str, **variables: Any) -> Connecting:
    """Run the playbook, which is to end well, while a lake is written to, and return who did."""
    writers = Connecting(lake)
    variables["secrets_password_file"] = f"{FOLDER}/vault-password"
    with writers.going_on():
        lake.play("ansible/rotate.yml", lake.hosts, *arguments, **variables)
    return writers


def under_writers(lake: Lake, *arguments: str, **variables: Any) -> None:
    """Hold that the playbook ends well while a lake is written to, which loses nothing by it."""
    writers = while_written_to(lake, *arguments, **variables)
    lake.nothing_is_pending()
    nothing_lost(writers, rotated=variables["rotate"])


def test_1_a_service_gets_new_keys_and_no_other_is_touched(lake: Lake) -> None:
    before = [(lake.started(number), lake.certificate(number, "kafka")) for number in lake.hosts]
    under_writers(lake, "--tags", "kafka", rotate="kafka")
    for number, (started, certificate) in zip(lake.hosts, before):
        now = lake.started(number)
        assert {name for name in MEMBERS if now[name] != started[name]} == {"kafka"}
        assert lake.certificate(number, "kafka").public_key() != certificate.public_key()


def test_2_the_authority_is_replaced_and_its_old_one_is_trusted_by_nobody(lake: Lake) -> None:
    old = x509.load_pem_x509_certificate((FOLDER / "ca/ca.pem").read_bytes())
    code, said = lake.played("ansible/rotate.yml", lake.hosts, "--tags", "kafka", rotate="authority")
    assert code != 0
    assert "without --tags" in said
    under_writers(lake, rotate="authority")
    new = x509.load_pem_x509_certificate((FOLDER / "ca/ca.pem").read_bytes())
    assert new.public_key() != old.public_key()
    assert sorted(file.name for file in (FOLDER / "ca").iterdir()) == ["ca.key", "ca.pem", "operator"]
    for number in lake.hosts:
        for service in MEMBERS:
            lake.certificate(number, service).verify_directly_issued_by(new)
            trusted = lake.host(number).check_output(f"cat /etc/{service}/tls/ca.pem")
            assert x509.load_pem_x509_certificates(trusted.encode()) == [new]


def test_3_an_account_gets_another_password_and_the_old_one_opens_nothing(lake: Lake) -> None:
    old = secrets()["mongodb_admin_password"]
    under_writers(lake, "--tags", "mongodb", rotate="mongodb_admin_password")
    assert secrets()["mongodb_admin_password"] != old
    with (
        MongoClient(**{**lake.mongodb(lake.hosts), "password": old}) as client,
        pytest.raises(OperationFailure, match="Authentication failed"),
    ):
        client.admin.command("ping")


def test_4_members_of_the_replica_set_get_another_key_and_forget_the_old_one(lake: Lake) -> None:
    old = secrets()["mongodb_keyfile"]
    under_writers(lake, "--tags", "mongodb", rotate="mongodb_keyfile")
    new = secrets()["mongodb_keyfile"]
    assert new != old
    assert "mongodb_keyfile_previous" not in secrets()
    digest = hashlib.sha256(f"{new}\n".encode()).hexdigest()
    for number in lake.hosts:
        assert lake.host(number).check_output("sha256sum < /etc/mongodb/keyfile").split()[0] == digest


def test_5_who_is_taken_off_a_list_loses_the_rights(lake: Lake) -> None:
    users = yaml.safe_load((ROOT / "roles/mongodb/defaults/main.yml").read_text())["mongodb_users"]
    acls = [*ACLS, {"principal": "opslib-former", "topics": ["tweets.raw"], "operations": ["READ"]}]
    privileges = [{"collections": ["tweets"], "actions": ["find"]}]
    users += [{"name": "former", "password_from": "mongodb_web_password", "privileges": privileges}]
    lake.play("site.yml", lake.hosts, "--tags", "kafka,mongodb", kafka_acls=acls, mongodb_users=users)
    assert "opslib-former" in access_lists(lake)
    account = {"username": "former", "password": secrets()["mongodb_web_password"]}
    with MongoClient(**{**lake.mongodb(lake.hosts), **account}) as client:
        client.trendlake.tweets.find_one()
    lake.play("site.yml", lake.hosts, "--tags", "kafka,mongodb")
    assert "opslib-former" not in access_lists(lake)
    assert "opslib-sink" in access_lists(lake)
    with (
        MongoClient(**{**lake.mongodb(lake.hosts), **account}) as client,
        pytest.raises(OperationFailure, match="Authentication failed"),
    ):
        client.admin.command("ping")
    with MongoClient(**lake.mongodb(lake.hosts)) as client:
        assert not client.admin.command("rolesInfo", "former")["roles"]


def test_6_afterwards_site_yml_changes_nothing(lake: Lake) -> None:
    said = lake.play("site.yml", lake.hosts)
    assert "changed=" in said
    assert said.count("changed=0") == said.count("changed="), said[-3000:]
