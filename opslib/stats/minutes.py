"""Messages of several partitions told apart by minute, so that each counts in one minute and only there.

A message belongs to the minute in which it came to Kafka, by the time that Kafka keeps with it. In one
partition minutes never go back: a message whose time is older than that of the one before it, or whose
minute was recorded already, counts in the oldest minute that is still open. So for each minute and each
partition there is one offset at which the next minute begins. It is written with the figures, in the same
document, and whoever goes on from there counts nothing twice and leaves nothing out.
"""

from __future__ import annotations

import contextlib
import json
from array import array
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

from opslib import message
from opslib.dlq.letters import REPLAYED
from opslib.stats import delays

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

Partition = tuple[str, int]  # topic and number
Offsets = dict[Partition, int]
MINUTE = 60
_SPENT_BY_FOLLOWS = "x.budget.follows"  # as opslib.x.turns tells it, once a FlowFile
BUDGET_HEADERS = "x.budget."  # as PublishToKafka puts them on its messages
# Names that strangers make up are not to fill the documents.
_MOST_NAMES = 40
_LONGEST = 120
_FOLLOW = "follow "
OTHERS = "other"


@dataclass
class Minute:
    """What was counted in one minute."""

    tweets: int = 0
    dead_letters: int = 0
    unreadable: int = 0
    languages: Counter[str] = field(default_factory=Counter)
    sources: Counter[str] = field(default_factory=Counter)
    collected: array[float] = field(default_factory=lambda: array("d"))
    budget: dict[str, Any] | None = None  # the newest that was told
    follows: dict[str, Any] | None = None  # the same of what each follow has cost

    def add(self, topic: str, record: Any) -> datetime | None:
        """Count one message; return when it was collected if it is a tweet."""
        self.budget = budget_in(record) or self.budget
        self.follows = follows_in(record) or self.follows
        if topic == message.DEAD_LETTERS:
            self.dead_letters += not any(name == REPLAYED for name, _ in record.headers)
        elif topic == message.TWEETS:
            return self._add_tweet(record.value)
        return None

    def _add_tweet(self, value: bytes | None) -> datetime | None:
        try:
            tweet = message.tweet_document(message.decode_tweet(value))
        except (ValueError, TypeError, KeyError, OverflowError, AttributeError, RecursionError):
            # The storage layer says why, in the dead-letter topic.
            self.unreadable += 1
            return None
        self.tweets += 1
        self.languages[tweet["lang"] or "und"] += 1
        self.sources.update(_sources(tweet["topics"]))
        collected_at: datetime = tweet["collected_at"]
        if tweet["created_at"] is not None:
            self.collected.append(max(0.0, (collected_at - tweet["created_at"]).total_seconds()))
        return collected_at

    def figures(self) -> dict[str, Any]:
        """Return what is kept of the minute."""
        return {
            "tweets": self.tweets,
            "languages": _largest(self.languages),
            "sources": _largest(self.sources),
            "dead_letters": self.dead_letters,
            "unreadable": self.unreadable,
            "delay_collected": delays.summary(self.collected),
        }


def budget_in(record: Any) -> dict[str, Any] | None:
    """Return the budget's state that a message brought in its headers, with when that was."""
    told: dict[str, Any] = {"today": {}, "left": {}}
    for name, value in record.headers:
        if name.startswith(BUDGET_HEADERS):
            span, _, unit = name[len(BUDGET_HEADERS) :].partition(".")
            with contextlib.suppress(ValueError, KeyError):
                told[span][unit] = float(value) if unit == "usd" else int(float(value))
    if not told["today"]:
        return None
    return {"at": datetime.fromtimestamp(max(0, record.timestamp) / 1000, timezone.utc), **told}


def follows_in(record: Any) -> dict[str, Any] | None:
    """Return what each follow has cost by then, today and in all, if a message brought it in its headers."""
    told = dict(record.headers).get(_SPENT_BY_FOLLOWS)
    if told is None:
        return None
    try:
        follows = [
            {"name": str(name), "today": float(today), "all": float(whole)}
            for name, (today, whole) in json.loads(told).items()
        ]
    except (ValueError, TypeError, AttributeError, RecursionError):
        return None
    return {"at": datetime.fromtimestamp(max(0, record.timestamp) / 1000, timezone.utc), "follows": follows}


def _sources(topics: Iterable[Mapping[str, Any]]) -> set[str]:
    """Return how a tweet was come by: the WOEIDs of the places of its trends, and what is followed."""
    return {_source(topic) for topic in topics} or {"none"}


def _source(topic: Mapping[str, Any]) -> str:
    if message.kind_of(topic) == message.FOLLOW:
        return _FOLLOW + str(topic["name"])
    return str(topic["woeid"]) if topic["woeid"] is not None else "rule"


def _largest(counts: Counter[str]) -> dict[str, int]:
    """Return the largest counts by name and the sum of the rest, with names that a document can have."""
    found: Counter[str] = Counter()
    for rank, (name, number) in enumerate(counts.most_common()):
        found[name if _is_plain(name) and rank < _MOST_NAMES else OTHERS] += number
    return dict(found)


def _is_plain(name: str) -> bool:
    """Tell whether a document can have that name: X's are short, those of follows are anybody's."""
    if name.startswith(_FOLLOW):
        return name.isprintable() and len(name) <= _LONGEST and not {".", "$"} & set(name)
    return name.isascii() and name.replace("-", "").isalnum() and len(name) <= 16


class Minutes:
    """The minutes that are not recorded yet; moments are minutes since 1970."""

    def __init__(self, collected: Callable[[Partition, int, datetime], None] = lambda *_: None) -> None:
        """Tell *collected* of each tweet its partition, its offset, and when it was collected."""
        self._tell = collected
        self._open: dict[int, Minute] = {}
        self._least = 0  # nothing is counted in an older minute
        self._next: int | None = None  # to be recorded next; unknown until something came
        self._began = 0
        self._at: dict[Partition, int] = {}  # the minute that a partition has come to
        self._begins: dict[Partition, dict[int, int]] = {}  # the first offset of each open minute

    def begin(self, least: int, now: int) -> None:
        """Begin with the oldest message that there is, but not before the minute *least*."""
        self._least, self._next, self._began = least, None, max(now, least)

    def resume(self, after: int) -> None:
        """Go on behind the minute *after*."""
        self._least = self._next = after + 1

    def add(self, partition: Partition, records: Iterable[Any], now: int) -> None:
        """Count the *records* that came next in a partition; none is from later than *now*."""
        begins = self._begins.setdefault(partition, {})
        at = max(self._at.get(partition, 0), self._least)
        for record in records:
            # A message without a time has none above zero.
            told = record.timestamp // (MINUTE * 1000) if record.timestamp > 0 else now
            at = max(at, min(told, now))
            if at not in begins:
                begins[at] = record.offset
            minute = self._open.get(at)
            if minute is None:
                minute = self._open[at] = Minute()
            self._at[partition] = at
            collected_at = minute.add(partition[0], record)
            if collected_at is not None:
                self._tell(partition, record.offset, collected_at)

    def oldest(self) -> int:
        """Return the minute that is to be recorded next."""
        return min(self._open, default=self._began) if self._next is None else self._next

    def is_behind(self, partition: Partition, minute: int) -> bool:
        """Tell whether *partition* has come to a later minute, so that nothing of *minute* follows."""
        return self._at.get(partition, 0) > minute

    def close(self, minute: int, positions: Mapping[Partition, int]) -> tuple[Minute, Offsets]:
        """Return what the oldest minute counted, and where each partition's next minute begins.

        *positions* are the offsets up to which the partitions were read.
        """
        self._next, self._least = minute + 1, minute + 1
        offsets = {}
        for partition, position in positions.items():
            begins = self._begins.setdefault(partition, {})
            begins.pop(minute, None)
            offsets[partition] = min(begins.values(), default=position)
        return self._open.pop(minute, Minute()), offsets


def minute_of(moment: datetime) -> int:
    """Return *moment* as minutes since 1970."""
    return int(moment.timestamp()) // MINUTE


def begin_of(minute: int) -> datetime:
    """Return when *minute* begins."""
    return datetime(1970, 1, 1, tzinfo=timezone.utc) + timedelta(minutes=minute)
