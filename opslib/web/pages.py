"""The pages: Now, History, Topics and Operations. What is asked for wrongly is not found."""

from __future__ import annotations

from contextlib import suppress
from datetime import date, datetime, time, timedelta, timezone
from typing import TYPE_CHECKING, Any, Literal, Optional

from fastapi import APIRouter, HTTPException, Query, Request
from pymongo.errors import ExecutionTimeout
from starlette.responses import JSONResponse, PlainTextResponse, Response

from opslib.web import operations
from opslib.web.lake import KINDS, MINUTES, Lake, Place, zone_of
from opslib.web.plots import Plot, Series, binned
from opslib.web.render import page, tag_of, unless_known
from opslib.web.tweets import Tweet, shown

if TYPE_CHECKING:
    from collections.abc import Mapping

router = APIRouter(include_in_schema=False)
Kind = Literal["words", "topics"]
Minutes = Literal["1", "5", "60"]
_MOST_RISING = 12
_MOST_WORDS = 30
_MOST_LANGUAGES = 6
_SAMPLE = 8
# A picture is text with fonts inside, shown in a page or by itself: nothing in it may run or fetch.
_PICTURE_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; font-src data:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'self'; sandbox"
)
_PICTURE_TYPES = {"light": "image/svg+xml", "dark": "image/svg+xml", "png": "image/png"}
_PICTURE_NAMES = {"light.svg": "light", "dark.svg": "dark", "picture.png": "png"}


@router.get("/health")
def health(request: Request) -> Response:
    """Tell whether the page has what it needs."""
    _lake(request).ping()
    return JSONResponse({"status": "ok"})


@router.get("/robots.txt")
def robots() -> Response:
    """Keep search engines out."""
    return PlainTextResponse("User-agent: *\nDisallow: /\n")


# ---- now


@router.get("/")
def now(
    request: Request, place: Optional[int] = None, kind: Kind = "words", minutes: Minutes = "5"
) -> Response:
    """Show the newest cloud of a place, and what is rising."""
    return page(request, "now.html", **_now(_lake(request), place, kind, int(minutes)))


@router.get("/live/now")
def live_now(
    request: Request, place: Optional[int] = None, kind: Kind = "words", minutes: Minutes = "5"
) -> Response:
    """Give the part of the page that changes, or nothing if it has not."""
    answer = page(request, "_now.html", **_now(_lake(request), place, kind, int(minutes)))
    return unless_known(request, tag_of(answer.body), lambda: answer)


def _now(lake: Lake, woeid: Optional[int], kind: str, minutes: int) -> dict[str, Any]:
    places = lake.places()
    place = _chosen(places, woeid)
    window = lake.trending(minutes)
    items = window["items"] if window else []
    rising = {
        name: [item for item in items if item["kind"] == name][:_MOST_RISING]
        for name in ("topic", "hashtag", "word")
    }
    cloud = lake.newest_cloud(place.woeid, kind) if place else None
    return {
        "places": places,
        "place": place,
        "kind": kind,
        "kinds": KINDS,
        "cloud": cloud,
        "words": _words_of(cloud),
        "window": window,
        "rising": rising,
        "minutes": minutes,
        "all_minutes": MINUTES,
    }


# ---- history


@router.get("/history")
def history(
    request: Request, place: Optional[int] = None, kind: Kind = "words", day: str = "", at: str = ""
) -> Response:
    """Show the clouds of a day, one of them large."""
    lake = _lake(request)
    places = lake.places()
    chosen = _chosen(places, place)
    if chosen is None:
        return page(request, "history.html", **_nothing(places, kind))
    moment = _moment(day, at, chosen)
    cloud = lake.cloud_at(chosen.woeid, kind, moment)
    return page(request, "history.html", **_history(lake, places, chosen, kind, cloud, moment))


@router.get("/clouds/{cloud_id}")
def cloud_page(request: Request, cloud_id: str) -> Response:
    """Show one cloud, under an address that lasts as long as it is kept."""
    lake = _lake(request)
    cloud = lake.cloud(cloud_id)
    if cloud is None:
        raise HTTPException(404)
    places = lake.places()
    place = Place(cloud["woeid"], cloud["place"], zone_of(cloud.get("timezone")))
    return page(
        request, "history.html", **_history(lake, places, place, cloud["kind"], cloud, cloud["until"])
    )


@router.get("/live/clouds/{cloud_id}")
def live_cloud(request: Request, cloud_id: str) -> Response:
    """Give one cloud with its words, for the slider."""
    lake = _lake(request)
    cloud = lake.cloud(cloud_id)
    if cloud is None:
        raise HTTPException(404)
    answer = page(request, "_cloud.html", cloud=cloud, kind=cloud["kind"], words=_words_of(cloud))
    return unless_known(request, tag_of(answer.body), lambda: answer)


@router.get("/clouds/{cloud_id}/{name}")
def picture(request: Request, cloud_id: str, name: str) -> Response:
    """Give a picture of a cloud."""
    if name not in _PICTURE_NAMES:
        raise HTTPException(404)
    variant, lake = _PICTURE_NAMES[name], _lake(request)
    rendered_at = lake.rendered_at(cloud_id)
    if rendered_at is None:
        raise HTTPException(404)

    def answer() -> Response:
        content = lake.picture(cloud_id, variant)
        if content is None:
            raise HTTPException(404)
        return Response(content, media_type=_PICTURE_TYPES[variant])

    # A cloud is drawn anew when a tweet in it is to be forgotten: it is asked for again, and seldom sent.
    return unless_known(
        request, tag_of(cloud_id, name, rendered_at), answer, {"Content-Security-Policy": _PICTURE_POLICY}
    )


def _history(
    lake: Lake,
    places: list[Place],
    place: Place,
    kind: str,
    cloud: Optional[dict[str, Any]],
    moment: datetime,
) -> dict[str, Any]:
    day = (cloud["until"] if cloud else moment).astimezone(place.zone).date()
    since, until = _day(day, place)
    of_day = lake.clouds(place.woeid, kind, since, until)
    before, after = lake.beside(cloud) if cloud else (None, None)
    known = [found["_id"] for found in of_day]
    return {
        "places": places,
        "place": place,
        "kind": kind,
        "kinds": KINDS,
        "cloud": cloud,
        "words": _words_of(cloud),
        "day": day,
        "of_day": of_day,
        "number": known.index(cloud["_id"]) if cloud and cloud["_id"] in known else 0,
        "before": before,
        "after": after,
    }


def _nothing(places: list[Place], kind: str) -> dict[str, Any]:
    return {"places": places, "place": None, "kind": kind, "kinds": KINDS, "cloud": None}


# ---- topics


@router.get("/topics")
def topics(request: Request, place: Optional[int] = None) -> Response:
    """List what is trending at a place."""
    lake = _lake(request)
    places = lake.places()
    chosen = _chosen(places, place)
    snapshot = lake.topics(chosen.woeid) if chosen else None
    return page(request, "topics.html", places=places, place=chosen, snapshot=snapshot)


@router.get("/topic")
def topic(
    request: Request,
    name: str = Query(min_length=1, max_length=500),
    place: Optional[int] = None,
    day: str = "",
) -> Response:
    """Show what is said about a topic: its words, its course over a day, languages and some tweets."""
    lake, viewer = _lake(request), request.state.viewer
    places = lake.places()
    chosen = _chosen(places, place) or Place(0, "", zone_of("UTC"))
    date_of = _date(day, chosen)
    since, until = _day(date_of, chosen)
    woeid = chosen.woeid if places else None
    now = datetime.now(timezone.utc)
    # The day so far: buckets that are still to come hold nothing.
    words = lake.words(since, min(until, max(now, since)), woeid=woeid, topic=name, limit=_MOST_WORDS)
    course = binned(
        lake.course(since, until, woeid=woeid, topic=name), since, until, timedelta(minutes=15), missing=0
    )
    plot = Plot(
        viewer.text("topic.course", name=name),
        [Series(viewer.text("tweets"), [(at, value if at <= now else None) for at, value in course])],
        since,
        until,
        chosen.zone,
        viewer.short,
        lambda at: viewer.moment(at, chosen.zone, "HH:mm"),
        style="area",
    )
    languages, sample = _tweets(lake, name, woeid, since, until)
    return page(
        request,
        "topic.html",
        places=places,
        place=chosen,
        name=name,
        day=date_of,
        today=now.astimezone(chosen.zone).date(),
        tweets=words.tweets,
        words=words.words,
        plot=plot,
        ranks=_ranks(lake, viewer, name, chosen, since, until),
        languages_of=_few(languages or [], viewer),
        sample=sample or [],
        too_many=sample is None or languages is None,
    )


def _tweets(
    lake: Lake, name: str, woeid: Optional[int], since: datetime, until: datetime
) -> tuple[Optional[list[tuple[str, int]]], Optional[list[Tweet]]]:
    """Return languages and some tweets of a topic; ``None`` where there are too many to look through."""
    languages, sample = None, None
    # All tweets of the time are looked at: no index knows their topics.
    with suppress(ExecutionTimeout):
        sample = [shown(tweet) for tweet in lake.tweets(name, woeid, since, until, _SAMPLE)]
        languages = lake.languages(name, woeid, since, until)
    return languages, sample


def _ranks(lake: Lake, viewer: Any, name: str, place: Place, since: datetime, until: datetime) -> Plot:
    points: list[tuple[datetime, float]] = [
        (found["at"], float(found["rank"])) for found in lake.ranks(name, place.woeid, since, until)
    ]
    return Plot(
        viewer.text("topic.ranks", name=name, place=place.name),
        [Series(viewer.text("rank"), binned(points, since, until, timedelta(minutes=30), min))],
        since,
        until,
        place.zone,
        viewer.number,
        lambda at: viewer.moment(at, place.zone, "HH:mm"),
        upside_down=True,
    )


def _few(languages: list[tuple[str, int]], viewer: Any) -> list[tuple[str, int, float]]:
    """Return name, number and share of the commonest languages, the others as one."""
    total = sum(number for _, number in languages)
    few = [(viewer.language_name(code), number) for code, number in languages[:_MOST_LANGUAGES]]
    others = sum(number for _, number in languages[_MOST_LANGUAGES:])
    if others:
        few.append((viewer.text("language.others"), others))
    return [(name, number, number / total) for name, number in few]


# ---- operations


@router.get("/operations")
def show_operations(request: Request, hours: Literal["1", "6", "24", "168"] = "6") -> Response:
    """Show how collecting and storing are doing."""
    zone = next((place.zone for place in _lake(request).places()), zone_of("UTC"))
    seen = operations.look(_lake(request), request.state.viewer, int(hours), zone)
    return page(request, "operations.html", hours=int(hours), all_hours=operations.HOURS, zone=zone, **seen)


@router.get("/live/operations")
def live_operations(request: Request, hours: Literal["1", "6", "24", "168"] = "6") -> Response:
    """Give the part of Operations that changes."""
    zone = next((place.zone for place in _lake(request).places()), zone_of("UTC"))
    seen = operations.look(_lake(request), request.state.viewer, int(hours), zone)
    answer = page(
        request, "_operations.html", hours=int(hours), all_hours=operations.HOURS, zone=zone, **seen
    )
    return unless_known(request, tag_of(answer.body), lambda: answer)


# ---- what they share


def _lake(request: Request) -> Lake:
    lake: Lake = request.app.state.lake
    return lake


def _chosen(places: list[Place], woeid: Optional[int]) -> Optional[Place]:
    if woeid is None:
        return places[0] if places else None
    for place in places:
        if place.woeid == woeid:
            return place
    raise HTTPException(404)


def _words_of(cloud: Optional[Mapping[str, Any]]) -> list[tuple[str, int, float]]:
    """Return word or topic, number of tweets and share of the largest, for the table beside the picture."""
    if cloud is None:
        return []
    name, number = ("name", "tweet_count") if cloud["kind"] == "topics" else ("word", "tweets")
    entries = cloud["topics"] if cloud["kind"] == "topics" else cloud["words"]
    found = [(str(entry[name]), int(entry.get(number) or 0)) for entry in entries]
    most = max((count for _, count in found), default=0) or 1
    return [(word, count, count / most) for word, count in found]


def _date(day: str, place: Place) -> date:
    if not day:
        return datetime.now(place.zone).date()
    try:
        return date.fromisoformat(day)
    except ValueError as error:
        raise HTTPException(404) from error


def _day(day: date, place: Place) -> tuple[datetime, datetime]:
    """Return begin and end of a day on the clock of a place."""
    try:
        begin = datetime.combine(day, time(), place.zone)
        end = datetime.combine(day + timedelta(days=1), time(), place.zone)
        return begin.astimezone(timezone.utc), end.astimezone(timezone.utc)
    except OverflowError as error:
        raise HTTPException(404) from error


def _moment(day: str, at: str, place: Place) -> datetime:
    """Return the moment that is asked for; the end of the day, or now, where none is."""
    if not day and not at:
        return datetime.now(timezone.utc)
    date_of = _date(day, place)
    if not at:
        return _day(date_of, place)[1] - timedelta(microseconds=1)
    try:
        wanted = datetime.combine(date_of, time.fromisoformat(at), place.zone)
        return wanted.astimezone(timezone.utc)
    except (ValueError, OverflowError) as error:
        raise HTTPException(404) from error
