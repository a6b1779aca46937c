"""What a trigger of a NiFi processor does, as functions of what NiFi gives it.

A *turn* takes a processor's state and a FlowFile, and returns state, FlowFile and relationship. The
processors in ``flows/processors`` carry these to and from NiFi and do nothing else, so that what runs in NiFi
runs in the unit tests as well. NiFi writes state at once and commits a FlowFile only afterwards; whoever
carries a turn writes its state first.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from opslib.message import encode
from opslib.x.follows import ACCOUNT

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from opslib.x.budget import Budget

State = dict[str, str]
# The attribute of a FlowFile that holds all that is followed, one a line: how many they are.
FOLLOWS = "follows.count"
# When that was so: one that was kept waiting is not to bring back what was.
FOLLOWS_AT = "follows.at"
# Behind them, what is to be looked up for them: how many these are.
BACKFILLS = "backfills.count"
# What each follow has cost today and in all, in USD, as JSON.
SPENT_BY_FOLLOWS = "x.budget.follows"


class FlowFile(Protocol):
    """A FlowFile that a processor was triggered for; NiFi copies its content when it is asked for."""

    def attribute(self, name: str) -> str:
        """Return an attribute, empty if there is none."""

    def attributes(self) -> Mapping[str, str]:
        """Return all attributes."""

    def content(self) -> bytes:
        """Return what it holds."""


@dataclass
class Turn:
    """What becomes of a trigger."""

    relationship: str = ""  # where the FlowFile goes; empty for a source that has nothing to give
    content: bytes | None = None  # ``None`` leaves what the FlowFile holds
    attributes: dict[str, str] = field(default_factory=dict)
    state: State | None = None  # to be kept before the FlowFile leaves; ``None`` leaves what is kept
    warnings: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    rest: bool = False  # nothing can be done before long


def lines_of(messages: Iterable[Mapping[str, Any]]) -> bytes:
    """Return *messages* as the content of a FlowFile, one a line."""
    return b"\n".join(encode(message) for message in messages)


def objects_in(content: bytes) -> list[dict[str, Any]]:
    """Return what the lines of a FlowFile's *content* hold."""
    return [json.loads(line) for line in content.split(b"\n") if line]


def told_of(budget: Budget) -> dict[str, str]:
    """Return the budget as it is, as attributes."""
    spent, left = budget.spent_today(), budget.left_today()
    told = {"x.budget.today.resources": str(spent.resources), "x.budget.today.usd": f"{spent.usd:.3f}"}
    told.update({f"x.budget.left.{unit}": f"{rest:g}" for unit, rest in left.items() if rest is not None})
    spent_by = budget.spent_by_each(ACCOUNT)
    if spent_by:
        follows = {name: [round(day, 3), round(total, 3)] for name, (day, total) in spent_by.items()}
        told[SPENT_BY_FOLLOWS] = json.dumps(follows, ensure_ascii=False)
    return told


def described(messages: list[dict[str, Any]]) -> dict[str, str]:
    """Return what a FlowFile of tweets says of itself."""
    return {"mime.type": "application/x-ndjson", "tweets.count": str(len(messages))}
