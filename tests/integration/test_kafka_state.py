"""The role kafka's modules on real servers: topics, access lists, and the tree of ZooKeeper."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import services
from certificates import Authority, Certificate
from kafka.admin import KafkaAdminClient
from kazoo.client import KazooClient
from kazoo.security import make_acl

import roles

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

kafka_state, zookeeper_acl = (
    roles.module(f"kafka/library/{name}.py") for name in ("kafka_state", "zookeeper_acl")
)

TOPIC = {"name": "role.topic", "partitions": 2, "config": {"retention.ms": 3_600_000}}
READS = {
    "principal": "reader",
    "topics": ["role.topic"],
    "groups": ["reads-*"],
    "operations": ["READ", "DESCRIBE"],
}
WRITES = {"principal": "opslib-writer", "topics": ["role.topic"], "operations": ["WRITE"]}


# As the role kafka has it.
RIGHTS: dict[str, object] = {
    "authorizer.class.name": "kafka.security.authorizer.AclAuthorizer",
    "super.users": "User:server;User:operator",
    "ssl.principal.mapping.rules": "RULE:^CN=([^,]+).*$/$1/,DEFAULT",
}


@pytest.fixture(scope="module")
def admin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaAdminClient]:
    """Run a broker that looks at access lists, and be its super user."""
    folder = tmp_path_factory.mktemp("rights")
    authority = Authority(folder / "certificates")
    certificate = authority.certificate("server")
    zookeeper, port = services.zookeeper(folder / "zookeeper", certificate)
    broker = services.kafka(folder / "kafka", certificate, port, RIGHTS)
    try:
        zookeeper.start()
        broker.start()
        client = KafkaAdminClient(**services.kafka_options(broker.port, authority.certificate("operator")))
        yield client
        client.close()
    finally:
        broker.stop()
        zookeeper.stop()


def brought_about(
    admin: KafkaAdminClient, topic: dict[str, Any], *acls: dict[str, Any], check_mode: bool = False
) -> list[str]:
    asked = {"topics": [topic], "acls": list(acls), "replicas": 1}
    differences: list[str] = kafka_state.bring_about(kafka_state.Cluster(admin), asked, check_mode)
    return differences


def test_what_differs_is_changed_once_and_said(admin: KafkaAdminClient) -> None:
    cluster, created = kafka_state.Cluster(admin), ["topic role.topic created"]
    added = {
        *(f"access list add: reader TOPIC role.topic {may}" for may in ("READ", "DESCRIBE")),
        *(f"access list add: reader GROUP reads-* {may}" for may in ("READ", "DESCRIBE")),
        "access list add: opslib-writer TOPIC role.topic WRITE",
    }
    strangers = cluster.topics()
    for check_mode in (True, False):
        said = brought_about(admin, TOPIC, READS, WRITES, check_mode=check_mode)
        assert said[:1] == created
        assert set(said[1:]) == added
        assert ("role.topic" in cluster.topics()) is not check_mode
    assert brought_about(admin, TOPIC, READS, WRITES) == []

    # Another setting, more partitions, fewer rights, and a job that the lake no longer has.
    other = {
        "name": "role.topic",
        "partitions": 3,
        "config": {"retention.ms": 7_200_000, "segment.ms": 60_000},
    }
    fewer = {**READS, "operations": ["READ"]}
    assert brought_about(admin, other, fewer) == [
        "topic role.topic grown to 3 partitions",
        "topic role.topic set to retention.ms=7200000,segment.ms=60000",
        "access list remove: opslib-writer TOPIC role.topic WRITE",
        "access list remove: reader GROUP reads-* DESCRIBE",
        "access list remove: reader TOPIC role.topic DESCRIBE",
    ]
    assert brought_about(admin, other, fewer) == []
    found = cluster.topics()
    assert found.pop("role.topic") == (3, {"retention.ms": "7200000", "segment.ms": "60000"})
    assert found == strangers
    # What is not named is not looked at.
    assert brought_about(admin, {**TOPIC, "partitions": 1, "config": {}}, fewer) == []


def test_what_kafka_refuses_is_said(admin: KafkaAdminClient) -> None:
    wrong = {"name": "role.refused", "partitions": 1, "config": {"retention.ms": "soon"}}
    asked = {"topics": [{**wrong, "config": {}}], "acls": [], "replicas": 5}
    with pytest.raises(kafka_state.KafkaError, match=r"(?i)replication"):
        kafka_state.bring_about(kafka_state.Cluster(admin), asked, check_mode=False)
    admin.create_topics({"role.refused": {"num_partitions": 1, "replication_factor": 1}})
    with pytest.raises(kafka_state.StateError, match=r"role\.refused.*soon"):
        brought_about(admin, wrong)


def client(port: int, certificate: Certificate) -> KazooClient:
    found = KazooClient(
        f"127.0.0.1:{port}", use_ssl=True, verify_certs=True, check_hostname=True,
        ca=str(certificate.ca), certfile=str(certificate.cert), keyfile=str(certificate.key),
    )  # fmt: skip
    found.start(timeout=30)
    return found


def test_whatever_others_may_change_in_zookeeper_is_closed(tmp_path: Path) -> None:
    authority = Authority(tmp_path / "certificates")
    service, _ = services.zookeeper(tmp_path / "zookeeper", authority.certificate("server"))
    service.start()
    kafka = client(service.port, authority.certificate("kafka"))
    other = client(service.port, authority.certificate("other"))
    try:
        kafka.ensure_path("/brokers/ids")
        kafka.create("/open", b"")
        readable = [make_acl("auth", "", all=True), make_acl("world", "anyone", read=True)]
        kafka.create("/config", b"", readable)
        kafka.create("/config/own", b"", [make_acl("auth", "", all=True)])
        tree = zookeeper_acl.Tree(kafka, "CN=kafka,O=Trendlake")
        paths = tree.paths()
        assert {"/", "/brokers", "/brokers/ids", "/open", "/config", "/config/own", "/zookeeper"} <= set(
            paths
        )
        is_open = {"/", "/brokers", "/brokers/ids", "/open"}
        assert is_open <= set(tree.open_paths(paths))
        assert not {"/config", "/config/own"} & set(tree.open_paths(paths))
        tree.close(tree.open_paths(paths))
        assert tree.open_paths(tree.paths()) == []
        for path in ("/open", "/brokers/ids"):
            with pytest.raises(zookeeper_acl.KazooException):
                other.delete(path)
        assert other.get("/config")[0] == b""
        assert tree.open_paths(["/gone"]) == []
    finally:
        for one in (kafka, other):
            one.stop()
            one.close()
        service.stop()
