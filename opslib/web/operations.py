"""What Operations shows: figures and plots of what `opslib stats record` keeps in ``ops_stats``."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Callable

from opslib.web.plots import Plot, Series, binned, nice_ceiling, nice_duration

if TYPE_CHECKING:
    from collections.abc import Iterable
    from zoneinfo import ZoneInfo

    from opslib.store.reads import Document, Lake
    from opslib.web.viewer import Viewer

# A plot has about a hundred points, however long the time is.
_STEPS = {1: 1, 6: 5, 24: 15, 168: 120}
_MOST_LANGUAGES = 5
_INSTANT = timedelta(microseconds=1)


@dataclass(frozen=True)
class Budget:
    """What was spent today and what is left, of one thing; ``share`` is what is spent of both."""

    key: str
    spent: float
    left: float | None

    @property
    def share(self) -> float | None:
        """Return the part that is spent; ``None`` without a limit."""
        whole = self.spent + (self.left or 0)
        return None if self.left is None else (self.spent / whole if whole else 0.0)


def look(lake: Lake, viewer: Viewer, hours: int, zone: ZoneInfo, recorder: str = "") -> dict[str, Any]:
    """Return figures and plots of the last *hours*, one of 1, 6, 24 and 168.

    *recorder* is the Kafka group of the recorder. What it has not dealt with is the minute that is open,
    which waits for nothing but its end.
    """
    step = timedelta(minutes=_STEPS[hours])
    # Whole minutes, and the running one left out: it would look like a fall.
    until = viewer.now.replace(second=0, microsecond=0)
    since = until - timedelta(hours=hours)
    begin, end = on_the_clock(since, step), on_the_clock(until + step - _INSTANT, step)
    draw = _Drawer(viewer, zone, begin, end, step, hours)
    tweets = lake.stats("tweets", begin, until)
    lag = [_without(recorder, minute) for minute in lake.stats("lag", begin, until)]
    return {
        "newest": tweets[-1]["at"] if tweets else None,
        "figures": _figures([minute for minute in tweets if minute["at"] >= since], lag),
        "plots": {
            **({"rates": draw.rates(tweets), **draw.delays(tweets)} if tweets else {}),
            **({"lag": draw.lag(lag)} if lag else {}),
            **({"dead_letters": draw.dead_letters(tweets)} if tweets else {}),
        },
        "languages_of": _languages(tweets, viewer),
        "budget": _budget(lake.newest_stats("budget", viewer.now)),
    }


def on_the_clock(moment: datetime, step: timedelta) -> datetime:
    """Return the last moment up to this one that is a whole number of steps after midnight UTC.

    So a value stays in the same bin, with the same others, while time goes on.
    """
    midnight = moment.replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight + (moment - midnight) // step * step


def _without(group: str, minute: Document) -> Document:
    groups = {name: waiting for name, waiting in (minute.get("groups") or {}).items() if name != group}
    return {**minute, "groups": groups}


def _figures(tweets: list[Document], lag: list[Document]) -> dict[str, float | None]:
    recent = tweets[-5:]
    waiting = sum((lag[-1].get("groups") or {}).values()) if lag else None
    return {
        "rate": sum(minute["tweets"] for minute in recent) / len(recent) if recent else None,
        "total": sum(minute["tweets"] for minute in tweets) if tweets else None,
        "lag": waiting,
        "delay": _quantile(recent, "delay_stored"),
        "dead_letters": sum(minute.get("dead_letters") or 0 for minute in tweets) if tweets else None,
    }


def _quantile(minutes: list[Document], name: str, quantile: str = "p95") -> float | None:
    found = [value for minute in minutes if (value := (minute.get(name) or {}).get(quantile)) is not None]
    return max(found, default=None)


def _languages(tweets: list[Document], viewer: Viewer) -> list[tuple[str, int, float]]:
    counts: Counter[str] = Counter()
    for minute in tweets:
        counts.update(minute.get("languages") or {})
    total = sum(counts.values()) or 1
    common = counts.most_common(_MOST_LANGUAGES)
    shown = [(viewer.language_name(code), number) for code, number in common]
    others = sum(counts.values()) - sum(number for _, number in common)
    if others:
        shown.append((viewer.gettext("others"), others))
    return [(name, number, number / total) for name, number in shown]


def _budget(newest: Document | None) -> list[Budget]:
    if newest is None:
        return []
    today, left = newest.get("today") or {}, newest.get("left") or {}
    return [
        Budget(key, today[key], left.get(key)) for key in ("usd", "resources") if today.get(key) is not None
    ]


class _Drawer:
    """Makes the plots of one look."""

    def __init__(
        self, viewer: Viewer, zone: ZoneInfo, since: datetime, until: datetime, step: timedelta, hours: int
    ) -> None:
        self._viewer = viewer
        self._zone = zone
        self._step = step
        self._hours = hours
        self.since = since
        self.until = until

    def rates(self, tweets: list[Document]) -> Plot:
        points = self._binned(((m["at"], m["tweets"]) for m in tweets), lambda found: sum(found) / len(found))
        title, told = self._viewer.gettext("Tweets collected a minute"), self._viewer.gettext("tweets")
        return self._plot(title, [(told, points)], style="area")

    def delays(self, tweets: list[Document]) -> dict[str, Plot]:
        titles = {
            "delay_collected": self._viewer.gettext("From written to collected"),
            "delay_stored": self._viewer.gettext("From collected to stored"),
        }
        return {name: self._delay(tweets, name, title) for name, title in titles.items()}

    def _delay(self, tweets: list[Document], name: str, title: str) -> Plot:
        half, most = self._viewer.gettext("half of the tweets"), self._viewer.gettext("95 % of the tweets")
        series = []
        for quantile, told in (("p50", half), ("p95", most)):
            known = ((m["at"], (m.get(name) or {}).get(quantile)) for m in tweets)
            series.append((told, self._binned(((at, v) for at, v in known if v is not None), max)))
        return self._plot(title, series, self._viewer.duration, nice=nice_duration)

    def lag(self, lag: list[Document]) -> Plot:
        groups = sorted({group for minute in lag for group in minute.get("groups") or {}})
        series = []
        for group in groups:
            known = ((m["at"], (m.get("groups") or {}).get(group)) for m in lag)
            series.append((group, self._binned(((at, v) for at, v in known if v is not None), max)))
        return self._plot(self._viewer.gettext("Messages waiting in Kafka"), series)

    def dead_letters(self, tweets: list[Document]) -> Plot:
        points = self._binned(((m["at"], m.get("dead_letters") or 0) for m in tweets), sum)
        title = self._viewer.gettext("Messages that could not be stored")
        return self._plot(title, [(title, points)], style="bars")

    def _binned(self, points: Iterable[tuple[datetime, float]], join: Callable[[list[float]], float]) -> Any:
        return binned(points, self.since, self.until, self._step, join)

    def _plot(
        self,
        title: str,
        series: list[tuple[str, Any]],
        number: Callable[[float], str] | None = None,
        *,
        style: str = "lines",
        nice: Callable[[float], float] = nice_ceiling,
    ) -> Plot:
        skeleton = "EHm" if self._hours > 24 else "Hm"
        return Plot(
            title,
            [Series(name, points) for name, points in series],
            self.since,
            self.until,
            self._zone,
            number or self._viewer.short,
            lambda at: self._viewer.written(at, self._zone, skeleton),
            style=style,
            nice=nice,
        )
