"""Who asked for what, and what became of it: a SQLite file of the service, kept for a year."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Callable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

KEPT_SECONDS = 365 * 24 * 3600
MOST_ENTRIES = 100_000
_WAIT_SECONDS = 5
_SCHEMA = """
CREATE TABLE IF NOT EXISTS entries (
  id INTEGER PRIMARY KEY, at REAL NOT NULL, user TEXT NOT NULL, what TEXT NOT NULL, name TEXT NOT NULL,
  said TEXT NOT NULL, outcome TEXT NOT NULL)
"""


@dataclass(frozen=True)
class Entry:
    """A wish: when (Unix time), whose, about what, and what became of it."""

    at: float
    user: str
    what: str
    name: str
    said: str  # what was asked for, as one reads it
    outcome: str


class Journal:
    """The file at *path*."""

    def __init__(self, path: Path, clock: Callable[[], float] = time.time) -> None:
        self._path = path
        self._clock = clock

    def begin(self, user: str, what: str, name: str, said: str) -> int:
        """Note that something is about to be done, and return what :meth:`end` is called with."""
        with self._opened() as database:
            now = self._clock()
            database.execute("DELETE FROM entries WHERE at <= ?", (now - KEPT_SECONDS,))
            database.execute(
                "DELETE FROM entries WHERE id <= (SELECT max(id) FROM entries) - ?", (MOST_ENTRIES,)
            )
            values = (now, user, what, name, said, "not known")
            found = database.execute(
                "INSERT INTO entries (at, user, what, name, said, outcome) VALUES (?, ?, ?, ?, ?, ?)", values
            )
            return int(found.lastrowid or 0)

    def end(self, entry: int, outcome: str) -> None:
        """Note what became of it."""
        with self._opened() as database:
            database.execute("UPDATE entries SET outcome = ? WHERE id = ?", (outcome, entry))

    def entries(self) -> list[Entry]:
        """Return all of them, the oldest first."""
        if not self._path.exists():
            return []  # whoever reads is not to be the owner of the file
        with self._opened() as database:
            rows = database.execute("SELECT at, user, what, name, said, outcome FROM entries ORDER BY id")
            return [Entry(*row) for row in rows]

    def last(self) -> dict[str, Entry]:
        """Return by the name of a follow who changed it last."""
        return {entry.name: entry for entry in self.entries() if entry.outcome == "done"}

    @contextmanager
    def _opened(self) -> Iterator[sqlite3.Connection]:
        # Wishes are seconds apart: a connection for each needs no lock between threads.
        with closing(sqlite3.connect(str(self._path), timeout=_WAIT_SECONDS)) as database, database:
            database.execute(_SCHEMA)
            yield database
