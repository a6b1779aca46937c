"""JSON under ``/api``: what the pages show, for programs. The description is at ``/api/openapi.json``."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any, Literal, Optional

from fastapi import APIRouter, HTTPException, Path, Query, Request
from fastapi.exceptions import RequestValidationError
from pydantic import AwareDatetime, BaseModel, Field
from starlette.responses import Response

from opslib.web.lake import Document, Lake
from opslib.web.render import cloud_address, tag_of, unless_known

_INT64 = 2**63
Kind = Literal["words", "topics"]
Woeid = Query(default=None, ge=0, lt=_INT64, description="Where on Earth, as X numbers places.")
# Further back no tweet is, further on MongoDB's dates are not the trouble but Python's are.
_EARLIEST = datetime(2006, 1, 1, tzinfo=timezone.utc)
_LATEST = datetime(2100, 1, 1, tzinfo=timezone.utc)
_LONGEST_SPAN = timedelta(days=366)
_LONGEST_STATS = timedelta(days=7)


class Problem(BaseModel):
    """Why there is no answer."""

    detail: str


class Place(BaseModel):
    """A place that there are clouds or trends of."""

    woeid: int
    name: str
    timezone: str


class Word(BaseModel):
    """A word and how many tweets hold it."""

    word: str
    tweets: int


class Topic(BaseModel):
    """A topic in a snapshot of what is trending."""

    name: str
    rank: int
    tweet_count: Optional[int] = Field(default=None, description="As X says; often it does not.")


class CloudEntry(BaseModel):
    """A cloud in a list."""

    id: str
    kind: Kind
    woeid: int
    place: str
    since: datetime
    until: datetime
    rendered_at: datetime
    tweets: int
    url: str = Field(description="Its page.")


class Cloud(CloudEntry):
    """A cloud with what is in it."""

    timezone: str
    topics: list[Topic]
    words: list[Word]
    left_out: list[str] = Field(description="Words that found no room.")
    pictures: dict[str, str] = Field(description="Addresses of `light` and `dark` (SVG) and `png`.")


class Rising(BaseModel):
    """Something that more people write about than usual."""

    kind: Literal["word", "hashtag", "topic"]
    name: str
    authors: int
    tweets: int
    expected: float
    score: float


class Window(BaseModel):
    """What is rising in a window of time."""

    minutes: int
    ends_at: datetime
    computed_at: datetime
    tweets: int
    authors: int
    items: list[Rising]


class Topics(BaseModel):
    """A snapshot of what is trending at a place."""

    woeid: int
    place: str
    collected_at: datetime
    topics: list[Topic]


class Words(BaseModel):
    """The words of a span, the most frequent first."""

    since: datetime
    until: datetime
    woeid: Optional[int]
    topic: Optional[str]
    tweets: int
    words: list[Word]


class Stats(BaseModel):
    """What was recorded, a minute each; which fields, depends on the kind."""

    kind: Literal["tweets", "lag", "budget"]
    since: datetime
    until: datetime
    records: list[dict[str, Any]]


_PROBLEMS: dict[Any, Any] = {
    401: {"model": Problem, "description": "Not logged in"},
    503: {"model": Problem, "description": "MongoDB does not answer"},
}
_MISSING: dict[Any, Any] = {404: {"model": Problem, "description": "There is none"}}
router = APIRouter(prefix="/api", responses=_PROBLEMS)


@router.get("/places", summary="Places")
def places(request: Request) -> list[Place]:
    """List the places that there are clouds or trends of."""
    return [
        Place(woeid=place.woeid, name=place.name, timezone=place.zone.key)
        for place in _lake(request).places()
    ]


@router.get("/clouds", summary="Clouds of a span")
def clouds(
    request: Request,
    woeid: int = Query(ge=0, lt=_INT64, description="Where on Earth, as X numbers places."),
    kind: Kind = "words",
    since: Optional[AwareDatetime] = Query(default=None, description="By default a day before *until*."),
    until: Optional[AwareDatetime] = Query(default=None, description="By default now."),
) -> list[CloudEntry]:
    """List the clouds of a place that end in a span, oldest first, 2,000 at most."""
    begin, end = _span(since, until, timedelta(days=1), _LONGEST_SPAN)
    return [CloudEntry(**_entry(cloud)) for cloud in _lake(request).clouds(woeid, kind, begin, end)]


@router.get("/clouds/newest", summary="The newest cloud", responses=_MISSING, response_model=Cloud)
def newest_cloud(
    request: Request,
    woeid: int = Query(ge=0, lt=_INT64, description="Where on Earth, as X numbers places."),
    kind: Kind = "words",
) -> Response:
    """Return the newest cloud of a place."""
    return _answer(request, _lake(request).newest_cloud(woeid, kind))


@router.get("/clouds/{cloud_id}", summary="A cloud", responses=_MISSING, response_model=Cloud)
def cloud(request: Request, cloud_id: str = Path(max_length=200)) -> Response:
    """Return the cloud of that id."""
    return _answer(request, _lake(request).cloud(cloud_id))


@router.get("/trending", summary="What is rising", responses=_MISSING)
def trending(request: Request, minutes: Literal["1", "5", "60"] = "5") -> Window:
    """Return the newest window of that length."""
    window = _lake(request).trending(int(minutes))
    if window is None:
        raise HTTPException(404, "there is no such window yet")
    return Window(**window)


@router.get("/topics", summary="What is trending", responses=_MISSING)
def topics(
    request: Request,
    woeid: int = Query(ge=0, lt=_INT64, description="Where on Earth, as X numbers places."),
) -> Topics:
    """Return the newest snapshot of a place."""
    snapshot = _lake(request).topics(woeid)
    if snapshot is None:
        raise HTTPException(404, "there is no snapshot of this place")
    return Topics(**snapshot, topics=[Topic(**topic) for topic in snapshot["trends"]])


@router.get("/words", summary="Words of a span")
def words(
    request: Request,
    since: Optional[AwareDatetime] = Query(default=None, description="By default a day before *until*."),
    until: Optional[AwareDatetime] = Query(default=None, description="By default now."),
    woeid: Optional[int] = Woeid,
    topic: Optional[str] = Query(default=None, max_length=500, description="Only tweets collected for this."),
    limit: int = Query(default=200, ge=1, le=10_000),
) -> Words:
    """Count how many tweets hold each word, in a span of a year at most, widened to whole minutes."""
    begin, end = _span(since, until, timedelta(days=1), _LONGEST_SPAN)
    found = _lake(request).words(begin, end, woeid=woeid, topic=topic, limit=limit)
    return Words(
        since=begin,
        until=end,
        woeid=woeid,
        topic=topic,
        tweets=found.tweets,
        words=[Word(word=word, tweets=tweets) for word, tweets in found.words],
    )


@router.get("/stats", summary="How collecting and storing are doing")
def stats(
    request: Request,
    kind: Literal["tweets", "lag", "budget"] = "tweets",
    since: Optional[AwareDatetime] = Query(default=None, description="By default an hour before *until*."),
    until: Optional[AwareDatetime] = Query(default=None, description="By default now."),
) -> Stats:
    """Return what was recorded in a span of a week at most."""
    begin, end = _span(since, until, timedelta(hours=1), _LONGEST_STATS)
    return Stats(kind=kind, since=begin, until=end, records=_lake(request).stats(kind, begin, end))


def _lake(request: Request) -> Lake:
    lake: Lake = request.app.state.lake
    return lake


def _span(
    since: Optional[datetime], until: Optional[datetime], length: timedelta, longest: timedelta
) -> tuple[datetime, datetime]:
    end = until or datetime.now(timezone.utc)
    if not _EARLIEST <= end <= _LATEST:
        raise _wrong("until", "is to be between 2006 and 2100")
    begin = since or end - length
    if not end - longest <= begin <= end:
        raise _wrong("since", f"is to be before until, by {longest.days} days at most")
    return begin.astimezone(timezone.utc), end.astimezone(timezone.utc)


def _wrong(name: str, text: str) -> RequestValidationError:
    return RequestValidationError([{"loc": ("query", name), "msg": text, "type": "value_error"}])


def _answer(request: Request, found: Optional[Document]) -> Response:
    if found is None:
        raise HTTPException(404, "there is no such cloud")
    tag = tag_of("api", found["_id"], found["rendered_at"])

    def answer() -> Response:
        names = ("timezone", "topics", "words", "left_out")
        files = {"light": "light.svg", "dark": "dark.svg", "png": "picture.png"}
        pictures = {name: cloud_address(found["_id"], file) for name, file in files.items()}
        cloud = Cloud(**_entry(found), **{name: found[name] for name in names}, pictures=pictures)
        return Response(cloud.model_dump_json(), media_type="application/json")

    return unless_known(request, tag, answer)


def _entry(found: Document) -> dict[str, Any]:
    names = ("kind", "woeid", "place", "since", "until", "rendered_at", "tweets")
    return {"id": found["_id"], **{name: found[name] for name in names}, "url": cloud_address(found["_id"])}
