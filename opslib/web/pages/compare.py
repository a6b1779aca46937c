"""The page Compare: two topics, places, days or spans side by side, and what they say differently."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Literal, Optional

from fastapi import APIRouter, Query, Request
from pydantic import Field
from starlette.responses import Response

from opslib.cloud.compare import Comparison, Difference
from opslib.store.behind import Behind, Span
from opslib.web.answers import said
from opslib.web.answers.behind import Asked
from opslib.web.answers.said import unless_too_many
from opslib.web.answers.sides import Side, Sides, sides
from opslib.web.asked import lake_of, now_of
from opslib.web.pages.behind import Order, listed
from opslib.web.plots import Plot, Series, binned
from opslib.web.render import address, by_letter, page, size_of

if TYPE_CHECKING:
    from opslib.store.reads import Lake
    from opslib.web.viewer import Viewer

router = APIRouter(include_in_schema=False)
_IN_CLOUD = 70
_IN_TABLE = 30
_STEPS = ((timedelta(days=2), timedelta(minutes=15)), (timedelta(days=14), timedelta(hours=1)))


class Listed(Sides):
    """What an address asks to list: the tweets of a word on one of the sides."""

    side: Literal["a", "b"]
    name: str = Field(min_length=1, max_length=500)
    order: Order = "new"
    page: int = Field(default=1, ge=1, le=1_000_000)


@router.get("/compare")
def compare(request: Request, of: Annotated[Sides, Query()]) -> Response:
    """Compare two sides; without any, a place's yesterday and today."""
    lake, viewer = lake_of(request), request.state.viewer
    two = sides(request, of)
    found: Optional[Comparison] = unless_too_many(said.compared, lake, two[0].scope, two[1].scope)
    query = {**two[0].query("a"), **two[1].query("b")}
    first, second = found.most(_IN_TABLE) if found else ([], [])
    plot = unless_too_many(_course, lake, viewer, two, now_of(request)) if found else None
    return page(
        request,
        "compare.html",
        places=lake.places(),
        sides=two,
        found=found,
        query=query,
        cloud=_cloud(found.largest(_IN_CLOUD)) if found else [],
        tables=(first, second),
        plot=plot,
        swapped=address("/compare", **two[1].query("a"), **two[0].query("b")),
    )


@router.get("/compare/tweets")
def tweets(request: Request, of: Annotated[Listed, Query()]) -> Response:
    """List the tweets that a word was counted in on one of the sides."""
    lake = lake_of(request)
    two = sides(request, of)
    number = "ab".index(of.side)

    def behind() -> Behind:
        found = said.compared(lake, two[0].scope, two[1].scope)
        with said.within(lake):
            return found.behind(lake.database, number, of.name)

    side = two[number]
    query = {**two[0].query("a"), **two[1].query("b")}
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


@dataclass(frozen=True)
class Word:
    """A word of both clouds: how large it is on each side, and which side it belongs to."""

    found: Difference
    sizes: tuple[int, int]  # from 1 to SIZES; 0 where it is not

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

    found = [Word(one, (size_of(one.first_share / most), size_of(one.second_share / most))) for one in words]
    return sorted(found, key=lambda word: by_letter(word.found.word))


def _course(lake: Lake, viewer: Viewer, two: tuple[Side, Side], now: datetime) -> Optional[Plot]:
    """Return the course of both, the second laid over the first; of clouds there is none."""
    scopes = [side.scope for side in two if isinstance(side.scope, Span)]
    if len(scopes) < len(two):
        return None
    length = max(scope.until - scope.since for scope in scopes)
    step = next((step for most, step in _STEPS if length <= most), timedelta(days=1))
    begin, zone = scopes[0].since, two[0].place.zone
    series = []
    for side, scope in zip(two, scopes):
        found = said.course_of(lake, scope, step)
        points = binned(found, scope.since, max(scope.until, scope.since + step), step, missing=0)
        known = [(at - scope.since + begin, value if at + step <= now else None) for at, value in points]
        series.append(Series(side.name, known))
    write = viewer.clock if length <= _STEPS[0][0] else viewer.month_day
    return Plot(
        viewer.gettext("When people wrote: both sides, the second laid over the first"),
        series,
        begin,
        begin + max(length, step),
        zone,
        viewer.short,
        lambda at: write(at, zone),
    )
