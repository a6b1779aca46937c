"""Who may open the page: users, their sessions and failed attempts, in a SQLite file of the host.

They are not in MongoDB because the page can only read there. Passwords are kept as Argon2id hashes, sessions
as SHA-256 of their token: who reads the file can log in with neither. What a command changes, the running
service sees with the next request. Logins and changes leave a line in the log, and an entry here.
"""

from __future__ import annotations

import hashlib
import ipaddress
import logging
import os
import re
import secrets
import sqlite3
import threading
import time
import unicodedata
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Callable

from opslib.web.hashing import LONGEST_PASSWORD, Hashing, TooBusy

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import argon2

_LOG = logging.getLogger(__name__)
SHORTEST_PASSWORD = 10
# Letters and digits of any script, and what addresses of mail have: it stands in logs and on terminals.
_NAME = re.compile(r"[^\W_][\w.@+-]{0,63}")
_LONGEST_NAME = 64
# A password is guessed by trying: so many failures in this time, and the next has to wait.
ATTEMPT_SECONDS = 15 * 60
ATTEMPTS_OF_USER = 10  # from one network, or from a browser that is known
ATTEMPTS_OF_NETWORK = 30  # whatever the names
ATTEMPTS_OF_STRANGERS = 100  # under one name, from wherever
EVENT_SECONDS = 90 * 24 * 3600
MOST_EVENTS = 100_000
MOST_SEARCHES = 100  # that a user saves
# What a user may: each what the ones before may, too.
VIEWER, ANALYST, OPERATOR = ROLES = ("viewer", "analyst", "operator")
LONGEST_TITLE = 80
_TELL_SECONDS = 60
# However long it is used: whoever took a cookie away has it for no longer.
_LONGEST_SESSION_SECONDS = 14 * 24 * 3600
# The last use of a session is written this often at most: reading is free, writing is not.
_TOUCH_SECONDS = 300
_BUSY_SECONDS = 5
_SCHEMA = """
CREATE TABLE IF NOT EXISTS users (
  name TEXT PRIMARY KEY, hash TEXT NOT NULL, enabled INTEGER NOT NULL DEFAULT 1, created REAL NOT NULL,
  last_login REAL, role TEXT NOT NULL DEFAULT 'viewer');
CREATE TABLE IF NOT EXISTS sessions (
  token TEXT PRIMARY KEY, name TEXT NOT NULL REFERENCES users(name) ON DELETE CASCADE, created REAL NOT NULL,
  used REAL NOT NULL);
CREATE INDEX IF NOT EXISTS sessions_of ON sessions(name);
DROP TABLE IF EXISTS failures;
CREATE TABLE IF NOT EXISTS attempts (
  name TEXT NOT NULL, network TEXT NOT NULL, device TEXT NOT NULL, at REAL NOT NULL);
CREATE INDEX IF NOT EXISTS attempts_at ON attempts(at);
CREATE TABLE IF NOT EXISTS events (
  id INTEGER PRIMARY KEY, at REAL NOT NULL, what TEXT NOT NULL, name TEXT NOT NULL, place TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS events_at ON events(at);
CREATE TABLE IF NOT EXISTS searches (
  name TEXT NOT NULL REFERENCES users(name) ON DELETE CASCADE, title TEXT NOT NULL, query TEXT NOT NULL,
  newest INTEGER NOT NULL, place INTEGER, PRIMARY KEY (name, title));
"""


class BadUser(ValueError):  # noqa: N818 - it names a thing
    """A user that cannot be made or found; the text says why."""


class NotSaved(ValueError):  # noqa: N818 - it names a thing
    """A search that cannot be saved."""


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
    role: str


@dataclass(frozen=True)
class Event:
    """A login or a change, with the Unix time of it, whose it was, and from where or by whom."""

    at: float
    what: str
    name: str
    place: str


@dataclass(frozen=True)
class Search:
    """A search that a user saved, under a name that they gave it."""

    title: str
    query: str
    newest: bool = True  # newest first, or else by reach
    place: int | None = None  # whose clock it is read on, by WOEID


def network_of(address: str) -> str:
    """Return the network of an address, as attempts to log in are counted by.

    Whoever has an address of IPv6 has its network as well: an access to the internet comes with a /56
    (RIPE-690).
    """
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address[:64]
    if isinstance(found, ipaddress.IPv6Address):
        if found.ipv4_mapped:
            return str(found.ipv4_mapped)
        return str(ipaddress.ip_network((int(found), 56), strict=False))
    return str(found)


class Users:
    """The file with the users.

    *session_seconds* is how long a session lasts without being used; *by* says who makes changes.
    """

    def __init__(
        self,
        path: Path,
        session_seconds: float = 12 * 3600,
        clock: Callable[[], float] = time.time,
        hasher: argon2.PasswordHasher | None = None,
        by: str = "",
    ) -> None:
        self._clock = clock
        self._session_seconds = session_seconds
        self._hashing = Hashing(hasher)
        self._by = by
        self._lock = threading.Lock()
        self._untold: dict[str, int] = {}
        self._told_at = 0.0
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        os.close(descriptor)
        self._database = sqlite3.connect(
            str(path), timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False
        )
        # Readers never wait for a writer.
        self._database.execute("PRAGMA journal_mode=WAL")
        self._database.execute("PRAGMA foreign_keys=ON")
        self._database.executescript(_SCHEMA)
        self._give_roles()

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def _give_roles(self) -> None:
        """Make those of a file of before viewers: they could look and save searches, and go on doing so."""
        with self._transaction():
            if "role" not in {column for _, column, *_ in self._run("PRAGMA table_info(users)")}:
                self._run("ALTER TABLE users ADD COLUMN role TEXT NOT NULL DEFAULT 'viewer'")

    def add(self, name: str, password: str, role: str = VIEWER) -> None:
        """Make a user, one of :data:`ROLES`."""
        if not _NAME.fullmatch(name) or name != unicodedata.normalize("NFC", name):
            raise BadUser(
                f"{name!r} is no name of a user: it has 1 to {_LONGEST_NAME} letters, digits and . _ - @ +, "
                "and begins with a letter or digit"
            )
        self._check_password(password)
        hashed = self._hashing.hash(password)
        with self._transaction():
            # ana and Ana would be taken for one another.
            for (known,) in self._run("SELECT name FROM users"):
                if unicodedata.normalize("NFKC", known).casefold() == (
                    unicodedata.normalize("NFKC", name).casefold()
                ):
                    raise BadUser(f"there is a user {known} already")
            values = (name, hashed, self._clock(), role)
            self._run("INSERT INTO users (name, hash, created, role) VALUES (?, ?, ?, ?)", values)
            self._note(f"added as {role}", name, self._by)

    def set_password(self, name: str, password: str) -> None:
        """Give a user another password; their sessions end, and a disabled user can log in again."""
        self._check_password(password)
        hashed = self._hashing.hash(password)
        query = "UPDATE users SET hash = ?, enabled = 1 WHERE name = ?"
        self._change("given a password", name, query, (hashed, name))

    def set_role(self, name: str, role: str) -> None:
        """Give a user another role, which holds with their next request; their sessions go on."""
        with self._transaction():
            self._run("UPDATE users SET role = ? WHERE name = ?", (role, name))
            self._found(name)
            self._note(f"made {role}", name, self._by)

    def role_of(self, name: str) -> str:
        """Return the role of a user; of one that is gone or disabled the least."""
        row = self._execute("SELECT role FROM users WHERE name = ? AND enabled", (name,))
        return str(row[0][0]) if row and row[0][0] in ROLES else VIEWER

    def disable(self, name: str) -> None:
        """Let a user in no more; their sessions end."""
        self._change("disabled", name, "UPDATE users SET enabled = 0 WHERE name = ?", (name,))

    def remove(self, name: str) -> None:
        """Forget a user; their sessions end."""
        self._change("removed", name, "DELETE FROM users WHERE name = ?", (name,))

    def all(self) -> list[User]:
        """Return all users by name."""
        rows = self._execute(
            "SELECT name, enabled, created, last_login,"
            " (SELECT count(*) FROM sessions WHERE sessions.name = users.name AND used > ? AND created > ?),"
            " role FROM users ORDER BY name",
            self._oldest(),
        )
        return [User(name, bool(enabled), *rest) for name, enabled, *rest in rows]

    def log_in(self, name: str, password: str, address: str, device: str = "") -> str | None:
        """Return the token of a new session; ``None`` if name or password is wrong.

        *device* is what a browser that is known for this name is counted by. After too many failures nothing
        is tried for a while, and :class:`TooManyAttempts` says for how long; :class:`TooBusy` is raised while
        others are waited for.
        """
        name = unicodedata.normalize("NFC", name)[:_LONGEST_NAME]
        try:
            with self._hashing.place(known=bool(device)):
                return self._log_in(name, password, address, device)
        except (TooBusy, TooManyAttempts) as error:
            self._tell_untried(type(error).__name__, address)
            raise

    def _log_in(self, name: str, password: str, address: str, device: str) -> str | None:
        now, network = self._clock(), network_of(address)
        # A name may be a password that was typed into the wrong field.
        attempt = (_digest(name), network, device, now)
        # Before the password is looked at: attempts made at the same time are all counted.
        with self._transaction():
            self._throttle(*attempt)
            self._run("INSERT INTO attempts VALUES (?, ?, ?, ?)", attempt)
        row = self._execute("SELECT hash FROM users WHERE name = ? AND enabled", (name,))
        known = row[0][0] if row else None
        matches = self._hashing.matches(known, password)
        token = secrets.token_urlsafe(32)
        with self._transaction():
            # The password may have been changed, or the user disabled, while it was looked at.
            if not matches or not self._run(
                "SELECT 1 FROM users WHERE name = ? AND enabled AND hash = ?", (name, known)
            ):
                there = self._run("SELECT 1 FROM users WHERE name = ?", (name,))
                self._note("refused", name if there else "", address)
                return None
            self._run(
                "DELETE FROM attempts WHERE name = ? AND network = ? AND device = ? AND at = ?", attempt
            )
            self._run("DELETE FROM sessions WHERE used <= ? OR created <= ?", self._oldest())
            self._run("INSERT INTO sessions VALUES (?, ?, ?, ?)", (_digest(token), name, now, now))
            self._run("UPDATE users SET last_login = ? WHERE name = ?", (now, name))
            self._note("logged in", name, address)
        if self._hashing.is_old(str(known)):
            hashed = self._hashing.hash(password)
            self._execute("UPDATE users SET hash = ? WHERE name = ? AND hash = ?", (hashed, name, known))
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

    def change_password(
        self, name: str, password: str, wanted: str, address: str, device: str = ""
    ) -> str | None:
        """Give a user who says their *password* the *wanted* one; return the token of a new session.

        All other sessions of theirs end. A wrong password is ``None`` and counted as when logging in, which
        raises what :meth:`log_in` raises.
        """
        self._check_password(wanted)
        token = self.log_in(name, password, address, device)
        if token is None:
            return None
        hashed = self._hashing.hash(wanted)
        with self._transaction():
            # Meanwhile somebody may have disabled them, or given them another password: that ends sessions.
            if not self._run("SELECT 1 FROM sessions WHERE token = ?", (_digest(token),)):
                return None
            self._run("UPDATE users SET hash = ? WHERE name = ?", (hashed, name))
            self._run("DELETE FROM sessions WHERE name = ? AND token != ?", (name, _digest(token)))
            self._note("changed the password", name, address)
        return token

    # ---- what they saved

    def searches(self, name: str) -> list[Search]:
        """Return the searches that a user saved, by title."""
        rows = self._execute(
            "SELECT title, query, newest, place FROM searches WHERE name = ? ORDER BY title", (name,)
        )
        return [Search(title, query, bool(newest), place) for title, query, newest, place in rows]

    def save_search(self, name: str, search: Search) -> None:
        """Keep a search, instead of the one that has its title if there is one."""
        title = " ".join(search.title.split())
        if not title or len(title) > LONGEST_TITLE:
            raise NotSaved(f"a title has 1 to {LONGEST_TITLE} characters")
        with self._transaction():
            (others,) = self._run(
                "SELECT count(*) FROM searches WHERE name = ? AND title != ?", (name, title)
            )[0]
            if others >= MOST_SEARCHES:
                raise NotSaved(f"{MOST_SEARCHES} searches are the most")
            self._run(
                "INSERT OR REPLACE INTO searches SELECT name, ?, ?, ?, ? FROM users WHERE name = ?",
                (title, search.query, search.newest, search.place, name),
            )

    def remove_search(self, name: str, title: str) -> None:
        """Forget a search, if it is there."""
        self._execute("DELETE FROM searches WHERE name = ? AND title = ?", (name, title))

    def log_out(self, token: str, address: str = "") -> None:
        """End a session."""
        with self._transaction():
            for (name,) in self._run("SELECT name FROM sessions WHERE token = ?", (_digest(token),)):
                self._note("logged out", name, address)
            self._run("DELETE FROM sessions WHERE token = ?", (_digest(token),))

    def events(self, name: str | None = None) -> list[Event]:
        """Return what was noted, of one user or of all, the oldest first."""
        query = (
            "SELECT at, what, name, place FROM events WHERE at > ? AND (? IS NULL OR name = ?) ORDER BY id"
        )
        return [Event(*row) for row in self._execute(query, (self._clock() - EVENT_SECONDS, name, name))]

    def _note(self, what: str, name: str, place: str) -> None:
        """Leave a trace, within a transaction."""
        now = self._clock()
        self._run("DELETE FROM events WHERE at <= ?", (now - EVENT_SECONDS,))
        self._run("DELETE FROM events WHERE id <= (SELECT max(id) FROM events) - ?", (MOST_EVENTS - 1,))
        self._run("INSERT INTO events (at, what, name, place) VALUES (?, ?, ?, ?)", (now, what, name, place))
        of = f"user {name}" if name else "an unknown user"
        _LOG.info("%s: %s, %s %s", what, of, "by" if place == self._by else "from", place or "this host")

    def _tell_untried(self, why: str, address: str) -> None:
        """Log attempts that were not tried, once a minute: somebody may want to fill the disk."""
        with self._lock:
            self._untold[why] = self._untold.get(why, 0) + 1
            now = self._clock()
            if now - self._told_at < _TELL_SECONDS:
                return
            told = ", ".join(f"{number} {name}" for name, number in self._untold.items())
            self._untold, self._told_at = {}, now
        _LOG.warning("attempts to log in not tried: %s; the last one from %s", told, address)

    def _throttle(self, name: str, network: str, device: str, now: float) -> None:
        self._run("DELETE FROM attempts WHERE at <= ?", (now - ATTEMPT_SECONDS,))
        own = "device = ? AND name = ?"
        if device and self._wait(own, (device, name), ATTEMPTS_OF_USER, now) is None:
            return
        # A browser from which somebody guesses is a stranger's.
        for chosen, values, most in (
            ("name = ? AND network = ?", (name, network), ATTEMPTS_OF_USER),
            ("network = ?", (network,), ATTEMPTS_OF_NETWORK),
            ("name = ?", (name,), ATTEMPTS_OF_STRANGERS),
        ):
            seconds = self._wait(chosen, values, most, now)
            if seconds is not None:
                raise TooManyAttempts(seconds)

    def _wait(self, chosen: str, values: tuple[str, ...], most: int, now: float) -> int | None:
        """Return how long it takes until there are fewer than *most* such attempts, if there are."""
        # What is put in is one of the texts above.
        query = f"SELECT at FROM attempts WHERE {chosen} ORDER BY at DESC LIMIT 1 OFFSET ?"  # noqa: S608
        row = self._run(query, (*values, most - 1))
        return max(1, int(row[0][0] + ATTEMPT_SECONDS - now) + 1) if row else None

    def _oldest(self) -> tuple[float, float]:
        now = self._clock()
        return now - self._session_seconds, now - _LONGEST_SESSION_SECONDS

    def _change(self, what: str, name: str, query: str, values: tuple[object, ...]) -> None:
        with self._transaction():
            self._run(query, values)
            self._found(name)
            self._run("DELETE FROM sessions WHERE name = ?", (name,))
            self._run("DELETE FROM attempts WHERE name = ?", (_digest(name),))
            self._note(what, name, self._by)

    def _found(self, name: str) -> None:
        """Refuse a change, within its transaction, that met nobody."""
        if not self._run("SELECT changes()")[0][0]:
            raise BadUser(f"there is no user {name}")

    @staticmethod
    def _check_password(password: str) -> None:
        if not SHORTEST_PASSWORD <= len(password) <= LONGEST_PASSWORD:
            raise BadUser(f"a password has {SHORTEST_PASSWORD} to {LONGEST_PASSWORD} characters")

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
