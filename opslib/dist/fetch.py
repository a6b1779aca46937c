"""Get inputs with the ordinary clients `mvn`, `pip` and `apt-get`: each machine's mirrors and proxies count."""

from __future__ import annotations

import getpass
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

from opslib.dist import DistError, cache
from opslib.dist.lock import Input, sha256

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

_PLUGIN = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1"
_PLUGIN_SHA256 = "9fc3d435085983b16bc53903f9413aede9de30e20c57c0cece94614f328b14b5"
_ATTEMPTS = 3

# Debian 11's C library is 2.31: every manylinux up to that.
_PLATFORMS = (
    "manylinux_2_28",
    "manylinux_2_27",
    "manylinux_2_17",
    "manylinux2014",
    "manylinux_2_5",
    "manylinux1",
)


def inputs(wanted: Sequence[Input]) -> dict[Input, Path]:
    """Return each input's file in the cache, fetched where it is not there, checked against its lock.

    A file that is not what the lock says is deleted and named in a :class:`DistError`.
    """
    places = {entry: cache() / "inputs" / entry.sha256[:16] / entry.file for entry in wanted}
    missing = [entry for entry, path in places.items() if not path.is_file()]
    if missing:
        with tempfile.TemporaryDirectory(prefix="trendlake-fetch-") as scratch:
            for entry, path in _fetch(missing, Path(scratch)):
                _check(entry, path)
                places[entry].parent.mkdir(parents=True, exist_ok=True)
                staged = places[entry].with_suffix(f".{os.getpid()}")
                shutil.move(str(path), staged)
                staged.rename(places[entry])
    for entry, path in places.items():
        if entry not in missing:
            _check(entry, path)
    return places


def _check(entry: Input, path: Path) -> None:
    found = sha256(path)
    if found != entry.sha256:
        path.unlink()
        raise DistError(
            f"{entry.file} ({entry.artifact}) has the wrong checksum: the lock says {entry.sha256}, "
            f"the file has {found}. It was deleted; nothing was built."
        )


def _fetch(missing: Sequence[Input], scratch: Path) -> Iterator[tuple[Input, Path]]:
    jars = {entry.artifact: entry for entry in missing if not entry.is_wheel and not entry.is_debian}
    for coordinate, path in maven_files(list(jars), scratch / "maven"):
        yield jars[coordinate], path
    for entry in missing:
        if entry.is_wheel:
            yield entry, wheel(entry.artifact, entry.sha256, scratch / "wheels")
        elif entry.is_debian:
            yield entry, debian_package(entry.artifact, scratch / "debian")


def maven_files(coordinates: Sequence[str], folder: Path) -> Iterator[tuple[str, Path]]:
    """Fetch each artifact by itself; yield its full coordinate and its file."""
    if not coordinates:
        return
    items, names = [], []
    for coordinate in coordinates:
        group, artifact, version, kind, *classifier = [*coordinate.split(":"), "jar"][
            : max(4, coordinate.count(":") + 1)
        ]
        name = f"{artifact}-{version}{''.join('-' + part for part in classifier)}.{kind}"
        fields = {
            "groupId": group,
            "artifactId": artifact,
            "version": version,
            "type": kind,
            "destFileName": name,
        }
        if classifier:
            fields["classifier"] = classifier[0]
        items.append("<artifactItem>" + _xml(fields) + "</artifactItem>")
        names.append((":".join([group, artifact, version, kind, *classifier]), folder / name))
    group, artifact, version = _PLUGIN.split(":")
    configuration = f"<configuration><artifactItems>{''.join(items)}</artifactItems></configuration>"
    plugin = _xml({"groupId": group, "artifactId": artifact, "version": version}) + configuration
    _maven(f"<build><plugins><plugin>{plugin}</plugin></plugins></build>", "copy", folder)
    for (full, path), asked in zip(names, coordinates):
        yield (asked if asked.count(":") > 2 else full), path


def maven_tree(
    coordinates: Iterable[str], folder: Path, newer: Iterable[str] = ()
) -> Iterator[tuple[str, Path]]:
    """Fetch artifacts with all that they need at run time; yield coordinates and files, in order of names.

    Of what they need, the versions in *newer* win over those asked for.
    """
    dependencies = "".join(_dependency(coordinate) for coordinate in coordinates)
    if not dependencies:
        return
    managed = "".join(_dependency(coordinate) for coordinate in newer)
    _maven(
        f"<dependencyManagement><dependencies>{managed}</dependencies></dependencyManagement>"
        f"<dependencies>{dependencies}</dependencies>",
        "copy-dependencies",
        folder,
        "-DincludeScope=runtime",
        "-Dmdep.useRepositoryLayout=true",
    )
    for path in sorted(folder.rglob("*.jar")):
        version, artifact = path.parent.name, path.parent.parent.name
        group = ".".join(path.parent.parent.parent.relative_to(folder).parts)
        classifier = path.stem[len(f"{artifact}-{version}-") :]
        yield ":".join([group, artifact, version, "jar", *([classifier] if classifier else [])]), path


def _dependency(coordinate: str) -> str:
    fields = zip(("groupId", "artifactId", "version", "type", "classifier"), coordinate.split(":"))
    return "<dependency>" + _xml(dict(fields)) + "</dependency>"


def _xml(fields: dict[str, str]) -> str:
    return "".join(f"<{name}>{escape(text)}</{name}>" for name, text in fields.items())


def _maven(body: str, goal: str, folder: Path, *options: str) -> None:
    _check_plugin(folder.with_suffix(".plugin.xml"))
    pom = _project(folder.with_suffix(".pom.xml"), body)
    folder.mkdir(parents=True, exist_ok=True)
    _mvn(pom, f"{_PLUGIN}:{goal}", f"-DoutputDirectory={folder}", *options)


def _check_plugin(pom: Path) -> None:
    """Have Maven fetch its plugin without running it, and refuse one that is not the one known.

    Maven looks into the plugin's file to learn when a goal is to run, if the project does not say, and the
    phase asked for comes before that.
    """
    group, artifact, version = _PLUGIN.split(":")
    name = f"{artifact}-{version}.jar"
    jar = _repository() / group.replace(".", "/") / artifact / version / name
    if not jar.is_file():
        plugin = _xml({"groupId": group, "artifactId": artifact, "version": version})
        plugin += "<executions><execution><goals><goal>copy</goal></goals></execution></executions>"
        _mvn(_project(pom, f"<build><plugins><plugin>{plugin}</plugin></plugins></build>"), "validate")
    found = sha256(jar)
    if found != _PLUGIN_SHA256:
        jar.unlink()
        raise DistError(
            f"{name}, which fetches what Maven has, has the wrong checksum: {_PLUGIN_SHA256} is known, the file "
            f"has {found}. It was deleted and not run; nothing was built."
        )


def _repository() -> Path:
    """Return where Maven keeps what it fetched: a place of our own, so that nobody else puts a plugin there."""
    return cache() / "maven"


def _project(path: Path, body: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    head = _xml({"modelVersion": "4.0.0", "groupId": "trendlake", "artifactId": "dist", "version": "1"})
    path.write_text(f"<project>{head}<packaging>pom</packaging>{body}</project>", encoding="utf-8")
    return path


def _mvn(pom: Path, goal: str, *options: str) -> None:
    command = ["mvn", "-q", "-B", "-f", str(pom), f"-Dmaven.repo.local={_repository()}", goal, *options]
    _run(command, "Debian's package maven")


def wheel(requirement: str, checksum: str | None, folder: Path) -> Path:
    """Fetch one wheel by ``name==version``; with *checksum*, pip refuses any other file."""
    lock = folder.with_suffix(".txt")
    hashed = f"{requirement} --hash=sha256:{checksum}" if checksum else requirement
    lock.write_text(hashed + "\n", encoding="utf-8")
    into = folder / requirement.split("==")[0]
    wheels(lock, "3.11.2", into)
    (found,) = into.iterdir()
    return found


def wheels(requirements: Path, python: str, folder: Path) -> None:
    """Fetch the wheels of a lock file for a Debian target with Python *python* into *folder*."""
    tag = "cp" + "".join(python.split(".")[:2])
    _run(
        [
            sys.executable,
            "-m",
            "pip",
            "download",
            "-q",
            "--no-deps",
            "--only-binary=:all:",
            "--disable-pip-version-check",
        ]
        + [
            "--implementation",
            "cp",
            "--python-version",
            python,
            "--abi",
            tag,
            "--abi",
            "abi3",
            "--abi",
            "none",
        ]
        + [option for platform in _PLATFORMS for option in ("--platform", f"{platform}_x86_64")]
        + ["--dest", str(folder), "-r", str(requirements)],
        "Python's own pip",
    )


def debian_package(artifact: str, folder: Path) -> Path:
    """Fetch a package of Debian by ``suite/name=version``, whatever suite this machine itself is of.

    apt-get gets lists and a cache of its own for it, so that nothing of this machine's changes. The suite may
    be past its end and its signatures with it: the lock's checksum is what the file is held against.
    """
    suite, package = artifact.split("/")
    for part in ("lists/partial", "archives/partial"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    mirror = debian_mirror(security=suite.endswith("-security"))
    sources = folder / "sources.list"
    sources.write_text(f"deb [trusted=yes check-valid-until=no] {mirror} {suite} main\n", encoding="utf-8")
    own = {
        "Dir::Etc::SourceList": sources,
        "Dir::Etc::SourceParts": "/dev/null",
        "Dir::State::Lists": folder / "lists",
        "Dir::Cache": folder,
        "APT::Sandbox::User": getpass.getuser(),
        "Acquire::Languages": "none",
    }
    apt = ["apt-get", "-qq", *(f"-o{name}={value}" for name, value in own.items())]
    _run([*apt, "update"], "Debian")
    _run([*apt, "download", f"{package.replace('=', ':amd64=')}"], "Debian", folder)
    (found,) = folder.glob("*.deb")
    return found


def debian_mirror(*, security: bool) -> str:
    """Return the address of Debian's packages, or of its security updates, that this machine itself uses."""
    variable = "TRENDLAKE_DEBIAN_SECURITY_MIRROR" if security else "TRENDLAKE_DEBIAN_MIRROR"
    given = os.environ.get(variable)
    if given:
        return given
    command = ["apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages"]
    try:
        listed = subprocess.run(command, capture_output=True, text=True, check=False).stdout.split()
    except FileNotFoundError:
        listed = []
    for uri in listed:
        if uri.rstrip("/").endswith("/debian-security" if security else "/debian"):
            return uri
    raise DistError(
        f"no source of Debian's {'security updates' if security else 'packages'} was found on this machine: "
        f"set {variable} to its address"
    )


def _run(command: list[str], package: str, folder: Path | None = None) -> None:
    """Run a client; network failures pass, so it is tried again before its own words are reported."""
    for attempt in range(_ATTEMPTS):
        try:
            done = subprocess.run(
                command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, cwd=folder
            )
        except FileNotFoundError as missing:
            raise DistError(f"{command[0]} is needed and not installed: {package} has it") from missing
        if done.returncode == 0:
            return
        words = (done.stderr + done.stdout).strip()
        if "DO NOT MATCH THE HASHES" in words:
            break  # what pip was given is not what is locked: asking again gives the same
        if attempt + 1 < _ATTEMPTS:
            print(f"{command[0]} failed, trying again", file=sys.stderr)  # noqa: T201
    raise DistError(f"{' '.join(command[:4])} … failed:\n{words[-2000:]}")
