"""JSON under ``/api``: what the pages show, for programs. The description is at ``/api/openapi.json``."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any, Literal, Optional

from fastapi import APIRouter, HTTPException, Path, Query, Request
from fastapi.exceptions import RequestValidationError
from pydantic import AwareDatetime, BaseModel, Field
from starlette.responses import Response

from opslib.store.reads import Document, Kind
from opslib.web.answers import said
from opslib.web.asked import LONGEST_SPAN, kind_asked, lake_of, now_of
from opslib.web.render import cloud_address, tag_of, unless_known

INT64 = 2**63
Woeid = Query(default=None, ge=0, lt=INT64, description="Where on Earth, as X numbers places.")
# Further back no tweet is, further on MongoDB's dates are not the trouble but Python's are.
_EARLIEST = datetime(2006, 1, 1, tzinfo=timezone.utc)
_LATEST = datetime(2100, 1, 1, tzinfo=timezone.utc)
_LONGEST_STATS = timedelta(days=7)


class Problem(BaseModel):
    """Why there is no answer."""

    detail: str


class PlaceEntry(BaseModel):
    """A place that there are clouds or trends of."""

    woeid: int
    name: str
    timezone: str


class Word(BaseModel):
    """A word and how many tweets hold it."""

    word: str
    tweets: int = Field(description="Texts that hold it: retweets of one are not counted again.")


class Topic(BaseModel):
    """A topic in a snapshot of what is trending."""

    name: str
    rank: int
    tweet_count: Optional[int] = Field(default=None, description="Tweets on X, as X says; often it does not.")


class CloudEntry(BaseModel):
    """A cloud in a list."""

    id: str
    kind: Kind
    woeid: int
    place: str
    since: datetime
    until: datetime
    rendered_at: datetime
    tweets: int = Field(description="Collected for its topics in its span, retweets among them.")
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

    kind: Literal["word", "hashtag", "topic", "follow"]
    name: str
    authors: int = Field(description="People who wrote about it in the window.")
    tweets: int = Field(description="Their tweets about it that were collected, retweets among them.")
    usual: Optional[float] = Field(
        default=None,
        description="People in the mean of the windows before; 0 is new, and without windows it is unknown.",
    )
    expected: float = Field(description="What the score is made with: the usual, and 1 at least.")
    score: float


class Window(BaseModel):
    """What is rising at a place in a window of time."""

    woeid: int
    minutes: int
    ends_at: datetime
    computed_at: datetime
    tweets: int = Field(description="Collected, of those written in the window.")
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
    tweets: int = Field(description="Collected for it in the span, retweets among them.")
    words: list[Word]


class Stats(BaseModel):
    """What was recorded, a minute each; which fields, depends on the kind."""

    kind: Literal["tweets", "lag", "budget"]
    since: datetime
    until: datetime
    records: list[dict[str, Any]]


PROBLEMS: dict[Any, Any] = {
    401: {"model": Problem, "description": "Not logged in"},
    503: {"model": Problem, "description": "MongoDB does not answer"},
}
MISSING: dict[Any, Any] = {404: {"model": Problem, "description": "There is none"}}
router = APIRouter(prefix="/api", responses=PROBLEMS)


@router.get("/places", summary="Places")
def places(request: Request) -> list[PlaceEntry]:
    """List the places that there are clouds or trends of."""
    return [
        PlaceEntry(woeid=place.woeid, name=place.name, timezone=place.zone.key)
        for place in lake_of(request).places()
    ]


@router.get("/clouds", summary="Clouds of a span")
def clouds(
    request: Request,
    woeid: int = Query(ge=0, lt=INT64, description="Where on Earth, as X numbers places."),
    kind: Kind = "words",
    since: Optional[AwareDatetime] = Query(default=None, description="By default a day before *until*."),
    until: Optional[AwareDatetime] = Query(default=None, description="By default now."),
) -> list[CloudEntry]:
    """List the clouds of a place that end in a span, oldest first, 2,000 at most."""
    begin, end = span(request, since, until, timedelta(days=1), LONGEST_SPAN)
    # Of its end exactly a span has none; of this moment it has.
    end = min(end, now_of(request) + timedelta(microseconds=1))
    return [CloudEntry(**_entry(cloud)) for cloud in lake_of(request).clouds(woeid, kind, begin, end)]


@router.get("/clouds/newest", summary="The newest cloud", responses=MISSING, response_model=Cloud)
def newest_cloud(
    request: Request,
    woeid: int = Query(ge=0, lt=INT64, description="Where on Earth, as X numbers places."),
    kind: Kind = "words",
) -> Response:
    """Return the newest cloud of a place."""
    return _answer(request, lake_of(request).newest_cloud(woeid, kind, now_of(request)))


@router.get("/clouds/{cloud_id}", summary="A cloud", responses=MISSING, response_model=Cloud)
def cloud(request: Request, cloud_id: str = Path(max_length=200)) -> Response:
    """Return the cloud of that id."""
    return _answer(request, lake_of(request).cloud(cloud_id, now_of(request)))


@router.get("/trending", summary="What is rising", responses=MISSING)
def trending(
    request: Request,
    woeid: int = Query(ge=0, lt=INT64, description="Where on Earth, as X numbers places."),
    minutes: Literal["1", "5", "60"] = "5",
) -> Window:
    """Return a place's newest window of that length."""
    window = lake_of(request).window(woeid, int(minutes), now_of(request))
    if window is None:
        raise HTTPException(404, "there is no such window yet")
    return Window(**window)


@router.get("/topics", summary="What is trending", responses=MISSING)
def topics(
    request: Request,
    woeid: int = Query(ge=0, lt=INT64, description="Where on Earth, as X numbers places."),
) -> Topics:
    """Return the newest snapshot of a place."""
    snapshot = lake_of(request).snapshot(woeid, now_of(request))
    if snapshot is None:
        raise HTTPException(404, "there is no snapshot of this place")
    return Topics(**snapshot, topics=[Topic(**topic) for topic in snapshot["trends"]])


@router.get("/words", summary="Words of a span", responses=MISSING)
def words(
    request: Request,
    since: Optional[AwareDatetime] = Query(default=None, description="By default a day before *until*."),
    until: Optional[AwareDatetime] = Query(default=None, description="By default now."),
    woeid: Optional[int] = Woeid,
    topic: Optional[str] = Query(default=None, max_length=500, description="Only tweets collected for this."),
    kind: Literal["trend", "follow"] = Query(default="trend", description="What the topic is."),
    limit: int = Query(default=200, ge=1, le=10_000),
) -> Words:
    """Count how many tweets hold each word, in a span of a year at most, widened to whole minutes."""
    begin, end = span(request, since, until, timedelta(days=1), LONGEST_SPAN)
    found = said.words(
        lake_of(request), begin, end, woeid=woeid, topic=topic, kind=kind_asked(kind), limit=limit
    )
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
    begin, end = span(request, since, until, timedelta(hours=1), _LONGEST_STATS)
    return Stats(kind=kind, since=begin, until=end, records=lake_of(request).stats(kind, begin, end))


def span(
    request: Request,
    since: Optional[datetime],
    until: Optional[datetime],
    length: timedelta,
    longest: timedelta,
) -> tuple[datetime, datetime]:
    """Return the span that is asked for, of *length* unless it is said, or refuse it."""
    end = until or now_of(request)
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
    tag = tag_of("api", found["_id"], found["rendered_at"], lake_of(request).hidden)

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
