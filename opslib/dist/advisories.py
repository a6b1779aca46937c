"""Known faults of what is installed, held against the locks.

``advisories.json`` has those that somebody has judged: which versions have the fault, who can reach it in a
lake, and why. Files in OSV's format (https://ossf.github.io/osv-schema/), from its exports or any advisory
database, say what else is known by now. Neither needs the internet.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any

from opslib.dist import DistError
from opslib.dist.lock import LOCKS, load

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

JUDGED = Path(__file__).parent / "advisories.json"
# Who can reach a fault: nobody, who is inside (an account or certificate of the lake, or a login on its hosts),
# or anybody whom the firewall lets in.
NOBODY, INSIDE, ANYBODY, UNJUDGED = "nobody", "inside", "anybody", "not judged"
# What a distribution is, where its lock names the package that brought it.
_PRODUCTS = {"java": "Java", "mongodb": "MongoDB"}
_PINNED = re.compile(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)", re.MULTILINE)
# As Maven orders them (ComparableVersion): those before a release, the release, those behind it.
_QUALIFIERS = {"alpha": -5, "a": -5, "beta": -4, "b": -4, "milestone": -3, "m": -3, "rc": -2, "cr": -2}
_QUALIFIERS |= {"snapshot": -1, "dev": -6, "": 0, "final": 0, "ga": 0, "release": 0, "sp": 1, "post": 1}
_RELEASE = (1, 0, "")


@dataclass(frozen=True, order=True)
class Component:
    """One version of something, and the files of the repository that ask for it."""

    name: str  # ecosystem:name as OSV has them, or the product
    version: str
    places: tuple[str, ...]


@dataclass(frozen=True)
class Finding:
    """A fault that a component has."""

    advisory: str
    component: Component
    reachable: str
    why: str

    @property
    def is_bad(self) -> bool:
        """Tell whether something is to be done about it."""
        return self.reachable in (ANYBODY, UNJUDGED)


def installed(root: Path) -> list[Component]:
    """Return what the locks of distributions and the requirements of the repository at *root* ask for."""
    found: dict[tuple[str, str], set[str]] = {}
    for path in sorted(LOCKS.glob("*.json")):
        lock = load(path.stem)
        if lock.name in _PRODUCTS:
            found.setdefault((_PRODUCTS[lock.name], lock.version), set()).add(path.name)
        for artifact in (entry.artifact for entry in lock.inputs if not entry.is_debian):
            if "==" in artifact:
                name, version = artifact.split("==")
                key = (f"PyPI:{_normal(name)}", version)
            else:
                group, name, version = artifact.split(":")[:3]
                key = (f"Maven:{group}:{name}", version)
            found.setdefault(key, set()).add(path.name)
    for path in [root / "requirements.txt", *sorted((root / "requirements").glob("*.txt"))]:
        for name, version in _PINNED.findall(path.read_text(encoding="utf-8")):
            found.setdefault((f"PyPI:{_normal(name)}", version), set()).add(path.name)
    return sorted(Component(name, version, tuple(sorted(places))) for (name, version), places in found.items())


def check(components: Iterable[Component], osv: Iterable[Path] = ()) -> list[Finding]:
    """Return the faults that *components* have; *osv* are files in OSV's format."""
    components = list(components)
    by_name: dict[str, list[Component]] = {}
    for component in components:
        by_name.setdefault(component.name, []).append(component)
    judged: dict[tuple[str, str], dict[str, Any]] = {}
    findings = []
    for known in json.loads(JUDGED.read_text(encoding="utf-8")):
        for name in known["components"]:
            judged[known["id"], name] = known
            findings += [
                Finding(known["id"], component, known["reachable"], known["why"])
                for component in by_name.get(name, ())
                if any(_within(component.version, *span) for span in known["affected"])
            ]
    told = {(finding.advisory, finding.component) for finding in findings}
    for record in (_read(path) for path in osv):
        names = [record["id"], *record.get("aliases", ())]
        if "withdrawn" in record:
            continue
        for component in _affected(record, by_name):
            by = next((judged[name, component.name] for name in names if (name, component.name) in judged), None)
            if by is None:
                findings.append(Finding(record["id"], component, UNJUDGED, str(record.get("summary", ""))))
            elif (by["id"], component) not in told:
                # It is wider than what was judged, or was by a name of it.
                findings.append(Finding(by["id"], component, by["reachable"], by["why"]))
                told.add((by["id"], component))
    return sorted(set(findings), key=lambda found: (found.component, found.advisory))


def _key(version: str) -> list[tuple[int, int, str]]:
    parts = re.findall(r"\d+|[a-z]+", version.lower().split("+")[0])
    key = [(1, int(part), "") if part.isdigit() else _qualifier(part) for part in parts]
    while key and key[-1] == _RELEASE:
        key.pop()
    return key


def _qualifier(part: str) -> tuple[int, int, str]:
    place = _QUALIFIERS.get(part)
    if place is None or place > 0:
        # Behind the release and before any number; one that Maven does not know, last.
        return (1, 0, "sp" if place else f"unknown {part}")
    # Those before a release are below what is not there at all, which is the release.
    return (0, place, "") if place else _RELEASE


def below(one: str, other: str) -> bool:
    """Tell whether a version comes before another, as Maven orders them, and near enough for PyPI."""
    for left, right in zip_longest(_key(one), _key(other), fillvalue=_RELEASE):
        if left != right:
            return left < right
    return False


def _within(version: str, since: str, fixed: str) -> bool:
    return not below(version, since) and below(version, fixed)


def _affected(record: dict[str, Any], by_name: dict[str, list[Component]]) -> Iterator[Component]:
    for affected in record.get("affected", ()):
        package = affected.get("package", {})
        name = str(package.get("name", ""))
        ecosystem = str(package.get("ecosystem", ""))
        name = _normal(name) if ecosystem == "PyPI" else name
        for component in by_name.get(f"{ecosystem}:{name}", ()):
            ranges = [one for one in affected.get("ranges", ()) if one.get("type") != "GIT"]
            if component.version in affected.get("versions", ()) or any(
                _in_range(component.version, one.get("events", ())) for one in ranges
            ):
                yield component


def _in_range(version: str, events: Iterable[dict[str, str]]) -> bool:
    inside = False
    for event in events:
        if "introduced" in event:
            inside = inside or not below(version, event["introduced"])
        if "fixed" in event and not below(version, event["fixed"]):
            inside = False
        if "last_affected" in event and below(event["last_affected"], version):
            inside = False
    return inside


def _read(path: Path) -> dict[str, Any]:
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(record, dict) or not isinstance(record["id"], str):
            raise TypeError
    except (ValueError, TypeError, KeyError) as error:
        raise DistError(f"{path} is no advisory in OSV's format") from error
    return record


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
