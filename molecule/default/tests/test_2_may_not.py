"""Nobody may do more than their job needs: refused for want of a right, and not for another reason."""

from __future__ import annotations

import contextlib
import time
import uuid
from typing import TYPE_CHECKING, Any

import may_not
import mongodb_rights
import pytest
import requests
import using
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import (
    ACL,
    ACLOperation,
    ACLPermissionType,
    KafkaAdminClient,
    NewTopic,
    ResourcePattern,
    ResourceType,
)
from kafka.errors import (
    ClusterAuthorizationFailedError,
    GroupAuthorizationFailedError,
    TopicAuthorizationFailedError,
)
from kafka.structs import OffsetAndMetadata
from kazoo.exceptions import NoAuthError
from kazoo.security import OPEN_ACL_UNSAFE

if TYPE_CHECKING:
    from collections.abc import Callable

Pair = tuple[str, str]


def pairs(told: dict[str, tuple[str, ...]]) -> list[tuple[str, str]]:
    return [(name, what) for name, all_of_it in told.items() for what in all_of_it]


# -- Kafka


def kafka(lake: Any, pair: Pair) -> dict[str, Any]:
    return {**using.kafka_options(lake), "ssl_certfile": pair[0], "ssl_keyfile": pair[1]}


def read(options: dict[str, Any], topic: str) -> None:
    consumer = KafkaConsumer(**options)
    deadline = time.monotonic() + 10
    with contextlib.closing(consumer):
        consumer.assign([TopicPartition(topic, 0)])
        consumer.seek(TopicPartition(topic, 0), 0)
        while not consumer.poll(timeout_ms=100) and time.monotonic() < deadline:
            # Who may not even know of a topic is told when asking where it is, and the client only logs it.
            if topic in consumer._client.cluster.unauthorized_topics:  # noqa: SLF001
                raise TopicAuthorizationFailedError(topic)


def write(options: dict[str, Any], topic: str) -> None:
    producer = KafkaProducer(**options, enable_idempotence=False, max_block_ms=10_000)
    with contextlib.closing(producer):
        producer.send(topic, b"{}").get(timeout=15)


def join(options: dict[str, Any], group: str) -> None:
    consumer = KafkaConsumer(**options, group_id=group, enable_auto_commit=False)
    with contextlib.closing(consumer):
        # As a member does; some may see how far a group is.
        consumer.commit({TopicPartition("tweets.raw", 0): OffsetAndMetadata(0, "", -1)})


def administer(options: dict[str, Any], do: Callable[[Any], Any]) -> None:
    admin = KafkaAdminClient(**options)
    with contextlib.closing(admin):
        do(admin)


def give_everything(admin: KafkaAdminClient, name: str) -> None:
    everything = ACL(
        principal=f"User:{name}",
        host="*",
        operation=ACLOperation.ALL,
        permission_type=ACLPermissionType.ALLOW,
        resource_pattern=ResourcePattern(ResourceType.TOPIC, "tweets.raw"),
    )
    for error in admin.create_acls([everything])["failed"]:
        raise error


def on_kafka(options: dict[str, Any], name: str, what: str) -> None:
    verb, _, thing = what.partition(" ")
    if what == "make a topic":
        topic = NewTopic(f"verify-{uuid.uuid4().hex}", num_partitions=1, replication_factor=1)
        administer(options, lambda admin: admin.create_topics([topic]))
    elif what == "change access lists":
        administer(options, lambda admin: give_everything(admin, name))
    elif verb == "delete":
        administer(options, lambda admin: admin.delete_topics([thing]))
    else:
        {"read": read, "write": write, "join": join}[verb](options, thing)


REFUSED_BY_KAFKA = (
    TopicAuthorizationFailedError,
    GroupAuthorizationFailedError,
    ClusterAuthorizationFailedError,
)


@pytest.mark.parametrize(("name", "what"), pairs(may_not.KAFKA))
def test_a_client_of_kafka_must_not(lake, held, name, what):
    with pytest.raises(REFUSED_BY_KAFKA):
        on_kafka(kafka(lake, held(name)), name, what)


def test_what_is_refused_to_others_kafka_itself_may_do(lake, held):
    read(kafka(lake, held("kafka")), "tweets.raw")


# -- ZooKeeper

ON_ZOOKEEPER: dict[str, Callable[[Any], Any]] = {
    "list the root": lambda client: client.get_children("/"),
    "make a node below the root": lambda client: client.create(f"/verify-{uuid.uuid4().hex}", b"x"),
    "delete /controller": lambda client: client.delete("/controller"),
    "set the root's access list": lambda client: client.set_acls("/", OPEN_ACL_UNSAFE),
    "write /controller_epoch": lambda client: client.set("/controller_epoch", b"9" * 900_000),
    "write a quota": lambda client: client.create("/zookeeper/quota/verify", b"x"),
    "make a consumer": lambda client: client.create("/consumers/verify", b"x"),
    "read /config/users": lambda client: client.get("/config/users"),
}


@pytest.mark.parametrize("name", may_not.ZOOKEEPER_CLIENTS)
def test_a_client_of_zookeeper_must_not(lake, held, name):
    with using.zookeeper(lake, pair=held(name)) as client:
        for what in may_not.ZOOKEEPER:
            with pytest.raises(NoAuthError):
                ON_ZOOKEEPER[what](client)


def test_what_is_refused_to_others_zookeeper_does_for_kafka(lake, held):
    with using.zookeeper(lake, pair=held("kafka")) as client:
        assert "brokers" in ON_ZOOKEEPER["list the root"](client)
        assert ON_ZOOKEEPER["read /config/users"](client)


# -- MongoDB


@pytest.mark.parametrize(("name", "what"), pairs(may_not.MONGODB))
def test_an_account_of_mongodb_must_not(account, name, what):
    with account(name) as client:
        assert mongodb_rights.refusal(client, "trendlake", what) == mongodb_rights.UNAUTHORIZED


# -- NiFi

ON_NIFI = {
    "look at the flow": ("GET", "flow/process-groups/root"),
    "stop the flow": ("PUT", "processors/{processor}/run-status"),
    "read parameters": ("GET", "flow/parameter-contexts"),
    "read its users": ("GET", "tenants/users"),
    "read its policies": ("GET", "policies/read/flow"),
    "read counters": ("GET", "counters"),
    "list resources": ("GET", "resources"),
    "ask for site-to-site": ("GET", "site-to-site"),
}


def a_processor(lake: Any) -> str:
    """Return the id of one of the flow's processors."""
    group = "root"
    while True:
        flow = using.nifi(lake, f"flow/process-groups/{group}").json()["processGroupFlow"]["flow"]
        if flow["processors"]:
            return flow["processors"][0]["id"]
        group = flow["processGroups"][0]["id"]


@pytest.mark.parametrize(("name", "what"), pairs(may_not.NIFI))
def test_an_identity_of_nifi_must_not(lake, held, name, what):
    method, path = ON_NIFI[what]
    answer = requests.request(
        method,
        f"https://{lake.address}:8443/nifi-api/{path.format(processor=a_processor(lake))}",
        json={"revision": {"version": 0}, "state": "STOPPED"} if method == "PUT" else None,
        cert=held(name),
        verify=lake.ca,
        timeout=20,
    )
    if what == "read parameters":
        # A list of what one may see: all of it is of contexts that the asker has no right to.
        assert all(not one.get("component") for one in answer.json().get("parameterContexts", []))
    else:
        assert answer.status_code == requests.codes.forbidden, answer.text


def test_nobody_stops_nifi_over_its_management_port(host, lake):
    listening = host.check_output("ss -Hltn sport = :52020")
    assert "224.0.0.1" in listening, "it listens elsewhere"
    asks = "import socket; socket.create_connection(('{address}', 52020), 5)"
    for address in ("127.0.0.1", "224.0.0.1", lake.address):
        said = host.run(f'python3 -c "{asks.format(address=address)}"')
        assert "refused" in said.stderr or "unreachable" in said.stderr, address
    assert host.service("nifi").is_running
