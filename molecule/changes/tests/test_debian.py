"""Hosts go from one Debian to the next, one after another, and what the lake knows stays.

On machines of their own, since they begin with Debian 11: `molecule verify -s debian`. They have the kernel
of the control node, so that of the next Debian is not tried.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from chaos import wait_until
from machines import FOLDER, keep
from played import BOOT
from whole import Whole, following

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.skipif(FOLDER.name != "debian", reason="begins with Debian 11: verify -s debian")

# What docs/debian.md has an operator do on a host.
UPGRADE = """
set -eu
sed -i 's/{old}/{new}/g' /etc/apt/sources.list
export DEBIAN_FRONTEND=noninteractive
apt-get update -q
apt-get full-upgrade -q -y -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold
"""
UNITS = "zookeeper.service kafka.service mongodb.service nifi.service nginx.service 'opslib*.service'"
RUNNING = f"systemctl list-units --state=running --plain --no-legend {UNITS} | cut -d' ' -f1"


@pytest.fixture(scope="module")
def lake() -> Iterator[Whole]:
    with following(8096, keep=1_000_000) as lake:
        yield lake


def boots(lake: Whole, number: int) -> None:
    """Boot a host, and wait until all that ran before runs again."""
    boot, before = lake.ssh(number, BOOT), set(lake.ssh(number, RUNNING).split())
    lake.ssh(number, "systemctl --no-block reboot")

    def is_back() -> bool:
        said = lake.ssh(number, f"{BOOT}; {RUNNING}", check=False).split()
        assert not before - set(said), f"not there: {before - set(said)}"
        return said[0] != boot

    wait_until("the host is back with all that ran", is_back, 300)


def test_1_a_lake_collects_on_debian_11(lake: Whole) -> None:
    lake.play("site.yml", lake.hosts)
    lake.collects(5)


@pytest.mark.parametrize(("old", "new"), [("bullseye", "bookworm"), ("bookworm", "trixie")])
def test_2_each_host_goes_to_the_next_debian_and_nothing_is_lost(lake: Whole, old: str, new: str) -> None:
    for number in lake.hosts:
        said = lake.ssh(number, UPGRADE.format(old=old, new=new))
        keep(upgraded=new, packages=said.count("\nSetting up "))
        boots(lake, number)
        assert f"({new})" in lake.ssh(number, "cat /etc/os-release")
        # With what it was installed with for the Debian of before.
        lake.keeps_up()
        lake.play("site.yml", lake.hosts)
        lake.nothing_is_pending()
    lake.keeps_up()
    said = lake.play("site.yml", lake.hosts)
    assert said.count("changed=0") == said.count("changed="), said[-3000:]
    wait_until("the doctor finds everything well", lambda: bool(lake.ssh(1, "opslib doctor")), 300)
