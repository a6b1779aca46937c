"""What is told about disks: parts that take room, what would free some, and what nobody could look at."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Union

if TYPE_CHECKING:
    from collections.abc import Mapping

DAY = 86_400


@dataclass(frozen=True)
class Part:
    """Something that takes room."""

    component: str
    name: str
    bytes: int  # on the disk; of a topic on all brokers, of a collection on the member that was asked
    reusable: int = 0  # of them, kept by the component to be written again: no room for anybody else
    entries: int | None = None  # documents or messages
    bound: str = ""  # the setting that bounds it, if any does
    on: Mapping[str, int] = field(default_factory=dict)  # by broker, of a topic


@dataclass(frozen=True)
class Saving:
    """What a retention of so many days would free at once."""

    setting: str
    days: float | None  # as it is set; None keeps for ever
    oldest_days: float | None  # how old the oldest is; None if that is not told
    to_days: float
    bytes: int  # an estimate: entries are counted, and taken to be equally large


@dataclass(frozen=True)
class Unknown:
    """What could not be looked at, and why."""

    component: str
    why: str


Told = Union[Part, Saving, Unknown]
