"""JSON of what lies behind numbers, and of how two sides differ: ``/api/tweets`` and ``/api/compare``."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Literal, Optional

from fastapi import APIRouter, HTTPException, Query, Request
from pydantic import AwareDatetime, BaseModel, Field

from opslib.store.behind import Scope, Span
from opslib.store.observations import Key
from opslib.web.answers import said
from opslib.web.answers.behind import asked, behind
from opslib.web.answers.said import unless_too_many
from opslib.web.api.lake import INT64, MISSING, PROBLEMS, Woeid, span
from opslib.web.asked import LONGEST_SPAN, kind_asked, lake_of, now_of

router = APIRouter(prefix="/api", responses=PROBLEMS)
_BUSY: dict[Any, Any] = {413: {"description": "Too many tweets to be looked through at once"}}


class Text(BaseModel):
    """A text that was counted, by the first of its tweets."""

    id: str = Field(description="Of the tweet.")
    text: str
    lang: Optional[str] = None
    author: Optional[str] = Field(default=None, description="The author's id, as far as X said it.")
    created_at: Optional[datetime] = None
    counted_at: datetime = Field(description="When it was first collected for what is asked.")
    tweets: int = Field(description="Of this text in the span: itself and its retweets.")
    reach: int = Field(description="Retweets, quotes, replies and likes that X said it has.")


class Texts(BaseModel):
    """What was counted for a word."""

    word: str
    since: datetime
    until: datetime
    number: int = Field(description="Of texts: what a cloud or a table shows for the word.")
    tweets: int = Field(description="With the retweets of these.")
    spellings: list[str] = Field(description="By which a text counts.")
    without: list[str] = Field(description="Spellings by which it counts for an expression instead.")
    texts: list[Text]
    hidden: int = Field(description="Texts in this part of the list that are hidden, and not among these.")


@router.get("/tweets", summary="The tweets behind a number", responses={**MISSING, **_BUSY})
def tweets(
    request: Request,
    word: str = Query(min_length=1, max_length=500, description="As a cloud or a table shows it."),
    cloud: Optional[str] = Query(default=None, max_length=200, description="Of this cloud, and no span."),
    since: Optional[AwareDatetime] = Query(default=None, description="By default a day before *until*."),
    until: Optional[AwareDatetime] = Query(default=None, description="By default now."),
    woeid: Optional[int] = Woeid,
    topic: Optional[str] = Query(default=None, max_length=500, description="Only tweets collected for this."),
    kind: Literal["trend", "follow"] = Query(default="trend", description="What the topic is."),
    order: Literal["new", "reach"] = "new",
    skip: int = Query(default=0, ge=0, le=10_000_000),
    limit: int = Query(default=50, ge=1, le=500),
) -> Texts:
    """List the texts that were counted for a word: in a cloud, or in a span as `/api/words` counts it."""
    lake = lake_of(request)
    counted = None
    scope: Scope
    if cloud is not None:
        of = asked(request, cloud=cloud)
        begin, end, scope, counted = of.since, of.until, of.scope, of.counting(word)
    else:
        begin, end = span(request, since, until, timedelta(days=1), LONGEST_SPAN)
        key = Key(woeid, topic, kind_asked(kind) if topic is not None else None)
        scope = Span(begin, end, key)
    found = unless_too_many(behind, lake, scope, word, None, counted)
    if found is None:
        raise HTTPException(413, "there are too many tweets to look through; ask for a shorter span")
    some = (found.by_reach() if order == "reach" else list(found.texts))[skip:][:limit]
    shown = said.tweets_of(lake, [text.tweet for text in some])
    spellings, without = said.spellings(lake, found)
    return Texts(
        word=word,
        since=begin,
        until=end,
        number=found.number,
        tweets=found.tweets,
        spellings=spellings,
        without=without,
        texts=[
            Text(
                id=str(text.tweet),
                text=shown.documents[text.tweet]["text"],
                lang=shown.documents[text.tweet].get("lang"),
                created_at=shown.documents[text.tweet].get("created_at"),
                author=text.author,
                counted_at=text.at,
                tweets=text.tweets,
                reach=text.reach,
            )
            for text in some
            if text.tweet in shown.documents
        ],
        hidden=shown.hidden,
    )


class Side(BaseModel):
    """One side of a comparison."""

    since: datetime
    until: datetime
    woeid: Optional[int]
    topic: Optional[str]
    tweets: int = Field(description="Collected for it in the span, retweets among them.")
    words: int = Field(description="The sum of all numbers of this side: what shares are of.")


class Difference(BaseModel):
    """A word on both sides."""

    word: str
    a: int = Field(description="Texts of the first side that hold it.")
    b: int = Field(description="Texts of the second side that hold it.")
    a_share: float = Field(description="Of all words counted on the first side, from 0 to 1.")
    b_share: float
    score: float = Field(
        description="Weighted log-odds ratio in standard deviations (doi:10.1093/pan/mpn018), above 0 where "
        "the second side has more."
    )
    way: Literal["new", "grown", "gone", "shrunk", "same"]


class Compared(BaseModel):
    """What two sides say differently."""

    a: Side
    b: Side
    words: list[Difference] = Field(description="Those that are least likely to be chance first.")


@router.get("/compare", summary="What two sides say differently", responses={**MISSING, **_BUSY})
def compare(
    request: Request,
    a_since: Optional[AwareDatetime] = Query(default=None, description="By default a day before *a_until*."),
    a_until: Optional[AwareDatetime] = Query(default=None, description="By default a day ago."),
    a_woeid: Optional[int] = Query(default=None, ge=0, lt=INT64),
    a_topic: Optional[str] = Query(default=None, max_length=500),
    a_kind: Literal["trend", "follow"] = "trend",
    b_since: Optional[AwareDatetime] = Query(default=None, description="By default a day before *b_until*."),
    b_until: Optional[AwareDatetime] = Query(default=None, description="By default now."),
    b_woeid: Optional[int] = Query(default=None, ge=0, lt=INT64),
    b_topic: Optional[str] = Query(default=None, max_length=500),
    b_kind: Literal["trend", "follow"] = "trend",
    limit: int = Query(default=200, ge=1, le=10_000),
) -> Compared:
    """Compare the words of two places, topics or spans: by significance instead of size."""
    lake, day = lake_of(request), timedelta(days=1)
    until = a_until or (a_since + day if a_since else now_of(request) - day)
    asked_for = (
        (span(request, a_since, until, day, LONGEST_SPAN), a_woeid, a_topic, a_kind),
        (span(request, b_since, b_until, day, LONGEST_SPAN), b_woeid, b_topic, b_kind),
    )
    first, second = (
        Span(*times, Key(woeid, topic, kind_asked(kind) if topic is not None else None))
        for times, woeid, topic, kind in asked_for
    )
    found = unless_too_many(said.compared, lake, first, second)
    if found is None:
        raise HTTPException(413, "there are too many tweets to look through; ask for shorter spans")
    sides = [
        Side(
            since=side.since,
            until=side.until,
            woeid=side.key.woeid,
            topic=side.key.topic,
            tweets=tweets,
            words=sum(getattr(one, name) for one in found.differences),
        )
        for side, tweets, name in zip((first, second), found.tweets, ("first", "second"))
    ]
    by_score = sorted(found.shown, key=lambda one: (-abs(one.score), one.word))
    return Compared(
        a=sides[0],
        b=sides[1],
        words=[
            Difference(
                word=one.word,
                a=one.first,
                b=one.second,
                a_share=one.first_share,
                b_share=one.second_share,
                score=one.score,
                way=one.way,
            )
            for one in by_score[:limit]
        ],
    )
