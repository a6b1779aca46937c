"""The page Search, and the same for programs: all stored tweets by what they say, who wrote them, and when.

The index says which tweets are found. What is shown of them comes from MongoDB, so what has been forgotten
this moment is not shown, whatever the index still says.
"""

from __future__ import annotations

import logging
import re
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta, tzinfo
from pathlib import Path
from typing import Any, Literal, Optional

from fastapi import APIRouter, HTTPException, Query, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from starlette.responses import Response

from opslib.search import find
from opslib.search.query import EXAMPLES, OPERATORS, QueryError, Some, parse
from opslib.search.query import Query as Asked
from opslib.store.collections import TWEETS
from opslib.store.reads import Lake, Place, zone_of
from opslib.web.api import MISSING, Problem
from opslib.web.asked import chosen, lake_of
from opslib.web.plots import Plot, Series
from opslib.web.render import address, page, with_shares
from opslib.web.tweets import shown
from opslib.web.viewer import Viewer

_LOG = logging.getLogger(__name__)
Order = Literal["newest", "reach"]
ORDERS: tuple[Order, ...] = ("newest", "reach")
_A_PAGE = 50
_MOST = 200
_SPANS = 60
_BY_DAYS = timedelta(days=2)
_LONGEST = 1000
_NAME = re.compile(r"\w+", re.ASCII)
_QUOTES = re.compile('["\u201c\u201d]')
_After = Query(default=None, max_length=60, description="Where a page begins: `after` of the one before.")
router = APIRouter(include_in_schema=False)


@router.get("/search")
def search(
    request: Request,
    q: str = Query(default="", max_length=4 * _LONGEST),
    place: Optional[int] = None,
    order: Order = "newest",
    after: Optional[str] = _After,
) -> Response:
    """Show what a query finds, or what one is written like."""
    lake = lake_of(request)
    places = lake.places()
    where = chosen(places, place)
    told: dict[str, Any] = {"q": q, "places": places, "place": where or Place(0, ""), "order": order}
    told.update(orders=ORDERS, after=after, operators=[EXAMPLES[name] for name in OPERATORS])
    told.update(wrong=None, away=None, found=None)
    try:
        asked = parse(q, _named(places), _zone(where)) if q.strip() else None
        if asked is not None:
            told["found"] = _found(request, q, asked, told["place"], order, after)
    except QueryError as error:
        told["wrong"] = str(error)
    except (find.NoIndexError, sqlite3.Error) as error:
        told["away"] = _away(request, error)
    return page(request, "search.html", **told)


def _found(
    request: Request, q: str, asked: Asked, place: Place, order: Order, after: Optional[str]
) -> dict[str, Any]:
    viewer: Viewer = request.state.viewer
    with _index(request) as answers:
        listed = _page(answers, asked, order, after, _A_PAGE)
        number = answers.count(asked)
        course = answers.course(asked, _SPANS)
        beside = answers.beside(asked)
    more = {"place": place.woeid or None, "order": order if order != "newest" else None}

    def narrower(kind: str, counted: list[tuple[str, int]]) -> list[tuple[str, int, float, str]]:
        most = counted[0][1] if counted else 1
        return [
            (
                viewer.language_name(name) if kind == "lang" else name,
                number,
                share,
                address("/search", q=narrowed(q, asked, f"{kind}:{quoted(name)}" if kind else name), **more),
            )
            for name, number, share in with_shares(counted, most)
        ]

    return {
        "count": number,
        "tweets": [shown(tweet) for tweet in _tweets(lake_of(request), listed.ids)],
        "following": address("/search", q=q, after=listed.following, **more) if listed.following else None,
        "first": address("/search", q=q, **more),
        "plot": _course(viewer, q, course, place.zone) if len(course) > 1 else None,
        "of": beside.of,
        "languages": narrower("lang", beside.languages),
        "authors": narrower("from", beside.authors),
        "hashtags": narrower("", beside.hashtags),
    }


def narrowed(q: str, asked: Asked, further: str) -> str:
    """Return the query *q*, which reads as *asked*, with something *further* that is to hold."""
    return f"({q.strip()}) {further}" if isinstance(asked.node, Some) else f"{q.strip()} {further}"


def quoted(name: str) -> str:
    """Return the name of an author or a language as a query has it, whatever strangers call themselves."""
    return name if _NAME.fullmatch(name) else f'"{_QUOTES.sub("", name)}"'


def _course(viewer: Viewer, q: str, course: list[tuple[datetime, datetime, int]], zone: tzinfo) -> Plot:
    since, until = course[0][0], course[-1][1]
    by_days = until - since > _BY_DAYS
    return Plot(
        viewer.text("search.course", query=q),
        [Series(viewer.text("tweets"), [(begin, float(number)) for begin, _, number in course])],
        since,
        until,
        zone,  # type: ignore[arg-type]
        viewer.short,
        lambda at: viewer.written(at, zone, "MMMd") if by_days else viewer.clock(at, zone),
        style="bars",
    )


# ---- for programs


class FoundTweet(BaseModel):
    """A tweet that was found."""

    id: str
    url: str = Field(description="Its page on X.")
    text: str
    lang: Optional[str] = None
    author: Optional[str] = Field(default=None, description="Name on X, as far as authors are collected.")
    created_at: Optional[datetime] = None


class Named(BaseModel):
    """A language, an author or a hashtag, and how many of the tweets looked at have it."""

    name: str
    tweets: int


class Span(BaseModel):
    """How many of the tweets were written in a span of time."""

    since: datetime
    until: datetime
    tweets: int


class Found(BaseModel):
    """What a query finds."""

    count: int = Field(description="Tweets that the index finds.")
    tweets: list[FoundTweet] = Field(description="Those of this page that MongoDB still has.")
    after: Optional[str] = Field(
        default=None, description="Where the next page begins; without it there is none."
    )
    course: list[Span]
    beside: int = Field(
        description="Of so many of the newest the languages, authors and hashtags are counted."
    )
    languages: list[Named]
    authors: list[Named]
    hashtags: list[Named]


api = APIRouter(
    prefix="/api",
    responses={
        401: {"model": Problem, "description": "Not logged in"},
        503: {"model": Problem, "description": "MongoDB does not answer, or there is no index that does"},
    },
)


@api.get("/search", summary="Search", responses=MISSING)
def search_tweets(
    request: Request,
    q: str = Query(
        max_length=_LONGEST, description="What is looked for, as docs/search.md has it; times in UTC."
    ),
    order: Order = "newest",
    after: Optional[str] = _After,
    limit: int = Query(default=_A_PAGE, ge=1, le=_MOST),
) -> Found:
    """Find stored tweets."""
    lake = lake_of(request)
    try:
        asked = parse(q, _named(lake.places()))
    except QueryError as error:
        raise RequestValidationError(
            [{"loc": ("query", "q"), "msg": str(error), "type": "value_error"}]
        ) from error
    try:
        with _index(request) as answers:
            listed = _page(answers, asked, order, after, limit)
            number, course, beside = (
                answers.count(asked),
                answers.course(asked, _SPANS),
                answers.beside(asked),
            )
    except (find.NoIndexError, sqlite3.Error) as error:
        raise HTTPException(503, _away(request, error)) from error
    documents = _tweets(lake, listed.ids)
    return Found(
        count=number,
        tweets=[
            FoundTweet(
                id=tweet.id,
                url=tweet.href,
                text=document["text"],
                lang=tweet.lang,
                author=tweet.username,
                created_at=tweet.created_at,
            )
            for document, tweet in zip(documents, map(shown, documents))
        ],
        after=listed.following,
        course=[Span(since=since, until=until, tweets=tweets) for since, until, tweets in course],
        beside=beside.of,
        **{
            name: [Named(name=one, tweets=tweets) for one, tweets in getattr(beside, name)]
            for name in ("languages", "authors", "hashtags")
        },
    )


# ---- what both ask


def _directory(request: Request) -> Optional[Path]:
    directory: Optional[Path] = request.app.state.search
    return directory


@contextmanager
def _index(request: Request) -> Iterator[find.Answers]:
    directory = _directory(request)
    if directory is None:
        raise find.NoIndexError("this page has no search index")
    with find.opened(directory) as answers:
        yield answers


def _page(answers: find.Answers, asked: Asked, order: Order, after: Optional[str], limit: int) -> find.Page:
    try:
        return answers.page(asked, order, after, limit)
    except ValueError as error:
        raise HTTPException(404, str(error)) from error


def _away(request: Request, error: Exception) -> str:
    if isinstance(error, find.NoIndexError):
        return str(error)
    _LOG.warning("the search index did not answer %s: %s", request.url.path, error)
    return "the search index does not answer; it is being made anew if it is damaged"


def _named(places: list[Place]) -> dict[str, int]:
    return {place.name.casefold(): place.woeid for place in places}


def _zone(place: Optional[Place]) -> tzinfo:
    return place.zone if place else zone_of("UTC")


def _tweets(lake: Lake, ids: list[int]) -> list[dict[str, Any]]:
    """Return the tweets of these ids that MongoDB has, in this order."""
    limit = {} if lake.milliseconds is None else {"max_time_ms": lake.milliseconds}
    found = {tweet["_id"]: tweet for tweet in lake.database[TWEETS.name].find({"_id": {"$in": ids}}, **limit)}
    return [found[key] for key in ids if key in found]
