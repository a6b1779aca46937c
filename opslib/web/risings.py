"""When Rising showed a topic or a word: the stretches of a day, each with its height.

A window of the speed layer ends every ten seconds. Of a day those of :data:`MINUTES` minutes are looked at
that end at whole multiples of them: each moment is in one of these, and a day has 300 of them at most. They
are windows as Now shows them unless another length is chosen.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from opslib.web.said import within
from opslib.words import parts

if TYPE_CHECKING:
    from opslib.store.reads import Lake
    from opslib.web.said import Subject

MINUTES = 5
_LENGTH = timedelta(minutes=MINUTES)
_MOST = 8


@dataclass(frozen=True)
class Stretch:
    """Windows in a row that showed something: from when until when, and what the highest of them said."""

    since: datetime
    until: datetime
    ends_at: datetime  # of the highest
    item: dict[str, Any]


@dataclass(frozen=True)
class Risings:
    """The stretches of a day, oldest first: the highest of them, and how many *more* there are."""

    stretches: list[Stretch]
    more: int = 0


def risings(lake: Lake, subject: Subject, now: datetime) -> Risings | None:
    """Return when Rising showed something up to *now*; ``None`` where no window of the time is kept."""
    names = [subject.name]
    kinds = [subject.kind or "topic"]
    if subject.entries is not None:
        names = sorted({parts(entry)[0] for entry in subject.entries})
        kinds = sorted({"hashtag" if name.startswith("#") else "word" for name in names})
    woeid = None if subject.kind else subject.woeid
    with within(lake):
        windows = lake.windows_with(woeid, MINUTES, _ends(subject, now), kinds, names)
    if not windows:
        return None
    found = _stretches([(window["ends_at"], window["items"]) for window in windows])
    highest = sorted(found, key=lambda stretch: stretch.item["score"], reverse=True)[:_MOST]
    return Risings([stretch for stretch in found if stretch in highest], len(found) - len(highest))


def _ends(subject: Subject, now: datetime) -> list[datetime]:
    """Return the ends of the windows that a span is made of, as far as they are over."""
    first, last = subject.since + _LENGTH, min(subject.until, now)
    return [first + number * _LENGTH for number in range(max(0, (last - first) // _LENGTH + 1))]


def _stretches(windows: list[tuple[datetime, list[dict[str, Any]]]]) -> list[Stretch]:
    """Return what showed something; a window that is not kept parts two of them as one without does."""
    found: list[Stretch] = []
    for ends_at, items in windows:
        if not items:
            continue
        item = max(items, key=lambda one: float(one["score"]))
        one = Stretch(ends_at - _LENGTH, ends_at, ends_at, item)
        if found and found[-1].until == one.since:
            before = found.pop()
            higher = max(before, one, key=lambda each: float(each.item["score"]))
            one = replace(higher, since=before.since, until=one.until)
        found.append(one)
    return found
