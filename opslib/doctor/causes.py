"""Why: of what a check found wrong, what else was found that it follows from.

Checks look at the lake from several sides, so one fault is seen by many of them: with MongoDB away nobody can
say how old the newest tweet is. Each failure is followed to the failure that it comes from, and that to its
own, until one stands for itself; that one is to be mended, and wakes somebody.
"""

from __future__ import annotations

import dataclasses
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from opslib.doctor.findings import Finding

# What each check needs, the likeliest first. A unit is a cause of what it runs (_UNITS).
_NEEDS: dict[str, tuple[str, ...]] = {
    "kafka": ("zookeeper",),
    "web": ("mongodb",),
    "sink": ("kafka", "mongodb"),
    "speed": ("kafka", "mongodb"),
    "stats": ("kafka", "mongodb"),
    "trends": ("mongodb", "budget", "nifi", "kafka", "sink"),
    "tweets": ("mongodb", "budget", "nifi", "trends", "kafka", "sink"),
    "rollups": ("mongodb",),
    "search": ("mongodb",),
    "wishes": ("kafka",),
    "clouds": ("mongodb", "rollups"),
    "budget": ("mongodb",),
    # Of those that do not answer, only the port could not be looked at.
    "certificates": ("zookeeper", "kafka", "mongodb", "nifi", "web"),
}
_UNITS: dict[str, str] = {
    "zookeeper": r"zookeeper\.",
    "kafka": r"kafka\.",
    "mongodb": r"mongod",
    "nifi": r"nifi\.",
    "web": r"(nginx|opslib-web)\.",
    "sink": r"opslib-sink@",
    "speed": r"opslib-speed\.",
    "stats": r"opslib-stats\.",
    "search": r"opslib-search\.",
    "wishes": r"opslib-wishes\.",
    "rollups": r"opslib-rollup\.",
    "clouds": r"opslib-report\.",
}
_COLLECTED = ("trends", "tweets")
# As opslib.x.client.Refused says it, in a bulletin of NiFi. It is asked again after up to an hour, so a
# bulletin that is no failure any more may be why nothing comes.
_REFUSED = re.compile(r"X refused \((\d+)\)")
_MEANS = {
    "401": "X does not take the token: make a new one, and see opslib x check",
    "402": "the credits at X are used up: buy some at developer.x.com",
    "403": "the app at X may not do this: see its access at developer.x.com",
    "429": "X's limit is reached: collection goes on by itself",
}


def explained(findings: Iterable[Finding]) -> list[Finding]:
    """Return *findings* in their order, each failure with its causes, nearest first, as ``check: text``."""
    found = list(findings)
    return [
        dataclasses.replace(one, causes=tuple(_chain(one, found))) if one.status == "failed" else one
        for one in found
    ]


def _chain(finding: Finding, found: Sequence[Finding]) -> Iterator[str]:
    seen = {finding.check}
    while (cause := _cause(finding, found, seen)) is not None:
        yield f"{cause.check}: {cause.text}"
        seen.add(cause.check)
        finding = cause
    refused = _REFUSED.search(finding.text) if finding.check == "nifi" else None
    if refused and refused[1] in _MEANS:
        yield f"x: {_MEANS[refused[1]]}"


def _cause(finding: Finding, found: Sequence[Finding], seen: set[str]) -> Finding | None:
    check = finding.check
    if check == "certificates" and "does not answer" not in finding.text:
        return None  # it has been looked at, and is what it is
    stopped = _UNITS.get(check)
    for one in found:
        if stopped and one.check == "units" and one.status == "failed" and re.match(stopped, one.text):
            return one
    for need in _NEEDS.get(check, ()):
        for one in found:
            if one.check == need and need not in seen and _is_cause(check, one):
                return one
    return None


def _is_cause(check: str, one: Finding) -> bool:
    if check in _COLLECTED and one.check == "nifi" and _REFUSED.search(one.text):
        return True
    return one.status == "failed"
