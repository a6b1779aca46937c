"""Changes without loss: one host becomes three, a bad setting stops at one, a dead host is replaced."""

from __future__ import annotations

import functools
import json
import os
import re
import signal
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import opened
import pytest
import testinfra
import yaml
from ansible.parsing.vault import VaultLib, VaultSecret
from kafka.admin import KafkaAdminClient
from pymongo import MongoClient
from writing import Writers

if TYPE_CHECKING:
    from testinfra.host import Host

ROOT = Path(__file__).resolve().parents[3]
FOLDER = ROOT / "out/molecule" / os.environ.get("MOLECULE_SCENARIO_NAME", "changes")
MEMBERS = ("zookeeper", "kafka", "mongodb")
CA, CERTIFICATE = (str(FOLDER / "ca/operator" / name) for name in ("ca.pem", "operator.pem"))


@functools.cache
def secrets() -> dict[str, Any]:
    vault = VaultLib([("default", VaultSecret((FOLDER / "vault-password").read_bytes().strip()))])
    return yaml.safe_load(vault.decrypt((FOLDER / "vault.yml").read_bytes()))


class Lake:
    """The machines, by number from 1, and an inventory that changes."""

    def __init__(self) -> None:
        text = (FOLDER / "ssh_config").read_text()
        found = re.findall(r"^Host (\S+) \S+\n\s+HostName (\S+)", text, re.MULTILINE)
        self.names, self.addresses = [one[0] for one in found], [one[1] for one in found]

    def host(self, number: int) -> Host:
        where = f"ssh://{self.names[number - 1]}"
        return testinfra.get_host(where, ssh_config=str(FOLDER / "ssh_config"))

    def call(self, playbook: str, hosts: list[int], **variables: Any) -> subprocess.Popen[str]:
        """Start a playbook for a lake whose layers are all on *hosts*."""
        subnet = os.environ.get("TRENDLAKE_SUBNET", "10.77.0")
        names = {self.names[one - 1]: {"ansible_host": self.addresses[one - 1]} for one in hosts}
        inventory = {
            "trendlake": {
                "hosts": names,
                "vars": {
                    "ansible_user": "root",
                    "ansible_ssh_common_args": f"-F {FOLDER}/ssh_config",
                    "common_memory_mb": 4096,
                    "common_client_networks": [f"{subnet}.1"],
                    "tls_ca_directory": f"{FOLDER}/ca",
                },
                "children": {
                    **{group: {"hosts": {name: {} for name in names}} for group in MEMBERS},
                    **{group: {"hosts": {}} for group in ("nifi", "opslib", "web")},
                },
            }
        }
        (FOLDER / "inventory.json").write_text(json.dumps(inventory))
        command = [
            "ansible-playbook",
            "-i",
            FOLDER / "inventory.json",
            ROOT / playbook,
            "-e",
            f"@{FOLDER}/vault.yml",
        ]
        command += ["--vault-password-file", FOLDER / "vault-password", "-e", json.dumps(variables)]
        return subprocess.Popen(
            command,
            cwd=ROOT,
            env={**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_NOCOLOR": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def play(self, playbook: str, hosts: list[int], **variables: Any) -> str:
        """Return what a playbook said that ended well."""
        code, said = self.played(playbook, hosts, **variables)
        assert code == 0, said[-6000:]
        return said

    def played(self, playbook: str, hosts: list[int], **variables: Any) -> tuple[int, str]:
        """Return how a playbook ended and what it said."""
        run = self.call(playbook, hosts, **variables)
        said, _ = run.communicate(timeout=1800)
        return run.returncode, said

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
        return Writers(self.kafka(hosts), self.mongodb(hosts))

    def started(self, number: int) -> dict[str, str]:
        """Return when each service of a host was started."""
        said = self.host(number).check_output(f"systemctl show -p InvocationID {' '.join(MEMBERS)}")
        return dict(zip(MEMBERS, said.split()))

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
        assert {len(one["replicas"]) for one in partitions} == {min(3, len(hosts))}
        with MongoClient(**self.mongodb(hosts)) as client:
            members = client.admin.command("replSetGetConfig")["config"]["members"]
        assert sorted(one["host"].split(":")[0] for one in members) == sorted(
            self.addresses[one - 1] for one in hosts
        )
        assert all(one["votes"] == 1 for one in members)


@pytest.fixture(scope="module")
def lake() -> Lake:
    return Lake()


def test_1_one_host_becomes_three_while_it_is_written_to_and_a_run_is_interrupted(lake: Lake) -> None:
    lake.play("site.yml", [1])
    before = lake.started(1)
    code, said = lake.played("site.yml", [1, 2, 3])
    assert code != 0
    assert "ansible/member.yml" in said
    assert lake.started(1) == before
    writers = lake.writers([1])
    with writers.going_on():
        run = lake.call("ansible/member.yml", [1, 2, 3])
        assert run.stdout
        for line in run.stdout:
            if "get their vote" in line:
                # As Ctrl-C does, to all of the processes.
                os.killpg(run.pid, signal.SIGINT)
                break
        run.communicate(timeout=600)
        lake.play("ansible/member.yml", [1, 2, 3])
    lake.whole([1, 2, 3])
    assert writers.lost() == {"kafka": set(), "mongodb": set()}


def test_2_a_list_in_another_order_changes_nothing(lake: Lake) -> None:
    before = [lake.started(number) for number in (1, 2, 3)]
    said = lake.play("site.yml", [3, 1, 2])
    assert re.findall(r"changed=(\d+)", said) == ["0"] * 4, said[-3000:]
    assert [lake.started(number) for number in (1, 2, 3)] == before


def test_3_a_bad_setting_takes_one_broker_down_and_the_next_run_goes_on(lake: Lake) -> None:
    before = [lake.started(number)["kafka"] for number in (1, 2, 3)]
    writers = lake.writers([1, 2, 3])
    with writers.going_on():
        code, said = lake.played("site.yml", [1, 2, 3], kafka_properties={"num.io.threads": "many"})
        assert code != 0
        assert "did not come back" in said
        assert "num.io.threads" in said
        running = [lake.host(number).service("kafka").is_running for number in (1, 2, 3)]
        after = [lake.started(number)["kafka"] for number in (1, 2, 3)]
        assert sum(was == now for was, now in zip(before, after)) == 2
        writers.more()
        lake.play("site.yml", [1, 2, 3], kafka_properties={"num.io.threads": "9"})
    assert running.count(True) >= 2
    lake.whole([1, 2, 3])
    assert writers.lost() == {"kafka": set(), "mongodb": set()}
    now = [lake.started(number)["kafka"] for number in (1, 2, 3)]
    assert all(was != one for was, one in zip(before, now))


def test_4_what_an_interrupted_run_left_pending_is_restarted_by_the_next_one(lake: Lake) -> None:
    lake.host(2).check_output("echo '# touched' >> /etc/zookeeper/logback.xml")
    before = [lake.started(number)["zookeeper"] for number in (1, 2, 3)]
    said = lake.play("ansible/roll.yml", [1, 2, 3])
    assert "changed since its start: /etc/zookeeper/logback.xml" in said
    after = [lake.started(number)["zookeeper"] for number in (1, 2, 3)]
    assert [was == now for was, now in zip(before, after)] == [True, False, True]


def test_5_a_new_host_takes_the_place_of_a_dead_one(lake: Lake) -> None:
    dead = lake.addresses[1]
    subprocess.run([ROOT / "bin/machine", "down", lake.names[1]], check=True, timeout=120)
    writers = lake.writers([1, 3])
    with writers.going_on():
        code, said = lake.played("ansible/member.yml", [1, 3, 4])
        assert code != 0
        assert f"member_retire={dead}" in said
        lake.play("ansible/member.yml", [1, 3, 4], member_retire=dead)
    lake.whole([1, 3, 4])
    assert writers.lost() == {"kafka": set(), "mongodb": set()}
    ids = [
        lake.host(number).check_output("grep broker.id= /etc/kafka/server.properties") for number in (1, 3, 4)
    ]
    assert sorted(ids) == ["broker.id=1", "broker.id=2", "broker.id=3"]
