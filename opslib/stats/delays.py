"""Delays: exact percentiles of one minute, and counts by size from which those of any span can be had.

Percentiles of minutes cannot be averaged into those of an hour. So each minute also keeps how many of its
delays fell between two powers of 1.1: these counts add up, and a percentile taken from the sum is at most
5 % off.
"""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

QUANTILES = {"p50": 0.5, "p95": 0.95, "p99": 0.99}
_BASE = math.log(1.1)
_LEAST = 0.001  # seconds; what is less counts as this


def summary(delays: Sequence[float]) -> dict[str, Any] | None:
    """Return the percentiles of *delays* in seconds (nearest rank), the largest, their number and sizes.

    ``None`` if there are none.
    """
    if not delays:
        return None
    ordered = sorted(delays)
    found: dict[str, Any] = {
        name: round(ordered[_rank(share, len(ordered))], 3) for name, share in QUANTILES.items()
    }
    sizes = Counter(math.floor(math.log(max(delay, _LEAST)) / _BASE) for delay in ordered)
    # A key of a document is a text.
    found["sizes"] = {str(size): number for size, number in sorted(sizes.items())}
    return {**found, "max": round(ordered[-1], 3), "number": len(ordered)}


def joined(summaries: Iterable[Mapping[str, Any] | None]) -> dict[str, Any] | None:
    """Return the percentiles over several minutes, from what :func:`summary` made of each."""
    sizes: Counter[int] = Counter()
    largest = 0.0
    for one in summaries:
        if one is not None:
            sizes.update({int(size): number for size, number in one["sizes"].items()})
            largest = max(largest, one["max"])
    total = sum(sizes.values())
    if not total:
        return None
    found: dict[str, Any] = {
        name: round(min(_at(sizes, _rank(share, total)), largest), 3) for name, share in QUANTILES.items()
    }
    return {**found, "max": largest, "number": total}


def _rank(share: float, number: int) -> int:
    return max(0, math.ceil(share * number) - 1)


def _at(sizes: Mapping[int, int], rank: int) -> float:
    for size in sorted(sizes):
        rank -= sizes[size]
        if rank < 0:
            break
    return math.exp((size + 0.5) * _BASE)  # the middle of what it may be
