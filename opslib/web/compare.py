"""The page Compare: two topics, places, days or spans side by side, and what they say differently."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any, Literal, Optional

from fastapi import APIRouter, HTTPException, Query, Request
from pydantic import BaseModel, Field
from starlette.responses import Response

from opslib.cloud.compare import Comparison, Difference
from opslib.store.behind import Behind, Span
from opslib.store.observations import Key
from opslib.store.reads import Place
from opslib.web import said
from opslib.web.api import LONGEST_SPAN
from opslib.web.asked import bounds, chosen, date_of, kind_asked, lake_of, now_of
from opslib.web.behind import Asked, Order, listed
from opslib.web.plots import Plot, Series, binned
from opslib.web.render import address, page
from opslib.web.said import unless_too_many
from opslib.words import fold

if TYPE_CHECKING:
    from opslib.store.reads import Lake
    from opslib.web.viewer import Viewer

router = APIRouter(include_in_schema=False)
Kind = Literal["trend", "follow"]
_IN_CLOUD = 70
_IN_TABLE = 30
_SIZES = 12
_STEPS = ((timedelta(days=2), timedelta(minutes=15)), (timedelta(days=14), timedelta(hours=1)))


class Sides(BaseModel):
    """What an address asks to compare: a side each of *a* and *b*."""

    a_topic: str = Field(default="", max_length=500)
    a_kind: Kind = "trend"
    a_place: Optional[int] = None
    a_day: str = ""
    a_last: str = ""
    b_topic: str = Field(default="", max_length=500)
    b_kind: Kind = "trend"
    b_place: Optional[int] = None
    b_day: str = ""
    b_last: str = ""


class Listed(Sides):
    """What an address asks to list: the tweets of a word on one of the sides."""

    side: Literal["a", "b"]
    name: str = Field(min_length=1, max_length=500)
    order: Order = "new"
    page: int = Field(default=1, ge=1, le=1_000_000)


@dataclass(frozen=True)
class Side:
    """One side as the page shows it: days of a place's clock, the last one included."""

    name: str
    topic: str
    kind: Kind
    place: Place
    day: date
    last: date
    scope: Span

    def query(self, side: str) -> dict[str, Any]:
        """Return it as part of an address."""
        kind = self.kind if self.topic and self.kind != "trend" else None
        found: dict[str, Any] = {"topic": self.topic or None, "kind": kind, "place": self.place.woeid or None}
        found |= {"day": self.day, "last": self.last if self.last != self.day else None}
        return {f"{side}_{name}": value for name, value in found.items()}


@router.get("/compare")
def compare(request: Request, of: Annotated[Sides, Query()]) -> Response:
    """Compare two sides; without any, a place's yesterday and today."""
    lake, viewer = lake_of(request), request.state.viewer
    places = lake.places()
    sides = _sides(request, of)
    found: Optional[Comparison] = unless_too_many(said.compared, lake, sides[0].scope, sides[1].scope)
    query = {**sides[0].query("a"), **sides[1].query("b")}
    first, second = found.most(_IN_TABLE) if found else ([], [])
    return page(
        request,
        "compare.html",
        places=places,
        sides=sides,
        found=found,
        query=query,
        cloud=_cloud(found.largest(_IN_CLOUD)) if found else [],
        tables=(first, second),
        plot=unless_too_many(_course, lake, viewer, sides, now_of(request)) if found else None,
        swapped=address("/compare", **sides[1].query("a"), **sides[0].query("b")),
    )


@router.get("/compare/tweets")
def tweets(request: Request, of: Annotated[Listed, Query()]) -> Response:
    """List the tweets that a word was counted in on one of the sides."""
    lake = lake_of(request)
    sides = _sides(request, of)
    number = "ab".index(of.side)

    def behind() -> Behind:
        found = said.compared(lake, sides[0].scope, sides[1].scope)
        with said.within(lake):
            return found.behind(lake.database, number, of.name)

    side = sides[number]
    query = {**sides[0].query("a"), **sides[1].query("b")}
    scope = side.scope
    asked = Asked(scope, side.place, scope.since, scope.until, query, side.topic or None)
    return listed(
        request,
        asked,
        unless_too_many(behind),
        path="/compare/tweets",
        query={"name": of.name, "side": of.side, **query},
        name=of.name,
        order=of.order,
        number=of.page,
        back=address("/compare", **query),
    )


def _sides(request: Request, of: Sides) -> tuple[Side, Side]:
    second = _side(request, of.b_topic, of.b_kind, of.b_place, of.b_day, of.b_last)
    day = ""
    if not of.a_day:
        # Of what is the same, the days before; of two topics or places the same ones.
        same = (of.a_topic, of.a_kind, of.a_place) == (of.b_topic, of.b_kind, of.b_place)
        days = (second.last - second.day).days + 1
        day = f"{second.day - timedelta(days=days if same else 0)}"
    last = of.a_last or (f"{date.fromisoformat(day) + (second.last - second.day)}" if day else "")
    first = _side(request, of.a_topic, of.a_kind, of.a_place, of.a_day or day, last)
    return first, second


def _side(request: Request, topic: str, kind: Kind, woeid: Optional[int], day: str, last: str) -> Side:
    lake, now, viewer = lake_of(request), now_of(request), request.state.viewer
    place = chosen(lake.places(), woeid) or Place(0, "")
    begins = date_of(day, place, now)
    ends = max(begins, date_of(last, place, now)) if last else begins
    since, until = bounds(begins, place)[0], bounds(ends, place)[1]
    if until - since > LONGEST_SPAN:
        raise HTTPException(404)
    topic = _named(lake, topic.strip(), kind, place, min(until, now)) if topic.strip() else ""
    where = None if (topic and kind == "follow") or not place.woeid else place.woeid
    key = Key(where, topic or None, kind_asked(kind) if topic else None)
    # The day so far: buckets that are still to come hold nothing.
    scope = Span(since, min(until, max(now, since + timedelta(minutes=1))), key)
    days = viewer.date(begins) if begins == ends else viewer.text(
        "span.between", since=viewer.date(begins), until=viewer.date(ends)
    )  # fmt: skip
    what = ", ".join(part for part in (topic, "" if topic and kind == "follow" else place.name) if part)
    return Side(", ".join(part for part in (what, days) if part), topic, kind, place, begins, ends, scope)


def _named(lake: Lake, name: str, kind: Kind, place: Place, at: datetime) -> str:
    """Return the topic that is named, whatever its case and accents, or the name as it is."""
    if kind == "follow":
        return said.follow_like(lake, name, at) or name
    return said.topic_like(lake, name, place.woeid, at) or name


@dataclass(frozen=True)
class Word:
    """A word of both clouds: how large it is on each side, and which side it belongs to."""

    found: Difference
    sizes: tuple[int, int]  # from 1 to _SIZES; 0 where it is not

    @property
    def largest(self) -> int:
        """Return the size that its place has room for, the same in both clouds."""
        return max(self.sizes)

    @property
    def tone(self) -> str:
        """Return the name of its colour, the same in both clouds."""
        if self.found.way == "same":
            return "both"
        return "first" if self.found.score < 0 else "second"


def _cloud(words: list[Difference]) -> list[Word]:
    """Return words by letter, as high as the roots of their shares."""
    most = max((max(one.first_share, one.second_share) for one in words), default=0.0) or 1.0

    def size(share: float) -> int:
        return max(1, math.ceil(_SIZES * math.sqrt(share / most))) if share else 0

    found = [Word(one, (size(one.first_share), size(one.second_share))) for one in words]
    return sorted(found, key=lambda word: (fold(word.found.word).lstrip("#"), word.found.word))


def _course(lake: Lake, viewer: Viewer, sides: tuple[Side, Side], now: datetime) -> Plot:
    """Return the course of both, the second laid over the first."""
    length = max(side.scope.until - side.scope.since for side in sides)
    step = next((step for most, step in _STEPS if length <= most), timedelta(days=1))
    begin = sides[0].scope.since
    series = []
    for side in sides:
        scope = side.scope
        points = binned(
            said.course_of(lake, scope, step),
            scope.since,
            max(scope.until, scope.since + step),
            step,
            missing=0,
        )
        known = [(at - scope.since + begin, value if at + step <= now else None) for at, value in points]
        series.append(Series(side.name, known))
    return Plot(
        viewer.text("compare.course"),
        series,
        begin,
        begin + max(length, step),
        sides[0].place.zone,
        viewer.short,
        lambda at: (viewer.clock if length <= timedelta(days=2) else viewer.month_day)(
            at, sides[0].place.zone
        ),
    )
