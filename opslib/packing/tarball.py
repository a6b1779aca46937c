"""Tarballs whose bytes depend on their contents alone."""

from __future__ import annotations

import gzip
import io
import os
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING

from typing_extensions import Self

if TYPE_CHECKING:
    from types import TracebackType

# Debian packages use the same trick: one fixed moment for every file. This is the first of 2020, UTC.
EPOCH = 1577836800
EPOCH_PARTS = (2020, 1, 1, 0, 0, 0)


class Tarball:
    """Writes ``target`` in one step: it appears whole when the block ends, and not at all if it fails.

    Members are sorted, owned by root, dated :data:`EPOCH`, and lie below one folder ``top``. A *private*
    one is nobody's but the owner's to read, from its first byte on.
    """

    def __init__(self, target: Path, top: str, *, private: bool = False) -> None:
        self._target = target
        self._top = top
        self._mode = 0o600 if private else 0o666
        self._members: dict[str, tuple[bytes, bool]] = {}

    def add(self, name: str, content: bytes, *, executable: bool = False) -> None:
        """Add the file *name* (relative to the top folder)."""
        self._members[name] = (content, executable)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is not None:
            return
        self._target.parent.mkdir(parents=True, exist_ok=True)
        staged = self._target.with_name(f".{self._target.name}.{os.getpid()}")
        staged.unlink(missing_ok=True)
        try:
            with (
                open(staged, "wb", opener=self._opened) as raw,
                # The file's name would be in the header otherwise, and it is a temporary one. Level 1: the
                # tarballs travel over a local network, and jars are compressed already.
                gzip.GzipFile("", "wb", compresslevel=1, fileobj=raw, mtime=EPOCH) as packed,
                tarfile.open(fileobj=packed, mode="w", format=tarfile.GNU_FORMAT) as tar,
            ):
                self._write(tar)
            staged.rename(self._target)
        finally:
            staged.unlink(missing_ok=True)

    def _opened(self, path: str, flags: int) -> int:
        return os.open(path, flags | os.O_EXCL, self._mode)

    def _write(self, tar: tarfile.TarFile) -> None:
        folders = {self._top}
        for name in self._members:
            folders.update(str(parent) for parent in Path(self._top, name).parents if str(parent) != ".")
        for folder in sorted(folders):
            tar.addfile(_info(folder, 0o755, tarfile.DIRTYPE))
        for name, (content, executable) in sorted(self._members.items()):
            info = _info(f"{self._top}/{name}", 0o755 if executable else 0o644, tarfile.REGTYPE)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))


def _info(name: str, mode: int, kind: bytes) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.mode, info.type, info.mtime = mode, kind, EPOCH
    info.uname = info.gname = "root"
    return info
