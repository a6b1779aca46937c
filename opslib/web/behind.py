"""From any number to its tweets: the pages that list what was counted for a word, and for what is rising."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any, Literal, Optional, Union

from fastapi import APIRouter, HTTPException, Query, Request
from pydantic import AwareDatetime
from starlette.responses import Response

from opslib.store.behind import Behind, Moment, Span, counted_by, of_word
from opslib.store.observations import Key
from opslib.store.reads import Place
from opslib.web import said
from opslib.web.api import LONGEST_SPAN
from opslib.web.asked import bounds, chosen, date_of, kind_asked, lake_of, now_of
from opslib.web.render import address, cloud_address, page
from opslib.web.said import unless_too_many
from opslib.web.tweets import shown
from opslib.words import Counting

if TYPE_CHECKING:
    from collections.abc import Mapping

    from opslib.store.behind import Scope
    from opslib.store.reads import Document, Lake

router = APIRouter(include_in_schema=False)
Order = Literal["new", "reach"]
ON_A_PAGE = 50
_LATENESS = timedelta(minutes=15)  # the speed layer's own, unless it is set otherwise
_EARLIEST, _LATEST = 2006, 2100  # the years between which spans are


@dataclass(frozen=True)
class Asked:
    """What numbers were counted of: a scope, and how a page calls it."""

    scope: Union[Span, Moment]
    place: Place
    since: datetime
    until: datetime
    query: dict[str, Any]  # of the address that asks for it
    topic: Optional[str] = None
    cloud: Optional[Document] = None

    def counting(self, word: str) -> Optional[tuple[Counting, ...]]:
        """Return by which entries a word was counted, if a cloud says it; those of before do not."""
        for entry in self.cloud["words"] if self.cloud else ():
            if entry["word"] == word and "by" in entry:
                return tuple(
                    Counting(frozenset(one["entries"]), frozenset(one["without"])) for one in entry["by"]
                )
        return None


def asked(
    request: Request,
    *,
    cloud: Optional[str] = None,
    place: Optional[int] = None,
    day: str = "",
    since: Optional[datetime] = None,
    until: Optional[datetime] = None,
    topic: Optional[str] = None,
    kind: str = "trend",
) -> Asked:
    """Return what an address asks for: a cloud, or a span or a day of a place, of a topic or both."""
    if cloud is not None:
        return words_of_cloud(request, cloud)
    places = lake_of(request).places()
    known = chosen(places, place) or Place(0, "")
    if since is not None and until is not None:
        since, until = span_asked(since, until)
        query: dict[str, Any] = {"since": since.isoformat(), "until": until.isoformat()}
    else:
        date = date_of(day, known, now_of(request))
        since, until = bounds(date, known)
        query = {"day": date}
    query |= {"place": place, "topic": topic, "kind": kind if topic is not None and kind != "trend" else None}
    # What is followed has no place: its clock is shown.
    woeid = None if kind_asked(kind) and topic is not None else place
    scope = Span(since, until, Key(woeid, topic, kind_asked(kind) if topic is not None else None))
    return Asked(scope, known, since, until, query, topic)


def span_asked(since: datetime, until: datetime) -> tuple[datetime, datetime]:
    """Return the span that is asked for, in UTC; what cannot be is not found."""
    if not (since.year >= _EARLIEST and until.year < _LATEST and since < until <= since + LONGEST_SPAN):
        raise HTTPException(404)
    return since.astimezone(timezone.utc), until.astimezone(timezone.utc)


def words_of_cloud(request: Request, cloud_id: str) -> Asked:
    """Return what the words of a kept cloud were counted of."""
    found = lake_of(request).cloud(cloud_id, now_of(request))
    if found is None or found["kind"] != "words":
        raise HTTPException(404)
    place = Place(found["woeid"], found["place"], found.get("timezone") or "UTC")
    scope = Moment(found["since"], found["until"], found["woeid"], frozenset(found["counted_of"]))
    return Asked(scope, place, found["since"], found["until"], {"cloud": cloud_id}, cloud=found)


def behind(
    lake: Lake,
    scope: Scope,
    name: str,
    beside: Optional[str] = None,
    counted: Optional[tuple[Counting, ...]] = None,
) -> Behind:
    """Return the texts that were counted for a word, or of those *beside* another word the ones for it.

    *counted* says by which entries, if that is known already.
    """
    with said.within(lake):
        if counted is not None:
            return counted_by(lake.database, scope, counted)
        if beside is not None:
            return said.beside(lake, scope, beside).only(name)
        return of_word(lake.database, scope, name)


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
        day=of.until.astimezone(of.place.zone).date(),
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
