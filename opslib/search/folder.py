"""The folder of a host's index: the file that answers, the one that is made to follow it, and wishes.

The link ``current`` names the file that answers. It is turned to another one in one step, so whoever reads
finds the one or the other, whole. A file of another number is one that is being made. The page may read the
folder and change nothing in it; a person wishes for a new index by a file that the service finds there.
"""

from __future__ import annotations

import fcntl
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_LINK, _WISH, _LOCK = "current", "rebuild", "lock"
_BESIDE = ("", "-wal", "-shm", "-journal")  # what SQLite has beside a file


class Folder:
    """Where an index is kept."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def current(self) -> Path | None:
        """Return the file that answers, if there is one."""
        link = self.path / _LINK
        target = link.resolve()
        return target if target != link and target.is_file() else None

    def others(self) -> list[Path]:
        """Return the files that do not answer, the newest last."""
        current = self.current()
        found = [path for path in self.path.glob("*.sqlite") if path.stem.isdigit() and path != current]
        return sorted(found, key=lambda path: int(path.stem))

    def fresh(self) -> Path:
        """Return a file that there never was."""
        known = [int(path.stem) for path in self.path.glob("*.sqlite") if path.stem.isdigit()]
        return self.path.resolve() / f"{max(known, default=0) + 1}.sqlite"

    def turn_to(self, path: Path) -> None:
        """Let the file at *path* answer from now on."""
        made = self.path / f"{_LINK}.new"
        made.unlink(missing_ok=True)
        made.symlink_to(path.name)
        os.replace(made, self.path / _LINK)  # noqa: PTH105 - a link, which Path.replace would have to follow

    def remove(self, path: Path) -> None:
        """Delete a file with what SQLite has beside it."""
        for ending in _BESIDE:
            path.with_name(path.name + ending).unlink(missing_ok=True)

    # ---- wishes

    def wish(self) -> None:
        """Ask the service to make the index anew."""
        (self.path / _WISH).touch()

    def wished(self) -> bool:
        """Say whether somebody did."""
        return (self.path / _WISH).exists()

    def fulfil(self) -> None:
        """Take the wish away."""
        (self.path / _WISH).unlink(missing_ok=True)

    # ---- one service at a time

    @contextmanager
    def taken(self) -> Iterator[bool]:
        """Take the folder for a while; give whether nobody else had it."""
        with (self.path / _LOCK).open("a") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield False
                return
            yield True

    def served(self) -> bool:
        """Say whether a service works on it."""
        try:
            with (self.path / _LOCK).open() as lock:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except FileNotFoundError:
            return False
        return False
