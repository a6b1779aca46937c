"""Windows over panes: how many different authors named each thing in every window, at any moment.

A window of n panes that ends with step e covers the panes from e - n to e - 1. So one author's sighting in
pane p is in the windows that end with the steps p + 1 to p + n, and a second one of the same author only
adds those windows that the first is not in already. Each sighting is therefore kept as the *span* of windows
that it newly reaches, which depends on nothing but the author's sightings just before and after it: late
ones, repeats and what is taken out again cost the same as any other, however hot the name is.

The spans lie in flat arrays. Numbers of authors for any stretch of time are one pass over them with NumPy, so
revising the windows of the last quarter of an hour costs little more than making the newest one.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, insort
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Optional, Union

import numpy as np

from opslib.speed.score import LEAST_SCORE, MINUTES, STEPS_A_MINUTE, Rules, expected, scores
from opslib.words import parts

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from numpy.typing import NDArray

    from opslib.speed.sightings import Sighting

    Numbers = NDArray[np.int32]

BEST = 50  # items of each kind that a window shows
KINDS = ("word", "hashtag", "topic", "follow")
_FAR = 2**30
_SPAN = 4  # item, first step, step behind the last, +1 or -1
_USE = 3  # name, pane, +1 or -1
Panes = Union[int, list[int]]
Woeid = Optional[int]  # of a place, or None for no place
# Place, kind, and what an item is counted as; what every sighting names has no kind.
_Key = tuple[Woeid, str, str]


@dataclass(frozen=True)
class Trend:
    """One line of a window."""

    kind: str
    name: str
    authors: int
    tweets: int
    usual: Optional[float]  # noqa: UP045 - authors in the mean of the windows before; None if there were none
    expected: float
    score: float


@dataclass(frozen=True)
class Window:
    """One window of a place: the best of each kind, the highest score first."""

    place: Woeid
    minutes: int
    ends: int  # in steps
    tweets: int
    authors: int
    items: tuple[Trend, ...]


class _Item:
    """What is counted as one thing at a place, in all its spellings."""

    __slots__ = ("authors", "kind", "names", "number", "place")

    def __init__(self, number: int, place: Woeid, kind: str) -> None:
        self.number = number
        self.place = place
        self.kind = kind
        self.authors: dict[str, Panes] = {}
        self.names: dict[str, int] = {}


class Windows:
    """All windows of the sightings that were added."""

    def __init__(self, rules: Rules, sightings: Iterable[Sighting] = ()) -> None:
        self._rules = rules
        self._items: dict[_Key, _Item] = {}
        self._by_number: list[_Item] = []
        self._everything: dict[Woeid, _Item] = {}  # the item of a place that every sighting there names
        self._names = 0
        self._hot: set[int] = set()
        self._spans = {minutes: array("i") for minutes in MINUTES}
        self._uses = array("i")
        for sighting in sightings:
            self.add(sighting)

    def __len__(self) -> int:
        """Return how many things are counted."""
        return len(self._items) - len(self._everything)

    @property
    def places(self) -> list[Woeid]:
        """Return the places of the sightings."""
        return list(self._everything)

    def add(self, sighting: Sighting) -> None:
        """Count *sighting*."""
        self._change(sighting, _keys(sighting), 1)

    def replace(self, known: Sighting, sighting: Sighting) -> None:
        """Count *sighting* in the place of *known*, which was added: the same tweet with other topics."""
        before, after = dict.fromkeys(_keys(known)), dict.fromkeys(_keys(sighting))
        self._change(known, (key for key in before if key not in after), -1)
        self._change(sighting, (key for key in after if key not in before), 1)

    def remove(self, sighting: Sighting) -> None:
        """Count *sighting*, which was added, no more."""
        self._change(sighting, _keys(sighting), -1)

    def _item(self, key: _Key) -> _Item:
        item = self._items.get(key)
        if item is None:
            item = self._items[key] = _Item(len(self._by_number), *key[:2])
            self._by_number.append(item)
            if not item.kind:
                self._everything[item.place] = item
                self._hot.add(item.number)
        return item

    def _change(self, sighting: Sighting, keys: Iterable[tuple[_Key, str]], sign: int) -> None:
        pane, author = sighting.pane, sighting.author
        for key, name in keys:
            item = self._item(key)
            number = item.names.get(name)
            if number is None:
                number = item.names[name] = self._names
                self._names += 1
            self._uses.extend((number, pane, sign))
            before, after = (_added if sign > 0 else _taken)(item.authors, author, pane)
            if sign > 0 and len(item.authors) >= self._rules.minimum:
                self._hot.add(item.number)
            for minutes, spans in self._spans.items():
                panes = minutes * STEPS_A_MINUTE
                start, end = max(pane, before + panes) + 1, min(pane + panes, after) + 1
                if start < end:
                    spans.extend((item.number, start, end, sign))

    def between(self, minutes: int, first: int, last: int, since: Mapping[Woeid, int]) -> Iterator[Window]:
        """Yield the windows of that length that end with the steps *first* to *last*, place by place.

        *since* has the pane of the first sighting ever at each place; see :func:`opslib.speed.score.scores`.
        """
        steps = minutes * STEPS_A_MINUTE
        low = first - (self._rules.memory(steps) - steps)
        hot = sorted(self._hot)
        items = [self._by_number[number] for number in hot]
        counts = self._authors(minutes, hot, low, last)
        wanted = last - first + 1
        begun = np.array([since[item.place] for item in items], dtype=np.int64)
        usual, score = scores(counts, low, steps, wanted, begun, self._rules)
        counts = counts[:, -wanted:]
        least = expected(usual)
        best = self._best(items, counts, score)
        rows = sorted({row for of_place in best.values() for window in of_place for row in window})
        uses = self._tweets([*self._everything.values(), *(items[row] for row in rows)], first, last, steps)
        for place, everything in self._everything.items():
            row_of_all, (all_tweets,) = hot.index(everything.number), everything.names.values()
            for i, chosen in enumerate(best[place]):
                trends = []
                for row in chosen:
                    item = items[row]
                    name, tweets = _shown({name: uses[number][i] for name, number in item.names.items()})
                    figures = (float(least[row, i]), float(score[row, i]))
                    known = None if np.isnan(usual[row, i]) else float(usual[row, i])
                    trends.append(Trend(item.kind, name, int(counts[row, i]), tweets, known, *figures))
                figures_of_all = (int(uses[all_tweets][i]), int(counts[row_of_all, i]))
                yield Window(place, minutes, first + i, *figures_of_all, _first(trends))

    def _best(
        self, items: list[_Item], authors: Numbers, score: NDArray[np.float64]
    ) -> dict[Woeid, list[list[int]]]:
        """Return by place, for each window, the rows that it may show."""
        places, kinds = [item.place for item in items], np.array([item.kind for item in items])
        found = {}
        for place in self._everything:
            here = np.array([row for row, other in enumerate(places) if other == place], dtype=np.int64)
            windows = range(authors.shape[1])
            found[place] = [
                here[_best(kinds[here], authors[here, i], score[here, i])].tolist() for i in windows
            ]
        return found

    def _authors(self, minutes: int, hot: list[int], low: int, last: int) -> Numbers:
        """Return the numbers of authors, a row for each of *hot*, a column for each step."""
        spans = np.frombuffer(self._spans[minutes], dtype=np.int32).reshape(-1, _SPAN)
        rows = np.full(len(self._by_number), -1, dtype=np.int32)
        rows[hot] = np.arange(len(hot), dtype=np.int32)
        spans = spans[(rows[spans[:, 0]] >= 0) & (spans[:, 1] <= last) & (spans[:, 2] > low)]
        return _cumulated(
            (len(hot), last - low + 1),
            (rows[spans[:, 0]], np.maximum(spans[:, 1] - low, 0), spans[:, 3]),
            (rows[spans[:, 0]], spans[:, 2] - low, -spans[:, 3]),
        )

    def _tweets(self, items: list[_Item], first: int, last: int, steps: int) -> dict[int, Numbers]:
        """Return by name of *items* how many tweets use it in the windows that end with those steps."""
        names = [number for item in items for number in item.names.values()]
        rows = np.full(self._names, -1, dtype=np.int32)
        rows[names] = np.arange(len(names), dtype=np.int32)
        uses = np.frombuffer(self._uses, dtype=np.int32).reshape(-1, _USE)
        uses = uses[(rows[uses[:, 0]] >= 0) & (uses[:, 1] >= first - steps) & (uses[:, 1] < last)]
        # A use in pane p is in the windows that end with p + 1 to p + steps.
        totals = _cumulated(
            (len(names), last - first + 1),
            (rows[uses[:, 0]], np.maximum(uses[:, 1] + 1 - first, 0), uses[:, 2]),
            (rows[uses[:, 0]], uses[:, 1] + 1 + steps - first, -uses[:, 2]),
        )
        return dict(zip(names, totals))


def _keys(sighting: Sighting) -> Iterator[tuple[_Key, str]]:
    """Yield key and spelling of all that *sighting* is counted for."""
    for place in sighting.places:
        yield (place, "", ""), ""
        for entry in sighting.entries:
            spelling, key = parts(entry)
            yield (place, "hashtag" if spelling.startswith("#") else "word", key), spelling
    for topic in sighting.topics:
        yield (topic.woeid, topic.kind or "topic", topic.name), topic.name


def _added(authors: dict[str, Panes], author: str, pane: int) -> tuple[int, int]:
    """Note that *author* was seen in *pane*; return the panes just before and after, as they were."""
    known = authors.get(author)
    if known is None:
        authors[author] = pane  # most are seen once: a list for each would take three times the room
        return -_FAR, _FAR
    panes = [known] if isinstance(known, int) else known
    around = _around(panes, pane)
    insort(panes, pane)
    authors[author] = panes
    return around


def _taken(authors: dict[str, Panes], author: str, pane: int) -> tuple[int, int]:
    """Take back one time that *author* was seen in *pane*; return the panes before and after that stay."""
    known = authors[author]
    panes = [known] if isinstance(known, int) else known
    del panes[bisect_left(panes, pane)]
    if panes:
        authors[author] = panes
    else:
        del authors[author]
    return _around(panes, pane)


def _around(panes: list[int], pane: int) -> tuple[int, int]:
    """Return the last of *panes* up to *pane*, and the first from there on."""
    place = bisect_left(panes, pane)
    after = panes[place] if place < len(panes) else _FAR
    before = pane if after == pane else panes[place - 1] if place else -_FAR
    return before, after


def _cumulated(shape: tuple[int, int], *changes: tuple[Any, Any, Any]) -> Numbers:
    """Return running totals: each change is rows, columns and what is added from there on."""
    rows, columns = shape
    totals = np.zeros((rows, columns + 1), dtype=np.int32)
    for at_rows, at_columns, values in changes:
        np.add.at(totals, (at_rows, np.minimum(at_columns, columns)), values)
    return np.cumsum(totals[:, :columns], axis=1, dtype=np.int32)


def _best(kinds: NDArray[np.str_], authors: Numbers, score: NDArray[np.float64]) -> list[int]:
    """Return the rows that a window may show: of each kind the best, and all that equal the last of these."""
    found: list[int] = []
    trending = (authors > 0) & (score >= LEAST_SCORE)
    for kind in KINDS:
        rows = np.flatnonzero(trending & (kinds == kind))
        if len(rows) > BEST:
            least = np.partition(score[rows], len(rows) - BEST)[len(rows) - BEST]
            rows = rows[score[rows] >= least]
        found += rows.tolist()
    return found


def _first(trends: list[Trend]) -> tuple[Trend, ...]:
    """Return the best of each kind, the highest score first; of two that look alike, the better one."""
    ordered = sorted(trends, key=lambda found: (-found.score, -found.authors, found.kind, found.name))
    shown: dict[tuple[str, str], Trend] = {}
    for trend in ordered:
        shown.setdefault((trend.kind, trend.name), trend)
    left = dict.fromkeys(KINDS, BEST)
    kept = []
    for trend in shown.values():
        left[trend.kind] -= 1
        if left[trend.kind] >= 0:
            kept.append(trend)
    return tuple(kept)


def _shown(spellings: dict[str, Any]) -> tuple[str, int]:
    """Return the spelling that most tweets have, of equals the last, and the tweets of all."""
    number, name = max((int(tweets), name) for name, tweets in spellings.items())
    del number
    return name, int(sum(spellings.values()))
