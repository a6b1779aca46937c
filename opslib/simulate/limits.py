"""X's rate limits: how many calls of a kind a token may make in 15 minutes."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from typing import Any, Callable

_WINDOW = 15 * 60
# Calls in a window, for an application's bearer token.
LIMITS = {
    "trends": 75,
    "search": 450,
    "search_all": 300,
    "counts": 300,
    "counts_all": 300,
    "lookup": 3500,
    "usage": 50,
    "stream": 50,
    "rules": 450,
    "rules:change": 100,
    "compliance": 150,
    "connections": 25,
}


@dataclass
class _Window:
    reset_at: float
    left: int


class RateLimits:
    """How often each token may call: a window of 15 minutes begins with its first call."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._windows: dict[tuple[str, str], _Window] = {}

    def spend(self, token: str, kind: str) -> tuple[bool, dict[str, str]]:
        """Count a call; tell whether it is within the limit, and the headers that say so."""
        now = self._clock()
        window = self._windows.get((token, kind))
        if window is None or window.reset_at <= now:
            window = self._windows[token, kind] = _Window(now + _WINDOW, LIMITS[kind])
        allowed = window.left > 0
        window.left -= allowed
        return allowed, headers(LIMITS[kind], window.left, window.reset_at)

    def state(self) -> list[dict[str, Any]]:
        """Return the windows that have begun."""
        return [
            {"token": token, "kind": kind, **asdict(window)}
            for (token, kind), window in self._windows.items()
        ]

    def restore(self, state: list[dict[str, Any]]) -> None:
        """Go on in the windows of *state*."""
        self._windows = {(w["token"], w["kind"]): _Window(w["reset_at"], w["left"]) for w in state}


def headers(limit: int, left: int, reset_at: float) -> dict[str, str]:
    """Return the headers that tell how many calls are left and when (epoch seconds) there are more."""
    return {
        "x-rate-limit-limit": str(limit),
        "x-rate-limit-remaining": str(left),
        "x-rate-limit-reset": str(int(reset_at)),
    }
