"""On which host is what there is once, and how it moves: what the role `service` decides by looking."""

from __future__ import annotations

import json
import os
import pwd
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

import roles

SERVICE = Path(__file__).parents[2] / "roles/service"
KINDS = yaml.safe_load((SERVICE / "vars/main.yml").read_text())["_service_singles"]
ADDRESSES = {f"lake-{number}": f"10.0.0.{number}" for number in range(1, 5)}

singles = roles.module("service/filter_plugins/singles.py")
look = roles.module("service/files/singles.py")


def seen(has: bool = False, blocked: bool = False, runs: bool = False) -> dict[str, bool]:
    return {"has": has, "blocked": blocked, "runs": runs}


def found(
    nifi: dict[str, dict[str, bool]], groups: dict[str, list[str]], at: str = "", **others: Any
) -> dict[str, Any]:
    """Return what is made of what hosts say of NiFi (and *others*); *at* is what they were set up with."""
    hosts = {*nifi, *(host for one in others.values() for host in one)}
    looks = {
        host: {
            "nifi": nifi.get(host, seen()),
            "page": others.get("page", {}).get(host, seen()),
            "jobs": others.get("jobs", {}).get(host, seen()),
            "nifi_of": at,
        }
        for host in sorted(hosts)
    }
    result: dict[str, Any] = singles.service_singles(looks, KINDS, groups, ADDRESSES)
    return result


# ---- what a run is refused for


def test_a_lake_that_is_yet_to_be_made_and_one_that_stays_where_it_is_are_not_refused() -> None:
    groups = {"nifi": ["lake-1"], "web": ["lake-1"], "opslib": ["lake-1"]}
    assert not singles.service_singles_differ(found({"lake-1": seen(), "lake-2": seen()}, groups))
    there = found({"lake-1": seen(True, runs=True), "lake-2": seen()}, groups, "10.0.0.1")
    assert not singles.service_singles_differ(there)


def test_nifi_on_another_host_than_the_inventory_has_it_is_refused_with_the_playbook_that_moves_it() -> None:
    there = found({"lake-1": seen(True, runs=True), "lake-2": seen()}, {"nifi": ["lake-2"]})
    (said,) = singles.service_singles_differ(there)
    assert said == (
        "NiFi of this lake is on lake-1, and the inventory has it on lake-2: ansible/move-nifi.yml moves it"
    )
    assert not singles.service_singles_differ(there, moved="nifi")


def test_one_that_was_stopped_by_hand_is_refused_as_well() -> None:
    assert singles.service_singles_differ(
        found({"lake-1": seen(True), "lake-2": seen()}, {"nifi": ["lake-2"]})
    )


def test_a_host_that_cannot_be_asked_is_known_by_what_the_others_were_set_up_with() -> None:
    there = found({"lake-2": seen(), "lake-3": seen()}, {"nifi": ["lake-2"]}, "10.0.0.1")
    (said,) = singles.service_singles_differ(there)
    assert "was on 10.0.0.1, which cannot be asked" in said
    assert "move_from=backup" in said
    for restored in ("all", "kafka,nifi"):
        assert not singles.service_singles_differ(there, restored)
    assert singles.service_singles_differ(there, "mongodb")


def test_an_inventory_without_it_is_not_refused() -> None:
    assert not singles.service_singles_differ(found({"lake-1": seen(True, runs=True)}, {"nifi": []}))


def test_what_of_before_runs_beside_that_of_the_inventory_is_left_to_be_stopped() -> None:
    two = {"lake-1": seen(True, runs=True), "lake-2": seen(True, runs=True)}
    assert not singles.service_singles_differ(found(two, {"nifi": ["lake-2"]}))


def test_a_page_that_is_moved_is_refused_and_one_more_page_is_not() -> None:
    page = {"lake-1": seen(True, runs=True), "lake-2": seen()}
    assert singles.service_singles_differ(found({}, {"web": ["lake-2"]}, page=page))
    for web in (["lake-1", "lake-2"], ["lake-2", "lake-1"]):
        assert not singles.service_singles_differ(found({}, {"web": web}, page=page))


# ---- from where to where


def test_it_moves_from_the_host_that_has_it_to_that_of_the_inventory() -> None:
    there = found({"lake-1": seen(True, runs=True), "lake-2": seen()}, {"nifi": ["lake-2"]})
    plan = singles.service_move(there["nifi"], "", list(ADDRESSES))
    assert (plan["from"], plan["to"], plan["stale"]) == ("lake-1", "lake-2", [])


@pytest.mark.parametrize(
    ("told", "hosts", "nifi", "wrong"),
    [
        ("", ["lake-2"], {}, "say -e move_from=backup"),
        ("", ["lake-1"], {"lake-1": seen(True, runs=True)}, "lake-2, where it is to go, cannot be reached"),
        ("backup", ["lake-1", "lake-2"], {"lake-1": seen(True)}, "leave -e move_from=backup away"),
        ("nothing", ["lake-1", "lake-2"], {"lake-1": seen(True)}, "leave -e move_from=nothing away"),
        ("lake-3", ["lake-1", "lake-2"], {"lake-1": seen(True)}, "they are on lake-1"),
        (
            "",
            ["lake-1", "lake-2", "lake-3"],
            {"lake-1": seen(True, runs=True), "lake-3": seen(True, runs=True)},
            "lake-1 and lake-3 have it: -e move_from=HOST",
        ),
    ],
)
def test_what_cannot_be_moved_is_said(
    told: str, hosts: list[str], nifi: dict[str, dict[str, bool]], wrong: str
) -> None:
    plan = singles.service_move(found({"lake-2": seen(), **nifi}, {"nifi": ["lake-2"]})["nifi"], told, hosts)
    assert wrong in plan["wrong"]
    assert "Nothing was changed" in plan["wrong"]


def test_from_a_backup_it_comes_once_and_the_next_run_finds_it_there() -> None:
    groups = {"nifi": ["lake-2"]}
    first = found({"lake-2": seen()}, groups, "10.0.0.1")["nifi"]
    assert singles.service_move(first, "backup", ["lake-2"])["from"] == "backup"
    then = found({"lake-2": seen(True, runs=True)}, groups, "10.0.0.1")["nifi"]
    assert singles.service_move(then, "backup", ["lake-2"])["from"] == ""


# ---- a run that is interrupted anywhere is completed by the next one


@dataclass
class Host:
    """What is of NiFi on a host: a number for its state, how the marks stand, whether it collects."""

    state: int | None = None
    arriving: bool = False
    moved: bool = False
    blocked: bool = False
    enabled: bool = False

    def look(self) -> dict[str, bool]:
        has = self.state is not None and not self.arriving and not self.moved
        return seen(has, self.blocked, self.enabled and self.state is not None)


@dataclass
class Lake:
    """Hosts, and a move step by step, as ansible/move.yml has them."""

    hosts: dict[str, Host] = field(default_factory=dict)

    def may_collect(self) -> list[str]:
        return [name for name, host in self.hosts.items() if host.enabled and not host.blocked]

    def move(self, to: str, steps: int) -> int:
        """Move it, and stop after that many steps; return how many there were."""
        said = found({name: host.look() for name, host in self.hosts.items()}, {"nifi": [to]})["nifi"]
        plan = singles.service_move(said, "", list(self.hosts))
        assert not plan["wrong"], plan["wrong"]
        done = 0
        for step in self._steps(plan):
            if done == steps:
                break
            step()
            done += 1
            assert len(self.may_collect()) <= 1
        return done

    def _steps(self, plan: dict[str, Any]) -> list[Any]:
        target, source = self.hosts[plan["to"]], self.hosts.get(plan["from"])

        def put(host: Host, **values: Any) -> Any:
            return lambda: host.__dict__.update(values)

        steps = [put(self.hosts[host], moved=True) for host in plan["stale"]]
        if source:
            steps = [
                *steps,
                put(target, blocked=False),
                put(source, blocked=True),
                put(source, enabled=False),
            ]
            # What is copied is what the source has by then.
            steps += [
                put(target, arriving=True),
                put(target, state=None, moved=False),
                lambda: put(target, state=source.state)(),
                put(target, arriving=False),
                put(source, moved=True),
            ]
        return [*steps, put(target, blocked=False), put(target, enabled=True)]


@given(
    st.lists(st.tuples(st.sampled_from(["lake-1", "lake-2", "lake-3"]), st.integers(0, 12)), max_size=8),
    st.sampled_from([None, "lake-2", "lake-3"]),
)
# All of it had come when the run was ended, and it was to go back then.
@example([("lake-2", 7), ("lake-1", 1)], None)
def test_wherever_moves_are_interrupted_one_has_its_state_and_no_two_collect(
    moves: list[tuple[str, int]], left: str | None
) -> None:
    lake = Lake({name: Host() for name in ("lake-1", "lake-2", "lake-3")})
    lake.hosts["lake-1"] = Host(7, enabled=True)
    if left:
        # Of a time before there was this playbook.
        lake.hosts[left].state = 3
    for to, steps in moves:
        lake.move(to, steps)
    lake.move("lake-2", 99)
    assert lake.may_collect() == ["lake-2"]
    assert lake.hosts["lake-2"].look() == seen(True, runs=True)
    assert lake.hosts["lake-2"].state == 7
    assert [name for name, host in lake.hosts.items() if host.look()["has"]] == ["lake-2"]


# ---- what a host says


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder that is a host's root, on which all accounts are the lake's and nothing runs."""
    for name in ("SYSTEMD", "SETTINGS"):
        monkeypatch.setattr(look, name, str(tmp_path / getattr(look, name).lstrip("/")))
    monkeypatch.setattr(look, "ours", lambda _: True)
    monkeypatch.setattr(look, "asked", lambda *_: False)
    return tmp_path


def kind(host: Path) -> dict[str, Any]:
    below = {part: [str(host) + path for path in KINDS["nifi"][part]] for part in ("kept", "trees")}
    return {**KINDS["nifi"], **below}


def test_a_host_has_what_is_there_and_not_what_is_on_its_way_or_went(host: Path) -> None:
    assert look.look(kind(host)) == seen()
    flow = host / "var/lib/nifi/conf/flow.json.gz"
    flow.parent.mkdir(parents=True)
    flow.write_bytes(b"")
    assert look.look(kind(host)) == seen(has=True)
    for mark in (".arriving", ".moved"):
        (host / "var/lib/nifi" / mark).touch()
        assert look.look(kind(host)) == seen()
        (host / "var/lib/nifi" / mark).unlink()
    block = host / "etc/systemd/system/nifi.service.d/moved.conf"
    block.parent.mkdir(parents=True)
    block.touch()
    assert look.look(kind(host)) == seen(has=True, blocked=True)


def test_what_another_installed_under_the_name_is_not_the_lakes(monkeypatch: pytest.MonkeyPatch) -> None:
    mine = pwd.getpwuid(os.getuid())
    assert not look.ours(mine.pw_name)
    assert not look.ours("no-such-account")
    monkeypatch.setattr(
        look.pwd, "getpwnam", lambda _: pwd.struct_passwd((*mine[:4], "Trendlake nifi", *mine[5:]))
    )
    assert look.ours("nifi")


def test_where_nifi_was_is_read_from_the_settings_of_the_jobs(host: Path) -> None:
    assert look.nifi_of() == ""
    settings = host / "etc/opslib/opslib.toml"
    settings.parent.mkdir(parents=True)
    settings.write_text(
        '[web]\nurl = "https://page:443"\n\n[nifi]\ntimeout = 3\nurl = "https://10.0.0.1:8443"\n'
    )
    assert look.nifi_of() == "10.0.0.1"
    settings.write_text('[nifi]\ntimeout = 3\n\n[web]\nurl = "https://page:443"\n')
    assert look.nifi_of() == ""


def test_the_program_says_it_in_a_line_of_json() -> None:
    command = [sys.executable, SERVICE / "files/singles.py", json.dumps(KINDS)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    said = json.loads(done.stdout)
    assert said.keys() == {*KINDS, "nifi_of"}
    assert all(said[name].keys() == {"has", "blocked", "runs"} for name in KINDS)


def test_what_opslib_writes_is_what_is_read() -> None:
    toml = roles.module("opslib/filter_plugins/opslib.py").to_toml({"nifi": {"url": "https://10.0.0.9:8443"}})
    assert 'url = "https://10.0.0.9:8443"' in toml
