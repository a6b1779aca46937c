"""The file of a budget: written by all that spend, one at a time, and read without a trace.

It is SQLite in WAL mode, synchronous: NiFi runs each processor in a process of its own, and a power cut must
not forget what was paid. https://sqlite.org/wal.html
"""

from __future__ import annotations

import json
import os
import sqlite3
import tempfile
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_SCHEMA = """
CREATE TABLE IF NOT EXISTS spent (
    day TEXT, kind TEXT, resources INTEGER NOT NULL, micro_usd INTEGER NOT NULL, PRIMARY KEY (day, kind)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS reserved (
    call INTEGER, day TEXT, at TEXT, kind TEXT, resources INTEGER, micro_usd INTEGER, PRIMARY KEY (call, kind)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS rules (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS account_spent (
    account TEXT, day TEXT, micro_usd INTEGER NOT NULL, PRIMARY KEY (account, day)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS account_reserved (
    call INTEGER PRIMARY KEY, account TEXT, day TEXT, at TEXT, micro_usd INTEGER
);
CREATE TABLE IF NOT EXISTS answers (question TEXT PRIMARY KEY, at TEXT, answer TEXT) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS collected (query TEXT PRIMARY KEY, newest INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS seen (day TEXT, kind TEXT, id TEXT, PRIMARY KEY (day, kind, id)) WITHOUT ROWID;
"""
# How often a file is looked at that changes meanwhile: a write lasts milliseconds.
_ATTEMPTS = 20
_WAIT_SECONDS = 30
_T = TypeVar("_T")


class BudgetFile:
    """The file at *path*."""

    def __init__(self, path: Path | str) -> None:
        self._path = Path(path).absolute()
        self._log = self._path.with_name(f"{self._path.name}-wal")

    def begin(self, terms: Mapping[str, Any]) -> None:
        """Make the file unless it is there; *terms* (limits, prices) are with it from now on."""
        with self.transaction() as database:
            database.executemany(
                "INSERT OR REPLACE INTO rules VALUES (?, ?)",
                [(name, json.dumps(value)) for name, value in terms.items()],
            )

    def terms(self) -> dict[str, Any]:
        """Return the terms that it was last begun with."""
        found = self.read(lambda database: database.execute("SELECT name, value FROM rules").fetchall())
        return {name: json.loads(value) for name, value in found}

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Yield a connection that alone may write, and keep what it wrote unless the block fails."""
        self._make()
        # Opened for each: calls are seconds apart, and no process holds a file that another one replaced.
        with closing(sqlite3.connect(self._path, timeout=_WAIT_SECONDS, isolation_level=None)) as database:
            database.execute("PRAGMA journal_mode=WAL")
            database.execute("PRAGMA synchronous=FULL")
            database.execute("BEGIN IMMEDIATE")
            try:
                # One of before has fewer tables.
                for statement in _SCHEMA.split(";"):
                    database.execute(statement)
                yield database
            except BaseException:
                if database.in_transaction:
                    database.execute("ROLLBACK")
                raise
            if database.in_transaction:
                database.execute("COMMIT")

    def _make(self) -> None:
        """Let the file be there with its tables from its first moment on, since others may read it at any."""
        if self._path.exists():
            return
        try:
            with tempfile.TemporaryDirectory(dir=self._path.parent, prefix=".budget-") as folder:
                new = Path(folder, self._path.name)
                with closing(sqlite3.connect(new)) as database:
                    database.executescript(_SCHEMA)
                with suppress(FileExistsError):  # another process was as quick
                    os.link(new, self._path)
        except OSError as error:
            raise sqlite3.OperationalError(str(error)) from error

    def read(self, ask: Callable[[sqlite3.Connection], _T]) -> _T:
        """Return what *ask* finds in the file as it is: nothing is written, and no file appears beside it.

        SQLite makes a log of what is to be written (``-wal``) even for whoever only reads, which would be
        theirs where the owner has to write. So the file is read by itself where it has none, since it is all
        then, and once more if it has changed meanwhile. https://sqlite.org/wal.html#read_only_databases
        """
        for _ in range(_ATTEMPTS):
            before = self._signature()
            logged = before[1] is not None
            uri = f"{self._path.as_uri()}?mode=ro{'' if logged else '&immutable=1'}"
            try:
                with closing(
                    sqlite3.connect(uri, uri=True, timeout=_WAIT_SECONDS, isolation_level=None)
                ) as database:
                    database.execute("BEGIN")
                    found = ask(database)
            except sqlite3.Error:
                if before == self._signature():
                    raise
                continue
            if logged or before == self._signature():
                return found
        raise sqlite3.OperationalError("it is written to all the time")

    def _signature(self) -> tuple[tuple[int, int] | None, tuple[int, int] | None]:
        """Return by what the file and its log are known as unchanged; ``None`` for one that is not there."""
        return _signature(self._path), _signature(self._log)


def _signature(path: Path) -> tuple[int, int] | None:
    try:
        known = path.stat()
    except FileNotFoundError:
        return None
    return known.st_size, known.st_mtime_ns
