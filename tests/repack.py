"""Repack a distribution as the project behind it publishes it: names, top folder, what lies beside."""

from __future__ import annotations

import io
import tarfile
import zipfile
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@dataclass(frozen=True)
class Official:
    """How a project publishes it; ``{}`` is the version."""

    service: str  # the folder below /opt
    file: str
    top: str
    beside: tuple[str, ...]
    proof: str  # a file of the release that a role starts from


OFFICIAL = {
    "java": Official(
        "java", "OpenJDK21U-jre_x64_linux_{}.tar.gz", "jdk-{}-jre", ("NOTICE", "man/x"), "bin/java"
    ),
    "zookeeper": Official(
        "zookeeper",
        "apache-zookeeper-{}-bin.tar.gz",
        "apache-zookeeper-{}-bin",
        ("LICENSE.txt", "bin/zkServer.sh", "conf/zoo_sample.cfg", "docs/index.html"),
        "lib/zookeeper-{}.jar",
    ),
    "kafka": Official(
        "kafka",
        "kafka_2.13-{}.tgz",
        "kafka_2.13-{}",
        ("LICENSE", "bin/kafka-server-start.sh", "config/server.properties", "site-docs/x"),
        "libs/kafka_2.13-{}.jar",
    ),
    "nifi": Official(
        "nifi",
        "nifi-{}-bin.zip",
        "nifi-{}",
        ("LICENSE", "bin/nifi.sh", "conf/nifi.properties", "docs/x"),
        "lib/nifi-runtime-{}.jar",
    ),
    "mongodb": Official(
        "mongodb",
        "mongodb-linux-x86_64-ubuntu1804-{}.tgz",
        "mongodb-linux-x86_64-ubuntu1804-{}",
        ("LICENSE-Community.txt", "MPL-2", "THIRD-PARTY-NOTICES", "bin/mongos"),
        "bin/mongod",
    ),
}


def repack(name: str, tarball: Path, folder: Path) -> Path:
    """Write *tarball* to *folder* in the layout of the official archive; return the path."""
    official = OFFICIAL[name]
    version = tarball.name[len(name) + 1 : -len(".tar.gz")]
    target = folder / official.file.format(version)
    top = official.top.format(version)
    files = _files(tarball, official)
    if target.suffix == ".zip":
        with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
            for inside, content, _ in files:
                archive.writestr(f"{top}/{inside}", content)
        return target
    with tarfile.open(target, "w:gz", compresslevel=1) as tar:
        for inside, content, mode in files:
            member = tarfile.TarInfo(f"{top}/{inside}")
            member.size, member.mode, member.uid = len(content), mode, 1000
            tar.addfile(member, io.BytesIO(content))
    return target


def _files(tarball: Path, official: Official) -> Iterator[tuple[str, bytes, int]]:
    for inside in official.beside:
        yield inside, b"of the official archive\n", 0o755 if inside.startswith("bin/") else 0o644
    with tarfile.open(tarball) as archive:
        for member in archive:
            file = archive.extractfile(member)
            inside = member.name.partition("/")[2]
            if file and inside not in official.beside:
                yield inside, file.read(), member.mode
