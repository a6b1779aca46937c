"""Spans of time and moments as a person says them: one way to read each, for every option that takes one."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, time, timedelta, timezone
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from datetime import date
    from zoneinfo import ZoneInfo

_UNITS = {
    "s": timedelta(seconds=1),
    "m": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
}
_PART = re.compile(r"(\d+(?:\.\d+)?)([smhd])", re.ASCII)
_SPAN = re.compile(rf"(?:{_PART.pattern})+", re.ASCII)
_NUMBER = re.compile(r"\d+(?:\.\d+)?", re.ASCII)
_CLOCK = re.compile(r"(\d\d?):(\d\d)", re.ASCII)
_MOMENT = re.compile(
    r"(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d)(:\d\d)?(?:\.(\d{1,9}))?)? ?(Z|[+-]\d\d:?\d\d)?", re.ASCII
)
_LONGEST_TEXT = 40  # so that nobody's digits are counted for minutes
_LONGEST = timedelta(days=20_000)
# Nothing of X is older; further on Python's dates end.
_EARLIEST = datetime(2006, 1, 1, tzinfo=timezone.utc)
_LATEST = datetime(2100, 1, 1, tzinfo=timezone.utc)


class Span(timedelta):
    """A span of time that knows how it was said."""

    said: str

    @classmethod
    def of(cls, length: timedelta, said: str) -> Span:
        """Return *length* as somebody *said* it."""
        span = cls(days=length.days, seconds=length.seconds, microseconds=length.microseconds)
        span.said = said
        return span

    @property
    def hours(self) -> float:
        """Return it in hours."""
        return self / timedelta(hours=1)


class SpanType(click.ParamType):  # type: ignore[type-arg,unused-ignore]  # newer ones have a parameter
    """A span such as ``30m``, ``2h``, ``1h30m`` or ``7d``; a number alone is in *unit*, if one is given."""

    name = "span"

    def __init__(
        self, unit: str | None = None, least: timedelta | None = None, most: timedelta = _LONGEST
    ) -> None:
        self._unit = unit
        self._least = timedelta(microseconds=1) if least is None else least
        self._most = most

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Span:
        if isinstance(value, Span):
            return value
        length = self._length(str(value).strip())
        if length is None:
            self.fail(f"{value!r} is no span such as 30m, 2h or 7d", param, ctx)
        if not self._least <= length <= self._most:
            least, most = written(self._least), written(self._most)
            self.fail(f"{value!r} is no span from {least} to {most}", param, ctx)
        return Span.of(length, str(value).strip())

    def _length(self, text: str) -> timedelta | None:
        if len(text) > _LONGEST_TEXT:
            return None
        if self._unit and _NUMBER.fullmatch(text):
            text += self._unit
        if not _SPAN.fullmatch(text):
            return None
        try:
            return sum((float(number) * _UNITS[unit] for number, unit in _PART.findall(text)), timedelta())
        except OverflowError:
            return timedelta.max


@dataclass(frozen=True)
class Moment:
    """A moment as somebody said it: so long ago, the last time that a clock showed something, or a date."""

    said: str
    ago: timedelta | None = None
    clock: time | None = None
    day: datetime | None = None  # without an offset where none was said

    def within(self, zone: ZoneInfo | timezone) -> datetime:
        """Return it in UTC; what was said without an offset is meant in *zone*."""
        now = datetime.now(timezone.utc)
        if self.ago is not None:
            return now - self.ago
        if self.clock is not None:
            return _last(self.clock, now, zone)
        assert self.day is not None  # noqa: S101 - one of the three is there
        aware = self.day if self.day.tzinfo else self.day.replace(tzinfo=zone)
        return aware.astimezone(timezone.utc)


NOW = Moment("now", ago=timedelta())


class MomentType(click.ParamType):  # type: ignore[type-arg,unused-ignore]  # newer ones have a parameter
    """A moment: ``now``, ``2h`` ago, ``06:45`` the last time it was that, a date, a date and time."""

    name = "moment"
    _spans = SpanType()

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Moment:
        if isinstance(value, Moment):
            return value
        text = str(value).strip()
        if text.lower() == "now":
            return NOW
        if _SPAN.fullmatch(text):
            return Moment(text, ago=self._spans.convert(text, param, ctx))
        clock, day = _clock(text), _day(text)
        if clock is None and day is None:
            self.fail(f"{value!r} is no time such as 2026-03-01T12:00, 06:45, 2h (ago) or now", param, ctx)
        if day and not _EARLIEST <= (day if day.tzinfo else day.replace(tzinfo=timezone.utc)) <= _LATEST:
            self.fail(f"{value!r} is not between 2006 and 2100", param, ctx)
        return Moment(text, clock=clock, day=day)


SPAN = SpanType()
MOMENT = MomentType()


def written(span: timedelta) -> str:
    """Return a span as it can be said: ``90s``, ``1h30m``, ``7d``."""
    if span % _UNITS["s"]:
        return f"{span.total_seconds():f}".rstrip("0") + "s"
    parts = []
    for unit in ("d", "h", "m", "s"):
        number, span = divmod(span, _UNITS[unit])
        parts += [f"{number}{unit}"] if number else []
    return "".join(parts) or "0s"


def _clock(text: str) -> time | None:
    found = _CLOCK.fullmatch(text)
    if found is None or int(found[1]) > 23 or int(found[2]) > 59:
        return None
    return time(int(found[1]), int(found[2]))


def _day(text: str) -> datetime | None:
    found = _MOMENT.fullmatch(text)
    if found is None:
        return None
    day, clock, seconds, fraction, offset = found.groups()
    # Python 3.9 reads neither Z nor fractions of other lengths than three and six.
    micro = f".{fraction[:6]:<06}" if fraction else ""
    if offset and offset != "Z" and ":" not in offset:
        offset = f"{offset[:3]}:{offset[3:]}"
    zone = "+00:00" if offset == "Z" else offset or ""
    try:
        return datetime.fromisoformat(f"{day}T{clock or '00:00'}{seconds or ':00'}{micro}{zone}")
    except ValueError:
        return None


def _last(clock: time, now: datetime, zone: ZoneInfo | timezone) -> datetime:
    """Return the last time before *now* that clocks in *zone* showed *clock*."""
    today = now.astimezone(zone).date()
    return max(
        then
        for days in range(2)
        for fold in range(2)  # in autumn they show an hour twice
        if (then := _utc(today - timedelta(days=days), clock.replace(fold=fold), zone)) <= now
    )


def _utc(day: date, clock: time, zone: ZoneInfo | timezone) -> datetime:
    return datetime.combine(day, clock, tzinfo=zone).astimezone(timezone.utc)
