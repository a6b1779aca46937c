"""Our own Python on targets: wheelhouses to install from without a network, and the NAR of the processors."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from opslib import __version__
from opslib.dist import DistError, cache, fetch
from opslib.packing import CHECKOUT, nar
from opslib.packing.tarball import EPOCH, Tarball

# Those of Debian 11, 12 and 13, to the patch: some packages leave 3.9.0 and 3.9.1 out.
PYTHONS = {"py39": "3.9.2", "py311": "3.11.2", "py313": "3.13.5"}
KINDS = {"opslib": "targets", "pymongo": "pymongo", "kafkatools": "kafkatools", "nar": "nar"}
NAMES = tuple(f"{kind}-{tag}" for kind in KINDS for tag in PYTHONS)

# What of opslib the NiFi processors carry: these import nothing but the packages of requirements/nar.in.
_IN_NAR = ("__init__.py", "hashtag.py", "kafka_client.py", "message.py", "reading.py", "x")


def _requirements(name: str) -> Path:
    kind, tag = name.split("-")
    return CHECKOUT / "requirements" / f"{KINDS[kind]}-{tag}.txt"


def _own_files(name: str) -> list[Path]:
    """Return the files of this checkout that go into the distribution *name*."""
    package = CHECKOUT / "opslib"
    if name.startswith(("pymongo", "kafkatools")):
        return []
    roots = [package / part for part in _IN_NAR] if name.startswith("nar") else [package]
    files = [CHECKOUT / "pyproject.toml", CHECKOUT / "LICENSE", CHECKOUT / "README.md"]
    if name.startswith("nar"):
        roots += [CHECKOUT / "flows" / "processors", package / "packing" / "nar.py"]
    for root in roots:
        files += [root] if root.is_file() else [p for p in root.rglob("*") if p.is_file()]
    return sorted(p for p in files if p.is_file() and "__pycache__" not in p.parts)


def version(name: str) -> str:
    """Return the version: opslib's own, and a digest of every file that decides what is in the tarball."""
    digest = hashlib.sha256()
    for path in [_requirements(name), *_own_files(name)]:
        digest.update(str(path.relative_to(CHECKOUT)).encode() + b"\0" + path.read_bytes() + b"\0")
    return f"{__version__}+{digest.hexdigest()[:12]}"


def target(name: str) -> Path:
    """Return where the distribution *name* of this checkout stands once it is built."""
    suffix = "nar" if name.startswith("nar") else "tar.gz"
    return cache() / "dist" / f"{name}-{version(name)}.{suffix}"


def build(name: str) -> Path:
    """Build it; return its path."""
    wheels = _fetched(name)
    path = target(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    if name.startswith("nar"):
        _build_nar(name, wheels, path)
        return path
    with Tarball(path, path.name[: -len(".tar.gz")]) as tarball:
        for wheel in sorted(wheels.glob("*.whl")):
            tarball.add(f"wheels/{wheel.name}", wheel.read_bytes())
        if name.startswith("opslib"):
            own, content = _own_wheel()
            tarball.add(f"wheels/{own}", content)
    return path


def _fetched(name: str) -> Path:
    """Return a folder with the wheels of the lock; pip has checked each against its hash."""
    requirements = _requirements(name)
    folder = (
        cache()
        / "wheels"
        / f"{requirements.stem}-{hashlib.sha256(requirements.read_bytes()).hexdigest()[:12]}"
    )
    if not folder.is_dir():
        folder.parent.mkdir(parents=True, exist_ok=True)
        staged = Path(tempfile.mkdtemp(dir=folder.parent))
        try:
            fetch.wheels(requirements, PYTHONS[name.split("-")[1]], staged)
            staged.chmod(0o755)
            staged.rename(folder)
        finally:
            shutil.rmtree(staged, ignore_errors=True)
    return folder


def _own_wheel() -> tuple[str, bytes]:
    """Build opslib's wheel from a copy of the checkout: setuptools leaves files beside what it builds."""
    with tempfile.TemporaryDirectory(prefix="trendlake-wheel-") as scratch:
        for path in _own_files("opslib-py39"):
            copy = Path(scratch, "source", path.relative_to(CHECKOUT))
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, copy)
            copy.chmod(0o644)
        command = [
            sys.executable,
            "-m",
            "pip",
            "wheel",
            "-q",
            "--no-deps",
            "--no-build-isolation",
            "--no-index",
        ]
        environment = {**os.environ, "SOURCE_DATE_EPOCH": str(EPOCH)}
        done = subprocess.run(
            [*command, "-w", f"{scratch}/out", f"{scratch}/source"],
            capture_output=True,
            text=True,
            env=environment,
            check=False,
        )
        if done.returncode != 0:
            raise DistError(f"opslib's wheel could not be built:\n{done.stderr[-2000:]}")
        (built,) = Path(scratch, "out").glob("*.whl")
        return built.name, built.read_bytes()


def _build_nar(name: str, wheels: Path, path: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="trendlake-nar-") as scratch:
        packages = Path(scratch)
        for wheel in sorted(wheels.glob("*.whl")):
            with zipfile.ZipFile(wheel) as archive:
                archive.extractall(packages)
        package = CHECKOUT / "opslib"
        for file in _own_files(name):
            if package in file.parents and file.name != "nar.py":
                copy = packages / file.relative_to(CHECKOUT)
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(file, copy)
        # NiFi wants a version that sorts and has no plus sign in its bundle coordinates.
        nar.build(path, packages, re.sub(r"\+", "-", version(name)))
