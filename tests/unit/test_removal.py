"""What roles bring to a host, ansible/remove.yml takes away: each role says what, and is held to it here."""

from __future__ import annotations

import contextlib
import functools
import os
import re
from typing import TYPE_CHECKING, Any

import jinja2
import pytest
import yaml

import roles

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator
    from pathlib import Path

ROOT = roles.ROLES.parent
MODULES = ("copy", "template", "file", "apt_repository", "unarchive", "get_url")
# Of packages: gone with them, or the owner's.
OTHERS = re.compile(
    r"/etc/(?:default/prometheus.*|chrony/chrony\.conf|nginx/sites-enabled/default|prometheus)|/etc/systemd/system/[^/]*\.d"
)
INSTALLED = re.compile(r"/(?:etc|opt|usr|var)/")
PATHS = ("dest", "path")


@functools.cache
def read(role: str, part: str) -> dict[str, Any]:
    path = roles.ROLES / role / part / "main.yml"
    return (yaml.safe_load(path.read_text()) or {}) if path.exists() else {}


def variables(role: str) -> dict[str, Any]:
    return {**read("service", "defaults"), **read(role, "defaults"), **read(role, "vars")}


def rendered(text: str, known: dict[str, Any]) -> str:
    """Return a text with the variables that are plain, and those made of such."""
    environment = jinja2.Environment(undefined=jinja2.DebugUndefined)  # noqa: S701 - of paths
    environment.filters["dirname"] = os.path.dirname
    with contextlib.suppress(jinja2.TemplateError):  # filters of Ansible's
        for _ in range(3):
            text = environment.from_string(text).render(known)
    return text


def tasks(found: Any) -> Iterator[dict[str, Any]]:
    for task in found or ():
        yield task
        for part in ("block", "rescue", "always"):
            yield from tasks(task.get(part))


def written(role: str) -> Iterator[str]:
    """Yield the paths that tasks of a role write on a host."""
    for file in sorted((roles.ROLES / role / "tasks").glob("*.yml")):
        if file.stem == "uninstall":
            continue
        for task in tasks(yaml.safe_load(file.read_text())):
            if task.get("delegate_to") == "localhost":
                continue
            for module in MODULES:
                asked = task.get(f"ansible.builtin.{module}", {})
                if asked.get("state") != "absent":
                    yield from paths(asked, task.get("loop"), variables(role))


def paths(asked: dict[str, Any], loop: Any, known: dict[str, Any]) -> Iterator[str]:
    items = loop if isinstance(loop, list) else [None]
    for name in PATHS:
        for item in items if name in asked else ():
            some = (
                {key: rendered(str(one), known) for key, one in item.items()}
                if isinstance(item, dict)
                else item
            )
            path = rendered(str(asked[name]), {**known, **({} if item is None else {"item": some})})
            if INSTALLED.match(path) and "{{" not in path:
                yield path


def brought(role: str) -> dict[str, list[str]]:
    known = variables(role)
    found = known.get(f"_{role}_brought", {})
    return {kind: [rendered(str(one), known) for one in some] for kind, some in found.items()}


ROLES = ["backup", "common", "java", "kafka", "mongodb", "monitoring", "nifi", "opslib", "web", "zookeeper"]
ALL = [path.name for path in sorted(roles.ROLES.iterdir()) if (path / "tasks").is_dir()]


def test_all_that_a_role_writes_is_among_what_some_role_takes_away() -> None:
    units = {f"/etc/systemd/system/{unit}" for role in ROLES for unit in brought(role).get("units", ())}
    gone = {one for role in ROLES for kind in ("files", "data") for one in brought(role).get(kind, ())}
    folders = set(read("common", "vars")["_common_folders"])
    seen = 0
    for role in ALL:
        for path in written(role):
            seen += 1
            covered = any(path == one or path.startswith(f"{one}/") for one in gone)
            assert covered or path in units | folders or OTHERS.fullmatch(path), f"{role} leaves {path}"
    assert seen > 60


@pytest.mark.parametrize("role", ALL)
def test_every_unit_of_a_role_is_stopped_and_removed(role: str) -> None:
    made = {path.name.removesuffix(".j2") for path in (roles.ROLES / role / "templates").glob("*.j2")}
    units = {name for name in made if re.fullmatch(r"[^/]+\.(?:service|timer|socket)", name)}
    assert units == set(brought(role).get("units", ())) if role in ROLES else not units


def test_every_package_that_a_task_installs_may_be_taken_away() -> None:
    everything = read("common", "vars")["_common_all_packages"] + str(
        read("common", "vars")["_common_packages"]
    )
    found = set(read("opslib", "defaults")["opslib_font_packages"])
    for role in ALL:
        for file in (roles.ROLES / role / "tasks").glob("*.yml"):
            for task in tasks(yaml.safe_load(file.read_text())):
                names = task.get("ansible.builtin.apt", {}).get("name", [])
                for name in [names] if isinstance(names, str) else names:
                    found |= {name.partition("=")[0]} if "{{" not in name.partition("=")[0] else set()
    assert {"restic", "nginx-light", "chrony", "tzdata", "mongodb-org-server"} <= found
    assert {
        name for name in found if not re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", everything)
    } == set()


def play(
    tmp_path: Path, *arguments: str, book: Path = ROOT / "ansible/remove.yml"
) -> subprocess.CompletedProcess[str]:
    (tmp_path / "hosts.yml").write_text("trendlake: {hosts: {here: {ansible_connection: local}}}\n")
    return roles.play(book, tmp_path / "hosts.yml", *arguments, home=tmp_path)


@pytest.mark.slow
def test_it_refuses_unless_somebody_says_so(tmp_path: Path) -> None:
    # The first play alone: what is beyond it must never come.
    book = tmp_path / "first.yml"
    (first, *_) = yaml.safe_load((ROOT / "ansible/remove.yml").read_text())
    book.write_text(yaml.safe_dump([first]))
    for said in ((), ("-e", "remove=no", "-e", "keep_data=true")):
        done = play(tmp_path, *said, book=book)
        assert done.returncode != 0
        assert "-e remove=yes" in done.stdout
    assert play(tmp_path, "-e", "remove=yes", book=book).returncode == 0


@pytest.mark.slow
def test_what_is_no_folder_of_the_lake_is_refused_and_data_is_kept_where_it_is_asked_for(
    tmp_path: Path,
) -> None:
    files, data = tmp_path / "etc/thing", tmp_path / "lib/thing"
    for folder in (files, data):
        folder.mkdir(parents=True)
    book = tmp_path / "book.yml"

    def plan(given: dict[str, list[str]], *said: str) -> subprocess.CompletedProcess[str]:
        role = {"name": "service", "tasks_from": "uninstall"}
        task = {"ansible.builtin.include_role": role, "vars": {"service_brought": given}}
        book.write_text(yaml.safe_dump([{"hosts": "trendlake", "gather_facts": False, "tasks": [task]}]))
        return play(tmp_path, "--check", *said, book=book)

    brought_here = {"files": [str(files)], "data": [str(data)]}
    changed = re.compile(r"changed=(\d+)")
    (both,) = changed.findall(plan(brought_here).stdout)
    (kept,) = changed.findall(plan(brought_here, "-e", "keep_data=true").stdout)
    assert (both, kept) == ("2", "1")
    for wrong in ("/etc", "etc/kafka"):
        done = plan({"files": [], "data": [wrong]})
        assert done.returncode != 0
        assert "is no folder or file of the lake" in done.stdout
    assert files.is_dir()
    assert data.is_dir()
