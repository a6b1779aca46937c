"""Known faults of what is installed: ranges of versions, judgements, and what nobody has judged."""

from __future__ import annotations

import json
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from packaging.version import Version

from opslib.cli import main
from opslib.dist.advisories import (
    ANYBODY,
    INSIDE,
    JUDGED,
    NOBODY,
    UNJUDGED,
    Component,
    below,
    check,
    installed,
)

ROOT = Path(__file__).resolve().parents[2]
CODEC = "Maven:io.netty:netty-codec"
VERSIONS = st.lists(st.integers(0, 30), min_size=1, max_size=4).flatmap(
    lambda numbers: st.sampled_from(["", "a1", "b2", "rc1", ".post1"]).map(
        lambda tail: ".".join(map(str, numbers)) + tail
    )
)


def osv(folder: Path, **record: Any) -> Path:
    path = folder / f"{record['id']}.json"
    path.write_text(json.dumps(record))
    return path


def affected(name: str, *events: dict[str, str], versions: tuple[str, ...] = ()) -> dict[str, Any]:
    ecosystem, _, package = name.partition(":")
    return {
        "package": {"ecosystem": ecosystem, "name": package},
        "ranges": [{"type": "ECOSYSTEM", "events": list(events)}],
        "versions": list(versions),
    }


def of(name: str, version: str) -> Component:
    return Component(name, version, ("a lock",))


@pytest.mark.parametrize(
    "order",
    [
        ["1.0-alpha-1", "1.0-beta-2", "1.0-rc1", "1.0-SNAPSHOT", "1.0", "1.0-sp1", "1.0.1"],
        ["4.1.9.Final", "4.1.105.Final", "4.1.119.Final", "4.2.0.Final"],
        ["9.4.56.v20240826", "9.4.57.v20241219", "9.4.58", "12.0.12"],
        ["2.1", "2.1.0.1", "2.2"],
    ],
)
def test_versions_are_ordered_as_maven_orders_them(order: list[str]) -> None:
    for lower, higher in combinations(order, 2):
        assert below(lower, higher)
        assert not below(higher, lower)
    assert not below("1.0", "1.0.0.Final")
    assert not below("1.0.0.Final", "1.0")


@given(VERSIONS, VERSIONS)
def test_versions_are_ordered_as_pypi_orders_them(one: str, other: str) -> None:
    assert below(one, other) == (Version(one) < Version(other))


@pytest.mark.parametrize(
    ("events", "inside", "outside"),
    [
        (({"introduced": "0"}, {"fixed": "2.0"}), ["0.1", "1.9.9", "2.0-rc1"], ["2.0", "3.0"]),
        (({"introduced": "1.0"}, {"last_affected": "1.5"}), ["1.0", "1.5"], ["0.9", "1.5.1"]),
        (
            ({"introduced": "1.0"}, {"fixed": "1.2"}, {"introduced": "2.0"}, {"fixed": "2.2"}),
            ["1.1", "2.1"],
            ["0.9", "1.2", "1.9", "2.2"],
        ),
        (({"introduced": "3.0"},), ["3.0", "99"], ["2.9"]),
    ],
)
def test_a_range_of_an_advisory_holds_what_it_says(
    tmp_path: Path, events: tuple[dict[str, str], ...], inside: list[str], outside: list[str]
) -> None:
    path = osv(tmp_path, id="GHSA-1", affected=[affected("Maven:a:b", *events)])
    components = [of("Maven:a:b", version) for version in inside + outside] + [of("PyPI:b", inside[0])]
    assert {found.component.version for found in check(components, [path])} == set(inside)


def test_what_nobody_has_judged_is_told_and_what_was_judged_by_another_name_is_not(tmp_path: Path) -> None:
    everything = affected(CODEC, {"introduced": "0"})
    files = [
        osv(tmp_path, id="GHSA-new", summary="a new one", affected=[everything]),
        osv(tmp_path, id="GHSA-old", aliases=["CVE-2025-58057"], affected=[everything]),
        osv(tmp_path, id="GHSA-gone", withdrawn="2026-01-01T00:00:00Z", affected=[everything]),
        osv(tmp_path, id="GHSA-listed", affected=[affected("PyPI:Some_Thing", versions=("1.0",))]),
    ]
    found = check([of(CODEC, "4.1.119.Final"), of("PyPI:some-thing", "1.0")], files)
    assert [(one.advisory, one.reachable, one.is_bad) for one in found] == [
        ("CVE-2025-58057", NOBODY, False),
        ("GHSA-new", UNJUDGED, True),
        ("GHSA-listed", UNJUDGED, True),
    ]


def test_a_judgement_of_one_component_is_none_of_another(tmp_path: Path) -> None:
    path = osv(
        tmp_path,
        id="CVE-2025-58057",
        affected=[affected("Maven:io.netty:netty-codec-http", {"introduced": "0"})],
    )
    (found,) = check([of("Maven:io.netty:netty-codec-http", "4.1.100.Final")], [path])
    assert found.reachable == UNJUDGED


def test_what_is_installed_has_no_known_fault_that_anybody_can_reach() -> None:
    components = installed(ROOT)
    names = {component.name for component in components}
    assert {"Java", "MongoDB", "Maven:org.apache.kafka:kafka-clients", "PyPI:starlette"} <= names
    assert [found for found in check(components) if found.is_bad] == []


def test_each_judgement_says_of_what_who_can_reach_it_and_why() -> None:
    judged = json.loads(JUDGED.read_text())
    assert len({one["id"] for one in judged}) == len(judged)
    for one in judged:
        assert one["reachable"] in (NOBODY, INSIDE, ANYBODY)
        assert one["why"].endswith(".")
        assert one["components"]
        assert all(below(since, fixed) for since, fixed in one["affected"])


def test_the_command_fails_of_what_nobody_has_judged_and_of_no_advisory(tmp_path: Path) -> None:
    called = CliRunner().invoke(main, ["dist", "advisories"])
    assert called.exit_code == 0, called.output
    osv(
        tmp_path,
        id="GHSA-new",
        summary="one\nnew",
        affected=[affected("PyPI:starlette", {"introduced": "0"})],
    )
    called = CliRunner().invoke(main, ["dist", "advisories", "--osv", str(tmp_path), "--format", "json"])
    assert called.exit_code == 1
    told = [json.loads(line) for line in called.stdout.splitlines()]
    assert {"GHSA-new"} == {one["advisory"] for one in told if one["reachable_by"] == UNJUDGED}
    (tmp_path / "odd.json").write_text("[]")
    called = CliRunner().invoke(main, ["dist", "advisories", "--osv", str(tmp_path)])
    assert called.exit_code == 2
    assert "odd.json" in called.output
