"""The pages Now, History and Operations, and the parts of them that go on by themselves."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal, Optional

from fastapi import APIRouter, HTTPException, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from opslib.message import FOLLOW
from opslib.store.reads import MINUTES, Kind, Lake, Place, zone_of
from opslib.web import operations
from opslib.web.asked import bounds, chosen, date_of, lake_of, moment, now_of
from opslib.web.render import page, tag_of, unless_known

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date

router = APIRouter(include_in_schema=False)
Minutes = Literal["1", "5", "60"]
Hours = Literal["1", "6", "24", "168"]
_MOST_RISING = 12
_TICK = timedelta(microseconds=1)


@router.get("/health")
def health(request: Request) -> Response:
    """Tell whether the page has what it needs."""
    lake_of(request).ping()
    return JSONResponse({"status": "ok"})


@router.get("/robots.txt")
def robots() -> Response:
    """Keep search engines out."""
    return PlainTextResponse("User-agent: *\nDisallow: /\n")


@router.get("/about")
def about(request: Request) -> Response:
    """Explain what every number counts."""
    return page(request, "about.html")


@router.get("/hidden")
def hidden(request: Request) -> Response:
    """List what is hidden, each with the reason: the one place where it is named."""
    return page(request, "hidden.html", hidden=lake_of(request).hidden)


# ---- now


@router.get("/")
def now(
    request: Request, place: Optional[int] = None, kind: Kind = "words", minutes: Minutes = "5"
) -> Response:
    """Show the newest cloud of a place, and what is rising."""
    return page(request, "now.html", **_now(request, place, kind, int(minutes)))


@router.get("/live/now")
def live_now(
    request: Request, place: Optional[int] = None, kind: Kind = "words", minutes: Minutes = "5"
) -> Response:
    """Give the part of the page that changes, or nothing if it has not."""
    answer = page(request, "_now.html", **_now(request, place, kind, int(minutes)))
    return unless_known(request, tag_of(answer.body), lambda: answer)


def _now(request: Request, woeid: Optional[int], kind: Kind, minutes: int) -> dict[str, Any]:
    lake, at = lake_of(request), now_of(request)
    places = lake.places()
    place = chosen(places, woeid)
    window = lake.window(place.woeid if place else None, minutes, at)
    # What is followed has no place.
    nowhere = lake.window(None, minutes, at)
    items = [
        *(window["items"] if window else []),
        *(item for item in (nowhere or {"items": []})["items"] if item["kind"] == FOLLOW),
    ]
    rising = {
        name: [item for item in items if item["kind"] == name][:_MOST_RISING]
        for name in (FOLLOW, "topic", "hashtag", "word")
    }
    cloud = lake.newest_cloud(place.woeid, kind, at) if place else None
    return {
        "places": places,
        "place": place,
        "kind": kind,
        "cloud": cloud,
        "words": _words_of(cloud),
        "window": window,
        "rising": rising,
        "follows": lake.follows(at),
        "minutes": minutes,
        "all_minutes": [(n, request.state.viewer.gettext("{n} min", n=n)) for n in MINUTES],
    }


# ---- history


@router.get("/history")
def history(
    request: Request, place: Optional[int] = None, kind: Kind = "words", day: str = "", at: str = ""
) -> Response:
    """Show the clouds of a day, one of them large, or say that there is none of it."""
    lake, now = lake_of(request), now_of(request)
    places = lake.places()
    where = chosen(places, place)
    if where is None:
        return page(request, "history.html", places=places, place=None, kind=kind, cloud=None)
    if not day and not at:
        cloud = lake.newest_cloud(where.woeid, kind, now)
        asked = (cloud["until"] if cloud else now).astimezone(where.zone).date()
    else:
        asked = date_of(day, where, now)
        since, until = bounds(asked, where)
        wanted = moment(asked, at, where) if at else until - _TICK
        cloud = _cloud_of_day(lake, where, kind, (since, until), min(wanted, now), now)
    return page(request, "history.html", **_history(request, places, where, kind, cloud, asked))


def _cloud_of_day(
    lake: Lake, place: Place, kind: Kind, day: tuple[datetime, datetime], wanted: datetime, now: datetime
) -> Optional[dict[str, Any]]:
    """Return the cloud that was the newest of its day at a moment, or else the day's first."""
    found = lake.newest_cloud(place.woeid, kind, wanted, day[0])
    return found or lake.next_cloud(place.woeid, kind, max(wanted, day[0] - _TICK), min(day[1] - _TICK, now))


@router.get("/clouds/{cloud_id}")
def cloud_page(request: Request, cloud_id: str) -> Response:
    """Show one cloud, under an address that lasts as long as it is kept."""
    cloud = _cloud(request, cloud_id)
    place = Place(cloud["woeid"], cloud["place"], cloud.get("timezone") or "UTC")
    day = cloud["until"].astimezone(place.zone).date()
    places = lake_of(request).places()
    return page(request, "history.html", **_history(request, places, place, cloud["kind"], cloud, day))


@router.get("/live/clouds/{cloud_id}")
def live_cloud(request: Request, cloud_id: str) -> Response:
    """Give one cloud with its words, for the slider."""
    cloud = _cloud(request, cloud_id)
    answer = page(request, "_cloud.html", cloud=cloud, kind=cloud["kind"], words=_words_of(cloud))
    return unless_known(request, tag_of(answer.body), lambda: answer)


def _cloud(request: Request, cloud_id: str) -> dict[str, Any]:
    cloud = lake_of(request).cloud(cloud_id, now_of(request))
    if cloud is None:
        raise HTTPException(404)
    return cloud


def _history(
    request: Request,
    places: list[Place],
    place: Place,
    kind: Kind,
    cloud: Optional[dict[str, Any]],
    day: date,
) -> dict[str, Any]:
    lake, now = lake_of(request), now_of(request)
    since, until = bounds(day, place)
    of_day = lake.clouds(place.woeid, kind, since, min(until, now + _TICK))
    if cloud:
        before, after = lake.beside(cloud, now)
    else:
        # Of a day without any: the last one ahead of it, and the first one behind it.
        earlier = lake.newest_cloud(place.woeid, kind, min(since, now))
        later = lake.next_cloud(place.woeid, kind, until - _TICK, now)
        before, after = (found["_id"] if found else None for found in (earlier, later))
    known = [found["_id"] for found in of_day]
    return {
        "places": places,
        "place": place,
        "kind": kind,
        "cloud": cloud,
        "words": _words_of(cloud),
        "day": day,
        "noon": since + (until - since) / 2,
        "of_day": of_day,
        "number": known.index(cloud["_id"]) if cloud and cloud["_id"] in known else 0,
        "before": before,
        "after": after,
    }


# ---- operations


@router.get("/operations")
def show_operations(request: Request, hours: Hours = "6") -> Response:
    """Show how collecting and storing are doing."""
    return page(request, "operations.html", **_operations(request, int(hours)))


@router.get("/live/operations")
def live_operations(request: Request, hours: Hours = "6") -> Response:
    """Give the part of Operations that changes."""
    answer = page(request, "_operations.html", **_operations(request, int(hours)))
    return unless_known(request, tag_of(answer.body), lambda: answer)


def _operations(request: Request, hours: int) -> dict[str, Any]:
    lake = lake_of(request)
    zone = next((place.zone for place in lake.places()), zone_of("UTC"))
    seen = operations.look(lake, request.state.viewer, hours, zone, request.app.state.recorder)
    return {"hours": hours, "zone": zone, **seen}


def _words_of(cloud: Optional[Mapping[str, Any]]) -> list[tuple[str, int, float]]:
    """Return word or topic, number of tweets and share of the largest, for the table beside the picture."""
    if cloud is None:
        return []
    name, number = ("name", "tweet_count") if cloud["kind"] == "topics" else ("word", "tweets")
    entries = cloud["topics"] if cloud["kind"] == "topics" else cloud["words"]
    found = [(str(entry[name]), int(entry.get(number) or 0)) for entry in entries]
    most = max((count for _, count in found), default=0) or 1
    return [(word, count, count / most) for word, count in found]
