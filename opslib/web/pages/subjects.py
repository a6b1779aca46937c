"""The pages of what is talked about: what is trending at a place, one topic, one word."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, tzinfo
from typing import TYPE_CHECKING, Any, Callable, Optional

from fastapi import APIRouter, Query, Request
from starlette.responses import RedirectResponse, Response

from opslib.message import FOLLOW
from opslib.store.reads import Place
from opslib.web.answers import said
from opslib.web.answers.risings import risings
from opslib.web.answers.said import QUARTER, Subject, unless_too_many
from opslib.web.answers.tweets import shown
from opslib.web.asked import bounds, chosen, date_of, lake_of, now_of
from opslib.web.pages.behind import Order
from opslib.web.pages.search import quoted
from opslib.web.plots import Plot, Series, binned
from opslib.web.render import address, page

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import date

    from opslib.web.viewer import Viewer

router = APIRouter(include_in_schema=False)
Name = Query(min_length=1, max_length=500)
_MOST_WORDS = 30
_MOST_LANGUAGES = 6
_MOST_PEOPLE = 10
_MOST_HASHTAGS = 15
_SAMPLE = 8
_RANK_DAYS = 7
# Snapshots in which a topic is that are no further apart are one stretch of time in which it was trending.
_ONE_STRETCH = timedelta(hours=1)


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
def topic(
    request: Request, name: str = Name, place: Optional[int] = None, day: str = "", order: Order = "new"
) -> Response:
    """Show what is said about a topic: its words, its course over a day, who says it and some tweets."""
    lake, now = lake_of(request), now_of(request)
    places, where, asked = _where(request, place, day)
    since, until = bounds(asked, where)
    subject = Subject(name, where.woeid if places else None, since, until)
    # The day so far: buckets that are still to come hold nothing.
    words = said.words(lake, since, min(until, max(now, since)), woeid=subject.woeid, topic=name)
    days = replace(subject, since=until - timedelta(days=_RANK_DAYS))
    ranks = said.ranks(lake, days)
    return _subject_page(request, subject, words, places, where, asked, order, ranks=ranks)


@router.get("/follow")
def follow(
    request: Request, name: str = Name, place: Optional[int] = None, day: str = "", order: Order = "new"
) -> Response:
    """Show what is said about something that is followed; the days are those of a place."""
    lake, now = lake_of(request), now_of(request)
    places, where, asked = _where(request, place, day)
    since, until = bounds(asked, where)
    subject = Subject(name, None, since, until, kind=FOLLOW)
    words = said.words(lake, since, min(until, max(now, since)), topic=name, kind=FOLLOW)
    return _subject_page(request, subject, words, places, where, asked, order)


@router.get("/word")
def word(
    request: Request, name: str = Name, place: Optional[int] = None, day: str = "", order: Order = "new"
) -> Response:
    """Show what is said with a word: other words, its course over a day, who says it and some tweets."""
    lake = lake_of(request)
    places, where, asked = _where(request, place, day)
    since, until = bounds(asked, where)
    woeid = where.woeid if places else None
    subject = said.word_like(lake, name, woeid, since, until) or Subject(name, woeid, since, until, ())
    found = unless_too_many(said.words_beside, lake, subject)
    words = found and said.Words(
        found.texts.tweets,
        [(one, number) for one, number in found.words.counts.items() if not lake.hidden.holds(one)],
    )
    return _subject_page(request, subject, words, places, where, asked, order)


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
    order: Order,
    ranks: Sequence[tuple[datetime, int]] = (),
) -> Response:
    viewer = request.state.viewer
    kind = subject.kind or ("topic" if subject.entries is None else "word")
    others = [pair for pair in (words.words if words else []) if pair[0] != subject.name]
    tags = [pair for pair in others if pair[0].startswith("#")]
    return page(
        request,
        "topic.html",
        kind=kind,
        places=places,
        place=where,
        name=subject.name,
        day=day,
        order=order,
        tweets=words.tweets if words else None,
        words=(others if kind == "word" else words.words if words else [])[:_MOST_WORDS],
        hashtags=tags[:_MOST_HASHTAGS],
        words_of=_words_of(subject, where, day),
        risings=unless_too_many(risings, lake_of(request), subject, now_of(request)),
        **_rank_plots(viewer, subject, where, ranks),
        **_of_all(request, subject, where, ranks, order),
    )


def _of_all(
    request: Request, subject: Subject, where: Place, ranks: Sequence[tuple[datetime, int]], order: Order
) -> dict[str, Any]:
    """Return what is asked of all tweets of the day; no index knows their topics."""
    lake, viewer = lake_of(request), request.state.viewer
    found: list[Any] = []
    for ask, *more in (
        (said.sample, _SAMPLE, order),
        (said.languages,),
        (said.people, _MOST_PEOPLE),
        (said.course,),
    ):
        # What takes too long once does so again.
        found.append(unless_too_many(ask, lake, subject, *more) if None not in found else None)
    sample, languages, people, course = found
    return {
        "plot": None if course is None else _course(viewer, subject, where, course, ranks, now_of(request)),
        "peak": _peak(subject, where, course or []),
        "languages_of": _few(languages or [], viewer),
        "people": people,
        "sample": [shown(tweet) for tweet in sample or []],
        "too_many": course is None,
    }


def _words_of(subject: Subject, where: Place, day: date) -> dict[str, Any]:
    """Return what of an address leads to the tweets of the words of a page, with the name of one."""
    place = where.woeid or None
    if subject.entries is not None:
        return {"place": place, "day": day, "beside": subject.name}
    return {"place": place, "day": day, "topic": subject.name, "kind": subject.kind}


def _course(
    viewer: Viewer,
    subject: Subject,
    where: Place,
    course: list[tuple[datetime, int]],
    ranks: Sequence[tuple[datetime, int]],
    now: datetime,
) -> Plot:
    points = binned(course, subject.since, subject.until, QUARTER, missing=0)
    # Of the quarter that is running, and of those to come, nobody knows yet.
    known = [(at, value if at + QUARTER <= now else None) for at, value in points]
    return Plot(
        viewer.gettext("Tweets with {name} by when they were written, every 15 minutes", name=subject.name),
        [Series(viewer.gettext("tweets"), known)],
        subject.since,
        subject.until,
        where.zone,
        viewer.short,
        lambda at: viewer.clock(at, where.zone),
        style="area",
        marked=stretches(at for at, _ in ranks if subject.since <= at < subject.until),
    )


def _peak(subject: Subject, where: Place, course: list[tuple[datetime, int]]) -> Optional[dict[str, Any]]:
    """Return when most was written, and where what was said then is told from all of the day."""
    if subject.entries is not None or len(course) <= 1:
        return None
    at, tweets = max(course, key=lambda one: (one[1], one[0]))
    # Compare counts by when tweets were collected, the search by when they were written, as the course does.
    asked = [f"{'follow' if subject.kind else 'topic'}:{quoted(subject.name)}"]
    if where.woeid and not subject.kind:
        asked.append(f"place:{where.woeid}")
    asked += [f"since:{at.isoformat()}", f"until:{(at + QUARTER).isoformat()}"]
    return {
        "at": at,
        "tweets": tweets,
        "href": address("/search", q=" ".join(asked), place=where.woeid or None),
    }


def stretches(moments: Iterable[datetime]) -> list[tuple[datetime, datetime]]:
    """Return when something was trending, given the snapshots that have it, oldest first."""
    found: list[tuple[datetime, datetime]] = []
    for at in moments:
        begin = found.pop()[0] if found and at - found[-1][1] <= _ONE_STRETCH else at
        found.append((begin, at))
    return [(begin, max(end, begin + QUARTER)) for begin, end in found]


def _rank_plots(
    viewer: Viewer, subject: Subject, where: Place, ranks: Sequence[tuple[datetime, int]]
) -> dict[str, Optional[Plot]]:
    """Return the rank of a topic over the day, and over the days before if it was trending then."""
    if subject.kind or subject.entries is not None:
        return {"ranks": None, "days": None}
    title = viewer.gettext("Rank of {name} in {place}", name=subject.name, place=where.name)
    days = subject.until - timedelta(days=_RANK_DAYS)

    def plot(since: datetime, step: timedelta, moment: Callable[[datetime, tzinfo], str]) -> Plot:
        best = binned(((at, float(rank)) for at, rank in ranks), since, subject.until, step, min)
        series = [Series(viewer.gettext("rank"), best)]
        return Plot(title, series, since, subject.until, where.zone, viewer.number,
                    lambda at: moment(at, where.zone), upside_down=True)  # fmt: skip

    before = any(at < subject.since for at, _ in ranks)
    return {
        "ranks": plot(subject.since, timedelta(minutes=30), viewer.clock),
        "days": plot(days, timedelta(hours=2), viewer.month_day) if before else None,
    }


def _few(languages: list[tuple[str, int]], viewer: Any) -> list[tuple[str, int, float]]:
    """Return name, number and share of the commonest languages, the others as one."""
    total = sum(number for _, number in languages)
    few = [(viewer.language_name(code), number) for code, number in languages[:_MOST_LANGUAGES]]
    others = sum(number for _, number in languages[_MOST_LANGUAGES:])
    if others:
        few.append((viewer.gettext("others"), others))
    return [(name, number, number / total) for name, number in few]
