"""What is held of the last hours, durably, and which windows are due.

The durable state is the sightings themselves, in slots by pane, and a small *head*; the windows in memory
follow from them alone. So after a kill, or when another instance takes over, they are made anew and equal.
Each message puts a new number into the head, with the name of who dealt with it: where memory has another one
than the state, somebody else has been at work since, or what was done was not kept, and memory is made anew.

A sighting is late if its pane had ended, and the lateness passed, when the newest tweet before it in its own
partition of ``tweets.raw`` was collected. That depends on the partition's log alone, so partitions that are
read at different speeds, a replay or a restart decide alike. Panes are dropped once no partition can still
bring one that changes a window that depends on them; a partition that is far behind the others is waited for,
up to :data:`APART`.
"""

from __future__ import annotations

import uuid
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any, Optional, Protocol

from opslib.speed.score import MINUTES, STEPS_A_MINUTE, Rules
from opslib.speed.sightings import STEP, Sighting, joined, plain, topics_in
from opslib.speed.windows import Window, Windows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from opslib.metrics import Speed
    from opslib.store.unwanted import Policy

APART = 6 * 3600  # seconds that partitions may be apart in what they have collected, and MongoDB away
_AT_ONCE = 180  # windows of each length that are made in one go
_RECENT = 6  # steps that are revised at every step; older ones once in as many steps
_FEW = 1000  # sightings that may be dropped before memory is made anew
_NEVER, _CLEAN = -(2**31), 2**31


class State(Protocol):
    """What is used of Quix Streams' state."""

    def get(self, key: Any, default: Any = None) -> Any:
        """Return the value of *key*."""

    def set(self, key: Any, value: Any) -> None:
        """Keep *value*."""

    def delete(self, key: Any) -> None:
        """Keep it no longer."""


@dataclass
class Head:
    """Where the aggregator stands; everything in steps but ``seen``."""

    number: int = 0  # of messages dealt with
    owner: str = ""  # who dealt with the last one
    seen: dict[str, float] = field(default_factory=dict)  # by partition, when its newest tweet was collected
    since: Optional[int] = None  # noqa: UP045 - the pane of the first sighting ever
    begun: dict[str, int] = field(default_factory=dict)  # by place, the pane of its first sighting ever
    first: int = _NEVER  # panes before this one were dropped
    last: int = _NEVER  # the newest pane with a sighting
    clock: int = _NEVER  # the newest step that has passed
    published: int = _NEVER  # windows up to this step are in MongoDB
    dirty: int = _CLEAN  # but from this one on they have changed


class Aggregator:
    """Holds sightings, and makes the windows that are due."""

    def __init__(
        self, rules: Rules, lateness: int, write: Callable[[list[Window]], bool], metrics: Speed
    ) -> None:
        self._rules = rules
        self._lateness = lateness
        self._write = write  # says whether MongoDB has taken them
        self._metrics = metrics
        self._owner = uuid.uuid4().hex
        self._head: Head = Head(owner="nobody")
        self._clear()

    def _clear(self) -> None:
        self._revised = _NEVER
        self._held: dict[int, tuple[Sighting, int]] = {}  # by tweet, with its slot in its pane
        self._slots: dict[int, list[int]] = {}  # tweets by pane
        self._dropped = 0
        self._windows = Windows(self._rules)
        self._written: dict[tuple[int | None, int, int], int] = {}

    def open(self, state: State) -> None:
        """See to it that memory is what *state* says; to be called with each message first."""
        found = state.get("head") or asdict(Head())
        if (found["number"], found["owner"]) == (self._head.number, self._head.owner):
            return
        self._clear()
        self._head = head = Head(**found)
        if head.since is None:
            return
        for pane in range(max(head.first, head.since), head.last + 1):
            for slot in range(state.get(f"pane {pane}", 0)):
                kept = state.get(f"{pane}.{slot}")
                self._slots.setdefault(pane, []).append(kept[0] if kept else 0)
                if kept:
                    self._held[kept[0]] = (
                        Sighting(kept[0], kept[1], pane, kept[2], topics_in(kept[3]), *kept[4:]),
                        slot,
                    )
        self._windows = Windows(self._rules, (sighting for sighting, _ in self._held.values()))
        # What was changed and not yet written, nobody remembers in detail.
        head.dirty = min(head.dirty, self._open_step())

    def close(self, state: State) -> None:
        """Keep where this stands; to be called with each message last."""
        self._head.number += 1
        self._head.owner = self._owner
        state.set("head", asdict(self._head))

    def add(
        self, state: State, sighting: Sighting, partition: str, collected: float, unwanted: bool = False
    ) -> None:
        """Take in what was read from *partition* of ``tweets.raw``, unless it is late, known or unwanted."""
        head = self._head
        seen = head.seen[partition] = max(collected, head.seen.get(partition, collected))
        head.clock = max(head.clock, int(seen // STEP))
        if unwanted:
            self._metrics.forgotten.inc()
            if sighting.tweet in self._held:  # of which an earlier copy did not tell whose text it is
                self._remove(state, *self._held[sighting.tweet])
        elif (sighting.pane + 1) * STEP + self._lateness <= seen or sighting.pane < head.first:
            (self._metrics.repeated if sighting.tweet in self._held else self._metrics.late).inc()
        elif sighting.tweet in self._held:
            self._add_topics(state, sighting)
        else:
            slots = self._slots.setdefault(sighting.pane, [])
            self._held[sighting.tweet] = (sighting, len(slots))
            slots.append(sighting.tweet)
            self._keep(state, sighting, len(slots) - 1)
            state.set(f"pane {sighting.pane}", len(slots))
            self._windows.add(sighting)
            self._begin(sighting)
            head.last = max(head.last, sighting.pane)
            self._changed(sighting)

    def _add_topics(self, state: State, copy: Sighting) -> None:
        """Count a tweet that was collected again for what it is new for: topics, and nothing else."""
        self._metrics.repeated.inc()
        sighting, slot = self._held[copy.tweet]
        topics = joined(sighting.topics, copy.topics)
        if len(topics) > len(sighting.topics):
            more = replace(sighting, topics=topics)
            self._windows.replace(sighting, more)
            self._held[copy.tweet] = (more, slot)
            self._keep(state, more, slot)
            self._begin(more)
            self._changed(more)

    def _begin(self, sighting: Sighting) -> None:
        head, pane = self._head, sighting.pane
        head.since = pane if head.since is None else min(head.since, pane)
        for place in map(str, sighting.places):
            head.begun[place] = min(pane, head.begun.get(place, pane))

    def pass_time(self, moment: float) -> None:
        """Take note that it is *moment* (Unix time) and nothing is waiting to be read."""
        self._head.clock = max(self._head.clock, int(moment // STEP))

    def take_out(self, state: State, policy: Policy) -> None:
        """Count no more what is unwanted by *policy*."""
        found = [held for held in self._held.values() if policy.holds(held[0].origin)] if policy else ()
        for sighting, slot in found:
            self._remove(state, sighting, slot)

    def _remove(self, state: State, sighting: Sighting, slot: int) -> None:
        del self._held[sighting.tweet]
        self._windows.remove(sighting)
        self._slots[sighting.pane][slot] = 0
        state.delete(f"{sighting.pane}.{slot}")
        self._changed(sighting)

    def _keep(self, state: State, sighting: Sighting, slot: int) -> None:
        kept = [sighting.tweet, sighting.author, sighting.entries, plain(sighting.topics)]
        if sighting.retweet:
            kept.append(sighting.retweet)
        state.set(f"{sighting.pane}.{slot}", kept)

    def _changed(self, sighting: Sighting) -> None:
        # What a later window expects depends on it too, and how far its score has faded.
        self._head.dirty = min(self._head.dirty, sighting.pane + 1)

    def publish(self, state: State) -> None:
        """Write the windows that have closed or changed, and drop what none depends on any more."""
        head = self._head
        if head.since is None:
            return
        start = changed = min(head.dirty, head.published + 1)
        if head.clock - self._revised < _RECENT:
            start = max(changed, min(head.clock - _RECENT, head.published + 1))
        if all(self._write(windows) for windows in self._due(start)):
            head.published = head.clock
            head.dirty = changed if changed < start else _CLEAN
            self._revised = head.clock if start == changed else self._revised
        else:
            self._written.clear()
        self._drop(state)

    def _due(self, start: int) -> Iterator[list[Window]]:
        """Yield the windows that end from step *start* on and differ from MongoDB's, by the batch."""
        head = self._head
        since = head.since or 0
        begun = {place: head.begun.get(str(place), since) for place in self._windows.places}
        for minutes in MINUTES:
            steps = minutes * STEPS_A_MINUTE
            # Of what was dropped, older windows would lack a part.
            whole = head.first + self._rules.memory(steps) if head.first > since else since + 1
            low = max(start, since + 1, whole)
            # Behind the last sighting windows are empty: the newest of them will do.
            high = min(head.clock, head.last + steps)
            spans = [(at, min(at + _AT_ONCE - 1, high)) for at in range(low, high + 1, _AT_ONCE)]
            if head.clock > high:
                spans.append((head.clock, head.clock))
            for first, last in spans:
                made = self._windows.between(minutes, first, last, begun)
                yield [window for window in made if self._is_news(window)]

    def _is_news(self, window: Window) -> bool:
        key, content = (window.place, window.minutes, window.ends), hash(window)
        known = self._written.get(key)
        self._written[key] = content
        return known != content

    def _open_step(self) -> int:
        """Return the first step whose windows a sighting that is not late can change."""
        newest = max(self._head.seen.values())
        slowest = min(max(seen, newest - APART) for seen in self._head.seen.values())
        return int((slowest - self._lateness) // STEP)

    def _drop(self, state: State) -> None:
        head = self._head
        newest = int(max(head.seen.values()) // STEP)
        due = max(min(self._open_step(), head.dirty, head.published + 1), newest - APART // STEP)
        first = due - max(self._rules.memory(minutes * STEPS_A_MINUTE) for minutes in MINUTES)
        if first <= head.first:
            return
        head.first = first
        for pane in [pane for pane in self._slots if pane < first]:
            for slot, tweet in enumerate(self._slots.pop(pane)):
                if tweet:
                    del self._held[tweet]
                    state.delete(f"{pane}.{slot}")
                    self._dropped += 1
            state.delete(f"pane {pane}")
        if self._dropped > max(_FEW, len(self._held) // 2):
            self._windows = Windows(self._rules, (sighting for sighting, _ in self._held.values()))
            self._dropped = 0
        self._written = {key: known for key, known in self._written.items() if key[2] >= first}

    def __len__(self) -> int:
        """Return how many sightings are held."""
        return len(self._held)

    @property
    def names(self) -> int:
        """How many words, hashtags and topics are counted."""
        return len(self._windows)
