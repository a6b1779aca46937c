"""Faults that happen on request, or by chance from a seed.

A call of a route is given the next fault that was ordered for it; when none is left, chance decides by the
rates. Each route has its own sequence of chances, so that a call elsewhere does not change what happens here.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]

ROUTES = (
    *("trends", "search", "search_all", "counts", "counts_all", "lookup", "usage", "rules", "stream"),
    *("compliance", "connections"),
)
# Refusals are for a call; on a stream they meet the connect, and the others single posts.
REFUSALS = ("401", "402", "403", "429", "503")
# Only a stream repeats posts and sends them in another order.
_STREAM_ONLY = ("duplicate", "disorder")
_OF_ALL = (*REFUSALS, "disconnect", "stall", "malformed", "partial")
FAULTS = (*_OF_ALL, *_STREAM_ONLY)
_DEFAULTS: Json = {
    "seed": 1,
    "rates": {},
    "by_route": {},
    "next": [],
    "stall_seconds": 5.0,
    "reset_seconds": 2.0,
    "linger_seconds": 0.0,
}


class BadFaults(ValueError):  # noqa: N818 - it names a thing
    """Faults that cannot be; the text says which."""


@dataclass
class _Ordered:
    route: str
    fault: str
    times: int


@dataclass
class Faults:
    """What goes wrong, and when."""

    seed: int = 1
    rates: dict[str, float] = field(default_factory=dict)
    by_route: dict[str, dict[str, float]] = field(default_factory=dict)
    stall_seconds: float = 5.0
    # When a 429 of chance says that there are calls again.
    reset_seconds: float = 2.0
    # How long X holds a stream's connection whose caller has gone without a word.
    linger_seconds: float = 0.0
    _next: list[_Ordered] = field(default_factory=list)
    _chances: dict[str, random.Random] = field(default_factory=dict)

    def draw(self, route: str, kinds: tuple[str, ...] | None = None) -> str | None:
        """Return the fault that befalls this call of *route*, of *kinds* alone; mostly none."""
        possible = kinds or (FAULTS if route == "stream" else _OF_ALL)
        for ordered in self._next:
            if ordered.route in (route, "*") and ordered.fault in possible:
                ordered.times -= 1
                self._next = [left for left in self._next if left.times > 0]
                return ordered.fault
        rates = {**self.rates, **self.by_route.get(route, {})}
        if not any(rates.get(kind) for kind in possible):
            return None
        chance = self._chance(route).random()
        for kind in possible:
            chance -= rates.get(kind, 0)
            if chance < 0:
                return kind
        return None

    def part(self, route: str) -> float:
        """Return at which part of a body, 0 to 1, it is cut."""
        return self._chance(route).random()

    def _chance(self, route: str) -> random.Random:
        if route not in self._chances:
            self._chances[route] = random.Random(f"{self.seed}:{route}")  # noqa: S311 - not for secrets
        return self._chances[route]

    def settings(self) -> Json:
        """Return what is in force, in the form that :meth:`set` takes."""
        return {
            "seed": self.seed,
            "rates": self.rates,
            "by_route": self.by_route,
            "next": [vars(ordered).copy() for ordered in self._next],
            "stall_seconds": self.stall_seconds,
            "reset_seconds": self.reset_seconds,
            "linger_seconds": self.linger_seconds,
        }

    def set(self, given: Any) -> None:
        """Put *given* in force, with the default for what it does not name; chances begin anew."""
        if not isinstance(given, dict) or not set(given) <= set(_DEFAULTS):
            raise BadFaults(f"faults are an object with some of {', '.join(_DEFAULTS)}")
        given = {**_DEFAULTS, **given}
        if not isinstance(given["seed"], int):
            raise BadFaults("seed is no whole number")
        if not isinstance(given["by_route"], dict):
            raise BadFaults("by_route is no object of routes")
        rates = _rates(given["rates"])
        by_route = {_route(route): _rates(of) for route, of in given["by_route"].items()}
        for route in ROUTES:
            if sum({**rates, **by_route.get(route, {})}.values()) > 1:
                raise BadFaults(f"the rates for {route} are more than 1 together")
        ordered = [_ordered(item) for item in _list(given["next"])]
        stall, reset = _seconds(given, "stall_seconds"), _seconds(given, "reset_seconds")
        linger = _seconds(given, "linger_seconds")
        self.seed, self.rates, self.by_route, self._next = given["seed"], rates, by_route, ordered
        self.stall_seconds, self.reset_seconds, self.linger_seconds = stall, reset, linger
        self._chances = {}

    def state(self) -> Json:
        """Return the settings and how far chance has come."""
        return {**self.settings(), "chances": {r: chance.getstate() for r, chance in self._chances.items()}}

    def restore(self, state: Json) -> None:
        """Go on where *state* was taken."""
        self.set({name: value for name, value in state.items() if name != "chances"})
        for route, (version, internal, gauss) in state["chances"].items():
            self._chance(route).setstate((version, tuple(internal), gauss))


def _route(route: Any) -> str:
    if route not in ROUTES:
        raise BadFaults(f"{route!r} is no route; there are {', '.join(ROUTES)}")
    return str(route)


def _rates(given: Any) -> dict[str, float]:
    if not isinstance(given, dict):
        raise BadFaults("rates are an object of faults")
    for fault, rate in given.items():
        if fault not in FAULTS:
            raise BadFaults(f"{fault!r} is no fault; there are {', '.join(FAULTS)}")
        if isinstance(rate, bool) or not isinstance(rate, (int, float)) or not 0 <= rate <= 1:
            raise BadFaults(f"the rate of {fault} is not between 0 and 1")
    return dict(given)


def _list(given: Any) -> list[Any]:
    if not isinstance(given, list):
        raise BadFaults("next is no list")
    return given


def _ordered(item: Any) -> _Ordered:
    if not isinstance(item, dict) or not {"fault"} <= set(item) <= {"route", "fault", "times"}:
        raise BadFaults(f"{item!r} in next is no object with fault, and with route and times if wanted")
    route, fault, times = item.get("route", "*"), item["fault"], item.get("times", 1)
    if route != "*":
        _route(route)
    if fault not in FAULTS:
        raise BadFaults(f"{fault!r} is no fault; there are {', '.join(FAULTS)}")
    if fault in _STREAM_ONLY and route != "stream":
        raise BadFaults(f"{fault} happens to the stream alone")
    if not isinstance(times, int) or times < 1:
        raise BadFaults("times is no number from 1")
    return _Ordered(route, fault, times)


def _seconds(given: Json, name: str) -> float:
    value = given[name]
    if isinstance(value, bool) or not isinstance(value, (int, float)) or value < 0:
        raise BadFaults(f"{name} is no number of seconds")
    return float(value)
