"""NiFi moves to another host, and comes back from a backup, while people write what it collects.

X is a local one on the control node, which outlives the machines as X does. It counts what it gave out.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import chaos
import pytest
import requests
from chaos import say, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[3]
FOLDER = ROOT / "out/molecule" / os.environ.get("MOLECULE_SCENARIO_NAME", "move")
SUBNET = os.environ.get("TRENDLAKE_SUBNET", "10.77.0")
PORT = 8099
PAGE = 100
_ROWS = (
    "import sqlite3, sys; c = sqlite3.connect('file:' + sys.argv[1] + '?mode=ro', uri=True); "
    "print(c.execute(\"SELECT sum(resources) FROM spent WHERE kind = 'post'\").fetchone()[0] or 0)"
)


def keep(**figures: Any) -> None:
    """Keep figures of the run, for the docs."""
    with (FOLDER / "figures.jsonl").open("a") as file:
        file.write(json.dumps(figures) + "\n")


class X:
    """The local X API, and people who write: each tweet has one hashtag, so that one search finds it."""

    def __init__(self) -> None:
        self.url = f"http://{SUBNET}.1:{PORT}"
        command = [
            sys.executable,
            "-m",
            "opslib",
            "x",
            "simulate",
            "--host",
            f"{SUBNET}.1",
            "--port",
            str(PORT),
        ]
        with (FOLDER / "x.log").open("a") as log:
            self._process = subprocess.Popen(
                [*command, "--rate", "0", "--backlog", "0", "--no-limits"], cwd=ROOT, stderr=log
            )
        self.written: dict[int, float] = {}
        self._stop = threading.Event()
        self._writing = threading.Thread(target=self._write)

    def start(self) -> None:
        wait_until("the local X API answers", lambda: self.returned() is not None, 60)
        self._writing.start()

    def _call(self, method: str, path: str, **options: Any) -> Any:
        try:
            answer = requests.request(method, f"{self.url}/_control/{path}", timeout=30, **options)
        except requests.ConnectionError as error:
            raise AssertionError(error) from error
        answer.raise_for_status()
        return answer.json()

    def _write(self) -> None:
        number = 0
        while not self._stop.wait(1):
            texts = [f"mudança {number + n} #tema{(number + n) % 4} nada se perde" for n in range(5)]
            number += len(texts)
            body = "\n".join(json.dumps({"text": text, "lang": "pt"}) for text in texts)
            for one in self._call("POST", "tweets", data=body.encode())["added"]:
                self.written[int(one)] = time.monotonic()

    def quiet(self) -> None:
        """Let people write no more."""
        self._stop.set()
        self._writing.join(60)

    def returned(self) -> dict[int, int]:
        """Return how often each tweet was given out to searches."""
        return {int(id_): number for id_, number in self._call("GET", "ledger")["returned"].items()}

    def end(self) -> None:
        self.quiet()
        self._process.terminate()
        self._process.wait(10)


@dataclass
class Lake:
    """The machines, by number from 1, and an inventory in which NiFi is on one of them."""

    x: X

    def __post_init__(self) -> None:
        text = (FOLDER / "ssh_config").read_text()
        found = re.findall(r"^Host (\S+) \S+\n\s+HostName (\S+)", text, re.MULTILINE)
        self.names, self.addresses = [one[0] for one in found], [one[1] for one in found]
        identity = re.search(r"IdentityFile (\S+)", text)
        assert identity
        self._key = Path(identity[1]).read_text()
        scanned = ["ssh-keyscan", "-t", "ed25519", self.addresses[0]]
        self._known = subprocess.run(scanned, capture_output=True, text=True, check=True).stdout

    def ssh(self, number: int, command: str, *, check: bool = True) -> str:
        done = subprocess.run(
            ["ssh", "-F", FOLDER / "ssh_config", self.names[number - 1], command],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0 or not check, f"{command}: {done.stderr[-1500:]}"
        return done.stdout

    def inventory(self, nifi: int, hosts: tuple[int, ...]) -> Path:
        first = {self.names[0]: {}}
        machines = {self.names[one - 1]: {"ansible_host": self.addresses[one - 1]} for one in hosts}
        variables = {
            "ansible_user": "root",
            "ansible_ssh_common_args": f"-F {FOLDER}/ssh_config",
            "common_memory_mb": 4096,
            "common_client_networks": [f"{SUBNET}.1"],
            "tls_ca_directory": f"{FOLDER}/ca",
            "nifi_flow_x_base_url": self.x.url,
            "nifi_flow_places": [{"woeid": 23424768, "name": "Brazil"}],
            "nifi_flow_trends_interval": "15 sec",
            **dict.fromkeys(("nifi_flow_budget_usd_day", "nifi_flow_budget_usd_month"), ""),
            "opslib_recheck_enabled": False,
            "backup_repository": f"sftp:root@{self.addresses[0]}:/srv/lake",
            "backup_ssh_key": self._key,
            "backup_ssh_known_hosts": self._known,
        }
        children = {
            **{group: {"hosts": first} for group in ("zookeeper", "kafka", "mongodb", "opslib")},
            "nifi": {"hosts": {self.names[nifi - 1]: {}}},
            "web": {"hosts": {}},
        }
        path = FOLDER / "inventory.json"
        path.write_text(
            json.dumps({"trendlake": {"hosts": machines, "vars": variables, "children": children}})
        )
        return path

    def call(
        self, playbook: str, *arguments: str, nifi: int, hosts: tuple[int, ...] = (1, 2), **variables: Any
    ) -> Any:
        command = ["ansible-playbook", "-i", self.inventory(nifi, hosts), ROOT / playbook, *arguments]
        command += ["-e", f"@{FOLDER}/vault.yml", "--vault-password-file", FOLDER / "vault-password"]
        return subprocess.Popen(
            # The vault has an empty one.
            [*command, "-e", json.dumps({"x_token": "of-the-local-x-api", **variables})],
            cwd=ROOT,
            env={**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_NOCOLOR": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def played(self, playbook: str, *arguments: str, **options: Any) -> tuple[int, str]:
        """Return how a playbook ended and what it said."""
        began = time.monotonic()
        run = self.call(playbook, *arguments, **options)
        said, _ = run.communicate(timeout=2400)
        say(f"{playbook} {options}: {run.returncode} after {time.monotonic() - began:.0f} s")
        keep(
            playbook=playbook,
            options=str(options),
            code=run.returncode,
            seconds=round(time.monotonic() - began),
        )
        with (FOLDER / "playbooks.log").open("a") as log:
            log.write(f"== {playbook} {arguments} {options}\n{said}\n")
        return run.returncode, said

    def play(self, playbook: str, *arguments: str, **options: Any) -> str:
        """Return what a playbook said that ended well."""
        code, said = self.played(playbook, *arguments, **options)
        assert code == 0, said[-6000:]
        return said

    def started(self, number: int) -> str:
        """Return which start of NiFi runs on a machine, empty if none does."""
        if self.ssh(number, "systemctl is-active nifi", check=False).strip() != "active":
            return ""
        return self.ssh(number, "systemctl show -p InvocationID nifi").strip()

    def spent(self, number: int) -> int:
        """Return the posts that NiFi's budget counts on a machine."""
        command = shlex.join(["python3", "-c", _ROWS, "/var/lib/nifi/x-budget.sqlite"])
        return int(self.ssh(number, command))


@pytest.fixture(scope="module")
def lake() -> Iterator[Lake]:
    x = X()
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
        600,
    )


def nothing_is_paid_twice(lake: Lake, pages: int = 1) -> None:
    """Hold that X gave out nothing again but the pages in flight."""
    again = Counter({one: number - 1 for one, number in lake.x.returned().items() if number > 1})
    keep(again=sum(again.values()), given=len(lake.x.returned()))
    assert sum(again.values()) <= pages * PAGE


def test_1_nifi_on_another_host_is_refused_and_nothing_touched(lake: Lake, stored: Any) -> None:
    lake.play("site.yml", nifi=1)
    collects(lake, stored)
    before = lake.started(1)
    code, said = lake.played("site.yml", nifi=2)
    assert code != 0
    assert "ansible/move-nifi.yml moves it" in said
    assert lake.started(1) == before
    said = lake.play("ansible/move-nifi.yml", "--check", nifi=2)
    assert f"NiFi moves from {lake.names[0]} to {lake.names[1]}" in said
    assert lake.started(1) == before


def test_2_it_moves_with_all_that_it_knows_and_a_run_that_is_interrupted_is_completed(
    lake: Lake, stored: Any
) -> None:
    spent = lake.spent(1)
    run = lake.call("ansible/move-nifi.yml", nifi=2)
    for line in run.stdout:
        if "Arrive | unpack" in line:
            os.killpg(run.pid, signal.SIGINT)
            break
    run.communicate(timeout=600)
    assert not lake.started(1)
    assert not lake.started(2)
    stopped = time.monotonic()
    done = threading.Event()

    def watch() -> None:
        while not done.wait(3):
            if lake.started(1):
                again.append("NiFi ran on the first host again")
            if lake.started(2) and "stopped" not in seen:
                seen["stopped"] = round(time.monotonic() - stopped)

    seen: dict[str, int] = {}
    again: list[str] = []
    watching = threading.Thread(target=watch)
    watching.start()
    lake.play("ansible/move-nifi.yml", nifi=2)
    done.set()
    watching.join(60)
    assert not again
    keep(moved_from_the_interruption_on=seen)
    assert lake.started(2)
    lake.ssh(1, "systemctl start nifi", check=False)
    assert not lake.started(1)
    assert lake.ssh(1, "systemctl is-enabled nifi", check=False).strip() == "disabled"
    assert lake.spent(2) >= spent
    collects(lake, stored)
    nothing_is_paid_twice(lake)
    state = json.loads(lake.ssh(2, "opslib flow status --format json"))
    assert {one["state"] for one in state["processors"]} == {"RUNNING"}


def test_3_it_comes_back_from_a_backup_when_its_host_is_destroyed(lake: Lake, stored: Any) -> None:
    lake.play("ansible/backup.yml", nifi=2)
    collects(lake, stored)
    spent = lake.spent(2)
    subprocess.run([ROOT / "bin/machine", "down", lake.names[1]], check=True, timeout=120)
    code, said = lake.played("site.yml", nifi=1, hosts=(1,))
    assert code != 0
    assert f"was on {lake.addresses[1]}, which cannot be asked" in said
    assert not lake.started(1)
    lake.play("ansible/move-nifi.yml", nifi=1, hosts=(1,), move_from="backup")
    assert lake.started(1)
    collects(lake, stored)
    # Of the two moves each may have had a page in flight.
    nothing_is_paid_twice(lake, pages=2)
    assert lake.spent(1) > 0
    keep(spent_before_the_loss=spent, spent_since=lake.spent(1))


def test_4_nothing_that_was_written_is_missing(lake: Lake, stored: Any) -> None:
    lake.x.quiet()
    written = set(lake.x.written)
    wait_until("all that was written is stored", lambda: written <= stored(), 600)
    keep(written=len(written))
    nothing_is_paid_twice(lake, pages=2)
