"""Which release a component goes to: by which steps, and from where back, as its hosts alone remember."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

import roles
from opslib import __version__

ROOT = Path(__file__).parents[2]
STEPS: list[dict[str, str]] = yaml.safe_load((ROOT / "ansible/steps.yml").read_text())["upgrade_steps"]

releases = roles.module("service/filter_plugins/releases.py")
service = roles.module("service/filter_plugins/service.py")


def hosts(*current: str, before: str = "", protocol: str = "") -> dict[str, dict[str, str]]:
    return {
        f"lake-{number}": {"current": version, "before": before, "protocol": protocol}
        for number, version in enumerate(current, 1)
    }


def asked(found: dict[str, dict[str, str]], component: str, wanted: str, **how: bool) -> dict[str, Any]:
    plan: dict[str, Any] = releases.service_upgrade(found, component, wanted, STEPS, how)
    return plan


@pytest.mark.parametrize(
    ("component", "here", "there", "why"),
    [
        (
            "mongodb",
            "6.0.27",
            "8.0.4",
            "from 6.0.27 it goes to 6.0 (nobody has run it), 7.0 (nobody has run it)",
        ),
        ("kafka", "3.9.2", "4.0.0", "does not go from 3.9.2 to 4.0.0"),
        ("kafka", "3.9.2", "3.9.1", "3.9.1, which kafka_version names, is older"),
        ("zookeeper", "3.9.5", "4.0.0", "does not go"),
        ("mongodb", "5.0.3", "6.0.27", "no step from 5.0.3 is known"),
    ],
)
def test_a_step_that_is_not_allowed_is_refused_with_those_that_are(
    component: str, here: str, there: str, why: str
) -> None:
    plan = asked(hosts(here, here, here), component, there, untried=True)
    assert plan["do"] == "nothing"
    assert why in plan["refused"]
    assert "\n" not in plan["refused"]


def test_a_step_that_nobody_has_run_is_named_as_that_and_asked_for() -> None:
    found = hosts("6.0.27", protocol="6.0")
    assert "nobody has run it" in asked(found, "mongodb", "7.0.14")["refused"]
    plan = asked(found, "mongodb", "7.0.14", untried=True)
    assert (plan["do"], plan["from"], plan["to"]) == ("upgrade", "6.0.27", "7.0.14")


def test_a_step_that_was_run_needs_no_more_than_to_be_called() -> None:
    plan = asked(hosts("6.0.5", "6.0.5", protocol="6.0"), "mongodb", "6.0.27")
    assert (plan["do"], plan["refused"]) == ("upgrade", "")
    assert plan["told"] == "mongodb goes from 6.0.5 to 6.0.27 on lake-1, lake-2"


def test_a_line_of_mongodb_waits_until_the_one_before_is_committed() -> None:
    found = hosts("7.0.14", protocol="6.0")
    assert "held at 6.0 still" in asked(found, "mongodb", "8.0.4", untried=True)["refused"]
    assert asked(hosts("7.0.14", protocol="7.0"), "mongodb", "8.0.4", untried=True)["do"] == "upgrade"


def test_there_is_a_way_back_until_the_protocol_is_raised() -> None:
    held = hosts("3.9.2", "3.9.2", before="3.8.1", protocol="3.8")
    assert asked(held, "kafka", "3.9.2", back=True)["to"] == "3.8.1"
    behind = hosts("6.0.27", before="6.0.5", protocol="5.0")
    assert asked(behind, "mongodb", "6.0.27", back=True)["to"] == "6.0.5"
    raised = hosts("3.9.2", "3.9.2", before="3.8.1", protocol="3.9")
    assert "at 3.9 already" in asked(raised, "kafka", "3.9.2", back=True)["refused"]
    assert "no upgrade of it is open" in asked(hosts("3.9.2"), "kafka", "3.9.2", back=True)["refused"]


def test_a_commit_waits_until_all_hosts_run_the_new_one() -> None:
    assert (
        "complete the upgrade first"
        in asked(hosts("3.9.5", "3.9.4", before="3.9.4"), "zookeeper", "3.9.5", commit=True)["refused"]
    )
    plan = asked(hosts("3.9.5", "3.9.5", before="3.9.4"), "zookeeper", "3.9.5", commit=True)
    assert (plan["do"], plan["from"], plan["to"]) == ("commit", "3.9.4", "3.9.5")


def test_another_release_waits_while_an_upgrade_is_open() -> None:
    found = hosts("3.9.5", "3.9.4", before="3.9.4")
    assert "from 3.9.4 to 3.9.5 is open" in asked(found, "zookeeper", "3.9.6", untried=True)["refused"]


def test_what_is_not_installed_is_not_upgraded() -> None:
    assert "not installed on lake-2" in asked(hosts("3.9.4", ""), "zookeeper", "3.9.5")["refused"]


def test_builds_of_one_version_are_no_step() -> None:
    assert asked(hosts("0.2.0+abc1", "0.2.0+ff07"), "opslib", "0.2.0", untried=True)["refused"] == ""


class Hosts:
    """Hosts that are upgraded by what the plan says, each run as far as it comes."""

    def __init__(self, number: int) -> None:
        self.found, self.committed = hosts(*["3.8.1"] * number), False

    def run(self, call: str, far: int) -> None:
        plan = asked(self.found, "kafka", "3.9.2", untried=True, **{call: True})
        getattr(self, plan["do"])(plan, list(self.found.values())[:far])

    def upgrade(self, plan: dict[str, Any], far: list[dict[str, str]]) -> None:
        for has in self.found.values():
            has["before"] = plan["from"]
        self.back(plan, far)

    def back(self, plan: dict[str, Any], far: list[dict[str, str]]) -> None:
        for has in far:
            has["current"] = plan["to"]

    def commit(self, plan: dict[str, Any], far: list[dict[str, str]]) -> None:
        assert self.runs() == {plan["to"]}
        self.committed = self.committed or plan["to"] == "3.9.2"
        for has in far:
            has["before"] = ""

    def nothing(self, plan: dict[str, Any], _: list[dict[str, str]]) -> None:
        assert plan["refused"] or self.runs() == {plan["to"]}

    def runs(self) -> set[str]:
        return {has["current"] for has in self.found.values()}

    def can_go_back(self) -> bool:
        return self.runs() == {"3.8.1"} or any(has["before"] == "3.8.1" for has in self.found.values())


CALLS = st.tuples(st.sampled_from(["forth", "back", "commit"]), st.integers(0, 5))


@given(number=st.integers(1, 5), calls=st.lists(CALLS, max_size=12))
def test_whatever_is_interrupted_there_is_a_way_back_until_a_commit_and_the_next_run_goes_on(
    number: int, calls: list[tuple[str, int]]
) -> None:
    lake = Hosts(number)
    for call, far in calls:
        lake.run(call, far)
        assert lake.committed or lake.can_go_back()
    lake.run("forth", number)
    assert lake.runs() == {"3.9.2"}
    lake.run("commit", number)
    assert not any(has["before"] for has in lake.found.values())


@pytest.mark.parametrize(
    ("now", "fresh"), [("20260302T022959Z", True), ("20260302T023000Z", False), ("20260501T000000Z", False)]
)
def test_the_newest_whole_backup_with_the_part_counts_for_a_day(now: str, fresh: bool) -> None:
    listed = [
        {"run": "20260301T023000Z", "whole": True, "parts": ["kafka", "mongodb"]},
        {"run": "20260228T023000Z", "whole": True, "parts": ["kafka", "mongodb"]},
        {"run": "20260301T120000Z", "whole": False, "parts": ["kafka", "mongodb"]},
        {"run": "20260301T130000Z", "whole": True, "parts": ["zookeeper"]},
    ]
    assert releases.service_newest_backup(listed, ["kafka"], now) == {
        "run": "20260301T023000Z",
        "fresh": fresh,
    }
    assert releases.service_newest_backup([], ["kafka"], now) == {"run": "", "fresh": False}


def test_each_step_is_of_a_component_that_goes_to_no_older_release_and_the_locked_one_is_reached() -> None:
    components = ("zookeeper", "kafka", "mongodb", "java", "nifi")
    assert {step["component"] for step in STEPS} == {*components, "opslib"}
    assert {step["state"] for step in STEPS} == {"it was run", releases.NOBODY}
    for step in STEPS:
        here, there = (releases._numbers(str(step[end])) for end in ("from", "to"))
        assert there >= here
    for name in components:
        defaults = yaml.safe_load((ROOT / f"roles/{name}/defaults/main.yml").read_text())
        locked = json.loads((ROOT / f"opslib/dist/lock/{name}.json").read_text())["version"]
        assert defaults[f"{name}_version"] == locked
        assert any(s["component"] == name and releases._is_of(locked, str(s["to"])) for s in STEPS)
    assert any(s["component"] == "opslib" and releases._is_of(__version__, s["to"]) for s in STEPS)


def test_the_gate_gives_a_turn_to_each_host_where_another_release_is_in_use() -> None:
    def host(release: str, leads: bool = False) -> dict[str, Any]:
        unit = {"kafka.service": {"state": "active", "differs": []}}
        return {
            "_service_pending": {"stdout": json.dumps(unit)},
            "_service_seen": {"stdout": json.dumps({"leads": leads})},
            "_service_link": {"stdout": release},
        }

    known = {"lake-1": host("3.9.1", leads=True), "lake-2": host("3.9.2"), "lake-3": host("3.9.1")}
    turns = service.service_turns(list(known), known, None, "3.9.2")
    assert [(turn["host"], turn["release"]) for turn in turns] == [("lake-3", "3.9.2"), ("lake-1", "3.9.2")]
    assert service.service_turns_told(turns, "kafka", True) == [
        "kafka on lake-3 would restart with 3.9.2",
        "kafka on lake-1 would restart with 3.9.2 last, since it leads",
    ]
    assert service.service_turns(list(known), known, None) == []


def test_a_host_says_which_releases_it_has(tmp_path: Path) -> None:
    for version in ("3.9.1", "3.9.2", "unpacked-by-hand"):
        (tmp_path / "opt/kafka" / version).mkdir(parents=True)
    for version in ("3.9.1", "3.9.2"):
        (tmp_path / "opt/kafka" / version / ".archive-sha256").write_text("00")
    (tmp_path / "opt/kafka/current").symlink_to("3.9.2")
    (tmp_path / "opt/kafka/before").symlink_to("3.9.1")
    (tmp_path / "etc/kafka").mkdir(parents=True)
    (tmp_path / "etc/kafka/server.properties").write_text("broker.id=1\ninter.broker.protocol.version=3.8\n")
    code = (ROOT / "roles/service/files/releases.py").read_text()
    code = code.replace('"/opt', f'"{tmp_path}/opt').replace('"/etc', f'"{tmp_path}/etc')

    def said(component: str) -> dict[str, Any]:
        command = [sys.executable, "-", component]
        run = subprocess.run(command, input=code, capture_output=True, text=True, check=True, timeout=600)
        found: dict[str, Any] = json.loads(run.stdout)
        return found

    assert said("kafka") == {
        "current": "3.9.2",
        "before": "3.9.1",
        "there": ["3.9.1", "3.9.2"],
        "protocol": "3.8",
    }
    assert said("zookeeper") == {"current": "", "before": "", "there": [], "protocol": ""}
