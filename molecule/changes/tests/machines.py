"""The machines of the scenario as a lake: its inventory, its playbooks, its clients."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import opened
import testinfra
import yaml
from ansible.parsing.vault import VaultLib, VaultSecret
from cryptography import x509
from kafka.admin import KafkaAdminClient
from played import Machines
from pymongo import MongoClient
from writing import Writers

if TYPE_CHECKING:
    from testinfra.host import Host

ROOT = Path(__file__).resolve().parents[3]
FOLDER = ROOT / "out/molecule" / os.environ.get("MOLECULE_SCENARIO_NAME", "changes")
MEMBERS = ("zookeeper", "kafka", "mongodb")
# The role's own lists are long, and none of them is about what changes here.
TOPICS = [{"name": "tweets.raw", "partitions": 6, "config": {}}]
ACLS = [{"principal": "opslib-sink", "topics": ["tweets.raw"], "operations": ["READ", "DESCRIBE"]}]
INVENTORY, VAULT = FOLDER / "inventory.json", FOLDER / "group_vars/all/vault.yml"
CA, CERTIFICATE = (str(FOLDER / "ca/operator" / name) for name in ("ca.pem", "operator.pem"))


def secrets() -> dict[str, Any]:
    """Return what the vault has; a playbook may have changed it meanwhile."""
    vault = VaultLib([("default", VaultSecret((FOLDER / "vault-password").read_bytes().strip()))])
    return yaml.safe_load(vault.decrypt(VAULT.read_bytes()))


def keep(**figures: Any) -> None:
    """Keep figures of the run, for the docs, with how busy the machine was in the five minutes before."""
    test = os.environ["PYTEST_CURRENT_TEST"].split("::")[-1].split(" ")[0]
    with (FOLDER / "figures.jsonl").open("a") as file:
        file.write(json.dumps({"test": test, **figures, "load": round(os.getloadavg()[1], 1)}) + "\n")


class Lake(Machines):
    """The machines, by number from 1, and an inventory that changes."""

    once: tuple[int, ...] = ()  # who has what there is once: NiFi, opslib, the page
    topic = "tweets.raw"  # which the writers of tests write to

    def __init__(self) -> None:
        super().__init__(FOLDER)
        if not VAULT.exists():
            # Beside the inventory, where an operator has it, and where a secret is changed.
            VAULT.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(FOLDER / "vault.yml", VAULT)
        # Those of its clusters, or all machines while nothing was deployed.
        self.hosts = list(range(1, len(self.names) + 1))
        if INVENTORY.exists():
            there = json.loads(INVENTORY.read_text())["trendlake"]["children"]["kafka"]["hosts"]
            self.hosts = [self.names.index(name) + 1 for name in there]

    def host(self, number: int) -> Host:
        where = f"ssh://{self.names[number - 1]}"
        return testinfra.get_host(where, ssh_config=str(FOLDER / "ssh_config"))

    def variables(self) -> dict[str, Any]:
        """Return what the inventory sets of the lake itself."""
        return {"kafka_topics": TOPICS, "kafka_acls": ACLS}

    def inventory(self, hosts: list[int], beside: tuple[int, ...] = ()) -> None:
        """Write the inventory of a lake whose layers are all on *hosts*; those *beside* have none of them."""
        self.hosts = hosts
        subnet = os.environ.get("TRENDLAKE_SUBNET", "10.77.0")
        self.write(
            INVENTORY,
            [*hosts, *beside],
            {**dict.fromkeys(MEMBERS, hosts), **dict.fromkeys(("nifi", "opslib", "web"), self.once)},
            # Packages that members do not need.
            common_security_updates=False,
            common_client_networks=[f"{subnet}.1"],
            tls_ca_directory=f"{FOLDER}/ca",
            **self.variables(),
        )

    def call(
        self, playbook: str, hosts: list[int], *arguments: str, beside: tuple[int, ...] = (), **variables: Any
    ) -> subprocess.Popen[str]:
        """Start a playbook for a lake on *hosts*."""
        self.inventory(hosts, beside)
        return self.start(INVENTORY, playbook, *arguments, **variables)

    def played(
        self, playbook: str, hosts: list[int], *arguments: str, beside: tuple[int, ...] = (), **variables: Any
    ) -> tuple[int, str]:
        """Return how a playbook for a lake on *hosts* ended and what it said."""
        began = time.monotonic()
        run = self.call(playbook, hosts, *arguments, beside=beside, **variables)
        said, _ = run.communicate(timeout=3600)
        keep(playbook=playbook, code=run.returncode, seconds=round(time.monotonic() - began))
        with (FOLDER / "playbooks.log").open("a") as log:
            log.write(f"== {playbook} {arguments} {variables}\n{said}\n")
        return run.returncode, said

    def play(self, playbook: str, hosts: list[int], *arguments: str, **variables: Any) -> str:
        """Return what a playbook said that ended well."""
        code, said = self.played(playbook, hosts, *arguments, **variables)
        assert code == 0, said[-6000:]
        return said

    def interrupted(
        self, moment: int, how: signal.Signals, *called: Any, after: str = "", **variables: Any
    ) -> bool:
        """Start a playbook, and end it when it has said *moment* lines, of which the first has *after* in it.

        Return whether that ended it: one that says less has ended well by itself.
        """
        # Ctrl-C as people have it, whatever makes runs of a test faster.
        plain = {"ANSIBLE_STRATEGY": "linear"} if how is signal.SIGINT else {}
        run = self.call(*called, environment=plain, **variables)
        assert run.stdout
        said, left = [], moment
        for line in run.stdout:
            said.append(line)
            if left < moment or after in line:
                left -= 1
            if not left:
                return self.end(run, how, said, playbook=called[0])
        run.communicate(timeout=600)
        assert run.returncode == 0, "".join(said)[-3000:]
        keep(interrupted=called[0], after=after, line=moment, said=moment - left)
        return False

    def end(self, run: subprocess.Popen[str], how: signal.Signals, said: list[str], playbook: str) -> bool:
        """End a playbook that has *said* these lines; return whether it was that which ended it."""
        # As Ctrl-C does, or a machine that dies: to all of the processes.
        os.killpg(run.pid, how)
        try:
            rest, _ = run.communicate(timeout=30)
        except subprocess.TimeoutExpired:
            # Ansible may wait for a lock of a worker that the first Ctrl-C ended, for good: once more.
            os.killpg(run.pid, how)
            rest, _ = run.communicate(timeout=600)
        code, at = run.returncode, "".join(said)[-300:]
        keep(interrupted=playbook, line=len(said), how=how.name, code=code, at=at)
        with (FOLDER / "playbooks.log").open("a") as log:
            log.write(f"== {playbook}\n{''.join(said)}== {how.name} ==\n{rest}\n== ended with {code} ==\n")
        return code != 0

    def kafka(self, hosts: list[int]) -> dict[str, Any]:
        return {
            "bootstrap_servers": [f"{self.addresses[one - 1]}:9093" for one in hosts],
            "security_protocol": "SSL",
            "ssl_cafile": CA,
            "ssl_certfile": CERTIFICATE,
            "ssl_keyfile": opened.operator_key(FOLDER / "ca", secrets()["tls_operator_p12_password"]),
        }

    def mongodb(self, hosts: list[int]) -> dict[str, Any]:
        return {
            "host": [self.addresses[one - 1] for one in hosts],
            "replicaSet": "trendlake",
            "tls": True,
            "tlsCAFile": CA,
            "username": "admin",
            "password": secrets()["mongodb_admin_password"],
            "serverSelectionTimeoutMS": 300_000,
        }

    def writers(self, hosts: list[int]) -> Writers:
        return Writers(self.kafka(hosts), self.mongodb(hosts), self.topic)

    def started(self, number: int) -> dict[str, str]:
        """Return when each service of a host was started."""
        said = self.host(number).check_output(f"systemctl show -p InvocationID {' '.join(MEMBERS)}")
        return dict(zip(MEMBERS, said.split()))

    def certificate(self, number: int, service: str) -> x509.Certificate:
        """Return the certificate that a service of a host has in its files."""
        text = self.host(number).check_output(f"cat /etc/{service}/tls/cert.pem")
        return x509.load_pem_x509_certificate(text.encode())

    def nothing_is_pending(self) -> None:
        """Hold that each cluster is whole, and that all of it runs with what its files say."""
        units = " ".join(f"{name}.service" for name in MEMBERS)
        for number in self.hosts:
            for service in MEMBERS:
                said = json.loads(self.host(number).check_output(f"/etc/{service}/cluster --wait 300"))
                assert said["whole"]
            said = json.loads(
                self.host(number).check_output(f"/usr/local/lib/trendlake/started pending {units}")
            )
            assert {unit["state"] for unit in said.values()} == {"active"}
            assert [unit["differs"] for unit in said.values()] == [[]] * len(MEMBERS)

    def hand_over(self, number: int) -> None:
        """Have another member than *number* be MongoDB's primary."""
        alone = {**self.mongodb([number]), "replicaSet": None, "directConnection": True}
        with MongoClient(**alone) as client:
            if client.admin.command("hello")["isWritablePrimary"]:
                client.admin.command("replSetStepDown", 30, secondaryCatchUpPeriodSecs=20)

    def whole(self, hosts: list[int]) -> None:
        """Hold that the clusters have these hosts and are whole, each partition three times if it can."""
        for number in hosts:
            for service in MEMBERS:
                said = json.loads(self.host(number).check_output(f"/etc/{service}/cluster --wait 300"))
                assert said["whole"]
        assert "members in sync" in self.host(hosts[0]).check_output("/etc/zookeeper/cluster")
        admin = KafkaAdminClient(**self.kafka(hosts))
        partitions = [one for topic in admin.describe_topics() for one in topic["partitions"]]
        admin.close()
        assert partitions
        assert {len(one["replica_nodes"]) for one in partitions} == {min(3, len(hosts))}
        with MongoClient(**self.mongodb(hosts)) as client:
            members = client.admin.command("replSetGetConfig")["config"]["members"]
        assert sorted(one["host"].split(":")[0] for one in members) == sorted(
            self.addresses[one - 1] for one in hosts
        )
        assert all(one["votes"] == 1 for one in members)


def nothing_lost(writers: Writers, **what: Any) -> None:
    """Hold that all that was acknowledged is there; *what* was done is kept with the figures."""
    lost = writers.lost()
    keep(**what, **writers.figures(), lost={service: len(names) for service, names in lost.items()})
    assert lost == {"kafka": set(), "mongodb": set()}, writers.refused[-5:]
