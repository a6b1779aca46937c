"""Plots as SVG, drawn by the server: they need no script, print well, and take their colours from the page.

A plot is drawn twice, for wide and for narrow screens, so that its letters can be read on both; the page's
style shows one of them. Colours and widths of lines are the style's as well (classes ``series-0`` and so on).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Callable

from markupsafe import Markup, escape

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from zoneinfo import ZoneInfo

Point = tuple[datetime, "float | None"]
_SIZES = {"wide": (760, 240), "narrow": (360, 220)}
_LEFT, _RIGHT, _TOP, _BOTTOM = 48, 12, 12, 26
_STEPS = [timedelta(minutes=n) for n in (1, 2, 5, 10, 15, 30, 60, 120, 180, 360, 720, 1440, 2880, 10080)]


def nice_ceiling(value: float) -> float:
    """Return the next number of 1, 2, 2.5, 5 and 10 times a power of ten: the end of an axis."""
    if value <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    return next(step * power for step in (1, 2, 2.5, 5, 10) if step * power >= value * (1 - 1e-9))


def nice_duration(seconds: float) -> float:
    """Return the next length of time, in seconds, that is a round number of its unit and has a round half."""
    for size in (1, 60, 3600, 86_400):
        for step in (2, 4, 6, 10, 20, 30, 40, 60) if size < 3600 else (2, 4, 8, 12, 24):
            if seconds <= step * size and seconds > 1:
                return float(step * size)
    return nice_ceiling(seconds)


@dataclass(frozen=True)
class Series:
    """One line of a plot; a point without a value is a gap."""

    name: str
    points: Sequence[Point]

    @property
    def last(self) -> float | None:
        """Return the newest value there is."""
        return next((value for _, value in reversed(self.points) if value is not None), None)

    @property
    def most(self) -> float | None:
        """Return the largest value there is."""
        return max((value for _, value in self.points if value is not None), default=None)


@dataclass(frozen=True)
class Plot:
    """Values over time.

    *title* says in words what is seen; *number* writes a value and *moment* a time; *style* is ``area``,
    ``lines`` or ``bars``. *upside_down* puts small values, such as ranks, at the top.
    """

    title: str
    series: Sequence[Series]
    since: datetime
    until: datetime
    zone: ZoneInfo
    number: Callable[[float], str]
    moment: Callable[[datetime], str]
    style: str = "lines"
    upside_down: bool = False
    marked: Sequence[tuple[datetime, datetime]] = ()  # stretches of time that are shaded
    nice: Callable[[float], float] = nice_ceiling
    leads: Mapping[datetime, str] = field(default_factory=dict)  # of bars, by their moment, to an address

    @property
    def empty(self) -> bool:
        """Tell whether there is nothing to be seen."""
        return all(series.last is None for series in self.series)

    def rows(self) -> list[tuple[datetime, list[float | None]]]:
        """Return the values as the rows of a table, those without any left out."""
        by_moment: dict[datetime, list[float | None]] = {}
        for number, series in enumerate(self.series):
            for at, value in series.points:
                if value is not None:
                    by_moment.setdefault(at, [None] * len(self.series))[number] = value
        return sorted(by_moment.items())

    def svg(self, size: str) -> Markup:
        """Return the plot in a size, ``wide`` or ``narrow``."""
        return _Drawing(self, *_SIZES[size]).svg(size)


def binned(
    points: Iterable[tuple[datetime, float]],
    since: datetime,
    until: datetime,
    step: timedelta,
    join: Callable[[list[float]], float] = sum,
    missing: float | None = None,
) -> list[Point]:
    """Return one point for each *step*, its values joined, and *missing* where there was none."""
    length = max(1, math.ceil((until - since) / step))
    bins: list[list[float]] = [[] for _ in range(length)]
    for at, value in points:
        number = int((at - since) / step)
        if 0 <= number < length:
            bins[number].append(value)
    return [
        (since + number * step, join(values) if values else missing) for number, values in enumerate(bins)
    ]


def time_ticks(since: datetime, until: datetime, zone: ZoneInfo, most: int) -> list[datetime]:
    """Return at most *most* round times of the clock of *zone* between two moments."""
    step = next((step for step in _STEPS if (until - since) / step <= most), _STEPS[-1])
    local = since.astimezone(zone)
    midnight = local.replace(hour=0, minute=0, second=0, microsecond=0)
    # Counted on the wall clock, so that a day with 23 hours has its ticks at round hours as well.
    wall = midnight.replace(tzinfo=None)
    end = until.astimezone(zone).replace(tzinfo=None)
    ticks = []
    while wall <= end:
        at = wall.replace(tzinfo=zone).astimezone(timezone.utc)
        if since <= at <= until:
            ticks.append(at)
        wall += step
    return ticks


class _Drawing:
    """One plot at one size."""

    def __init__(self, plot: Plot, width: int, height: int) -> None:
        self._plot = plot
        self._width = width
        self._height = height
        most = max((series.most or 0 for series in plot.series), default=0)
        if plot.upside_down:
            self._low, self._high = 1.0, max(5.0, plot.nice(most))
        else:
            self._low, self._high = 0.0, plot.nice(most)

    def svg(self, size: str) -> Markup:
        plot = self._plot
        parts = [
            # Nothing in an image can be followed.
            Markup('<svg class="plot plot-{}" viewBox="0 0 {} {}" role="{}" aria-label="{}">').format(
                size, self._width, self._height, "group" if plot.leads else "img", plot.title
            ),
            *self._marked(),
            *self._grid(),
        ]
        for number, series in enumerate(plot.series):
            parts += self._bars(number, series) if plot.style == "bars" else self._line(number, series)
        parts.append(Markup("</svg>"))
        return Markup("").join(parts)

    def _x(self, at: datetime) -> float:
        share = (at - self._plot.since) / (self._plot.until - self._plot.since)
        return _LEFT + share * (self._width - _LEFT - _RIGHT)

    def _y(self, value: float) -> float:
        share = (value - self._low) / (self._high - self._low)
        if self._plot.upside_down:
            share = 1 - share
        return _TOP + (1 - share) * (self._height - _TOP - _BOTTOM)

    def _marked(self) -> Iterable[Markup]:
        for begin, end in self._plot.marked:
            x = round(self._x(max(begin, self._plot.since)), 1)
            width = round(self._x(min(end, self._plot.until)) - x, 1)
            yield Markup('<rect class="marked" x="{}" y="{}" width="{}" height="{}"/>').format(
                x, _TOP, max(width, 1), self._height - _TOP - _BOTTOM
            )

    def _grid(self) -> Iterable[Markup]:
        right, bottom = self._width - _RIGHT, self._height - _BOTTOM
        for value in self._values():
            y = round(self._y(value), 1)
            yield Markup('<line class="grid" x1="{}" x2="{}" y1="{}" y2="{}"/>').format(_LEFT, right, y, y)
            yield Markup('<text class="axis" x="{}" y="{}" text-anchor="end">{}</text>').format(
                _LEFT - 8, y + 4, self._plot.number(value)
            )
        for at in time_ticks(self._plot.since, self._plot.until, self._plot.zone, self._width // 90):
            x = round(self._x(at), 1)
            anchor = "start" if x < _LEFT + 14 else "end" if x > right - 14 else "middle"
            yield Markup('<line class="tick" x1="{}" x2="{}" y1="{}" y2="{}"/>').format(
                x, x, bottom, bottom + 4
            )
            yield Markup('<text class="axis" x="{}" y="{}" text-anchor="{}">{}</text>').format(
                x, bottom + 18, anchor, self._plot.moment(at)
            )

    def _values(self) -> list[float]:
        if self._plot.upside_down:
            middle = round((self._low + self._high) / 2)
            return [self._low, float(middle), self._high]
        parts = 4 if (self._high / 4).is_integer() or self._high < 1 else 2
        if self._high == 1:
            parts = 1
        return [self._high * number / parts for number in range(parts + 1)]

    def _line(self, number: int, series: Series) -> Iterable[Markup]:
        for run in _runs(series.points):
            places = [(round(self._x(at), 1), round(self._y(value), 1)) for at, value in run]
            if len(places) == 1:
                yield Markup('<circle class="series-{}" cx="{}" cy="{}" r="2.5"/>').format(number, *places[0])
                continue
            path = "M" + "L".join(f"{x} {y}" for x, y in places)
            if self._plot.style == "area":
                bottom = self._height - _BOTTOM
                closed = f"{path}L{places[-1][0]} {bottom}L{places[0][0]} {bottom}Z"
                yield Markup('<path class="area series-{}" d="{}"/>').format(number, closed)
            yield Markup('<path class="line series-{}" d="{}"/>').format(number, path)

    def _bars(self, number: int, series: Series) -> Iterable[Markup]:
        room = (self._width - _LEFT - _RIGHT) / max(1, len(series.points))
        bottom = self._height - _BOTTOM
        for at, value in series.points:
            if not value:
                continue
            x, y = round(self._x(at) + room * 0.1, 1), round(self._y(value), 1)
            width, height = round(max(1.0, room * 0.8), 1), round(max(1.0, bottom - y), 1)
            said = f"{self._plot.moment(at)}: {self._plot.number(value)}"
            bar = Markup(
                '<rect class="bar series-{}" x="{}" y="{}" width="{}" height="{}"><title>{}</title></rect>'
            ).format(number, x, y, width, height, said)
            href = self._plot.leads.get(at)
            yield bar if href is None else self._leading(bar, href, said, x, width)

    def _leading(self, bar: Markup, href: str, said: str, x: float, width: float) -> Markup:
        """Return a bar that is a link, as high as the plot; the keyboard has it in the table of values."""
        return Markup(
            '<a href="{}" tabindex="-1" aria-label="{}">'
            '<rect x="{}" y="{}" width="{}" height="{}" fill="none" pointer-events="all">'
            "<title>{}</title></rect>{}</a>"
        ).format(href, said, x, _TOP, width, self._height - _TOP - _BOTTOM, said, bar)


def _runs(points: Sequence[Point]) -> list[list[tuple[datetime, float]]]:
    """Return the points in stretches without a gap."""
    runs: list[list[tuple[datetime, float]]] = [[]]
    for at, value in points:
        if value is None:
            runs.append([])
        else:
            runs[-1].append((at, value))
    return [run for run in runs if run]


def share_bar(share: float, series: int = 0) -> Markup:
    """Return a bar that is filled for *share* of its width, which is between 0 and 1."""
    width = round(100 * min(1.0, max(0.0, share)), 1)
    return Markup(
        '<svg class="share" viewBox="0 0 100 6" preserveAspectRatio="none" aria-hidden="true">'
        '<rect class="rest" width="100" height="6"/><rect class="bar series-{}" width="{}" height="6"/></svg>'
    ).format(escape(series), width)
