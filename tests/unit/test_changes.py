"""What is pending, whose turn it is, and who is a member: what the role `service` decides by looking."""

from __future__ import annotations

import json
import os
import struct
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import roles

SERVICE = Path(__file__).parents[2] / "roles/service"


service = roles.module("service/filter_plugins/service.py")
members = roles.module("service/filter_plugins/members.py")
spread = roles.module("kafka/files/spread.py")
metadata = roles.module("kafka/files/metadata.py")

ADDRESSES = {f"lake-{number}": f"10.0.0.{number}" for number in range(1, 8)}


# ---- what a unit was started with


class Unit:
    """A unit with files, as the program `started` sees it; systemd is a script that says what it is told."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.state, self.reload = folder, "active", "no"
        self.invocation = "of the first start"
        self.began: float | None = None  # on the monotonic clock, where it is recorded after that
        self.unit, self.settings = folder / "a.service", folder / "a.conf"
        self.release = folder / "current"
        (folder / "1").mkdir()
        (folder / "1/.archive-sha256").write_text("one")
        self.release.symlink_to("1")
        self.unit.write_text("[Service]")
        self.settings.write_text("a=1")
        (folder / "tls").mkdir()
        (folder / "tls/cert.pem").write_text("certificate")

    def _run(self, *arguments: str) -> str:
        systemctl = self.folder / "bin/systemctl"
        systemctl.parent.mkdir(exist_ok=True)
        systemctl.write_text(
            f"#!/bin/sh\ncase $3 in ActiveState) echo ActiveState={self.state} ;;"
            f" NeedDaemonReload) echo NeedDaemonReload={self.reload} ;;"
            f" InvocationID) echo InvocationID={self.invocation} ;;"
            f" SubState) echo SubState={'start-pre' if self.began is None else 'start-post'} ;;"
            f" ExecMainStartTimestampMonotonic) echo $3={(self.began or 0) * 1e6:.0f} ;; esac\n"
        )
        systemctl.chmod(0o755)
        environment = {
            "PATH": f"{systemctl.parent}:{os.environ['PATH']}",
            "TRENDLAKE_STARTED": str(self.folder / "run"),
            "INVOCATION_ID": self.invocation,
        }
        run = subprocess.run(
            [sys.executable, SERVICE / "files/started", *arguments],
            env=environment, capture_output=True, text=True, check=True, timeout=600,
        )  # fmt: skip
        return run.stdout

    def start(self) -> None:
        paths = (self.unit, self.settings, self.release)
        self._run("record", "a.service", *map(str, paths), f"{self.folder}/tls/")

    def differs(self) -> list[str]:
        said = json.loads(self._run("pending", "a.service"))["a.service"]
        assert said["state"] == self.state
        return [str(name).replace(f"{self.folder}/", "") for name in said["differs"]]


@pytest.fixture
def unit(tmp_path: Path) -> Unit:
    return Unit(tmp_path)


def test_nothing_is_pending_of_a_unit_whose_files_are_those_it_was_started_with(unit: Unit) -> None:
    unit.start()
    assert unit.differs() == []
    unit.settings.touch()
    assert unit.differs() == []


def test_each_file_that_changes_after_the_start_is_pending_until_the_next_one(unit: Unit) -> None:
    unit.start()
    unit.settings.write_text("a=2")
    (unit.folder / "tls/cert.pem").write_text("renewed")
    (unit.folder / "tls/more.pem").write_text("new")
    assert unit.differs() == ["a.conf", "tls/cert.pem", "tls/more.pem"]
    unit.start()
    assert unit.differs() == []


def test_another_release_is_pending_whether_the_link_or_what_it_points_to_changed(unit: Unit) -> None:
    unit.start()
    (unit.folder / "1/.archive-sha256").write_text("built anew")
    assert unit.differs() == ["current"]
    unit.start()
    (unit.folder / "2").mkdir()
    unit.release.unlink()
    unit.release.symlink_to("2")
    assert unit.differs() == ["current"]


def test_what_an_administrator_puts_beside_the_unit_is_pending(unit: Unit) -> None:
    unit.start()
    (unit.folder / "a.service.d").mkdir()
    (unit.folder / "a.service.d/override.conf").write_text("[Service]\nEnvironment=https_proxy=http://proxy")
    assert unit.differs() == ["a.service.d/override.conf"]


# Clocks of files and of the machine may differ by moments, in a container's file system by more.
AN_HOUR = 3600


def test_what_is_written_while_a_unit_starts_is_pending_where_that_is_recorded_after_it(unit: Unit) -> None:
    unit.began = time.monotonic() + AN_HOUR
    unit.start()
    assert unit.differs() == []
    unit.began = time.monotonic() - AN_HOUR
    unit.start()
    assert unit.differs() == ["a.conf", "a.service", "current", "tls/cert.pem"]


def test_a_unit_that_systemd_started_as_it_was_loaded_before_is_pending(unit: Unit) -> None:
    unit.reload = "yes"
    unit.start()
    assert unit.differs() == ["a.service"]


def test_a_unit_of_before_that_runs_is_pending_and_one_that_does_not_run_is_not(unit: Unit) -> None:
    assert unit.differs() == ["nothing recorded what it was started with"]
    unit.state = "inactive"
    assert unit.differs() == []


def test_what_a_unit_of_before_started_since_is_pending_whatever_was_recorded_of_an_earlier_start(
    unit: Unit,
) -> None:
    unit.start()
    unit.invocation = "of a start that nothing recorded"
    assert unit.differs() == ["nothing recorded what it was started with"]
    unit.state = "inactive"
    assert unit.differs() == []
    unit.state = "active"
    unit.start()
    assert unit.differs() == []


# ---- whose turn it is


def host(state: str = "active", differs: tuple[str, ...] = (), leads: bool = False) -> dict[str, Any]:
    return {
        "_service_pending": {"stdout": json.dumps({"a.service": {"state": state, "differs": list(differs)}})},
        "_service_seen": {"stdout": json.dumps({"whole": True, "leads": leads})},
    }


def order(hosts: dict[str, Any], roll: dict[str, Any] | None = None) -> list[str]:
    return [turn["host"] for turn in service.service_turns(list(hosts), hosts, roll)]


def test_who_is_down_comes_first_and_who_leads_last() -> None:
    changed = ("a.conf",)
    hosts = {
        "lake-1": host(differs=changed, leads=True),
        "lake-2": host(differs=changed),
        "lake-3": host(state="activating", differs=changed),
        "lake-4": host(),
        "lake-5": host(state="failed"),
    }
    assert order(hosts) == ["lake-3", "lake-5", "lake-2", "lake-1"]


def test_hosts_that_are_named_are_restarted_and_no_other_and_what_does_not_run_is_not_started() -> None:
    hosts = {
        "lake-1": host(),
        "lake-2": host(),
        "lake-3": host(state="inactive"),
        "lake-4": host(differs=("x",)),
    }
    assert order(hosts, {"restart": True, "hosts": []}) == ["lake-1", "lake-2", "lake-4"]
    assert order(hosts, {"restart": True, "hosts": ["lake-2", "lake-3"]}) == ["lake-2"]
    assert order(hosts, {"restart": False, "hosts": ["lake-2"]}) == []


def test_a_host_that_said_nothing_has_no_turn() -> None:
    assert order({"lake-1": {}, "lake-2": {"_service_pending": {"skipped": True}}}) == []


def test_what_stops_a_roll_says_who_was_left_alone_and_what_was_seen() -> None:
    hosts = {name: host(differs=("a.conf",)) for name in ("lake-1", "lake-2", "lake-3")}
    turns = service.service_turns(list(hosts), hosts, None)
    trace = [f"\tat kafka.Kafka$.step{number}(Kafka.scala:{number})" for number in range(30)]
    journal = "\n".join(["Invalid value x", *trace, "Failed to start."])
    failed = {"msg": "One or more items failed", "results": [{"failed": True, "msg": "it has ended"}]}
    said = service.service_stopped(turns[1], "kafka", "starts", failed, journal)
    assert "kafka on lake-2 did not come back; lake-3 was left as it is. it has ended" in said
    assert "Invalid value x\nFailed to start." in said
    before = service.service_stopped(turns[0], "kafka", "before", {"stderr": "broker 3 is gone"}, "")
    assert "lake-1 was not touched; lake-2, lake-3 was left as it is" in before
    assert "broker 3 is gone" in before


# ---- who is a member


def zookeeper(number: int, listed: dict[int, str], version: int = 0) -> dict[str, Any]:
    return {"id": number, "members": {str(key): value for key, value in listed.items()}, "version": version}


def found(**clusters: dict[str, Any]) -> dict[str, Any]:
    """Return what is found of one cluster, whose group has the hosts that are named."""
    ((name, looks),) = clusters.items()
    asked = {host: {name: look} for host, look in looks.items() if look != "silent"}
    result = members.service_members(asked, {name: list(looks)}, ADDRESSES)
    assert result[name]["ids"].keys() == looks.keys()
    return dict(result[name])


def test_a_lake_that_is_yet_to_be_made_counts_in_the_order_of_the_group() -> None:
    for name in ("zookeeper", "kafka"):
        seen = found(**{name: {"lake-2": None, "lake-1": None}})
        assert seen["ids"] == {"lake-2": 1, "lake-1": 2}
        assert not seen["new"]
        assert not seen["gone"]


@given(st.permutations(["lake-1", "lake-2", "lake-3"]), st.permutations([1, 2, 3]))
def test_a_list_in_another_order_changes_nothing(hosts: list[str], numbers: list[int]) -> None:
    own = dict(zip(["lake-1", "lake-2", "lake-3"], numbers))
    listed = {number: ADDRESSES[name] for name, number in own.items()}
    broker = {"brokers": {str(key): value for key, value in listed.items()}, "holders": [1, 2, 3]}
    for seen in (
        found(zookeeper={name: zookeeper(own[name], listed) for name in hosts}),
        found(kafka={name: {"id": own[name], **broker} for name in hosts}),
    ):
        assert seen["ids"] == own
        assert not seen["new"]
        assert not seen["gone"]


def test_a_server_that_was_started_alone_is_a_member_and_another_is_new() -> None:
    seen = found(zookeeper={"lake-1": zookeeper(1, {}), "lake-2": None, "lake-3": None})
    assert seen["ids"] == {"lake-1": 1, "lake-2": 2, "lake-3": 3}
    assert seen["new"] == ["lake-2", "lake-3"]


def test_the_newest_configuration_of_the_ensemble_counts() -> None:
    old = {1: ADDRESSES["lake-1"], 2: ADDRESSES["lake-2"], 3: ADDRESSES["lake-3"]}
    new = {1: ADDRESSES["lake-1"], 3: ADDRESSES["lake-3"], 4: ADDRESSES["lake-4"]}
    seen = found(
        zookeeper={
            "lake-1": zookeeper(1, new, 0x100000007),
            "lake-3": zookeeper(3, old, 0x9),
            "lake-4": zookeeper(4, new, 1),
        }
    )
    assert seen["ids"] == {"lake-1": 1, "lake-3": 3, "lake-4": 4}
    assert not seen["gone"]


def test_a_host_that_cannot_be_asked_keeps_the_id_that_nobody_else_has() -> None:
    broker = {"brokers": {"1": "10.0.0.1", "3": "10.0.0.3"}, "holders": [1, 2, 3]}
    seen = found(kafka={"lake-2": "silent", "lake-1": {"id": 1, **broker}, "lake-3": {"id": 3, **broker}})
    assert seen["ids"] == {"lake-1": 1, "lake-2": 2, "lake-3": 3}
    assert not seen["new"]
    assert not seen["gone"]


def test_a_broker_in_the_place_of_a_dead_one_takes_its_id() -> None:
    broker = {"brokers": {"1": "10.0.0.1", "3": "10.0.0.3"}, "holders": [1, 2, 3]}
    seen = found(kafka={"lake-1": {"id": 1, **broker}, "lake-3": {"id": 3, **broker}, "lake-4": None})
    assert seen["ids"] == {"lake-1": 1, "lake-3": 3, "lake-4": 2}
    assert seen["new"] == ["lake-4"]
    assert list(seen["gone"]) == [2]


def test_an_installation_that_was_interrupted_goes_on() -> None:
    broker = {"brokers": {"1": "10.0.0.1"}, "holders": []}
    seen = found(kafka={"lake-1": {"id": 1, **broker}, "lake-2": None, "lake-3": None})
    assert seen["ids"] == {"lake-1": 1, "lake-2": 2, "lake-3": 3}
    assert not seen["new"]


def test_a_host_that_was_a_member_before_is_new_and_said_to_keep_its_data() -> None:
    broker = {"brokers": {"1": "10.0.0.1"}, "holders": [1]}
    asked = {
        "lake-1": {"zookeeper": zookeeper(1, {1: ADDRESSES["lake-1"]}, 7), "kafka": {"id": 1, **broker}},
        "lake-2": {
            "zookeeper": zookeeper(2, {1: ADDRESSES["lake-1"], 2: ADDRESSES["lake-2"]}, 5),
            "kafka": {"id": 2, "brokers": None},
            "retired": ["zookeeper", "kafka"],
        },
    }
    seen = members.service_members(asked, {name: list(asked) for name in ("zookeeper", "kafka")}, ADDRESSES)
    for name in ("zookeeper", "kafka"):
        assert seen[name]["members"] == {1: ADDRESSES["lake-1"]}
        assert seen[name]["new"] == seen[name]["retired"] == ["lake-2"]
    # A lake that stands still, as somebody has stopped it, is no lake of retired ones.
    asked["lake-1"]["retired"] = ["zookeeper", "kafka"]
    seen = members.service_members(asked, {name: list(asked) for name in ("zookeeper", "kafka")}, ADDRESSES)
    assert seen["zookeeper"]["ids"] == seen["kafka"]["ids"] == {"lake-1": 1, "lake-2": 2}
    assert not seen["zookeeper"]["retired"]


def test_members_that_differ_are_told_by_name() -> None:
    asked = {
        "lake-1": {"mongodb": {"members": ["10.0.0.1:27017", "10.0.0.9:27017"]}},
        "lake-2": {"mongodb": None},
    }
    seen = members.service_members(asked, {"mongodb": ["lake-1", "lake-2"]}, ADDRESSES)
    (said,) = members.service_members_differ(seen, ADDRESSES)
    assert said.startswith("mongodb runs with 2 members, and lake-2 (10.0.0.2) is no member of it;")
    assert said.endswith("its member 1 (10.0.0.9) is not in the inventory")


# ---- where partitions are to lie


def partitions(replicas: list[list[int]]) -> list[dict[str, Any]]:
    return [{"topic": "t", "partition": number, "replicas": held} for number, held in enumerate(replicas)]


def after(before: list[dict[str, Any]], moves: list[dict[str, Any]]) -> list[dict[str, Any]]:
    moved = {(one["topic"], one["partition"]): one["replicas"] for one in moves}
    return [
        {**one, "replicas": moved.get((one["topic"], one["partition"]), one["replicas"])} for one in before
    ]


BROKERS = st.lists(st.integers(1, 9), min_size=1, max_size=6, unique=True)
HELD = st.lists(st.lists(st.integers(1, 9), min_size=1, max_size=4, unique=True), max_size=30)


@given(BROKERS, HELD)
def test_each_partition_lies_on_as_many_of_the_brokers_as_it_is_to(
    brokers: list[int], held: list[list[int]]
) -> None:
    before = partitions(held)
    result = after(before, spread.spread(before, brokers, 3))
    wanted = min(3, len(brokers))
    for was, now in zip(before, result):
        assert len(set(now["replicas"])) == len(now["replicas"]) == wanted
        assert set(now["replicas"]) <= set(brokers)
        stayed = set(was["replicas"]) & set(brokers)
        assert len(stayed & set(now["replicas"])) == min(len(stayed), wanted)
    assert spread.spread(result, brokers, 3) == []
    assert spread.in_the_end(before, spread.spread(before, brokers, 3)) == result


@given(st.integers(2, 6), st.integers(1, 40))
def test_partitions_of_one_broker_are_shared_out_among_all(brokers: int, number: int) -> None:
    before = partitions([[1]] * number)
    result = after(before, spread.spread(before, list(range(1, brokers + 1)), 3))
    leads = [sum(one["replicas"][0] == broker for one in result) for broker in range(1, brokers + 1)]
    if brokers <= 3:
        assert max(leads) - min(leads) <= 1
    else:
        # One replica of each stays where all of them were.
        lies = [sum(broker in one["replicas"] for one in result) for broker in range(2, brokers + 1)]
        assert max(lies) - min(lies) <= 1


def test_a_broker_that_is_asked_says_where_partitions_lie() -> None:
    def text(value: str) -> bytes:
        return struct.pack(">h", len(value)) + value.encode()

    def numbers(*values: int) -> bytes:
        return struct.pack(f">{len(values) + 1}i", len(values), *values)

    data = struct.pack(">ii", 1, 1) + struct.pack(">i", 7) + text("10.0.0.7") + struct.pack(">i", 9093)
    data += text("rack") + struct.pack(">i", 7)
    data += struct.pack(">ih", 1, 0) + text("tweets.raw") + b"\x00" + struct.pack(">i", 1)
    data += struct.pack(">hii", 0, 3, -1) + numbers(7, 8) + numbers(7)
    assert metadata.parsed(data) == {
        "brokers": {7: "10.0.0.7:9093"},
        "controller": 7,
        "partitions": [{"topic": "tweets.raw", "partition": 3, "leader": -1, "replicas": [7, 8], "isr": [7]}],
    }
