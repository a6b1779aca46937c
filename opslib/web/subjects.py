"""The pages of what is talked about: what is trending at a place, one topic, one word."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Optional

from fastapi import APIRouter, Query, Request
from starlette.responses import RedirectResponse, Response

from opslib.message import FOLLOW
from opslib.store.reads import Place
from opslib.web import said
from opslib.web.asked import bounds, chosen, date_of, lake_of, now_of
from opslib.web.plots import Plot, Series, binned
from opslib.web.render import address, page
from opslib.web.said import QUARTER, Subject, unless_too_many
from opslib.web.tweets import shown

if TYPE_CHECKING:
    from datetime import date

    from opslib.web.viewer import Viewer

router = APIRouter(include_in_schema=False)
Name = Query(min_length=1, max_length=500)
_MOST_WORDS = 30
_MOST_LANGUAGES = 6
_SAMPLE = 8


@router.get("/topics")
def topics(request: Request, place: Optional[int] = None) -> Response:
    """List what is trending at a place."""
    lake, now = lake_of(request), now_of(request)
    places = lake.places()
    where = chosen(places, place)
    snapshot = lake.snapshot(where.woeid, now) if where else None
    follows = lake.follows(now)
    return page(request, "topics.html", places=places, place=where, snapshot=snapshot, follows=follows)


@router.get("/find")
def find(request: Request, name: str = Name, place: Optional[int] = None) -> Response:
    """Lead to the topic, what is followed or else the word that is named, however it is spelt."""
    lake, now = lake_of(request), now_of(request)
    where = chosen(lake.places(), place)
    follow = said.follow_like(lake, name, now)
    if where is None:
        if follow is not None:
            return RedirectResponse(address("/follow", name=follow), 303)
        return RedirectResponse(address("/topic", name=name), 303)
    today = now.astimezone(where.zone).date()
    since, until = bounds(today, where)
    if said.words(lake, since, until, woeid=where.woeid, topic=name).tweets:
        return RedirectResponse(address("/topic", name=name, place=where.woeid), 303)
    if follow is not None:
        return RedirectResponse(address("/follow", name=follow, place=where.woeid), 303)
    topic = said.topic_like(lake, name, where.woeid, now)
    if topic is not None:
        return RedirectResponse(address("/topic", name=topic, place=where.woeid), 303)
    for day in (today, today - timedelta(days=1)):
        word = said.word_like(lake, name, where.woeid, *bounds(day, where))
        if word is not None:
            return RedirectResponse(address("/word", name=word.name, place=where.woeid, day=day), 303)
    return RedirectResponse(address("/topic", name=name.strip() or name, place=where.woeid), 303)


@router.get("/topic")
def topic(request: Request, name: str = Name, place: Optional[int] = None, day: str = "") -> Response:
    """Show what is said about a topic: its words, its course over a day, languages and some tweets."""
    lake, now = lake_of(request), now_of(request)
    places, where, asked = _where(request, place, day)
    since, until = bounds(asked, where)
    subject = Subject(name, where.woeid if places else None, since, until)
    # The day so far: buckets that are still to come hold nothing.
    words = said.words(
        lake, since, min(until, max(now, since)), woeid=subject.woeid, topic=name, limit=_MOST_WORDS
    )
    ranks = _ranks(request.state.viewer, subject, where, said.ranks(lake, subject))
    return _subject_page(request, subject, words, places, where, asked, ranks=ranks)


@router.get("/follow")
def follow(request: Request, name: str = Name, place: Optional[int] = None, day: str = "") -> Response:
    """Show what is said about something that is followed; the days are those of a place."""
    lake, now = lake_of(request), now_of(request)
    places, where, asked = _where(request, place, day)
    since, until = bounds(asked, where)
    subject = Subject(name, None, since, until, kind=FOLLOW)
    words = said.words(lake, since, min(until, max(now, since)), topic=name, kind=FOLLOW, limit=_MOST_WORDS)
    return _subject_page(request, subject, words, places, where, asked, ranks=None)


@router.get("/word")
def word(request: Request, name: str = Name, place: Optional[int] = None, day: str = "") -> Response:
    """Show what is said with a word: other words, its course over a day, languages and some tweets."""
    lake = lake_of(request)
    places, where, asked = _where(request, place, day)
    since, until = bounds(asked, where)
    woeid = where.woeid if places else None
    subject = said.word_like(lake, name, woeid, since, until) or Subject(name, woeid, since, until, ())
    found = unless_too_many(said.words_beside, lake, subject)
    others = [pair for pair in found.words.counts.items() if pair[0] != subject.name] if found else []
    words = found and said.Words(found.texts.tweets, others[:_MOST_WORDS])
    return _subject_page(request, subject, words, places, where, asked, ranks=None)


def _where(request: Request, place: Optional[int], day: str) -> tuple[list[Place], Place, date]:
    places = lake_of(request).places()
    where = chosen(places, place) or Place(0, "")
    return places, where, date_of(day, where, now_of(request))


def _subject_page(
    request: Request,
    subject: Subject,
    words: Optional[said.Words],
    places: list[Place],
    where: Place,
    day: date,
    ranks: Optional[Plot],
) -> Response:
    lake, now, viewer = lake_of(request), now_of(request), request.state.viewer
    # All tweets of the day are looked at: no index knows their topics.
    sample = unless_too_many(said.sample, lake, subject, _SAMPLE)
    languages = None if sample is None else unless_too_many(said.languages, lake, subject)
    course = None if languages is None else unless_too_many(said.course, lake, subject)
    return page(
        request,
        "topic.html",
        kind=subject.kind or ("topic" if subject.entries is None else "word"),
        places=places,
        place=where,
        name=subject.name,
        day=day,
        tweets=words.tweets if words else None,
        words=words.words if words else [],
        words_of=_words_of(subject, where, day),
        plot=None if course is None else _course(viewer, subject, where, course, now),
        ranks=ranks,
        languages_of=_few(languages or [], viewer),
        sample=[shown(tweet) for tweet in sample or []],
        too_many=course is None,
    )


def _words_of(subject: Subject, where: Place, day: date) -> dict[str, Any]:
    """Return what of an address leads to the tweets of the words of a page, with the name of one."""
    place = where.woeid or None
    if subject.entries is not None:
        return {"place": place, "day": day, "beside": subject.name}
    return {"place": place, "day": day, "topic": subject.name, "kind": subject.kind}


def _course(
    viewer: Viewer, subject: Subject, where: Place, course: list[tuple[datetime, int]], now: datetime
) -> Plot:
    points = binned(course, subject.since, subject.until, QUARTER, missing=0)
    # Of the quarter that is running, and of those to come, nobody knows yet.
    known = [(at, value if at + QUARTER <= now else None) for at, value in points]
    return Plot(
        viewer.text("topic.course", name=subject.name),
        [Series(viewer.text("tweets"), known)],
        subject.since,
        subject.until,
        where.zone,
        viewer.short,
        lambda at: viewer.clock(at, where.zone),
        style="area",
    )


def _ranks(viewer: Viewer, subject: Subject, where: Place, ranks: list[tuple[datetime, int]]) -> Plot:
    points = [(at, float(rank)) for at, rank in ranks]
    best = binned(points, subject.since, subject.until, timedelta(minutes=30), min)
    return Plot(
        viewer.text("topic.ranks", name=subject.name, place=where.name),
        [Series(viewer.text("rank"), best)],
        subject.since,
        subject.until,
        where.zone,
        viewer.number,
        lambda at: viewer.clock(at, where.zone),
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
