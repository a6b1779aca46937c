"""Changes without loss: more hosts, another one, fewer, a bad setting, and runs that are interrupted."""

from __future__ import annotations

import functools
import json
import os
import random
import re
import signal
import subprocess
import time
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


def keep(**figures: Any) -> None:
    """Keep figures of the run, for the docs."""
    with (FOLDER / "figures.jsonl").open("a") as file:
        file.write(json.dumps({"test": os.environ["PYTEST_CURRENT_TEST"].split("::")[-1], **figures}) + "\n")


class Lake:
    """The machines, by number from 1, and an inventory that changes."""

    def __init__(self) -> None:
        text = (FOLDER / "ssh_config").read_text()
        found = re.findall(r"^Host (\S+) \S+\n\s+HostName (\S+)", text, re.MULTILINE)
        self.names, self.addresses = [one[0] for one in found], [one[1] for one in found]

    def host(self, number: int) -> Host:
        where = f"ssh://{self.names[number - 1]}"
        return testinfra.get_host(where, ssh_config=str(FOLDER / "ssh_config"))

    def call(
        self, playbook: str, hosts: list[int], *arguments: str, beside: tuple[int, ...] = (), **variables: Any
    ) -> subprocess.Popen[str]:
        """Start a playbook for a lake whose layers are all on *hosts*; those *beside* have none of them."""
        subnet = os.environ.get("TRENDLAKE_SUBNET", "10.77.0")
        names = [self.names[one - 1] for one in hosts]
        machines = {
            self.names[one - 1]: {"ansible_host": self.addresses[one - 1]} for one in (*hosts, *beside)
        }
        inventory = {
            "trendlake": {
                "hosts": machines,
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
        command += [
            "--vault-password-file",
            FOLDER / "vault-password",
            "-e",
            json.dumps(variables),
            *arguments,
        ]
        return subprocess.Popen(
            command,
            cwd=ROOT,
            env={**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_NOCOLOR": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def play(self, playbook: str, hosts: list[int], *arguments: str, **variables: Any) -> str:
        """Return what a playbook said that ended well."""
        code, said = self.played(playbook, hosts, *arguments, **variables)
        assert code == 0, said[-6000:]
        return said

    def interrupted(self, moment: int, how: signal.Signals, *called: Any, **variables: Any) -> bool:
        """Start a playbook, and end it when it has said *moment* lines; return whether it got so far."""
        run = self.call(*called, **variables)
        assert run.stdout
        said = [line for _, line in zip(range(moment), run.stdout)]
        ended = len(said) == moment
        if ended:
            # As Ctrl-C does, or a machine that dies: to all of the processes.
            os.killpg(run.pid, how)
        run.communicate(timeout=600)
        keep(interrupted=called[0], line=moment, how=how.name, at="".join(said)[-300:])
        return ended

    def played(self, playbook: str, hosts: list[int], *arguments: str, **variables: Any) -> tuple[int, str]:
        """Return how a playbook ended and what it said."""
        began = time.monotonic()
        run = self.call(playbook, hosts, *arguments, **variables)
        said, _ = run.communicate(timeout=1800)
        keep(playbook=playbook, hosts=hosts, code=run.returncode, seconds=round(time.monotonic() - began))
        with (FOLDER / "playbooks.log").open("a") as log:
            log.write(f"== {playbook} {hosts} {arguments} {variables}\n{said}\n")
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


def nothing_lost(writers: Writers) -> None:
    """Hold that all that was acknowledged is there."""
    lost = writers.lost()
    keep(**writers.figures(), lost={service: len(names) for service, names in lost.items()})
    assert lost == {"kafka": set(), "mongodb": set()}


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
    nothing_lost(writers)


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
    nothing_lost(writers)
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
    nothing_lost(writers)
    ids = [
        lake.host(number).check_output("grep broker.id= /etc/kafka/server.properties") for number in (1, 3, 4)
    ]
    assert sorted(ids) == ["broker.id=1", "broker.id=2", "broker.id=3"]


# Each run is ended at one of these, as long as there is something left for it to do.
MOMENTS = random.Random(16)  # noqa: S311 - no secret


def test_6_a_roll_that_is_interrupted_again_and_again_is_completed_by_the_next_run(lake: Lake) -> None:
    hosts = [1, 3, 4]
    before = [lake.started(number)["kafka"] for number in hosts]
    for number in hosts:
        lake.host(number).check_output("echo '# touched' >> /etc/kafka/log4j.properties")
    writers = lake.writers(hosts)
    with writers.going_on():
        for _ in range(5):
            moment, how = MOMENTS.randrange(5, 60), MOMENTS.choice([signal.SIGINT, signal.SIGKILL])
            lake.interrupted(moment, how, "ansible/roll.yml", hosts, "--tags", "kafka")
        lake.play("ansible/roll.yml", hosts, "--tags", "kafka")
    lake.whole(hosts)
    nothing_lost(writers)
    assert all(was != lake.started(number)["kafka"] for was, number in zip(before, hosts))
    assert "kafka: nothing is pending" in lake.play("ansible/roll.yml", hosts, "--tags", "kafka")


def test_7_three_hosts_become_one(lake: Lake) -> None:
    gone = ",".join(lake.addresses[number - 1] for number in (3, 4))
    lake.hand_over(1)
    writers = lake.writers([1, 3, 4])
    with writers.going_on():
        code, said = lake.played("ansible/member.yml", [1], member_retire=gone)
        assert code != 0
        assert "runs Kafka" in said
        lake.play("ansible/member.yml", [1], beside=(3, 4), member_retire=gone)
    lake.whole([1])
    nothing_lost(writers)
    for number in (3, 4):
        for service in MEMBERS:
            assert not lake.host(number).service(service).is_running
            assert not lake.host(number).service(service).is_enabled


def test_8_growth_that_is_interrupted_again_and_again_is_completed_by_the_next_run(lake: Lake) -> None:
    code, said = lake.played("ansible/member.yml", [1, 3, 4])
    assert code != 0
    assert "was a member before" in said
    away = ",".join(lake.names[number - 1] for number in (3, 4))
    lake.play("ansible/remove.yml", [1], "--limit", away, beside=(3, 4), remove="yes")
    writers = lake.writers([1])
    with writers.going_on():
        for _ in range(5):
            moment, how = MOMENTS.randrange(100, 700), MOMENTS.choice([signal.SIGINT, signal.SIGKILL])
            lake.interrupted(moment, how, "ansible/member.yml", [1, 3, 4])
        lake.play("ansible/member.yml", [1, 3, 4])
    lake.whole([1, 3, 4])
    nothing_lost(writers)
