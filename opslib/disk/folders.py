"""What folders of this host take, as far as whoever looks may read them."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from opslib.disk.parts import Part, Told, Unknown
from opslib.run.backups import read

if TYPE_CHECKING:
    from collections.abc import Iterator

    from opslib.settings import Settings

_BLOCK = 512  # bytes, whatever the file system's own blocks are: stat(2)
# Component, name, folder, and the variable that bounds it. MongoDB and Kafka tell their data themselves.
_FOLDERS = (
    ("mongodb", "journal of the server", "/var/lib/mongodb/journal", ""),
    ("mongodb", "diagnostic data", "/var/lib/mongodb/diagnostic.data", ""),
    ("zookeeper", "data", "/var/lib/zookeeper", ""),
    ("nifi", "content", "/var/lib/nifi/content", "nifi_properties: nifi.content.repository.archive.*"),
    ("nifi", "flowfiles", "/var/lib/nifi/flowfile", ""),
    ("nifi", "database", "/var/lib/nifi/database", ""),
    ("nifi", "work", "/var/lib/nifi/work", ""),
    ("opslib", "clouds as files", "/var/lib/opslib/clouds", ""),
    ("monitoring", "prometheus", "/var/lib/prometheus", "monitoring_days, monitoring_size"),
    ("logs", "journal", "/var/log/journal", "common_journal_max"),
    ("logs", "nginx", "/var/log/nginx", ""),
    ("logs", "mongodb", "/var/log/mongodb", ""),
    ("logs", "nifi", "/var/log/nifi", ""),
    *(("programs", name, f"/opt/{name}", "") for name in ("java", "zookeeper", "kafka", "mongodb", "nifi")),
    ("programs", "opslib", "/opt/opslib", ""),
)


def look(settings: Settings) -> Iterator[Told]:
    """Yield the folders of the lake that there are on this host, and its backups."""
    found = [
        *_FOLDERS,
        ("search", "index", str(settings.search.directory), "store.tweets_days"),
        ("speed", "state", str(settings.speed.state_directory), ""),
        ("web", "users", str(settings.web.state), ""),
    ]
    for component, name, path, bound in found:
        yield from folder(component, name, Path(path), bound)
    yield from _backups(settings)


def folder(component: str, name: str, path: Path, bound: str) -> Iterator[Told]:
    """Yield what *path* takes, if it is there; what cannot be read in it is told as unknown."""
    if not path.is_dir():
        return
    refused: list[str] = []
    yield Part(component, name, _size(path, refused), bound=bound)
    if refused:
        more = f" and {len(refused) - 1} more" if len(refused) > 1 else ""
        yield Unknown(f"{component}: {name}", f"{refused[0]}{more} cannot be read: run this as root")


def _size(top: Path, refused: list[str]) -> int:
    """Return the bytes of blocks below *top*, each file once however often it is linked."""
    total, seen, waiting = 0, set(), [str(top)]
    while waiting:
        path = waiting.pop()
        try:
            with os.scandir(path) as entries:
                for entry in entries:
                    try:
                        about = entry.stat(follow_symlinks=False)
                    except FileNotFoundError:
                        continue  # whoever writes there removes as well
                    if stat.S_ISDIR(about.st_mode):
                        waiting.append(entry.path)
                    elif (about.st_dev, about.st_ino) not in seen:
                        seen.add((about.st_dev, about.st_ino))
                        total += about.st_blocks * _BLOCK
        except FileNotFoundError:
            continue
        except OSError:
            refused.append(path)
    return total


def _backups(settings: Settings) -> Iterator[Told]:
    repository = settings.backup.repository
    if not repository:
        return
    if os.path.isabs(repository):  # noqa: PTH117 - it may be an address, such as sftp:…
        yield from folder("backup", repository, Path(repository), "backup_keep")
        return
    size = read(settings.backup.state).get("repository")
    if size is None:
        yield Unknown("backup", "no backup has told yet how large its repository is")
    else:
        yield Part("backup", f"{repository}, elsewhere", int(size), bound="backup_keep")
