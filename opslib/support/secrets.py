"""The secrets of this host, to be looked for in what leaves it; as far as whoever looks may read them."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_FOLDERS = ("/etc/opslib/credentials", "/etc/opslib-backup/credentials", "/etc/mongodb")
_SETTINGS = ("/etc/nifi", "/etc/kafka", "/etc/zookeeper", "/etc/prometheus")
# What everybody may know beside a secret: who logs in, and certificates.
_PUBLIC = re.compile(r"ca|.*_(?:cert|username)|mongod\.conf|.*\.pem")
_VALUE = re.compile(
    r"(?im)^[^#\n]*?(?:passw|secret|token|props\.key)[\w.-]*[\"']?\s*[:=]\s*[\"']?([^\s\"'<>]+)"
)
_MOST_BYTES = 256 * 1024


def known() -> Iterator[str]:
    """Yield each secret that stands in credentials and settings of this host."""
    own = os.environ.get("CREDENTIALS_DIRECTORY")
    for folder in (*_FOLDERS, *([own] if own else ())):
        for path in _files(Path(folder)):
            if not _PUBLIC.fullmatch(path.name):
                yield from (line.strip() for line in _content(path).splitlines())
    for folder in _SETTINGS:
        for path in _files(Path(folder)):
            yield from _VALUE.findall(_content(path))


def _files(folder: Path) -> Iterator[Path]:
    for top, _, names in os.walk(folder):
        yield from (Path(top, name) for name in names)


def _content(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.read(_MOST_BYTES).decode("utf-8", "replace")
    except OSError:
        return ""
