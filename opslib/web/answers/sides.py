"""The two sides that Compare is asked for: of each what, where and when."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal, Optional, Union

from fastapi import HTTPException, Request
from pydantic import AwareDatetime, BaseModel, Field

from opslib.store.behind import Moment, Span
from opslib.store.observations import Key
from opslib.store.reads import Place
from opslib.web.answers import said
from opslib.web.answers.behind import span_asked, words_of_cloud
from opslib.web.asked import bounds, chosen, date_of, kind_asked, lake_of, now_of

if TYPE_CHECKING:
    from opslib.store.reads import Lake

Kind = Literal["trend", "follow"]
_YEARS = range(2006, 2100)


class Sides(BaseModel):
    """What an address asks to compare: days of a place's clock, a span, or a kept cloud."""

    a_topic: str = Field(default="", max_length=500)
    a_kind: Kind = "trend"
    a_place: Optional[int] = None
    a_day: str = ""
    a_last: str = ""
    a_since: Optional[AwareDatetime] = None
    a_until: Optional[AwareDatetime] = None
    a_cloud: Optional[str] = Field(default=None, max_length=200)
    b_topic: str = Field(default="", max_length=500)
    b_kind: Kind = "trend"
    b_place: Optional[int] = None
    b_day: str = ""
    b_last: str = ""
    b_since: Optional[AwareDatetime] = None
    b_until: Optional[AwareDatetime] = None
    b_cloud: Optional[str] = Field(default=None, max_length=200)

    def given(self, side: str) -> dict[str, Any]:
        """Return what is asked of one of the sides."""
        return {name[2:]: value for name, value in self if name.startswith(f"{side}_")}


@dataclass(frozen=True)
class Side:
    """One side as the page shows it; *times* are those of its address."""

    name: str
    topic: str
    kind: Kind
    place: Place
    day: date
    last: date
    scope: Union[Span, Moment]
    times: dict[str, Any]

    def query(self, side: str) -> dict[str, Any]:
        """Return it as part of an address."""
        what: dict[str, Any] = {"topic": self.topic or None, "place": self.place.woeid or None}
        what["kind"] = self.kind if self.topic and self.kind != "trend" else None
        found = self.times if "cloud" in self.times else {**what, **self.times}
        return {f"{side}_{name}": value for name, value in found.items()}


def sides(request: Request, of: Sides) -> tuple[Side, Side]:
    """Return both sides; unless the first one's days are said, they are those before the second's."""
    first, second = of.given("a"), of.given("b")
    found = _side(request, second)
    if not (first["day"] or first["since"] or first["cloud"]):
        # Of what is the same, the days before; of two topics or places the same ones.
        same = all(first[name] == second[name] for name in ("topic", "kind", "place"))
        length = found.last - found.day
        day = found.day - (length + timedelta(days=1) if same else timedelta(0))
        first |= {"day": f"{day}", "last": f"{day + length}"}
    return _side(request, first), found


def _side(request: Request, asked: dict[str, Any]) -> Side:
    if asked["cloud"] is not None:
        return _of_cloud(request, asked["cloud"])
    lake, now, viewer = lake_of(request), now_of(request), request.state.viewer
    place = chosen(lake.places(), asked["place"]) or Place(0, "")
    times: dict[str, Any]
    if asked["since"] is not None and asked["until"] is not None:
        since, until = span_asked(asked["since"], asked["until"])
        begins, ends = (at.astimezone(place.zone).date() for at in (since, until))
        times = {"since": since.isoformat(), "until": until.isoformat()}
        when = viewer.span(since, until, place.zone)
    else:
        begins, ends = _days(asked["day"], asked["last"], place, now)
        since, until = span_asked(bounds(begins, place)[0], bounds(ends, place)[1])
        times = {"day": begins, "last": ends if ends != begins else None}
        when = viewer.date(begins)
        if begins != ends:
            when = viewer.gettext("{since} to {until}", since=when, until=viewer.date(ends))
    topic, kind = asked["topic"].strip(), asked["kind"]
    topic = _named(lake, topic, kind, place, min(until, now)) if topic else ""
    followed = bool(topic) and kind == "follow"
    key = Key(None if followed else place.woeid or None, topic or None, kind_asked(kind) if topic else None)
    # The day so far: buckets that are still to come hold nothing.
    scope = Span(since, min(until, max(now, since + timedelta(minutes=1))), key)
    name = ", ".join(part for part in (topic, "" if followed else place.name, when) if part)
    return Side(name, topic, kind, place, begins, ends, scope, times)


def _of_cloud(request: Request, cloud_id: str) -> Side:
    of = words_of_cloud(request, cloud_id)
    viewer, day = request.state.viewer, of.until.astimezone(of.place.zone).date()
    name = f"{of.place.name}, {viewer.span(of.since, of.until, of.place.zone)}"
    return Side(name, "", "trend", of.place, day, day, of.scope, {"cloud": cloud_id})


def _days(day: str, last: str, place: Place, now: datetime) -> tuple[date, date]:
    begins = date_of(day, place, now)
    ends = max(begins, date_of(last, place, now)) if last else begins
    if begins.year not in _YEARS or ends.year not in _YEARS:
        raise HTTPException(404)
    return begins, ends


def _named(lake: Lake, name: str, kind: Kind, place: Place, at: datetime) -> str:
    """Return the topic that is named, whatever its case and accents, or the name as it is."""
    if kind == "follow":
        return said.follow_like(lake, name, at) or name
    return said.topic_like(lake, name, place.woeid, at) or name
