"""Versions of a flow in a real NiFi: upgraded with FlowFiles queued, taken back, changed by hand, broken."""

from __future__ import annotations

import base64
import gzip
import json
import os
import socket
from typing import TYPE_CHECKING, Any

import nipyapi
import pytest
import services
from ansible.errors import AnsibleFilterError
from collection import FLOW, TOKEN, X
from nifi import PASSWORD

import roles
from opslib.flow import api, deploy
from opslib.flow.definition import Definition
from opslib.settings import load

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from collection import Collector


@pytest.fixture(scope="module")
def x(tmp_path_factory: pytest.TempPathFactory) -> Iterator[X]:
    folder = tmp_path_factory.mktemp("x")
    (folder / "tweets.txt").write_text("".join(f"tweet {n} #tema{n % 3}\n" for n in range(30)))
    x = X(folder, "--no-limits", "--token", TOKEN, "--tweets", str(folder / "tweets.txt"))
    yield x
    x.stop()


@pytest.fixture(scope="module")
def parameters(collector: Collector, x: X, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write parameters with which Kafka cannot be reached, so that FlowFiles stay queued."""
    nowhere = f"127.0.0.1:{services.free_port()}"
    budget = tmp_path_factory.mktemp("budget") / "b.sqlite"
    return collector.parameters(x, budget, kafka_bootstrap_servers=nowhere, trends_interval="2 sec")


@pytest.fixture
def first(collector: Collector, parameters: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Deploy version 1, which runs already after most tests; return its parameters."""
    for name in ("CREDENTIALS_DIRECTORY", "OPSLIB_CONFIG"):
        monkeypatch.setitem(os.environ, name, collector.environment[name])
    api.connect(load())
    done = collector.flow("deploy", str(version(tmp_path, "1")), "--parameters", str(parameters), "--force")
    assert done.returncode == 0, done.stderr
    return parameters


def version(folder: Path, number: str, **changes: Any) -> Path:
    """Write a version of the project's flow whose processor `Publish trends` has *changes*."""
    definition = json.loads(FLOW.read_text())
    definition["snapshotMetadata"]["version"] = number
    processor("Publish trends", definition).update({"comments": f"as of {number}", **changes})
    path = folder / f"v{number}.json"
    path.write_text(json.dumps(definition))
    return path


def processor(name: str, definition: dict[str, Any]) -> dict[str, Any]:
    return next(p for p in definition["flowContents"]["processors"] if p["name"] == name)


def running(name: str = "Publish trends") -> Any:
    group = deploy.find("trendlake")
    found = nipyapi.nifi.ProcessGroupsApi().get_processors(group.id).processors
    return next(p for p in found if p.component.name == name)


def change_by_hand(name: str, **config: Any) -> None:
    """Do what somebody does in NiFi's UI: stop, configure, start."""
    nipyapi.canvas.schedule_processor(running(name), False)
    now = running(name)
    body = {"revision": {"version": now.revision.version}, "component": {"id": now.id, "config": config}}
    nipyapi.nifi.ProcessorsApi().update_processor(id=now.id, body=body)
    nipyapi.canvas.schedule_processor(running(name), True)


def queued() -> int:
    """Return how many snapshots wait to be published, the one that is being tried included."""
    group = deploy.find("trendlake")
    connections = nipyapi.nifi.ProcessGroupsApi().get_connections(group.id).connections
    ends = ("Collect trends", "Publish trends")
    (into,) = (c for c in connections if (c.component.source.name, c.component.destination.name) == ends)
    return int(into.status.aggregate_snapshot.flow_files_queued)


def state_of(name: str) -> dict[str, str]:
    found = nipyapi.nifi.ProcessorsApi().get_state2(running(name).id).component_state.local_state.state
    return {entry.key: entry.value for entry in found or []}


def test_an_upgrade_and_a_rollback_lose_neither_flowfiles_nor_state_nor_secrets(
    collector: Collector, x: X, first: Path, tmp_path: Path
) -> None:
    services.wait_until("snapshots are queued", lambda: queued() >= 3)
    services.wait_until("a walk has begun", lambda: "walk" in state_of("Search tweets"))
    before, ids = queued(), running().id
    walk = json.loads(state_of("Search tweets")["walk"])["id"]
    second = ("deploy", str(version(tmp_path, "2")), "--parameters", str(first))
    told = collector.flow(*second, "--dry-run")
    assert told.stdout == "flow trendlake version 2 replaces 1\n"
    assert running().component.config.comments == "as of 1"
    done = collector.flow(*second)
    assert done.returncode == 0, done.stderr
    assert running().component.config.comments == "as of 2"
    assert queued() >= before
    done = collector.flow("rollback")
    assert done.returncode == 0, done.stderr
    assert "version 1 replaces 2" in done.stdout
    assert running().component.config.comments == "as of 1"
    assert queued() >= before, "FlowFiles were lost"
    assert running().id == ids
    assert json.loads(state_of("Search tweets")["walk"])["id"] == walk, "the processor's state was lost"
    trends = x.ledger()["charged"]["trends"]
    services.wait_until("X takes the token", lambda: x.ledger()["charged"]["trends"] > trends)
    again = collector.flow("deploy", str(version(tmp_path, "1")), "--parameters", str(first))
    assert "nothing changed" in again.stdout
    assert json.loads(collector.flow("status", "--format", "json").stdout)["version"] == "1"


def test_a_drained_flow_asks_x_for_nothing_more_says_what_waits_and_is_started_by_a_deployment(
    collector: Collector, x: X, first: Path, tmp_path: Path
) -> None:
    services.wait_until("snapshots are queued", lambda: queued() >= 1)
    drained = collector.flow("drain", "--patience", "2s")
    assert drained.returncode == 1
    assert "wait for Publish trends" in drained.stdout
    assert running("Collect trends").component.state == "STOPPED"
    assert running("Publish trends").component.state == "RUNNING"
    before, waiting = x.ledger()["charged"], queued()
    again = collector.flow("drain", "--patience", "5s")
    assert again.returncode == 1
    assert x.ledger()["charged"] == before
    assert queued() == waiting
    back = collector.flow("deploy", str(version(tmp_path, "1")), "--parameters", str(first))
    assert back.stdout == "started\n", back.stderr
    services.wait_until("it collects again", lambda: x.ledger()["charged"]["trends"] > before["trends"])


def test_a_change_by_hand_is_shown_and_not_overwritten_unasked(
    collector: Collector, first: Path, tmp_path: Path
) -> None:
    assert collector.flow("diff").returncode == 0
    change_by_hand("Collect trends", penaltyDuration="7 sec", comments="by night")
    shown = collector.flow("diff")
    assert shown.returncode == 1
    assert shown.stdout.splitlines() == [
        "processor Collect trends: comments is 'by night', not ''",
        "processor Collect trends: penaltyDuration is '7 sec', not '30 sec'",
    ]
    for number in ("1", "2"):
        refused = collector.flow("deploy", str(version(tmp_path, number)), "--parameters", str(first))
        assert refused.returncode == 1
        assert "penaltyDuration is '7 sec'" in refused.stderr
    refused = collector.flow("rollback")
    assert refused.returncode == 1
    assert "penaltyDuration is '7 sec'" in refused.stderr
    assert running("Collect trends").component.config.penalty_duration == "7 sec"
    told = collector.flow(
        "deploy", str(version(tmp_path, "2")), "--parameters", str(first), "--force", "--dry-run"
    )
    assert told.returncode == 0, told.stderr
    assert running("Collect trends").component.config.penalty_duration == "7 sec"
    forced = collector.flow("deploy", str(version(tmp_path, "2")), "--parameters", str(first), "--force")
    assert forced.returncode == 0, forced.stderr
    assert running("Collect trends").component.config.penalty_duration == "30 sec"
    (saved,) = (collector.folder / "history" / "trendlake").glob("*-by-hand.json")
    assert processor("Collect trends", json.loads(saved.read_text()))["penaltyDuration"] == "7 sec"


def test_a_flow_from_before_a_processor_had_a_new_property_runs_and_is_not_taken_for_changed(
    collector: Collector, x: X, first: Path, tmp_path: Path
) -> None:
    definition = json.loads(version(tmp_path, "2").read_text())
    old = processor("Collect trends", definition)
    del old["properties"]["Snapshot Interval"]
    old["schedulingPeriod"] = "#{trends_interval}"
    # One that comes with a value of its own, which nobody set.
    del processor("Search tweets", definition)["properties"]["Part of Trends"]
    path = tmp_path / "old.json"
    path.write_text(json.dumps(definition))
    done = collector.flow("deploy", str(path), "--parameters", str(first))
    assert done.returncode == 0, done.stderr
    assert collector.flow("diff").stdout == ""
    trends = x.ledger()["charged"]["trends"]
    services.wait_until("trends are collected", lambda: x.ledger()["charged"]["trends"] > trends)
    newer = collector.flow("deploy", str(version(tmp_path, "3")), "--parameters", str(first))
    assert newer.returncode == 0, newer.stderr


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"type": "NoSuchProcessor"}, "NiFi has no processors of the types NoSuchProcessor"),
        ({"properties": {"Topic": "#{no_such_parameter}"}}, "parameters without a value: no_such_parameter"),
    ],
)
def test_a_definition_that_cannot_run_is_refused_with_the_running_one_untouched(
    collector: Collector, first: Path, tmp_path: Path, changes: dict[str, Any], reason: str
) -> None:
    before = running()
    broken = version(tmp_path, "3", **changes)
    done = collector.flow("deploy", str(broken), "--parameters", str(first), "--starting", "0")
    assert done.returncode == 1
    assert reason in done.stderr
    after = running()
    assert (after.id, after.revision.version) == (before.id, before.revision.version)
    assert after.component.state == "RUNNING"


def test_a_version_whose_component_stays_invalid_is_taken_back_before_any_of_it_runs(
    collector: Collector, first: Path, tmp_path: Path
) -> None:
    services.wait_until("snapshots are queued", lambda: queued() >= 3)
    before = queued()
    broken = version(tmp_path, "3", properties={"Topic": "trends.raw", "Bootstrap Servers": None})
    definition = json.loads(broken.read_text())
    with socket.create_server(("127.0.0.1", 0)) as never_called:
        properties = processor("Collect trends", definition)["properties"]
        properties["X API URL"] = f"http://127.0.0.1:{never_called.getsockname()[1]}"
        broken.write_text(json.dumps(definition))
        done = collector.flow("deploy", str(broken), "--parameters", str(first), "--patience", "10")
        never_called.setblocking(False)
        with pytest.raises(BlockingIOError):
            never_called.accept()
    assert done.returncode == 1
    assert "Publish trends: 'Bootstrap Servers'" in done.stderr
    assert "Version 1 runs again" in done.stderr
    assert queued() >= before
    services.wait_until("it runs again", lambda: running().component.state == "RUNNING")
    assert collector.flow("diff").returncode == 0
    assert json.loads(collector.flow("status", "--format", "json").stdout)["version"] == "1"


def test_parameters_with_which_a_component_stays_invalid_are_taken_back(
    collector: Collector, first: Path, tmp_path: Path
) -> None:
    wrong = tmp_path / "wrong.json"
    wrong.write_text(json.dumps({**json.loads(first.read_text()), "topics_per_place": "many"}))
    same = str(version(tmp_path, "1"))
    done = collector.flow("deploy", same, "--parameters", str(wrong), "--patience", "10")
    assert done.returncode == 1
    assert "Collect trends: 'Topics per Place'" in done.stderr
    again = collector.flow("deploy", same, "--parameters", str(first))
    assert "nothing changed" in again.stdout, "it runs with the parameters that it had"


@pytest.mark.usefixtures("first")
def test_each_property_is_documented_and_each_expansion_has_its_price_beside_it() -> None:
    processors = nipyapi.nifi.ProcessGroupsApi().get_processors(deploy.find("trendlake").id).processors
    described = {
        (p.component.name, name): descriptor.description or ""
        for p in processors
        for name, descriptor in p.component.config.descriptors.items()
    }
    assert len(described) >= 25
    assert [where for where, text in described.items() if len(text.split()) < 4] == []
    assert "0.010 USD a tweet" in described["Search tweets", "Authors"]
    assert "0.005 USD each" in described["Search tweets", "Referenced Tweets"]


@pytest.mark.usefixtures("first")
def test_what_is_exported_is_what_was_deployed(collector: Collector, tmp_path: Path) -> None:
    exported = collector.flow("export")
    assert exported.returncode == 0, exported.stderr
    assert exported.stdout == Definition.read(version(tmp_path, "1")).text()
    assert TOKEN not in exported.stdout, "it holds the token"


@pytest.mark.usefixtures("first")
def test_a_moved_box_is_no_change(collector: Collector) -> None:
    now = running()
    body = {
        "revision": {"version": now.revision.version},
        "component": {"id": now.id, "position": {"x": 12.5, "y": 900.25}},
    }
    nipyapi.nifi.ProcessorsApi().update_processor(id=now.id, body=body)
    assert collector.flow("diff").returncode == 0


@pytest.mark.usefixtures("first")
def test_secrets_in_the_flow_of_nifi_are_encrypted_with_another_key(collector: Collector) -> None:
    flow_key = roles.module("nifi/filter_plugins/flow_key.py")
    file = collector.nifi.folder / "data/conf/flow.json.gz"

    def secrets(flow: bytes, key: str) -> list[str]:
        opens = flow_key.cipher(key)
        sealed = [
            bytes.fromhex(found[1].decode()) for found in flow_key.SECRET.finditer(gzip.decompress(flow))
        ]
        return [
            opens.decrypt(one[: flow_key.NONCE_BYTES], one[flow_key.NONCE_BYTES :], None).decode()
            for one in sealed
        ]

    services.wait_until("NiFi has written its flow", lambda: TOKEN in secrets(file.read_bytes(), PASSWORD))
    flow = file.read_bytes()
    new = "another one of the tests"
    made = flow_key.nifi_flow_with_key(base64.b64encode(flow).decode(), PASSWORD, new)
    assert secrets(base64.b64decode(made), new) == secrets(flow, PASSWORD)
    # After an interruption between the flow and the key.
    again = flow_key.nifi_flow_with_key(made, PASSWORD, new)
    assert gzip.decompress(base64.b64decode(again)) == gzip.decompress(base64.b64decode(made))
    with pytest.raises(AnsibleFilterError, match="opens neither"):
        flow_key.nifi_flow_with_key(made, PASSWORD, "a third one of the tests")
