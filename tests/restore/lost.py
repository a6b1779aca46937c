"""A lake that is lost with its machine and its control node, and what is known of it before and after."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests
from chaos import ROOT, Machine, wait_until
from kafka import KafkaConsumer, TopicPartition
from kafka.admin import KafkaAdminClient

FOLDER = ROOT / "out" / "molecule" / "default"
TWEETS = Path(
    os.environ.get("TRENDLAKE_TEST_TWEETS") or ROOT.parent / "shared" / "data" / "tweets" / "pt.txt"
)
# What writes to MongoDB, so that it holds still while the last backup is made and looked at.
WRITERS = "'opslib-sink@*' opslib-stats opslib-rollup opslib-speed 'opslib-*.timer' opslib-report"
_CONTROL = "http://127.0.0.1:8090/_control/"
_CALL = (
    "import sys, urllib.request as u; b = sys.stdin.buffer.read() or None; "
    "r = u.Request(sys.argv[1], data=b, method=sys.argv[2]); print(u.urlopen(r, timeout=60).read().decode())"
)
_ROWS = (
    "import json, sqlite3, sys; c = sqlite3.connect('file:' + sys.argv[1] + '?mode=ro', uri=True); "
    "t = [n for n, in c.execute(\"SELECT name FROM sqlite_master WHERE type = 'table'\")]; "
    "print(json.dumps({n: c.execute('SELECT * FROM ' + n).fetchall() for n in t}))"
)
_STATE = "/root/state-of-x.json"
_PUT = "/root/put-state-of-x"
_FILE = "/var/lib/opslib/simulate/tweets"


def ssh(name: str, command: str, given: bytes = b"") -> bytes:
    """Run a shell command on a machine of the scenario, and return what it wrote."""
    done = subprocess.run(
        ["ssh", "-F", FOLDER / "ssh_config", name, command], input=given, capture_output=True, check=False
    )
    assert done.returncode == 0, f"{command}: {done.stderr.decode()[-1500:]}"
    return done.stdout


@dataclass
class X:
    """The local X API. It runs on the machine, and is to outlive it, as X does."""

    name: str

    def call(self, path: str, method: str = "GET", body: bytes = b"") -> Any:
        return json.loads(ssh(self.name, shlex.join(["python3", "-c", _CALL, _CONTROL + path, method]), body))

    def write(self, number: int, hashtag: str) -> list[int]:
        """Let people write tweets with *hashtag*; return their ids."""
        texts = [f"volta {n} {hashtag} nada se perde {time.monotonic_ns()}" for n in range(number)]
        body = "\n".join(json.dumps({"text": text, "lang": "pt"}) for text in texts)
        return [int(one) for one in self.call("tweets", "POST", body.encode())["added"]]

    def returned(self) -> dict[str, int]:
        """Return how often each tweet was given out to searches."""
        return dict(self.call("ledger")["returned"])


def written_at(name: str) -> str:
    """Return when the file was written whose tweets the local X API has: their times and ids hang on it."""
    return ssh(name, f"stat -c %y {_FILE}").decode().strip()


def let_outlive(state: bytes, written: str, name: str) -> None:
    """Let the X API of a blank machine begin with *state* whenever it is started, before anybody asks it."""
    put = shlex.join(["/usr/bin/python3", "-c", _CALL, f"{_CONTROL}state", "PUT"])
    folder = "/etc/systemd/system/opslib-simulate.service.d"
    ssh(name, f"install -d {folder} && cat > {_STATE}", state)
    ssh(name, f"cat > {_PUT} && chmod 700 {_PUT}", f"#!/bin/sh\nexec {put} < {_STATE}\n".encode())
    touch = shlex.join(["/usr/bin/touch", "-d", written, _FILE])
    ssh(
        name,
        f"cat > {folder}/state.conf",
        f"[Service]\nExecStartPre=+{touch}\nExecStartPost=+{_PUT}\n".encode(),
    )


@dataclass
class ControlNode:
    """The inventory, with vault and authority, that the playbooks are run with."""

    machine: str
    store: str
    folder: Path = FOLDER / "inventory"

    def make(self) -> None:
        """Write the inventory as an operator has it: with a vault, and the authority beside it."""
        config = (FOLDER / "ssh_config").read_text()
        found = re.search(rf"^Host {self.store} .*\n\s+HostName (\S+)", config, re.MULTILINE)
        identity = re.search(r"IdentityFile (\S+)", config)
        assert found
        assert identity
        groups = ("zookeeper", "kafka", "mongodb", "nifi", "opslib", "web")
        hosts = {
            "trendlake": {
                "hosts": {
                    self.machine: {
                        "ansible_host": f"{self.machine}.example",
                        "ansible_user": "admin",
                        "ansible_become_pass": "admin",
                        "ansible_ssh_common_args": f"-F {FOLDER}/ssh_config",
                    }
                },
                "children": {group: {"hosts": {self.machine: {}}} for group in groups},
            },
            "store": {
                "hosts": {
                    self.store: {
                        "ansible_host": found[1],
                        "ansible_private_key_file": identity[1],
                    }
                }
            },
        }
        variables = self.folder / "group_vars" / "all"
        variables.mkdir(parents=True, exist_ok=True)
        (self.folder / "hosts.yml").write_text(json.dumps(hosts))
        # Of those that say the same the last one counts, by the alphabet.
        shutil.copy(ROOT / "inventory/demo/group_vars/all/main.yml", variables / "1-demo.yml")
        shutil.copy(ROOT / "molecule/shared/vars/scenario.yml", variables / "3-scenario.yml")
        shutil.copy(FOLDER / "vault.yml", variables / "2-vault.yml")

    def play(self, playbook: str, **variables: Any) -> tuple[int, str]:
        """Return how a playbook ended and what it said."""
        command = ["ansible-playbook", "-i", self.folder, ROOT / "ansible" / playbook]
        command += ["--vault-password-file", FOLDER / "vault-password", "-e", json.dumps(variables)]
        scenario = {"MOLECULE_PROJECT_DIRECTORY": str(ROOT), "MOLECULE_SCENARIO_NAME": "default"}
        own = {"ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_NOCOLOR": "1"}
        done = subprocess.run(
            command,
            cwd=ROOT,
            env={**os.environ, **scenario, **own, "TRENDLAKE_TEST_TWEETS": str(TWEETS)},
            capture_output=True,
            text=True,
            check=False,
            timeout=1800,
        )
        (ROOT / "out" / "test").mkdir(parents=True, exist_ok=True)
        log = ROOT / "out" / "test" / f"{Path(playbook).stem}.log"
        log.write_text(done.stdout + done.stderr)
        return done.returncode, done.stdout + done.stderr

    def lose(self) -> None:
        """Lose what the control node alone has; a copy stays for whoever looks into a failure."""
        kept = FOLDER / "lost"
        shutil.rmtree(kept, ignore_errors=True)
        kept.mkdir()
        shutil.move(self.folder, kept / "inventory")
        shutil.move(FOLDER / "ca", kept / "ca")

    def restore(self, repository: str, password: str) -> None:
        """Take it out of the newest backup, as docs/backup.md says."""
        sftp = f"sftp.command=ssh -F {FOLDER}/ssh_config {self.store} -s sftp"
        command = ["restic", "--no-cache", "-r", repository, "-o", sftp]
        command += ["dump", "latest", "--tag", "part:control", "/control.tar"]
        tar = subprocess.run(
            command, env={**os.environ, "RESTIC_PASSWORD": password}, capture_output=True, check=True
        ).stdout
        # Locks come along too; they are those of this project.
        subprocess.run(["tar", "--extract", "--directory", ROOT, "out"], input=tar, check=True)


@dataclass
class Known:
    """What is known of a lake at a moment."""

    documents: dict[str, list[dict[str, Any]]] = field(default_factory=dict)  # by collection
    budget: dict[str, list[list[Any]]] = field(default_factory=dict)  # rows by table
    users: dict[str, list[list[Any]]] = field(default_factory=dict)
    returned: dict[str, int] = field(default_factory=dict)  # by X, to searches
    # By group: the messages that it has yet to read.
    ahead: dict[str, list[bytes]] = field(default_factory=dict)

    def ids(self) -> set[int]:
        return {one["_id"] for one in self.documents["tweets"]}


def documents(machine: Machine) -> dict[str, list[dict[str, Any]]]:
    names = [name for name in machine.database.list_collection_names() if not name.startswith("system.")]
    return {name: list(machine.database[name].find()) for name in names}


def rows(name: str, database: str) -> dict[str, list[list[Any]]]:
    found: dict[str, list[list[Any]]] = json.loads(ssh(name, shlex.join(["python3", "-c", _ROWS, database])))
    return found


def ahead(machine: Machine) -> dict[str, list[bytes]]:
    """Return by group the values that are behind where it stands, in the topics that are saved."""
    admin = KafkaAdminClient(**machine.kafka)
    consumer = KafkaConsumer(**machine.kafka, consumer_timeout_ms=5000, enable_auto_commit=False)
    try:
        found = {}
        for group in sorted(one["group_id"] for one in admin.list_groups()):
            stands = admin.list_group_offsets({group: None})[group]
            places = {TopicPartition(*one): at.offset for one, at in stands.items() if one[0] == "tweets.raw"}
            ends = consumer.end_offsets(list(places)) if places else {}
            open_ = {one: at for one, at in places.items() if at < ends[one]}
            consumer.assign(list(open_))
            for one, at in open_.items():
                consumer.seek(one, at)
            wanted = sum(ends[one] - at for one, at in open_.items())
            found[group] = sorted(one.value for _, one in zip(range(wanted), consumer))
        return found
    finally:
        consumer.close()
        admin.close()


@dataclass
class Visitor:
    """Somebody who is logged in to the page."""

    address: str
    ca: str
    name: str
    password: str

    def __post_init__(self) -> None:
        self.session = requests.Session()
        self.session.trust_env = False
        self.session.verify = self.ca

    def log_in(self) -> str:
        """Log in; return the page that this ends at."""
        form = self.session.get(f"https://{self.address}/login", timeout=300).text
        token = re.search(r'name="form_token" value="(\w+)"', form)
        assert token
        data = {"name": self.name, "password": self.password, "form_token": token[1], "next": "/operations"}
        return self.session.post(f"https://{self.address}/login", data=data, timeout=300).url

    def is_known(self) -> bool:
        return self.session.get(f"https://{self.address}/api/places", timeout=300).status_code == 200


def stored(machine: Machine, ids: list[int], what: str, seconds: float = 300) -> None:
    """Wait until MongoDB has all of *ids*."""
    wait_until(
        f"MongoDB has {what}",
        lambda: machine.database.tweets.count_documents({"_id": {"$in": ids}}) == len(ids),
        seconds,
    )
