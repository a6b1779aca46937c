"""JSON of what a search finds: ``/api/search``."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Optional

from fastapi import APIRouter, HTTPException, Query, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field

from opslib.search.query import QueryError
from opslib.web.answers.found import Away, Order, found
from opslib.web.answers.tweets import shown
from opslib.web.api.lake import MISSING, Problem
from opslib.web.asked import lake_of
from opslib.web.pages.search import A_PAGE, LONGEST, After, Line

_MOST = 200
_MOST_WORDS = 200


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


class Result(BaseModel):
    """What a query finds."""

    count: int = Field(description="Tweets that the index finds, hidden ones among them.")
    tweets: list[FoundTweet] = Field(description="Those of this page that MongoDB still has.")
    hidden: int = Field(description="Tweets of this page that are hidden, and not among these.")
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
    words_of: int = Field(description="Of so many of the newest the words are counted.")
    words: list[Named] = Field(description="Texts that hold a word: what is retweeted counts once.")


router = APIRouter(
    prefix="/api",
    responses={
        401: {"model": Problem, "description": "Not logged in"},
        503: {"model": Problem, "description": "MongoDB does not answer, or there is no index that does"},
    },
)


@router.get("/search", summary="Search", responses=MISSING)
def search(
    request: Request,
    q: str = Query(
        max_length=LONGEST, description="What is looked for, as docs/search.md has it; times in UTC."
    ),
    order: Order = "newest",
    after: Optional[str] = After,
    limit: int = Query(default=A_PAGE, ge=1, le=_MOST),
) -> Result:
    """Find stored tweets."""
    lake = lake_of(request)
    try:
        line = Line.read(q, lake.places(), timezone.utc)
        what = found(request, line.asked, order, after, limit)
    except QueryError as error:
        raise RequestValidationError(
            [{"loc": ("query", "q"), "msg": str(error), "type": "value_error"}]
        ) from error
    except Away as error:
        raise HTTPException(503, str(error)) from error
    told = [(word, number) for word, number in what.words.counts.items() if not lake.hidden.holds(word)]
    return Result(
        count=what.count,
        tweets=[
            FoundTweet(
                id=tweet.id,
                url=tweet.href,
                text=document["text"],
                lang=tweet.lang,
                author=tweet.username,
                created_at=tweet.created_at,
            )
            for document, tweet in zip(what.tweets, map(shown, what.tweets))
        ],
        hidden=what.hidden,
        after=what.following,
        course=[Span(since=since, until=until, tweets=tweets) for since, until, tweets in what.course],
        beside=what.of,
        languages=_named(what.languages),
        authors=_named(what.authors),
        hashtags=_named(what.hashtags),
        words_of=what.words_of,
        words=_named(told[:_MOST_WORDS]),
    )


def _named(counted: list[tuple[str, int]]) -> list[Named]:
    return [Named(name=name, tweets=number) for name, number in counted]
