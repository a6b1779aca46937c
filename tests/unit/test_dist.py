"""Distributions are made of locked, checked inputs, and of nothing else."""

from __future__ import annotations

import hashlib
import tarfile
import zipfile
from typing import TYPE_CHECKING

import pytest

from opslib.dist import DistError, build, lock
from opslib.dist.lock import Input, Lock
from opslib.dist.sources import SOURCES

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TRENDLAKE_CACHE", str(tmp_path))
    return tmp_path


def cached(cache: Path, name: str, content: bytes, place: str, inside: str | None = None) -> Input:
    digest = hashlib.sha256(content).hexdigest()
    path = cache / "inputs" / digest[:16] / name
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    return Input(f"group:{name}:1:jar", name, digest, len(content), place, inside)


@pytest.fixture
def thing(cache: Path) -> Lock:
    wheel = cache / "made.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("pkg/bin/program", "#!/bin/sh\n")
        archive.writestr("pkg/README", "read me")
        archive.writestr("other/left-out", "not ours")
    return Lock(
        "thing",
        "1.0",
        (
            cached(cache, "a.jar", b"jar", "lib/a.jar"),
            cached(cache, "made-1.whl", wheel.read_bytes(), "", "pkg/"),
        ),
    )


def test_the_same_inputs_give_the_same_bytes(cache: Path, thing: Lock) -> None:
    first, second = cache / "first.tar.gz", cache / "second.tar.gz"
    build.assemble(thing, first)
    build.assemble(Lock(thing.name, thing.version, thing.inputs[::-1]), second)
    assert first.read_bytes() == second.read_bytes()
    with tarfile.open(first) as archive:
        members = {member.name: member for member in archive if member.isfile()}
    assert set(members) == {"thing-1.0/lib/a.jar", "thing-1.0/bin/program", "thing-1.0/README"}
    assert members["thing-1.0/bin/program"].mode == 0o755
    assert members["thing-1.0/lib/a.jar"].mode == 0o644
    assert {(member.uid, member.gid, member.uname) for member in members.values()} == {(0, 0, "root")}


def test_a_corrupt_input_is_named_and_nothing_is_left(cache: Path, thing: Lock) -> None:
    (jar,) = cache.glob("inputs/*/a.jar")
    jar.write_bytes(b"tampered with")
    target = cache / "dist" / "thing-1.0.tar.gz"
    with pytest.raises(DistError, match=r"a\.jar .* has the wrong checksum"):
        build.assemble(thing, target)
    assert not jar.exists()
    assert not target.parent.exists() or not list(target.parent.iterdir())


def test_verify_tells_what_became_of_a_tarball(
    cache: Path, thing: Lock, monkeypatch: pytest.MonkeyPatch
) -> None:
    del cache
    monkeypatch.setattr(build, "load", lambda _name: thing)
    monkeypatch.setitem(SOURCES, "thing", SOURCES["kafka"])
    assert build.verify("thing") == [f"{build.path('thing')} is not built"]
    tarball = build.build("thing")
    assert build.is_current("thing")
    assert build.verify("thing") == []
    tarball.write_bytes(tarball.read_bytes()[:-1])
    assert not build.is_current("thing")
    assert "does not have the bytes" in build.verify("thing")[0]


@pytest.mark.parametrize("name", list(SOURCES))
def test_each_source_has_its_lock(name: str) -> None:
    locked = lock.load(name)
    assert (locked.name, locked.version) == (name, SOURCES[name].version)
    assert locked.inputs
    assert all(len(entry.sha256) == 64 and entry.size > 0 for entry in locked.inputs)


def test_an_unknown_distribution_is_refused() -> None:
    with pytest.raises(DistError, match="there is no distribution nonsense"):
        build.path("nonsense")
