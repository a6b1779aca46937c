"""Distributions are made of locked, checked inputs, and of nothing else."""

from __future__ import annotations

import hashlib
import subprocess
import tarfile
import zipfile
from typing import TYPE_CHECKING

import pytest

from opslib.dist import DistError, build, fetch, lock
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
    artifact = "suite/made=1" if name.endswith(".deb") else f"group:{name}:1:jar"
    return Input(artifact, name, digest, len(content), place, inside)


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


def test_of_a_package_of_debian_the_files_below_one_folder_are_taken(cache: Path) -> None:
    root = cache / "made"
    for path, text in (("usr/lib/made/a.so", "library"), ("usr/share/doc/made", "documentation")):
        (root / path).parent.mkdir(parents=True)
        (root / path).write_text(text)
    (root / "DEBIAN").mkdir()
    (root / "DEBIAN/control").write_text(
        "Package: made\nVersion: 1\nArchitecture: all\n"
        "Maintainer: nobody <nobody@example.org>\nDescription: made\n"
    )
    package = cache / "made_1_all.deb"
    subprocess.run(["dpkg-deb", "--build", root, package], check=True, capture_output=True)
    wanted = cached(cache, package.name, package.read_bytes(), "lib/", "./usr/lib/made/")
    build.assemble(Lock("thing", "1.0", (wanted,)), cache / "thing.tar.gz")
    with tarfile.open(cache / "thing.tar.gz") as archive:
        assert [member.name for member in archive if member.isfile()] == ["thing-1.0/lib/a.so"]


def test_what_is_no_package_of_debian_is_named(cache: Path) -> None:
    wanted = cached(cache, "made_1_all.deb", b"no archive", "lib/", "./usr/lib/made/")
    with pytest.raises(DistError, match=r"made_1_all\.deb is no package of Debian"):
        build.assemble(Lock("thing", "1.0", (wanted,)), cache / "thing.tar.gz")


@pytest.mark.parametrize(
    ("targets", "found"),
    [
        (
            "https://a.example/debian/\nhttps://a.example/debian-security/\n",
            "https://a.example/debian-security/",
        ),
        ("https://a.example/debian/\n", None),
    ],
)
def test_packages_of_debian_come_from_the_mirror_that_the_machine_uses(
    cache: Path, monkeypatch: pytest.MonkeyPatch, targets: str, found: str | None
) -> None:
    programs = cache / "bin"
    programs.mkdir()
    # An apt-get whose sources are given, since those of this machine are nobody's business.
    (programs / "apt-get").write_text(f"#!/bin/sh\ncat <<'E'\n{targets}E\n")
    (programs / "apt-get").chmod(0o755)
    monkeypatch.setenv("PATH", str(programs), prepend=":")
    monkeypatch.delenv("TRENDLAKE_DEBIAN_SECURITY_MIRROR", raising=False)
    if found is None:
        with pytest.raises(DistError, match="set TRENDLAKE_DEBIAN_SECURITY_MIRROR to its address"):
            fetch.debian_mirror(security=True)
        monkeypatch.setenv("TRENDLAKE_DEBIAN_SECURITY_MIRROR", "https://b.example/")
        assert fetch.debian_mirror(security=True) == "https://b.example/"
    else:
        assert fetch.debian_mirror(security=True) == found


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


def test_a_plugin_of_maven_that_is_not_the_one_known_is_not_run(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bin_folder = tmp_path / "bin"
    bin_folder.mkdir()
    ran = tmp_path / "ran"
    # Puts another file where Maven would put its plugin, and notes what it was asked for.
    maven = bin_folder / "mvn"
    plugin = cache / "maven/org/apache/maven/plugins/maven-dependency-plugin/3.8.1"
    jar = plugin / "maven-dependency-plugin-3.8.1.jar"
    maven.write_text(f'#!/bin/sh\necho "$@" >> {ran}\nmkdir -p {plugin}\necho other > {jar}\n')
    maven.chmod(0o755)
    monkeypatch.setenv("PATH", f"{bin_folder}:/usr/bin:/bin")
    with pytest.raises(DistError, match=r"maven-dependency-plugin-3.8.1.jar.* has the wrong checksum"):
        list(fetch.maven_files(["group:artifact:1"], tmp_path / "files"))
    assert ran.read_text().count("validate") == 1
    assert ":copy" not in ran.read_text()
    assert not list(plugin.iterdir())
