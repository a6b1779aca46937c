"""How much more than expected: the score of trends, and what is expected.

The score is that of Mastodon's trending hashtags (``Trends::Tags`` in ``app/models/trends/tags.rb`` of
https://github.com/mastodon/mastodon): with *observed* the number of distinct accounts in a period and
*expected* that in the period before, at least 1, it is ``(observed - expected)² / expected``, and 0 if
fewer than a minimum were observed or no more than expected. A score halves each half-life after its
height, and after a cool-down the height is forgotten.

What differs here: windows advance by a step instead of a day, so the height is looked for in the steps
of the last three half-lives, and what is expected is the mean of as many windows of the same length
before this one as make up the baseline, those that began before the first tweet left out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Counts = NDArray[np.int32]
    Steps = NDArray[np.int64]
    Scores = NDArray[np.float64]

MINUTES = (1, 5, 60)
STEPS_A_MINUTE = 6
LEAST_SCORE = 1.0  # what scores less is no trend
_COOL_DOWN = 3  # half-lives


@dataclass(frozen=True)
class Rules:
    """What counts as a trend."""

    minimum: int = 5  # fewer authors score nothing
    baseline_minutes: int = (
        60  # what is expected is the mean of so long before the window, one window at least
    )
    half_life: float = 0.25  # in lengths of the window

    def baseline(self, steps: int) -> int:
        """Return how many windows of *steps* steps the baseline of one has."""
        return max(1, self.baseline_minutes * STEPS_A_MINUTE // steps)

    def fading(self, steps: int) -> int:
        """Return for how many steps after its height a window of *steps* steps has any of its score left."""
        return int(_COOL_DOWN * self.half_life * steps)

    def memory(self, steps: int) -> int:
        """Return how many steps before its end a window of *steps* steps depends on."""
        return self.fading(steps) + (self.baseline(steps) + 1) * steps


def scores(
    counts: Counts, first: int, steps: int, wanted: int, since: Steps, rules: Rules
) -> tuple[Scores, Scores]:
    """Return what is usual and the scores, a row an item, of the last *wanted* columns of *counts*.

    What is usual is the mean of the windows before, and not a number where there is none of them; what is
    expected is as much, and 1 at least (:func:`expected`).

    Column i of *counts* has the numbers of authors in the window of *steps* panes that ends with step
    *first* + i; there are ``rules.memory(steps) - steps`` columns before the wanted ones. *since* has
    for each row the pane of the first tweet ever at its place.
    """
    fading = rules.fading(steps)
    columns = wanted + fading  # for which a score by itself is needed
    at = counts.shape[1] - columns
    usual = _usual(counts, at, first, steps, since, rules)
    least = expected(usual)
    observed = counts[:, at:]
    alone = np.where((observed >= rules.minimum) & (observed >= least), (observed - least) ** 2 / least, 0.0)
    faded = alone[:, fading:].copy()
    for age in range(1, fading + 1):
        left = 0.5 ** (age / (rules.half_life * steps))
        np.maximum(faded, alone[:, fading - age : columns - age] * left, out=faded)
    return usual[:, fading:], faded


def expected(usual: Scores) -> Scores:
    """Return what a score is made with, given what is usual: next to nothing is no measure of anything."""
    return np.maximum(np.nan_to_num(usual), 1.0)


def _usual(counts: Counts, at: int, first: int, steps: int, since: Steps, rules: Rules) -> Scores:
    """Return what is usual for the windows from column *at* on."""
    total: Any = np.zeros(counts[:, at:].shape, dtype=np.int64)
    number: Any = np.zeros(counts[:, at:].shape, dtype=np.int64)
    ends = first + np.arange(at, counts.shape[1])
    for back in range(steps, (rules.baseline(steps) + 1) * steps, steps):
        # The window that ends so many steps earlier; one that began before the first tweet says nothing.
        known = ends[None, :] - back - steps >= since[:, None]
        number += known
        total += counts[:, at - back : counts.shape[1] - back] * known
    mean: Scores = np.where(number > 0, total / np.maximum(number, 1), np.nan)
    return mean
