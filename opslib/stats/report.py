"""What the recorded minutes say about a span of time."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

from pymongo import DESCENDING

from opslib import message
from opslib.stats import delays
from opslib.stats.series import BUDGET, LAG, TWEETS
from opslib.store.collections import OPS_STATS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pymongo.database import Database

Document = dict[str, Any]


def report(
    database: Database[Document], spans: Mapping[str, timedelta], now: datetime, recorder: str
) -> Document:
    """Return the figures of each span that ends *now*, with the newest lag and budget, as plain data.

    *recorder* is the Kafka group of the recorder: what it has not dealt with is the minute that is open,
    which waits for nothing but its end.
    """
    series = database[OPS_STATS.name]
    longest = max(spans.values())
    fields = {"_id": 0, "next": 0}
    minutes = list(series.find({"meta": TWEETS, "at": {"$gt": now - longest}}, fields).sort("at", 1))
    # Two alike can only come of an insert that outlived its client: one of them is enough.
    unique = {minute["at"].replace(tzinfo=timezone.utc): minute for minute in minutes}
    return {
        "at": message.stamp(now),
        "spans": {
            name: _summed({at: minute for at, minute in unique.items() if at > now - span}, span)
            for name, span in spans.items()
        },
        "lag": _without(recorder, _newest(series, LAG)),
        "budget": _newest(series, BUDGET),
    }


def _summed(minutes: Mapping[datetime, Document], span: timedelta) -> Document:
    """Return what *minutes* have together; the rate is by minute recorded: others are unknown."""
    found = list(minutes.values())
    tweets = sum(minute["tweets"] for minute in found)
    return {
        "minutes": int(span.total_seconds()) // 60,
        "minutes_recorded": len(found),
        "newest": message.stamp(max(minutes)) if minutes else None,
        "tweets": tweets,
        "tweets_per_minute": round(tweets / len(found), 2) if found else None,
        "busiest_minute": max((minute["tweets"] for minute in found), default=None),
        "languages": _added(minute["languages"] for minute in found),
        "sources": _added(minute["sources"] for minute in found),
        "dead_letters": sum(minute["dead_letters"] for minute in found),
        "unreadable": sum(minute["unreadable"] for minute in found),
        "delay_collected": delays.joined(minute["delay_collected"] for minute in found),
        "delay_stored": delays.joined(minute["delay_stored"] for minute in found),
    }


def _added(parts: Iterable[Mapping[str, int]]) -> dict[str, int]:
    total: Counter[str] = Counter()
    for part in parts:
        total.update(part)
    return dict(total.most_common())


def _without(group: str, lag: Document | None) -> Document | None:
    if lag is None:
        return None
    return {**lag, "groups": {name: number for name, number in lag["groups"].items() if name != group}}


def _newest(series: Any, meta: Document) -> Document | None:
    found = series.find_one({"meta": meta}, {"_id": 0, "meta": 0}, sort=[("at", DESCENDING)])
    return None if found is None else {**found, "at": message.stamp(found["at"].replace(tzinfo=timezone.utc))}
