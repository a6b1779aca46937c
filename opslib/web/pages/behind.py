"""From any number to its tweets: the pages that list what was counted for a word, and for what is rising."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal, Optional

from fastapi import APIRouter, Query, Request
from pydantic import AwareDatetime
from starlette.responses import Response

from opslib.store.behind import Behind
from opslib.store.reads import Place
from opslib.web.answers import said
from opslib.web.answers.behind import Asked, asked, behind
from opslib.web.answers.said import unless_too_many
from opslib.web.answers.tweets import shown
from opslib.web.asked import chosen, lake_of, now_of
from opslib.web.render import address, cloud_address, page

if TYPE_CHECKING:
    from collections.abc import Mapping


router = APIRouter(include_in_schema=False)
Order = Literal["new", "reach"]
ON_A_PAGE = 50
_LATENESS = timedelta(minutes=15)  # the speed layer's own, unless it is set otherwise


@router.get("/tweets")
def tweets(
    request: Request,
    name: str = Query(min_length=1, max_length=500),
    cloud: Optional[str] = Query(default=None, max_length=200),
    place: Optional[int] = None,
    day: str = "",
    since: Optional[AwareDatetime] = None,
    until: Optional[AwareDatetime] = None,
    topic: Optional[str] = Query(default=None, max_length=500),
    kind: Literal["trend", "follow"] = "trend",
    beside: Optional[str] = Query(default=None, max_length=500),
    order: Order = "new",
    page_number: int = Query(default=1, ge=1, le=1_000_000, alias="page"),
) -> Response:
    """List the tweets that were counted for a word: in a cloud, in a span of a place or of a topic."""
    lake = lake_of(request)
    of = asked(request, cloud=cloud, place=place, day=day, since=since, until=until, topic=topic, kind=kind)
    found: Optional[Behind] = unless_too_many(behind, lake, of.scope, name, beside, of.counting(name))
    return listed(
        request,
        of,
        found,
        path="/tweets",
        query={"name": name, **of.query, "beside": beside},
        name=name,
        order=order,
        number=page_number,
        beside=beside,
        back=cloud_address(cloud) if cloud is not None else None,
    )


def listed(
    request: Request,
    of: Asked,
    found: Optional[Behind],
    *,
    path: str,
    query: dict[str, Any],
    name: str,
    order: Order,
    number: int,
    beside: Optional[str] = None,
    back: Optional[str] = None,
) -> Response:
    """Return the page of the texts *found*, ``None`` if they are too many, under the address of *query*."""
    lake = lake_of(request)
    texts = [] if found is None else list(found.texts) if order == "new" else found.by_reach()
    here = texts[(number - 1) * ON_A_PAGE :][:ON_A_PAGE]
    shown_of = said.tweets_of(lake, [text.tweet for text in here])
    documents = shown_of.documents
    return page(
        request,
        "tweets.html",
        name=name,
        of=of,
        beside=beside,
        found=found,
        spellings=said.spellings(lake, found) if found else ([], []),
        hidden=shown_of.hidden,
        kept=None if of.cloud is None else _kept(of.cloud, name),
        place=of.place,
        # A cloud of a moment after midnight counts what was collected before.
        day=(texts[0].at if texts else of.until).astimezone(of.place.zone).date(),
        order=order,
        address_of=path,
        query=query,
        tweets=[(shown(documents[t.tweet]), t) for t in here if t.tweet in documents],
        pages=_pages(path, query | {"order": order}, number, len(texts)),
        back=back,
    )


def _kept(cloud: Mapping[str, Any], name: str) -> Optional[int]:
    return next((int(entry["tweets"]) for entry in cloud["words"] if entry["word"] == name), None)


def _pages(path: str, query: Mapping[str, Any], number: int, listed: int) -> dict[str, Any]:
    last = max(1, -(-listed // ON_A_PAGE))
    step = {"before": number - 1 if number > 1 else None, "after": number + 1 if number < last else None}
    return {
        "number": number,
        "last": last,
        **{name: address(path, **query, page=to) if to else None for name, to in step.items()},
    }


@router.get("/rising")
def rising(
    request: Request,
    name: str = Query(min_length=1, max_length=500),
    kind: Literal["word", "hashtag", "topic", "follow"] = "word",
    ends: Optional[AwareDatetime] = None,
    minutes: Literal["1", "5", "60"] = "5",
    place: Optional[int] = None,
) -> Response:
    """List the tweets that made something rise: those written in a window, by whom."""
    lake, now = lake_of(request), now_of(request)
    where = chosen(lake.places(), place) or Place(0, "")
    woeid = None if kind == "follow" else where.woeid
    window = lake.window(woeid, int(minutes), min(ends or now, now))
    item = next(
        (i for i in (window or {"items": []})["items"] if (i["kind"], i["name"]) == (kind, name)), None
    )
    ends_at = window["ends_at"] if window else now
    length = timedelta(minutes=int(minutes))
    found = unless_too_many(said.risen, lake, woeid, ends_at, length, kind, name, _LATENESS)
    some = found.tweets[:ON_A_PAGE] if found else ()
    shown_of = said.tweets_of(lake, [tweet["_id"] for tweet in some])
    return page(
        request,
        "rising.html",
        name=name,
        kind=kind,
        place=where,
        item=item,
        since=ends_at - length,
        ends_at=ends_at,
        found=found,
        tweets=[
            shown(shown_of.documents[tweet["_id"]]) for tweet in some if tweet["_id"] in shown_of.documents
        ],
        hidden=shown_of.hidden,
    )
