"""What there is once in a lake moves to another host, and comes back from a backup, while people write.

X is a local one on the control node, which outlives the machines as X does. It counts what it gave out.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import threading
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import chaos
import pytest
from chaos import say, wait_until
from played import ROOT, Machines
from simulated import X

if TYPE_CHECKING:
    from collections.abc import Iterator

FOLDER = ROOT / "out/molecule" / os.environ.get("MOLECULE_SCENARIO_NAME", "move")
# Apart from what the tests write: ansible/backup.yml saves all that is beside an inventory.
INVENTORY = FOLDER / "inventory/hosts.json"
SUBNET = os.environ.get("TRENDLAKE_SUBNET", "10.77.0")
PORT = 8099
PAGE = 100
_SPENT = "SELECT sum(resources) FROM spent WHERE kind = 'post'"
_ASK = (
    "import sqlite3, sys; c = sqlite3.connect('file:' + sys.argv[1] + '?mode=ro', uri=True); "
    "print(c.execute(sys.argv[2]).fetchone()[0] or 0)"
)

_HOLD = """
import nipyapi
from opslib.flow import api, deploy
from opslib.settings import load
api.connect(load())
group = deploy.find("trendlake").id
found = nipyapi.nifi.ProcessGroupsApi().get_processors(group).processors
publishers = [one for one in found if one.component.name == "Publish tweets"]
nipyapi.canvas.schedule_components(group, scheduled="STOPPED", components=publishers)
"""


def keep(**figures: Any) -> None:
    """Keep figures of the run, for the docs, with how busy the machine was in the five minutes before."""
    with (FOLDER / "figures.jsonl").open("a") as file:
        file.write(json.dumps({**figures, "load": round(os.getloadavg()[1], 1)}) + "\n")


class WatchedX(X):
    """The local X API that knows how long nobody asked it for anything new."""

    def __init__(self) -> None:
        # What was given out before is not forgotten where tests go on with machines that are there.
        super().__init__(FOLDER, f"{SUBNET}.1", PORT, "--state", str(FOLDER / "x.json"), a_second=2)
        self.idle = 0.0  # the longest time without a new tweet that was asked for, in seconds
        self._given, self._given_at = 0, time.monotonic()

    def look(self) -> None:
        given = len(self.returned())
        if given > self._given or not given:
            self._given, self._given_at = given, time.monotonic()
        self.idle = max(self.idle, time.monotonic() - self._given_at)


class Lake(Machines):
    """The machines, and an inventory that says where what there is once is to be."""

    def __init__(self, x: WatchedX) -> None:
        super().__init__(FOLDER)
        self.x = x
        vault = INVENTORY.parent / "group_vars/all/vault.yml"
        vault.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(FOLDER / "vault.yml", vault)
        identity = re.search(r"IdentityFile (\S+)", (FOLDER / "ssh_config").read_text())
        assert identity
        scanned = subprocess.run(
            ["ssh-keyscan", "-t", "ed25519", self.addresses[0]], capture_output=True, text=True, check=True
        )
        self._backup = {
            "backup_repository": f"sftp:root@{self.addresses[0]}:/srv/lake",
            "backup_ssh_key": Path(identity[1]).read_text(),
            "backup_ssh_known_hosts": scanned.stdout,
        }

    def call(
        self,
        playbook: str,
        *arguments: str,
        nifi: int,
        hosts: tuple[int, ...] = (1, 2),
        page: int = 1,
        jobs: int = 1,
        **variables: Any,
    ) -> subprocess.Popen[str]:
        self.write(
            INVENTORY,
            hosts,
            {
                **dict.fromkeys(("zookeeper", "kafka", "mongodb"), (1,)),
                "nifi": (nifi,),
                "web": (page,),
                "opslib": (jobs,),
            },
            common_client_networks=[f"{SUBNET}.1"],
            tls_ca_directory=f"{FOLDER}/ca",
            **self.x.inventory,
            nifi_flow_trends_interval="15 sec",
            # Nothing is left out, however long nobody collected.
            nifi_flow_pages_per_topic=100,
            # What is not about moving would only take its time.
            common_security_updates=False,
            opslib_report_enabled=False,
            opslib_speed_enabled=False,
            opslib_search_enabled=False,
            **self._backup,
        )
        return self.start(INVENTORY, playbook, *arguments, x_token=self.x.token, **variables)

    def played(self, playbook: str, *arguments: str, **options: Any) -> tuple[int, str]:
        """Return how a playbook ended and what it said."""
        began = time.monotonic()
        run = self.call(playbook, *arguments, **options)
        assert run.stdout
        said = []
        with (FOLDER / "playbooks.log").open("a") as log:
            log.write(f"== {playbook} {arguments} {options}\n")
            for line in run.stdout:
                said.append(line)
                log.write(f"{time.monotonic() - began:6.1f} {line}")
                log.flush()
        code = run.wait(60)
        seconds = round(time.monotonic() - began)
        say(f"{playbook} {options}: {code} after {seconds} s")
        keep(playbook=playbook, options=str(options), code=code, seconds=seconds)
        return code, "".join(said)

    def play(self, playbook: str, *arguments: str, **options: Any) -> str:
        """Return what a playbook said that ended well."""
        code, said = self.played(playbook, *arguments, **options)
        assert code == 0, said[-6000:]
        return said

    def started(self, number: int) -> str:
        """Return which start of NiFi runs on a machine, empty if none does."""
        if self.ssh(number, "systemctl is-active nifi", check=False) != "active":
            return ""
        return self.ssh(number, "systemctl show -p InvocationID nifi")

    def spent(self, number: int) -> int:
        """Return the posts that NiFi's budget counts on a machine."""
        return int(
            self.ssh(number, shlex.join(["python3", "-c", _ASK, "/var/lib/nifi/x-budget.sqlite", _SPENT]))
        )

    def hold(self, number: int) -> None:
        """Let what NiFi of a machine collects wait in its queue, as when Kafka is away."""
        credentials = "CREDENTIALS_DIRECTORY=/etc/opslib/credentials/flow"
        self.ssh(number, f"{credentials} /opt/opslib/current/bin/python -c {shlex.quote(_HOLD)}")

    def replace(self, number: int) -> None:
        """Boot a new machine of the name of one that was destroyed."""
        subprocess.run([ROOT / "bin/machine", "up", self.names[number - 1]], check=True, timeout=600)
        # It may have another address.
        known = (
            subprocess.run(
                [ROOT / "bin/machine", "ssh-config", name], capture_output=True, text=True, check=True
            )
            for name in self.names
        )
        (FOLDER / "ssh_config").write_text("\n".join(one.stdout for one in known))
        super().__init__(FOLDER)

    def flow(self, number: int) -> dict[str, Any]:
        """Return what the flow does on a machine."""
        return dict(json.loads(self.ssh(number, "opslib flow status --format json", check=False)))


@pytest.fixture(scope="module")
def lake() -> Iterator[Lake]:
    x = WatchedX()
    try:
        x.start()
        yield Lake(x)
    finally:
        x.end()


@pytest.fixture(scope="module")
def stored() -> Any:
    """Return what tells which tweets MongoDB has; the lake is deployed by the first test."""

    def ids() -> set[int]:
        machine = chaos.Machine(FOLDER)
        with machine.mongo:
            return {one["_id"] for one in machine.database.tweets.find({}, {"_id": 1})}

    return ids


def collects(lake: Lake, stored: Any) -> None:
    """Wait until tweets that are written from now on are stored."""
    now = time.monotonic()
    wait_until(
        "what is written now is collected",
        lambda: any(lake.x.written.get(one, 0) > now for one in stored()),
        1200,
    )


def nothing_is_paid_twice(lake: Lake, pages: int) -> None:
    """Hold that X gave out nothing again but *pages* that were in flight."""
    given = lake.x.returned()
    again = Counter({one: number - 1 for one, number in given.items() if number > 1})
    keep(again=sum(again.values()), given=len(given), seconds_without=round(lake.x.idle))
    lake.x.idle = 0
    assert sum(again.values()) <= pages * PAGE


def stays_stopped(lake: Lake, number: int) -> None:
    """Hold that NiFi does not run on a machine, whoever starts it."""
    lake.ssh(number, "systemctl start nifi", check=False)
    assert not lake.started(number)
    assert lake.ssh(number, "systemctl is-enabled nifi", check=False) == "disabled"


def test_1_nifi_on_another_host_is_refused_and_nothing_touched(lake: Lake, stored: Any) -> None:
    lake.play("site.yml", nifi=1)
    collects(lake, stored)
    before = lake.started(1)
    code, said = lake.played("site.yml", nifi=2)
    assert code != 0
    assert "ansible/move-nifi.yml moves it" in " ".join(said.split())
    assert lake.started(1) == before
    said = lake.play("ansible/move-nifi.yml", "--check", nifi=2)
    assert f"NiFi moves from {lake.names[0]} to {lake.names[1]}" in " ".join(said.split())
    assert lake.started(1) == before
    nothing_is_paid_twice(lake, 0)


def test_2_it_moves_with_what_waits_in_it_and_a_run_that_is_interrupted_is_completed(
    lake: Lake, stored: Any
) -> None:
    lake.hold(1)
    wait_until("something waits in a queue", lambda: lake.flow(1)["queued"] > 0, 600)
    spent = lake.spent(1)
    # Ctrl-C as people have it, whatever makes runs of a test faster.
    plain = {"ANSIBLE_STRATEGY": "linear"}
    run = lake.call("ansible/move-nifi.yml", nifi=2, move_patience="10s", environment=plain)
    assert run.stdout
    for line in run.stdout:
        if "Arrive | unpack" in line:
            os.killpg(run.pid, signal.SIGINT)
            break
    run.communicate(timeout=600)
    assert not lake.started(1)
    assert not lake.started(2)
    done, again = threading.Event(), []

    def watch() -> None:
        while not done.wait(3):
            if lake.started(1):
                again.append("NiFi ran on the first host again")

    watching = threading.Thread(target=watch)
    watching.start()
    try:
        lake.play("ansible/move-nifi.yml", nifi=2, move_patience="10s")
    finally:
        done.set()
        watching.join(60)
    assert not again
    assert lake.started(2)
    stays_stopped(lake, 1)
    assert lake.spent(2) >= spent
    collects(lake, stored)
    assert {one["state"] for one in lake.flow(2)["processors"]} == {"RUNNING"}
    # What waited in the queue came along: X gave it out once.
    given = lake.x.returned().keys()
    wait_until("all that X gave out is stored", lambda: given <= stored(), 600)
    nothing_is_paid_twice(lake, 1)


def test_3_where_it_has_come_to_nothing_is_left_to_change(lake: Lake) -> None:
    before = lake.started(2)
    said = lake.play("site.yml", nifi=2)
    assert set(re.findall(r"changed=(\d+)", said)) == {"0"}
    assert lake.started(2) == before
    assert not lake.started(1)


def test_4_it_comes_back_from_a_backup_when_its_host_is_destroyed(lake: Lake, stored: Any) -> None:
    lake.play("ansible/backup.yml", nifi=2)
    collects(lake, stored)
    given = len(lake.x.returned())
    subprocess.run([ROOT / "bin/machine", "down", lake.names[1]], check=True, timeout=120)
    code, said = lake.played("site.yml", nifi=1, hosts=(1,))
    assert code != 0
    assert f"was on {lake.addresses[1]}, which cannot be asked" in " ".join(said.split())
    assert not lake.started(1)
    lake.play("ansible/move-nifi.yml", nifi=1, hosts=(1,), move_from="backup")
    assert lake.started(1)
    collects(lake, stored)
    # X's own count wins, which knows what was asked for since the backup.
    assert lake.spent(1) >= given
    # Of the death and of the move before it each may have had a page in flight.
    nothing_is_paid_twice(lake, 2)


def test_5_the_page_and_the_single_jobs_go_to_a_new_host(lake: Lake, stored: Any) -> None:
    lake.replace(2)
    lake.ssh(1, "printf 'uma palavra secreta' | opslib web user add ana --password-stdin")
    lake.ssh(1, "systemctl start opslib-recheck")
    budget = "/var/lib/opslib/recheck"
    before = lake.ssh(1, f"cd {budget} && find -type f | sort")
    assert before
    lake.play("ansible/move.yml", "--skip-tags", "site", nifi=1, page=2, move="page")
    lake.play("ansible/move.yml", nifi=1, page=2, jobs=2, move="jobs")
    assert "ana" in lake.ssh(2, "opslib web user list")
    assert lake.ssh(2, f"cd {budget} && find -type f | sort") == before
    units = "opslib-web opslib-wishes opslib-rollup opslib-stats opslib-recheck.timer"
    assert set(lake.ssh(2, f"systemctl is-active {units}").split()) == {"active"}
    assert "active" not in lake.ssh(1, f"systemctl is-active {units}", check=False).split()
    assert ":443 " not in lake.ssh(1, "ss -Hltn")
    collects(lake, stored)


def test_6_nothing_that_was_written_is_missing(lake: Lake, stored: Any) -> None:
    lake.x.quiet()
    written = lake.x.offered()
    wait_until("all that was written is stored", lambda: written <= stored(), 1200)
    keep(written=len(written))
    nothing_is_paid_twice(lake, 2)
