"""What is there once goes from one host to the other, interrupted at any moment, and counts nothing twice.

A unit that counts stands in for NiFi, so that this takes minutes: each number that it writes is a page that
is paid for. Another account has its number on the second host.
"""

from __future__ import annotations

import os
import random
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from played import ROOT, Machines

if TYPE_CHECKING:
    import subprocess

FOLDER = ROOT / "out/molecule" / os.environ.get("MOLECULE_SCENARIO_NAME", "move")
# Lines that a run has said when it is ended.
MOMENTS = random.Random(16)  # noqa: S311 - no secret
_UNIT = """
set -eu
getent group nifi >/dev/null || groupadd -r nifi
id nifi >/dev/null 2>&1 || useradd -r -u {uid} -g nifi -c 'Trendlake nifi' -M nifi
install -d -o nifi -g nifi /var/lib/nifi /var/lib/nifi/extensions
echo {uid} > /var/lib/nifi/extensions/own
cat > /usr/local/bin/counts <<'C'
#!/bin/sh
cd /var/lib/nifi/state
while sleep 0.2; do n=$(tail -n 1 paid); echo $((n + 1)) >> paid; done
C
chmod 755 /usr/local/bin/counts
cat > /etc/systemd/system/nifi.service <<'U'
[Service]
User=nifi
ExecStart=/usr/local/bin/counts
[Install]
WantedBy=multi-user.target
U
systemctl daemon-reload
"""
_STARTED = """
set -eu
cd /var/lib/nifi
mkdir -p conf state content/1/archive
echo flow > conf/flow.json.gz
echo 0 > state/paid
touch content/1/claim content/1/archive/old
chown -R nifi:nifi conf state content
systemctl enable -q --now nifi
"""


class Hosts(Machines):
    """The two machines."""

    def counts(self, number: int) -> bool:
        return self.ssh(number, "systemctl is-active nifi", check=False) == "active"

    def paid(self, number: int) -> list[int]:
        return [int(one) for one in self.ssh(number, "cat /var/lib/nifi/state/paid").split()]

    def call(self, to: int, **variables: object) -> subprocess.Popen[str]:
        inventory = self.folder / "carry.json"
        self.write(inventory, (1, 2), {"nifi": [to], "opslib": [], "web": []})
        # A line each result: an interruption counts them.
        lines = {"ANSIBLE_CALLBACK_RESULT_FORMAT": "json"}
        return self.start(inventory, Path(__file__).with_name("carry.yml"), environment=lines, **variables)

    def interrupted(self, to: int, moment: int) -> None:
        """End a run when it has said so many lines, as Ctrl-C or a machine that dies would."""
        run = self.call(to)
        assert run.stdout
        if len([line for _, line in zip(range(moment), run.stdout)]) == moment:
            os.killpg(run.pid, MOMENTS.choice([signal.SIGINT, signal.SIGKILL]))
        run.communicate(timeout=600)

    def played(self, to: int, **variables: object) -> tuple[int, str]:
        run = self.call(to, **variables)
        said, _ = run.communicate(timeout=600)
        return run.returncode, said


@pytest.fixture(scope="module")
def hosts() -> Hosts:
    hosts = Hosts(FOLDER)
    for number in (1, 2):
        hosts.ssh(number, _UNIT.format(uid=700 + number))
    hosts.ssh(1, _STARTED)
    return hosts


def test_1_an_inventory_with_another_host_is_refused_and_nothing_touched(hosts: Hosts) -> None:
    code, said = hosts.played(2, as_site_yml=True)
    assert code != 0
    assert "ansible/move-nifi.yml moves it" in said
    assert hosts.counts(1)
    assert not hosts.counts(2)


def test_2_interrupted_again_and_again_it_goes_over_whole_and_nothing_counts_twice(hosts: Hosts) -> None:
    for _ in range(4):
        hosts.interrupted(2, MOMENTS.randrange(40, 160))
        assert not (hosts.counts(1) and hosts.counts(2))
    code, said = hosts.played(2)
    assert code == 0, said[-4000:]
    assert hosts.counts(2)
    hosts.ssh(1, "systemctl start nifi", check=False)
    assert not hosts.counts(1)
    assert hosts.ssh(1, "systemctl is-enabled nifi", check=False) == "disabled"
    here = "cd /var/lib/nifi && stat -c '%U %n' conf/flow.json.gz content/1/claim && cat extensions/own"
    assert hosts.ssh(2, here).splitlines() == ["nifi conf/flow.json.gz", "nifi content/1/claim", "702"]
    assert not hosts.ssh(2, "ls -A /var/lib/nifi/content/1/archive", check=False)
    paid, before = hosts.paid(2), hosts.paid(1)
    assert paid == list(range(len(paid)))
    assert paid[: len(before)] == before


def test_3_it_comes_back_over_what_it_left_there(hosts: Hosts) -> None:
    code, said = hosts.played(1)
    assert code == 0, said[-4000:]
    assert hosts.counts(1)
    assert not hosts.counts(2)
    paid, before = hosts.paid(1), hosts.paid(2)
    assert paid == list(range(len(paid)))
    assert paid[: len(before)] == before


def test_4_there_it_is_left_alone(hosts: Hosts) -> None:
    started = hosts.ssh(1, "systemctl show -p InvocationID nifi")
    code, said = hosts.played(1, as_site_yml=True)
    assert code == 0, said[-4000:]
    assert hosts.ssh(1, "systemctl show -p InvocationID nifi") == started
    # The stand-in is none of the lake that comes next.
    hosts.ssh(1, "systemctl disable --now nifi")
    for number in (1, 2):
        hosts.ssh(number, "rm -rf /var/lib/nifi /etc/systemd/system/nifi.service* && userdel nifi")
