"""JSON of what lies behind numbers, and of how two sides differ: ``/api/tweets``."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Literal, Optional

from fastapi import APIRouter, HTTPException, Query, Request
from pydantic import AwareDatetime, BaseModel, Field

from opslib.store.behind import Span
from opslib.store.observations import Key
from opslib.web import said
from opslib.web.api import LONGEST_SPAN, MISSING, PROBLEMS, Woeid, span
from opslib.web.asked import kind_asked, lake_of
from opslib.web.behind import asked, behind
from opslib.web.said import unless_too_many

router = APIRouter(prefix="/api", responses=PROBLEMS)
_BUSY: dict[Any, Any] = {413: {"description": "Too many tweets to be looked through at once"}}


class Text(BaseModel):
    """A text that was counted, by the first of its tweets."""

    id: str = Field(description="Of the tweet.")
    text: Optional[str] = Field(description="None if it has just been forgotten.")
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
    if cloud is not None:
        of = asked(request, cloud=cloud)
        begin, end, scope = of.since, of.until, of.scope
    else:
        begin, end = span(request, since, until, timedelta(days=1), LONGEST_SPAN)
        key = Key(woeid, topic, kind_asked(kind) if topic is not None else None)
        scope = Span(begin, end, key)
    found = unless_too_many(behind, lake, scope, word)
    if found is None:
        raise HTTPException(413, "there are too many tweets to look through; ask for a shorter span")
    some = (found.by_reach() if order == "reach" else list(found.texts))[skip:][:limit]
    documents = said.tweets_of(lake, [text.tweet for text in some])
    spellings, without = said.spellings(found)
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
                **{name: documents.get(text.tweet, {}).get(name) for name in ("text", "lang", "created_at")},
                author=text.author,
                counted_at=text.at,
                tweets=text.tweets,
                reach=text.reach,
            )
            for text in some
        ],
    )
