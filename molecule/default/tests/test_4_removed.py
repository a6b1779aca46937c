"""The lake is taken away, and nothing is left of it on its machine. The last file, therefore."""

from __future__ import annotations

import os

import pytest
from removed import Blank, Hosts, differences

GROUPS = ["zookeeper", "kafka", "mongodb", "nifi", "opslib", "web"]


@pytest.fixture(scope="module")
def hosts(lake) -> Hosts:
    return Hosts(lake.folder, {lake.name: GROUPS})


def test_nothing_is_left_of_it(hosts, lake):
    debian = os.environ.get("TRENDLAKE_TEST_DEBIAN", "12")
    was = Blank(debian, lifelike=True, name=f"{lake.name}-blank").look()
    assert differences(was, hosts.look(lake.name)) != []
    assert hosts.remove(remove="yes")[lake.name] > 20
    assert differences(was, hosts.look(lake.name)) == []


def test_removing_again_changes_nothing(hosts, lake):
    assert hosts.remove(remove="yes") == {lake.name: 0}
