"""Assemble tarballs from locked inputs, and tell whether one is what its lock says."""

from __future__ import annotations

import io
import json
import subprocess
import tarfile
import zipfile
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from opslib.dist import DistError, cache, fetch, python
from opslib.dist.lock import Lock, load, sha256
from opslib.dist.sources import SOURCES
from opslib.packing.tarball import Tarball

if TYPE_CHECKING:
    from collections.abc import Iterator

NAMES = (*SOURCES, *python.NAMES)


def path(name: str) -> Path:
    """Return where the tarball of *name* stands, or would."""
    if name in SOURCES:
        return cache() / "dist" / f"{name}-{load(name).version}.tar.gz"
    if name in python.NAMES:
        return python.target(name)
    raise DistError(f"there is no distribution {name}; there are: {', '.join(NAMES)}")


def is_current(name: str) -> bool:
    """Whether the tarball is there, of this lock, and has the bytes that were written."""
    tarball = path(name)
    record = _record(tarball)
    return (
        tarball.is_file()
        and record.get("inputs") == _digest(name)
        and record.get("size") == tarball.stat().st_size
        and record.get("sha256") == sha256(tarball)
    )


def build(name: str) -> Path:
    """Assemble *name* and return its path. What cannot be built whole is not there afterwards."""
    if name in python.NAMES:
        target = python.build(name)
    else:
        target = path(name)
        target.unlink(missing_ok=True)
        assemble(load(name), target)
    record = {"inputs": _digest(name), "sha256": sha256(target), "size": target.stat().st_size}
    _record_path(target).write_text(json.dumps(record) + "\n", encoding="utf-8")
    return target


def assemble(lock: Lock, target: Path) -> None:
    """Write the tarball of *lock* to *target*."""
    files = fetch.inputs(lock.inputs)
    with Tarball(target, f"{lock.name}-{lock.version}") as tarball:
        for entry, file in files.items():
            if entry.inside is None:
                tarball.add(entry.place, file.read_bytes())
                continue
            for member, content in _unpacked_deb(file) if entry.is_debian else _unpacked_zip(file):
                if member.startswith(entry.inside):
                    name = entry.place + member[len(entry.inside) :]
                    tarball.add(name, content, executable=_is_program(name))


def _unpacked_zip(file: Path) -> Iterator[tuple[str, bytes]]:
    with zipfile.ZipFile(file) as archive:
        for member in archive.infolist():
            if not member.is_dir():
                yield member.filename, archive.read(member)


def _unpacked_deb(file: Path) -> Iterator[tuple[str, bytes]]:
    done = subprocess.run(["dpkg-deb", "--fsys-tarfile", str(file)], capture_output=True, check=False)
    if done.returncode != 0:
        raise DistError(f"{file} is no package of Debian: {done.stderr.decode(errors='replace').strip()}")
    with tarfile.open(fileobj=io.BytesIO(done.stdout)) as archive:
        for member in archive:
            content = archive.extractfile(member) if member.isfile() else None
            if content is not None:
                yield member.name, content.read()


def verify(name: str) -> list[str]:
    """Return what is wrong with the tarball of *name* and its inputs; nothing if all is well."""
    tarball = path(name)
    if not tarball.is_file():
        return [f"{tarball} is not built"]
    wrong = []
    record = _record(tarball)
    if record.get("sha256") != sha256(tarball):
        wrong.append(f"{tarball} does not have the bytes that were built")
    if record.get("inputs") != _digest(name):
        wrong.append(f"{tarball} was built from another lock")
    if name in SOURCES:
        for entry in load(name).inputs:
            file = cache() / "inputs" / entry.sha256[:16] / entry.file
            if file.is_file() and sha256(file) != entry.sha256:
                wrong.append(f"{file} is not the file that the lock names")
    return wrong


def _digest(name: str) -> str:
    return python.version(name) if name in python.NAMES else load(name).digest


def _record_path(tarball: Path) -> Path:
    return tarball.with_name(tarball.name + ".json")


def _record(tarball: Path) -> dict[str, object]:
    try:
        record: dict[str, object] = json.loads(_record_path(tarball).read_text(encoding="utf-8"))
    except (FileNotFoundError, json.JSONDecodeError):
        return {}
    return record


def _is_program(name: str) -> bool:
    """Whether a file of an archive that keeps no modes is to be run."""
    parts = PurePosixPath(name).parts
    return parts[0] == "bin" or parts[-1] == "jspawnhelper"
