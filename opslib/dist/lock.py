"""The lock of a distribution: every input file with its SHA-256, size and place in the tarball."""

from __future__ import annotations

import hashlib
import json
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from opslib.dist import DistError

if TYPE_CHECKING:
    from opslib.dist.sources import Source

LOCKS = Path(__file__).parent / "lock"


@dataclass(frozen=True)
class Input:
    """One file that goes into a tarball: whole to ``place``, or what stands below ``inside`` in it."""

    # Maven coordinate group:artifact:version:type[:classifier], PyPI name==version, or Debian suite/name=version
    artifact: str
    file: str
    sha256: str
    size: int
    place: str
    inside: str | None = None

    @property
    def is_wheel(self) -> bool:
        """Whether PyPI has it."""
        return _is_wheel(self.artifact)

    @property
    def is_debian(self) -> bool:
        """Whether it is a package of Debian; what is no wheel either is Maven's."""
        return _is_debian(self.artifact)


def _is_wheel(artifact: str) -> bool:
    return "==" in artifact


def _is_debian(artifact: str) -> bool:
    return "/" in artifact


@dataclass(frozen=True)
class Lock:
    """What one version of a distribution is made of."""

    name: str
    version: str
    inputs: tuple[Input, ...]

    @property
    def digest(self) -> str:
        """SHA-256 over all that decides the tarball's bytes."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()

    def save(self) -> None:
        """Write it to its place in the repository."""
        text = json.dumps(asdict(self), indent=1, sort_keys=True)
        (LOCKS / f"{self.name}.json").write_text(text + "\n", encoding="utf-8")


def load(name: str) -> Lock:
    """Read the lock of the distribution *name*."""
    raw = json.loads((LOCKS / f"{name}.json").read_text(encoding="utf-8"))
    return Lock(raw["name"], raw["version"], tuple(Input(**entry) for entry in raw["inputs"]))


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal digits."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def resolve(source: Source) -> Lock:
    """Ask Maven, PyPI and Debian for the files of *source* and lock what they answer. A maintainer's step."""
    from opslib.dist import fetch

    with tempfile.TemporaryDirectory(prefix="trendlake-lock-") as scratch:
        found: list[tuple[str, Path, str, str | None]] = []
        for coordinate, path in fetch.maven_tree(source.jars, Path(scratch) / "tree", source.newer):
            found.append((coordinate, path, f"{source.folder}/{path.name}", None))
        whole = dict.fromkeys(source.alone, f"{source.folder}/")
        parts = {member.artifact: member for member in source.members}
        for coordinate, path in fetch.maven_files(
            [a for a in [*whole, *parts] if not _is_wheel(a) and not _is_debian(a)], Path(scratch) / "alone"
        ):
            part = parts.get(coordinate) or parts.get(coordinate.rsplit(":", 1)[0])
            if part:
                found.append((coordinate, path, part.place, part.inside))
            else:
                found.append((coordinate, path, whole[coordinate] + path.name, None))
        for artifact in parts:
            if _is_wheel(artifact):
                path = fetch.wheel(artifact, None, Path(scratch) / "wheels")
            elif _is_debian(artifact):
                path = fetch.debian_package(artifact, Path(scratch) / "debian")
            else:
                continue
            found.append((artifact, path, parts[artifact].place, parts[artifact].inside))
        inputs = [
            Input(artifact, path.name, sha256(path), path.stat().st_size, place, inside)
            for artifact, path, place, inside in found
        ]
    if not inputs:
        raise DistError(f"{source.name}: nothing was found")
    return Lock(
        source.name, source.version, tuple(sorted(inputs, key=lambda entry: (entry.place, entry.file)))
    )
