"""Passwords as Argon2id hashes, few at a time.

A hash takes 64 MiB and a tenth of a second of a processor, and whoever sends the form to log in asks for one.
So one is made at a time, few wait for their turn, and who comes beyond is told to come again. Browsers that
logged in before have places of their own, which no stranger takes.
"""

from __future__ import annotations

import secrets
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import argon2

if TYPE_CHECKING:
    from collections.abc import Iterator

# With the one that is being made. So a login takes no more threads of the page than these, and waits for no
# more hashes.
PLACES_OF_STRANGERS = 3
PLACES_OF_KNOWN = 3
LONGEST_PASSWORD = 1024


class TooBusy(Exception):  # noqa: N818 - it names a state
    """There are more passwords to be looked at than there is time for; nothing was tried."""


class Hashing:
    """Makes and compares hashes."""

    def __init__(self, hasher: argon2.PasswordHasher | None = None) -> None:
        # One lane: beside the page a hash is to take one processor, and no more.
        self._hasher = hasher or argon2.PasswordHasher(parallelism=1)
        self._one = threading.Lock()
        self._places = {
            False: threading.BoundedSemaphore(PLACES_OF_STRANGERS),
            True: threading.BoundedSemaphore(PLACES_OF_KNOWN),
        }
        # That of no password, so that an unknown name takes as long as a wrong password.
        self._nobody = self._hasher.hash(secrets.token_urlsafe())

    @contextmanager
    def place(self, *, known: bool) -> Iterator[None]:
        """Hold a place among those who wait, of *known* browsers or of others; raise :class:`TooBusy`."""
        places = self._places[known]
        if not places.acquire(blocking=False):
            raise TooBusy
        try:
            yield
        finally:
            places.release()

    def hash(self, password: str) -> str:
        """Return the hash of a password."""
        with self._one:
            return self._hasher.hash(password)

    def matches(self, known: str | None, password: str) -> bool:
        """Tell whether a password is that of the hash *known*; without one it takes as long."""
        if len(password) > LONGEST_PASSWORD:
            return False
        with self._one:
            try:
                return self._hasher.verify(known or self._nobody, password) and known is not None
            except argon2.exceptions.VerificationError:
                return False

    def is_old(self, known: str) -> bool:
        """Tell whether a hash was made with other parameters than those of today."""
        return self._hasher.check_needs_rehash(known)
