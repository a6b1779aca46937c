"""The lake and what watches it are taken away, and nothing is left on either machine. Last, therefore."""

from __future__ import annotations

import os

import pytest
from chaos import ROOT
from lake import FOLDER, Lake
from removed import Blank, Hosts, differences

pytestmark = pytest.mark.skipif(
    not (FOLDER / "ssh_config").is_file(), reason="no machines: `molecule converge -s alarms`"
)


def test_nothing_is_left_of_either() -> None:
    lake = Lake()
    groups = {
        lake.name: ["zookeeper", "kafka", "mongodb", "nifi", "opslib", "web"],
        lake.watch: ["monitoring"],
    }
    hosts = Hosts(FOLDER, groups, (ROOT / "molecule/alarms/vars/alarms.yml",))
    # What the tests of the alarms put there.
    hosts.ssh(lake.watch, "systemctl stop smtp; rm -rf /root/mailer /root/mail")
    hosts.ssh(lake.name, "rm -f /root/*.pem /root/parameters.json /root/restic_password /root/opslib.toml")
    debian = os.environ.get("TRENDLAKE_TEST_DEBIAN", "12")
    was = {
        lake.name: Blank(debian, lifelike=True, name=f"{lake.name}-blank").look(),
        lake.watch: Blank(debian, lifelike=False, name=f"{lake.name}-blank").look(),
    }
    assert all(hosts.remove(remove="yes").values())
    assert {name: differences(was[name], hosts.look(name)) for name in groups} == {
        name: [] for name in groups
    }
    assert hosts.remove(remove="yes") == dict.fromkeys(groups, 0)
