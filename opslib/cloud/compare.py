"""What two sides say differently: words by significance instead of size.

A *side* is what roll-ups count, a place, a topic or what is followed over a span of time, or what a cloud
counts. Both are counted in one grouping of spellings, so that a word is the same on both. How much a word
belongs to one of them is the weighted log-odds ratio with an informative Dirichlet prior of Monroe, Colaresi
and Quinn, "Fightin' Words" (Political Analysis 16, 2008, doi:10.1093/pan/mpn018), divided by its standard
deviation: it is large where a difference is large and can hardly be chance, for frequent words and rare ones.
The prior is what all of the lake says in both spans. Of the variance all four terms are taken, not the two
that are left for words that are rare everywhere: a topic's own name can be a tenth of what is said about it.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Union

from opslib.store import rollups
from opslib.store.behind import counted_by
from opslib.store.hidden import Hidden
from opslib.words import merged

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pymongo.database import Database

    from opslib.store.behind import Behind, Moment, Span
    from opslib.words import Merged

    Document = dict[str, Any]
    Side = Union[Span, Moment]

Way = Literal["new", "grown", "gone", "shrunk", "same"]
# The prior weighs as much as so many words.
PRIOR = 500.0
# Standard deviations beyond which chance alone is in 20 cases 1: what is nearer to 0 is called the same.
SIGNIFICANT = 1.96
_NOTHING = 1e-6


@dataclass(frozen=True)
class Difference:
    """A word on both sides: its numbers of texts, and how far the second side has more of it."""

    word: str
    first: int
    second: int
    first_share: float  # of all that was counted on that side, from 0 to 1
    second_share: float
    score: float  # in standard deviations; below 0 the first side has more of it

    @property
    def way(self) -> Way:
        """Return what became of the word from the first side to the second."""
        if abs(self.score) < SIGNIFICANT:
            return "same"
        if self.score > 0:
            return "new" if not self.first else "grown"
        return "gone" if not self.second else "shrunk"


@dataclass(frozen=True)
class Comparison:
    """Two sides, with all their words, those that the second has most more of first."""

    sides: tuple[Side, Side]
    tweets: tuple[int, int]
    words: Merged
    differences: tuple[Difference, ...]
    hidden: Hidden = field(default_factory=Hidden)

    @property
    def shown(self) -> tuple[Difference, ...]:
        """Return the words that are not hidden; shares are of all."""
        return tuple(found for found in self.differences if not self.hidden.holds(found.word))

    def most(self, number: int) -> tuple[list[Difference], list[Difference]]:
        """Return the words that the first side, and those that the second has significantly more of."""
        known = [found for found in self.shown if found.way != "same"]
        first = [found for found in reversed(known) if found.score < 0]
        second = [found for found in known if found.score > 0]
        return first[:number], second[:number]

    def largest(self, number: int) -> list[Difference]:
        """Return the words that have the largest shares on either side, the largest first."""
        by_share = sorted(
            self.shown, key=lambda found: (-max(found.first_share, found.second_share), found.word)
        )
        return by_share[:number]

    def behind(self, database: Database[Document], side: int, word: str) -> Behind:
        """Return the texts that are counted for a word on one of the sides."""
        return counted_by(database, self.sides[side], self.words.counting(word))


def compare(
    database: Database[Document], first: Side, second: Side, hidden: Hidden | None = None
) -> Comparison:
    """Count both sides and compare them; what is *hidden* counts, and is not shown."""
    counts = [side.counts(database) for side in (first, second)]
    words = merged(counts[0].words + counts[1].words)
    numbers = [words.of(side.words) for side in counts]
    spans = dict.fromkeys((side.since, side.until) for side in (first, second))
    all_said: Counter[str] = Counter()
    for since, until in spans:
        all_said.update(rollups.counts(database, since, until).words)
    found = differences(numbers[0], numbers[1], words.of(all_said))
    tweets = counts[0].tweets, counts[1].tweets
    return Comparison((first, second), tweets, words, tuple(found), hidden or Hidden())


def differences(
    first: Mapping[str, int], second: Mapping[str, int], said: Mapping[str, int], prior: float = PRIOR
) -> list[Difference]:
    """Return all words of two sides, those of the highest score first.

    The prior is made of how often all of the lake *said* each of these words, as often as the two sides at
    least, and weighs as much as *prior* words.
    """
    words = sorted({word for side in (first, second) for word, number in side.items() if number})
    ground = {word: max(said.get(word, 0), first.get(word, 0) + second.get(word, 0)) for word in words}
    whole = sum(ground.values()) or 1
    totals = sum(first.values()), sum(second.values())
    found = []
    for word in words:
        numbers = first.get(word, 0), second.get(word, 0)
        weight = prior * ground[word] / whole
        pro = [number + weight for number in numbers]
        # Where both say one word alone nothing is left against it.
        contra = [max(total + prior - part, _NOTHING) for total, part in zip(totals, pro)]
        ratio = math.log(pro[1] / contra[1]) - math.log(pro[0] / contra[0])
        deviation = math.sqrt(sum(1 / part for part in (*pro, *contra)))
        shares = [number / (total or 1) for number, total in zip(numbers, totals)]
        found.append(Difference(word, *numbers, shares[0], shares[1], ratio / deviation))
    return sorted(found, key=lambda one: (-one.score, -one.second, one.word))
