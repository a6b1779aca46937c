"""Who may open the page: users, their sessions and failed attempts, in a SQLite file of the host.

They are not in MongoDB because the page can only read there. Passwords are kept as Argon2id hashes, sessions
as SHA-256 of their token: who reads the file can log in with neither. What a command changes, the running
service sees with the next request.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import sqlite3
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Callable

import argon2

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SHORTEST_PASSWORD = 10
_LONGEST_PASSWORD = 1024
_LONGEST_NAME = 64
# A password is guessed by trying: so many failures in this time, and the next has to wait.
ATTEMPT_SECONDS = 15 * 60
ATTEMPTS_OF_USER = 10
ATTEMPTS_OF_ADDRESS = 30
# However long it is used: whoever took a cookie away has it for no longer.
_LONGEST_SESSION_SECONDS = 14 * 24 * 3600
# The last use of a session is written this often at most: reading is free, writing is not.
_TOUCH_SECONDS = 300
_BUSY_SECONDS = 5
_SCHEMA = """
CREATE TABLE IF NOT EXISTS users (
  name TEXT PRIMARY KEY, hash TEXT NOT NULL, enabled INTEGER NOT NULL DEFAULT 1, created REAL NOT NULL,
  last_login REAL);
CREATE TABLE IF NOT EXISTS sessions (
  token TEXT PRIMARY KEY, name TEXT NOT NULL REFERENCES users(name) ON DELETE CASCADE, created REAL NOT NULL,
  used REAL NOT NULL);
CREATE INDEX IF NOT EXISTS sessions_of ON sessions(name);
CREATE TABLE IF NOT EXISTS failures (name TEXT NOT NULL, address TEXT NOT NULL, at REAL NOT NULL);
CREATE INDEX IF NOT EXISTS failures_at ON failures(at);
"""


class BadUser(ValueError):  # noqa: N818 - it names a thing
    """A user that cannot be made or found; the text says why."""


class TooManyAttempts(Exception):  # noqa: N818 - it names a thing
    """A login that is not even tried; ``seconds`` says how long to wait."""

    def __init__(self, seconds: int) -> None:
        super().__init__(f"too many attempts, wait {seconds} s")
        self.seconds = seconds


@dataclass(frozen=True)
class User:
    """A user as they are listed; moments are Unix time."""

    name: str
    enabled: bool
    created: float
    last_login: float | None
    sessions: int


class Users:
    """The file with the users.

    *session_seconds* is how long a session lasts without being used.
    """

    def __init__(
        self,
        path: Path,
        session_seconds: float = 12 * 3600,
        clock: Callable[[], float] = time.time,
        hasher: argon2.PasswordHasher | None = None,
    ) -> None:
        self._clock = clock
        self._session_seconds = session_seconds
        self._hasher = hasher or argon2.PasswordHasher()
        # Each hash takes 64 MiB while it is made: logins wait for one another.
        self._one_hash = threading.Lock()
        self._lock = threading.Lock()
        # A hash that no password has, so that an unknown name takes as long as a wrong password.
        self._nobody = self._hasher.hash(secrets.token_urlsafe())
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        os.close(descriptor)
        self._database = sqlite3.connect(
            str(path), timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False
        )
        # Readers never wait for a writer.
        self._database.execute("PRAGMA journal_mode=WAL")
        self._database.execute("PRAGMA foreign_keys=ON")
        self._database.executescript(_SCHEMA)

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def add(self, name: str, password: str) -> None:
        """Make a user."""
        if not (0 < len(name) <= _LONGEST_NAME and name.isprintable() and name == name.strip()):
            raise BadUser(f"a name has 1 to {_LONGEST_NAME} characters, none of them at its ends a space")
        self._check_password(password)
        try:
            self._execute(
                "INSERT INTO users (name, hash, created) VALUES (?, ?, ?)",
                (name, self._hash(password), self._clock()),
            )
        except sqlite3.IntegrityError as error:
            raise BadUser(f"there is a user {name} already") from error

    def set_password(self, name: str, password: str) -> None:
        """Give a user another password; their sessions end, and a disabled user can log in again."""
        self._check_password(password)
        self._change(
            name, "UPDATE users SET hash = ?, enabled = 1 WHERE name = ?", (self._hash(password), name)
        )

    def disable(self, name: str) -> None:
        """Let a user in no more; their sessions end."""
        self._change(name, "UPDATE users SET enabled = 0 WHERE name = ?", (name,))

    def all(self) -> list[User]:
        """Return all users by name."""
        rows = self._execute(
            "SELECT name, enabled, created, last_login,"
            " (SELECT count(*) FROM sessions WHERE sessions.name = users.name AND used > ? AND created > ?)"
            " FROM users ORDER BY name",
            self._oldest(),
        )
        return [User(name, bool(enabled), *rest) for name, enabled, *rest in rows]

    def log_in(self, name: str, password: str, address: str) -> str | None:
        """Return the token of a new session; ``None`` if name or password is wrong.

        After too many failures under one name, or from one address, nothing is tried for a while.
        """
        name, now = name[:_LONGEST_NAME], self._clock()
        # Before the password is looked at: attempts made at the same time are all counted.
        with self._transaction():
            self._throttle(name, address, now)
            self._run("INSERT INTO failures VALUES (?, ?, ?)", (name, address, now))
        row = self._execute("SELECT hash FROM users WHERE name = ? AND enabled", (name,))
        known = row[0][0] if row else None
        if not self._matches(known or self._nobody, password) or known is None:
            return None
        token = secrets.token_urlsafe(32)
        with self._transaction():
            # The password may have been changed, or the user disabled, while it was looked at.
            if not self._run("SELECT 1 FROM users WHERE name = ? AND enabled AND hash = ?", (name, known)):
                return None
            self._run("DELETE FROM failures WHERE at = ? AND name = ? AND address = ?", (now, name, address))
            self._run("DELETE FROM sessions WHERE used <= ? OR created <= ?", self._oldest())
            self._run("INSERT INTO sessions VALUES (?, ?, ?, ?)", (_digest(token), name, now, now))
            self._run("UPDATE users SET last_login = ? WHERE name = ?", (now, name))
        if self._hasher.check_needs_rehash(known):
            self._execute(
                "UPDATE users SET hash = ? WHERE name = ? AND hash = ?", (self._hash(password), name, known)
            )
        return token

    def user_of(self, token: str) -> str | None:
        """Return whose session *token* is, if it is one."""
        row = self._execute(
            "SELECT sessions.name, used FROM sessions JOIN users USING (name)"
            " WHERE token = ? AND used > ? AND sessions.created > ? AND enabled",
            (_digest(token), *self._oldest()),
        )
        if not row:
            return None
        name, used = row[0]
        now = self._clock()
        if now - used > min(_TOUCH_SECONDS, self._session_seconds / 10):
            self._execute("UPDATE sessions SET used = ? WHERE token = ?", (now, _digest(token)))
        return str(name)

    def log_out(self, token: str) -> None:
        """End a session."""
        self._execute("DELETE FROM sessions WHERE token = ?", (_digest(token),))

    def _throttle(self, name: str, address: str, now: float) -> None:
        self._run("DELETE FROM failures WHERE at <= ?", (now - ATTEMPT_SECONDS,))
        for column, value, most in (
            ("name", name, ATTEMPTS_OF_USER),
            ("address", address, ATTEMPTS_OF_ADDRESS),
        ):
            # The column is one of the two above.
            query = f"SELECT at FROM failures WHERE {column} = ? ORDER BY at DESC LIMIT 1 OFFSET ?"  # noqa: S608
            row = self._run(query, (value, most - 1))
            if row:
                raise TooManyAttempts(max(1, int(row[0][0] + ATTEMPT_SECONDS - now) + 1))

    def _oldest(self) -> tuple[float, float]:
        now = self._clock()
        return now - self._session_seconds, now - _LONGEST_SESSION_SECONDS

    def _change(self, name: str, query: str, values: tuple[object, ...]) -> None:
        with self._transaction():
            self._run(query, values)
            if not self._run("SELECT changes()")[0][0]:
                raise BadUser(f"there is no user {name}")
            self._run("DELETE FROM sessions WHERE name = ?", (name,))
            self._run("DELETE FROM failures WHERE name = ?", (name,))

    @staticmethod
    def _check_password(password: str) -> None:
        if not SHORTEST_PASSWORD <= len(password) <= _LONGEST_PASSWORD:
            raise BadUser(f"a password has {SHORTEST_PASSWORD} to {_LONGEST_PASSWORD} characters")

    def _hash(self, password: str) -> str:
        with self._one_hash:
            return self._hasher.hash(password)

    def _matches(self, known: str, password: str) -> bool:
        if len(password) > _LONGEST_PASSWORD:
            return False
        with self._one_hash:
            try:
                return self._hasher.verify(known, password)
            except argon2.exceptions.VerificationError:
                return False

    def _execute(self, query: str, values: tuple[object, ...] = ()) -> list[tuple[Any, ...]]:
        with self._lock:
            return self._run(query, values)

    def _run(self, query: str, values: tuple[object, ...] = ()) -> list[tuple[Any, ...]]:
        return self._database.execute(query, values).fetchall()

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._lock:
            self._database.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._database.execute("ROLLBACK")
                raise
            self._database.execute("COMMIT")


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()
