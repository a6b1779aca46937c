"""Browsers that logged in before, known by a cookie.

Guessing is limited by counting what fails, and whoever fails often enough under a name keeps its owner out.
Not out of a browser in which they logged in before: it has a cookie that says so, and its attempts are
counted by themselves (OWASP, *Slow Down Online Guessing Attacks with Device Cookies*). The cookie lets nobody
in.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets

DEVICE = "__Host-device"
KEPT_SECONDS = 365 * 24 * 3600


class Devices:
    """Makes and reads such cookies with a *key* of the host."""

    def __init__(self, key: bytes) -> None:
        # Not the key itself: with that the page signs what a visitor chose, for forms. Those texts have a |
        # in them, so nobody is shown this one.
        self._key = hmac.new(key, b"devices", hashlib.sha256).digest()

    def cookie(self, name: str, now: float) -> str:
        """Return the cookie of a browser in which the user *name* has logged in at Unix time *now*."""
        told = f"{secrets.token_urlsafe(16)}.{int(now)}"
        return f"{told}.{self._signature(name, told)}"

    def known(self, cookie: str, name: str, now: float) -> str:
        """Return what a browser's attempts under a name are counted by; empty if it is not known for it."""
        told, _, signature = cookie.rpartition(".")
        if not hmac.compare_digest(signature.encode(), self._signature(name, told).encode()):
            return ""
        identity, _, since = told.partition(".")
        return identity if 0 <= now - int(since) <= KEPT_SECONDS else ""

    def _signature(self, name: str, told: str) -> str:
        text = f"{told}.{name}".encode("utf-8", "replace")
        return hmac.new(self._key, text, hashlib.sha256).hexdigest()
