"""How long it took from a tweet's collection until it was safe in MongoDB, told from the sink's own offsets.

The sink commits an offset once a majority of MongoDB has what stands before it. Whoever asks for its offsets
once a second therefore knows to a second, and never too early, since when a message has been stored, and
neither the sink nor its documents have to say so. Messages that were stored before anybody asked have no
known moment and are left out.
"""

from __future__ import annotations

import bisect
import threading
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from opslib.stats.minutes import Partition

# By partition. A sink that is away for long leaves the oldest waiting; what comes then is left out.
_MOST_WAITING = 20_000
_MOST_ANSWERS = 600  # ten minutes


class Stored:
    """Delays from collected to stored; one thread reads messages, another one asks for offsets."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: dict[Partition, deque[tuple[int, float]]] = {}
        # By partition: the offsets that were told and when, both rising.
        self._answers: dict[Partition, tuple[list[int], list[float]]] = {}
        self._delays: list[float] = []

    def read(self, partition: Partition, offset: int, collected_at: float) -> None:
        """Take note of a tweet that was collected at *collected_at* (Unix time)."""
        with self._lock:
            offsets, moments = self._answers.get(partition, ([], []))
            if not offsets or offset < offsets[0]:
                return
            answer = bisect.bisect_right(offsets, offset)
            if answer < len(offsets):
                self._add(moments[answer] - collected_at)
                return
            waiting = self._waiting.setdefault(partition, deque())
            if len(waiting) < _MOST_WAITING:
                waiting.append((offset, collected_at))

    def told(self, committed: Mapping[Partition, int], at: float) -> None:
        """Take note of the sink's offsets as they were at *at* (Unix time)."""
        with self._lock:
            for partition, end in committed.items():
                offsets, moments = self._answers.setdefault(partition, ([], []))
                if offsets and end <= offsets[-1]:
                    continue
                offsets.append(end)
                moments.append(at)
                del offsets[:-_MOST_ANSWERS], moments[:-_MOST_ANSWERS]
                waiting = self._waiting.get(partition, deque())
                while waiting and waiting[0][0] < end:
                    self._add(at - waiting.popleft()[1])

    def taken(self) -> list[float]:
        """Return the delays that became known since the last call, in seconds."""
        with self._lock:
            delays, self._delays = self._delays, []
        return delays

    def _add(self, delay: float) -> None:
        self._delays.append(max(0.0, delay))
