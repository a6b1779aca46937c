"""How a client uses each service; `certificate` and `password` false is one that has none."""

from __future__ import annotations

import contextlib
import uuid
from typing import TYPE_CHECKING, Any

import requests
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import KafkaAdminClient, NewTopic
from kazoo.client import KazooClient
from pymongo import MongoClient

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conftest import Lake


@contextlib.contextmanager
def zookeeper(lake: Lake, *, pair: tuple[str, str] | None) -> Iterator[KazooClient]:
    shown = {"certfile": pair[0], "keyfile": pair[1]} if pair else {}
    client = KazooClient(
        f"{lake.address}:2182", use_ssl=True, ca=lake.ca, verify_certs=True, timeout=5, **shown
    )
    client.start(timeout=8)
    try:
        yield client
    finally:
        client.stop()
        client.close()


def kafka_options(lake: Lake, *, certificate: bool = True) -> dict[str, Any]:
    pair = {"ssl_certfile": lake.certificate, "ssl_keyfile": lake.key} if certificate else {}
    return {
        "bootstrap_servers": f"{lake.address}:9093",
        "security_protocol": "SSL",
        "ssl_cafile": lake.ca,
        **pair,
    }


def a_message_goes_through_kafka(lake: Lake) -> bytes:
    topic, text = f"verify-{uuid.uuid4().hex}", uuid.uuid4().bytes
    options = kafka_options(lake)
    admin = KafkaAdminClient(**options)
    try:
        admin.create_topics([NewTopic(topic, num_partitions=1, replication_factor=1)])
        producer = KafkaProducer(acks="all", **options)
        producer.send(topic, text).get(timeout=20)
        producer.close()
        consumer = KafkaConsumer(consumer_timeout_ms=20_000, **options)
        consumer.assign([TopicPartition(topic, 0)])
        consumer.seek_to_beginning()
        found = next(consumer).value
        consumer.close()
    finally:
        admin.delete_topics([topic])
        admin.close()
    assert found == text
    return found


def mongodb(lake: Lake, *, password: bool = True) -> MongoClient[dict[str, Any]]:
    account = {"username": "admin", "password": lake.secrets["mongodb_admin_password"]} if password else {}
    return MongoClient(
        lake.address,
        tls=True,
        tlsCAFile=lake.ca,
        directConnection=True,
        serverSelectionTimeoutMS=8000,
        **account,
    )


def nifi(lake: Lake, path: str, *, certificate: bool = True) -> requests.Response:
    pair = (lake.certificate, lake.key) if certificate else None
    return requests.get(f"https://{lake.address}:8443/nifi-api/{path}", cert=pair, verify=lake.ca, timeout=20)
