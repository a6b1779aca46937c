"""Files in a backup: trees as they are, and SQLite's databases as of one moment."""

from __future__ import annotations

import io
import os
import shutil
import sqlite3
import stat
import tarfile
import tempfile
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from opslib.backup.archive import File
from opslib.backup.restic import BackupError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from opslib.backup.archive import Reader, Writer

MOST_BYTES = 256 * 1024 * 1024  # of one file: these are states and pictures, and no data
_TRIES = 20
_SQLITE = (".sqlite", ".db")
_INFO = tarfile.TarFile(fileobj=io.BytesIO(), mode="w")  # knows how to ask about a file, and writes none
_BESIDE = ("-wal", "-shm", "-journal")


@dataclass(frozen=True)
class Trees:
    """What belongs to a part: files and folders, without those below *without*.

    Files that go *together* are read again where one of them was replaced meanwhile, as by a checkpoint.
    """

    paths: Sequence[Path]
    without: Sequence[Path] = ()
    together: bool = False


def save(trees: Trees, writer: Writer) -> int:
    """Write all files of *trees* that are there, with owners and modes, and return their number."""
    number = 0
    for info, content in _together(trees) if trees.together else _each(trees):
        writer.put(info, content)
        number += 1
    return number


def _together(trees: Trees) -> list[tuple[tarfile.TarInfo, bytes | None]]:
    for _ in range(_TRIES):
        before = _numbers(trees)
        found = list(_each(trees))
        if _numbers(trees) == before:
            return found
    raise BackupError(f"{trees.paths[0].parent} changed each time that it was read")


def _numbers(trees: Trees) -> list[tuple[Path, int]]:
    """Return which file has which name: one that is written anew gets another number."""
    return [(path, os.lstat(path).st_ino) for path in _walk(trees) if os.path.lexists(path)]


def _each(trees: Trees) -> Iterator[tuple[tarfile.TarInfo, bytes | None]]:
    for path in _walk(trees):
        one = _one(path)
        if one is not None:
            yield one


def _walk(trees: Trees) -> Iterator[Path]:
    for root in trees.paths:
        if not os.path.lexists(root):
            continue
        yield root
        if root.is_dir() and not root.is_symlink():
            for folder, folders, names in os.walk(root):
                inside = Path(folder)
                folders[:] = sorted(one for one in folders if inside / one not in trees.without)
                yield from (inside / one for one in [*folders, *sorted(names)] if _wanted(one))


def _wanted(name: str) -> bool:
    # SQLite's own, which the copy of the database has in it, and locks of whoever runs.
    return not name.endswith((*_BESIDE, ".lock"))


def _one(path: Path) -> tuple[tarfile.TarInfo, bytes | None] | None:
    """Return a file as tar has it; ``None`` for what is none, or is gone since it was listed."""
    try:
        # How it is owned is asked of the file, and not of what SQLite copies it to.
        info = _INFO.gettarinfo(str(path))
        if info is None or not (info.isreg() or info.islnk() or info.isdir() or info.issym()):
            return None
        info.mtime = int(path.lstat().st_mtime)
        if info.isdir() or info.issym():
            return info, None
        # A second name of a file is a file here.
        info.type, info.linkname = tarfile.REGTYPE, ""
        return info, _content(path)
    except FileNotFoundError:
        return None


def _content(path: Path) -> bytes:
    if path.stat().st_size > MOST_BYTES:
        raise BackupError(f"{path} is larger than {MOST_BYTES >> 20} MB: it is nothing that this part has")
    if path.suffix in _SQLITE:
        return database(path)
    return path.read_bytes()


def database(path: Path) -> bytes:
    """Return SQLite's database *path* as of one moment, whoever writes it.

    Nothing is written beside it: where nobody has it open there is no file of its memory to share, and it is
    read as it lies; who may not write that file reads a copy, with the log. Whoever writes meanwhile is
    noticed by the times of both.
    """
    with tempfile.TemporaryDirectory(prefix="trendlake-") as folder:
        copy = Path(folder, "copy")
        for _ in range(_TRIES):
            before, log, memory = _times(path), _beside(path, "-wal"), _beside(path, "-shm")
            shared = log.exists() and os.access(memory, os.W_OK)
            try:
                with (
                    closing(_opened(path, log, shared, Path(folder))) as there,
                    closing(sqlite3.connect(copy)) as here,
                ):
                    there.backup(here)
                    here.execute("PRAGMA journal_mode=DELETE")
                if shared or _times(path) == before:
                    return copy.read_bytes()
            except (sqlite3.Error, FileNotFoundError) as error:
                if isinstance(error, sqlite3.DatabaseError) and "not a database" in str(error):
                    return path.read_bytes()
                last: Exception = error
                continue
            last = sqlite3.OperationalError("it changed each time that it was read")
    raise BackupError(f"{path}: {last}")


def _opened(path: Path, log: Path, shared: bool, folder: Path) -> sqlite3.Connection:
    if shared:
        return sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)
    if not log.exists():
        return sqlite3.connect(f"{path.as_uri()}?mode=ro&immutable=1", uri=True)
    aside = Path(shutil.copyfile(path, folder / "aside"))
    shutil.copyfile(log, _beside(aside, "-wal"))
    _beside(aside, "-shm").unlink(missing_ok=True)
    return sqlite3.connect(aside)


def _beside(path: Path, ending: str) -> Path:
    return path.with_name(path.name + ending)


def _times(path: Path) -> tuple[int, int]:
    try:
        log = _beside(path, "-wal").stat().st_mtime_ns
    except FileNotFoundError:  # it goes with the last who has the database open
        log = 0
    return path.stat().st_mtime_ns, log


def present(archive: Reader, root: Path) -> list[str]:
    """Return the files of *archive* that are there below *root*: what a restore would overwrite.

    The archive is read to its end, and with that known to be whole, and to belong to accounts that there are.
    """
    there = []
    for one in archive:
        if isinstance(one, File):
            target = _target(one.info, root)
            _owners(target, one.info)
            there += [f"/{one.info.name}"] if one.info.isreg() and os.path.lexists(target) else []
    return there


def restore(archive: Reader, root: Path, allowed: Sequence[Path]) -> int:
    """Write the files below *root*, with owners, by name, and modes as they were; return their number."""
    number = 0
    for one in archive:
        if not isinstance(one, File):
            continue
        target = _target(one.info, root)
        if not any(
            Path("/", one.info.name) == path or path in Path("/", one.info.name).parents for path in allowed
        ):
            raise BackupError(f"the archive has /{one.info.name}, which is nothing of this part")
        _write(target, one)
        number += 1
    return number


def _target(info: tarfile.TarInfo, root: Path) -> Path:
    parts = Path(info.name).parts
    if info.name.startswith("/") or ".." in parts:
        raise BackupError(f"the archive has {info.name!r}, which leads out of where it is to be")
    return root.joinpath(*parts)


def _write(target: Path, one: File) -> None:
    info = one.info
    target.parent.mkdir(parents=True, exist_ok=True)
    if info.isdir():
        target.mkdir(exist_ok=True)
    elif info.issym():
        target.unlink(missing_ok=True)
        target.symlink_to(info.linkname)
    else:
        staged = target.with_name(f".{target.name}.restored")
        staged.unlink(missing_ok=True)
        with os.fdopen(os.open(staged, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(one.content or b"")
            file.flush()
            os.fsync(file.fileno())
        staged.replace(target)
        for beside in _BESIDE:
            target.with_name(target.name + beside).unlink(missing_ok=True)
    _own(target, info)
    if not info.issym():
        target.chmod(stat.S_IMODE(info.mode))


def _own(target: Path, info: tarfile.TarInfo) -> None:
    if os.geteuid() == 0:
        os.chown(target, *_owners(target, info), follow_symlinks=False)


def _owners(target: Path, info: tarfile.TarInfo) -> tuple[int, int]:
    """Return whose it is on this host, by name: numbers differ between hosts."""
    import grp
    import pwd

    if os.geteuid() != 0:
        return info.uid, info.gid
    try:
        owner = pwd.getpwnam(info.uname).pw_uid if info.uname else info.uid
        group = grp.getgrnam(info.gname).gr_gid if info.gname else info.gid
    except KeyError as missing:
        raise BackupError(
            f"there is no account {missing} on this host, which {target} belongs to: run site.yml first"
        ) from missing
    return owner, group
