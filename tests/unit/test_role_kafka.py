"""What the role kafka makes of ZooKeeper's access lists, as its shell prints them."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest

MODULE = Path(__file__).parents[2] / "roles/kafka/library/zookeeper_acl.py"
OWN = "'x509,'CN=kafka%2CO=Trendlake\n: cdrwa\n"
KAFKA = "CN=kafka,O=Trendlake"


def load() -> Any:
    spec = importlib.util.spec_from_file_location("zookeeper_acl", MODULE)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


zookeeper_acl = load()


@pytest.mark.parametrize(
    ("printed", "is_open"),
    [
        (OWN, False),
        (OWN + "'world,'anyone\n: r\n", False),  # as Kafka gives its nodes
        ("'world,'anyone\n: r\n", False),  # ZooKeeper's own, which nobody can change
        ("'world,'anyone\n: cdrwa\n", True),
        (OWN + "'world,'anyone\n: cr\n", True),
        ("'x509,'CN=operator%2CO=Trendlake\n: cdrwa\n", True),
        ("'x509,'CN=kafka%2CO=Others\n: cdrwa\n", True),
        ("'ip,'10.0.0.1\n: w\n", True),
    ],
)
def test_a_node_is_open_if_another_than_kafka_may_change_it(printed: str, is_open: bool) -> None:
    found = zookeeper_acl.entries(f"\nWATCHER::\n\n{printed}")
    assert found
    assert zookeeper_acl.is_open(found, KAFKA) is is_open
