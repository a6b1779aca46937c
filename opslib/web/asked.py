"""What pages are asked for: a place, a day, a time on its clock. What is asked for wrongly is not found."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta, timezone
from typing import TYPE_CHECKING

from fastapi import HTTPException, Request

from opslib.message import TREND

if TYPE_CHECKING:
    from opslib.store.reads import Lake, Place

LONGEST_SPAN = timedelta(days=366)


def lake_of(request: Request) -> Lake:
    """Return the lake that is shown."""
    lake: Lake = request.app.state.lake
    return lake


# What of an address names a word or a topic.
_NAMING = ("name", "word", "topic", "beside", "a_topic", "b_topic")
HIDDEN = "this is hidden, and the page /hidden says why"


def nothing_hidden(request: Request) -> None:
    """Find nothing where an address names what is hidden."""
    named = [text for name in _NAMING for text in request.query_params.getlist(name)]
    if named and any(map(lake_of(request).hidden.holds, named)):
        raise HTTPException(404, HIDDEN)


def now_of(request: Request) -> datetime:
    """Return the moment that a request came, which all of its answer is of."""
    now: datetime = request.state.now
    return now


def chosen(places: list[Place], woeid: int | None) -> Place | None:
    """Return the place of that WOEID, or the first one where none is asked for."""
    if woeid is None:
        return places[0] if places else None
    for place in places:
        if place.woeid == woeid:
            return place
    raise HTTPException(404)


def kind_asked(kind: str) -> str | None:
    """Return a kind of topic as tweets have it; a trend has none."""
    return None if kind == TREND else kind


def date_of(day: str, place: Place, now: datetime) -> date:
    """Return the day that is asked for, today at a place where none is."""
    if not day:
        return now.astimezone(place.zone).date()
    try:
        return date.fromisoformat(day)
    except ValueError as error:
        raise HTTPException(404) from error


def bounds(day: date, place: Place) -> tuple[datetime, datetime]:
    """Return begin and end of a day on the clock of a place, which has 23, 24 or 25 hours."""
    try:
        begin = datetime.combine(day, time(), place.zone)
        end = datetime.combine(day + timedelta(days=1), time(), place.zone)
        return begin.astimezone(timezone.utc), end.astimezone(timezone.utc)
    except OverflowError as error:
        raise HTTPException(404) from error


def moment(day: date, at: str, place: Place) -> datetime:
    """Return the moment at which the clock of a place says *at* on a day."""
    try:
        wanted = datetime.combine(day, time.fromisoformat(at), place.zone)
        return wanted.astimezone(timezone.utc)
    except (ValueError, OverflowError) as error:
        raise HTTPException(404) from error
