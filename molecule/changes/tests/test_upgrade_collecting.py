"""What collects goes to another release while it collects: Java below it, and NiFi.

Of the lake that `test_upgrade.py` left, which has an earlier Java still, or of a blank machine. One release
of NiFi is to be had here, so the one before is the same under another number: that flow, state and queues
stay is tried, and the way forth and back, not what a release changes in them.
"""

from __future__ import annotations

import datetime as dt
import io
import tarfile
import time
from typing import TYPE_CHECKING

import pytest
from chaos import wait_until
from machines import FOLDER, MEMBERS
from test_stream import is_noticed_by_nobody
from test_upgrade import BEFORE, NOW, Upgraded, archives
from whole import Whole, following

from opslib.dist import build

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.skipif(
    FOLDER.name != "upgrade", reason="begins with earlier releases: molecule verify -s upgrade"
)

NIFI = "2.2.99"
A_SECOND = 20


class Collecting(Upgraded, Whole):
    """A whole lake that begins with earlier releases."""

    def runs_with(self, component: str) -> set[str]:
        """Return the releases of a component that the processes of all that use it have open."""
        services = ("zookeeper", "kafka", "nifi") if component == "java" else (component,)
        return {release for service in services for release in self.runs(component, service)}


def renumbered(number: str) -> Path:
    """Return NiFi's archive under another number."""
    archive = FOLDER / f"nifi-{number}.tar.gz"
    if not archive.exists():
        with tarfile.open(build.path("nifi")) as was, tarfile.open(archive, "w:gz", compresslevel=1) as new:
            for member in was:
                file = was.extractfile(member)
                member.name = f"nifi-{number}/" + member.name.partition("/")[2]
                new.addfile(member, io.BytesIO(file.read()) if file else None)
    return archive


@pytest.fixture(scope="module")
def lake() -> Iterator[Collecting]:
    with following(8097, 1_000_000, Collecting) as lake:
        lake.also = archives() | {"nifi_version": NIFI, "nifi_archive": str(renumbered(NIFI))}
        lake.play("site.yml", lake.hosts)
        lake.also = {}
        lake.makes_its_topic()
        lake.collects(A_SECOND)
        yield lake


@pytest.mark.parametrize(("component", "before"), [("java", BEFORE["java"]), ("nifi", NIFI)])
def test_1_upgraded_taken_back_upgraded_and_committed_while_it_collects(
    lake: Collecting, component: str, before: str
) -> None:
    now, untouched = NOW[component], [name for name in MEMBERS if component != "java"]
    assert lake.runs_with(component) == {before}
    members = {name: lake.started(1)[name] for name in untouched}
    began, writers = dt.datetime.now(dt.timezone.utc), lake.writers(lake.hosts)
    with writers.going_on():
        for asked, runs in (({}, now), ({"back": True}, before), ({}, now), ({"commit": True}, now)):
            lake.upgrade(component, **asked)
            assert lake.runs_with(component) == {runs}
            writers.more()
    assert lake.releases(component) == {now}
    assert {name: lake.started(1)[name] for name in untouched} == members
    is_noticed_by_nobody(lake, writers, began, upgraded=component)


def test_2_all_that_was_written_is_stored_and_the_next_run_changes_nothing(lake: Collecting) -> None:
    lake.x.quiet()
    wanted = lake.written(time.monotonic())
    wait_until("all that was written is stored", lambda: wanted <= lake.stored(), 600)
    said = lake.play("site.yml", lake.hosts)
    assert said.count("changed=0") == said.count("changed="), said[-3000:]
    assert not any(f"{name} stays at" in said for name in ("java", "nifi"))
