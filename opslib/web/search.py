"""The page Search: all stored tweets by what they say, who wrote them, and when; what is beside narrows."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from typing import Any, Optional

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from opslib.search.query import EXAMPLES, OPERATORS, QueryError, narrowed, narrowed_to, parse, terms
from opslib.search.query import Query as Asked
from opslib.search.tokens import words
from opslib.store.hidden import Hidden
from opslib.store.reads import Place, zone_of
from opslib.web.asked import chosen, lake_of
from opslib.web.found import Away, Found, Order, found
from opslib.web.own import leading_to
from opslib.web.plots import Plot, Series
from opslib.web.render import address, by_letter, page, size_of, with_shares
from opslib.web.tweets import shown
from opslib.web.viewer import Viewer
from opslib.words import parts

A_PAGE = 50
_BY_DAYS = timedelta(days=2)
LONGEST = 1000
_IN_CLOUD = 60
_MOST_SPELLINGS = 8  # of a word that are looked for
_NAME = re.compile(r"\w+", re.ASCII)
_WORD = re.compile(r"#?\w+")
_QUOTES = re.compile('["\u201c\u201d]')
After = Query(default=None, max_length=60, description="Where a page begins: `after` of the one before.")
router = APIRouter(include_in_schema=False)


@dataclass(frozen=True)
class Line:
    """The line that somebody looks for, and how it reads on the clock of a place."""

    text: str
    asked: Asked
    places: dict[str, int]
    zone: tzinfo
    more: dict[str, Any]  # of the address

    @classmethod
    def read(cls, text: str, places: list[Place], zone: tzinfo, **more: Any) -> Line:
        """Read it, or raise :class:`QueryError`."""
        named = {place.name.casefold(): place.woeid for place in places}
        return cls(text, parse(text, named, zone), named, zone, more)

    def address(self, text: Optional[str] = None, after: Optional[str] = None) -> str:
        """Return where it leads, or another line in its stead."""
        return address("/search", q=self.text if text is None else text, after=after, **self.more)

    def narrower(self, further: str) -> str:
        """Return where it leads with something *further* that is to hold."""
        return self.address(narrowed(self.text, self.asked, further))

    def leading(self, text: str) -> Optional[str]:
        """Return where another line leads that was made of this one; ``None`` where it became too long."""
        try:
            parse(text, self.places, self.zone)
        except QueryError:
            return None
        return self.address(text)


@router.get("/search")
def search(
    request: Request,
    q: str = Query(default="", max_length=4 * LONGEST),
    place: Optional[int] = None,
    order: Order = "newest",
    after: Optional[str] = After,
) -> Response:
    """Show what a query finds, or what one is written like."""
    lake = lake_of(request)
    places = lake.places()
    where = chosen(places, place)
    told: dict[str, Any] = {"q": q, "places": places, "place": where or Place(0, ""), "order": order}
    told.update(after=after, operators=[EXAMPLES[name] for name in OPERATORS])
    told.update(wrong=None, away=None, found=None)
    saved = request.app.state.users.searches(request.state.user)
    told["saved"] = [(one.title, leading_to(one)) for one in saved]
    more = {"place": where.woeid if where else None, "order": order if order != "newest" else None}
    try:
        if q.strip():
            line = Line.read(q, places, where.zone if where else zone_of("UTC"), **more)
            told["found"] = _shown(
                request.state.viewer, line, found(request, line.asked, order, after, A_PAGE), lake.hidden
            )
    except QueryError as error:
        told["wrong"] = _wrong(request.state.viewer, error)
    except Away as error:
        told["away"] = request.state.viewer.told(error)
    return page(request, "search.html", **told)


def _wrong(viewer: Viewer, error: QueryError) -> str:
    return viewer.gettext("{problem} (at character {n})", problem=viewer.told(error), n=error.at)


def _shown(viewer: Viewer, line: Line, what: Found, hidden: Hidden) -> dict[str, Any]:
    def narrower(kind: str, counted: list[tuple[str, int]]) -> list[tuple[str, int, float, str]]:
        most = counted[0][1] if counted else 1
        return [
            (
                viewer.language_name(name) if kind == "lang" else name,
                number,
                share,
                line.narrower(f"{kind}:{quoted(name)}" if kind else name),
            )
            for name, number, share in with_shares(counted, most)
        ]

    return {
        "count": what.count,
        "hidden": what.hidden,
        "tweets": [shown(tweet) for tweet in what.tweets],
        "following": line.address(after=what.following) if what.following else None,
        "first": line.address(),
        "plot": _course(viewer, line, what.course) if len(what.course) > 1 else None,
        "of": what.of,
        "cloud_of": what.words_of,
        "cloud": _cloud(line, what, hidden),
        "languages": narrower("lang", what.languages),
        "authors": narrower("from", what.authors),
        "hashtags": narrower("", what.hashtags),
    }


def quoted(name: str) -> str:
    """Return the name of an author or a language as a query has it, whatever strangers call themselves."""
    return name if _NAME.fullmatch(name) else f'"{_QUOTES.sub("", name)}"'


def spelt(spellings: list[str]) -> str:
    """Return what finds one of *spellings* of a word, the most frequent first."""
    different: dict[tuple[str, ...], str] = {}
    for spelling in spellings:
        bare = _WORD.fullmatch(spelling) and spelling not in ("AND", "OR", "NOT")
        written = spelling if bare else f'"{_QUOTES.sub("", spelling)}"'
        if words(spelling):
            different.setdefault(tuple(words(spelling)), written)
    some = list(different.values())[:_MOST_SPELLINGS]
    return some[0] if len(some) == 1 else f"({' OR '.join(some)})" if some else ""


def _cloud(line: Line, what: Found, hidden: Hidden) -> list[tuple[str, int, int, str]]:
    """Return word, number, size and address of the words of the result, but for those that it is asked by."""
    own = {term.words for term in terms(line.asked.node)}
    chosen_words: list[tuple[str, int, str]] = []
    for word, number in what.words.counts.items():
        if len(chosen_words) == _IN_CLOUD:
            break
        if hidden.holds(word) or tuple(words(word)) in own:
            continue
        entries = {entry for one in what.words.counting(word) for entry in one.entries}
        spellings = sorted(entries, key=lambda entry: (-what.words.spellings[entry], entry))
        further = spelt([parts(entry)[0] for entry in spellings])
        href = line.leading(narrowed(line.text, line.asked, further)) if further else None
        if href is not None:
            chosen_words.append((word, number, href))
    most = chosen_words[0][1] if chosen_words else 1
    return [
        (word, number, size_of(number / most), href)
        for word, number, href in sorted(chosen_words, key=lambda one: by_letter(one[0]))
    ]


def _course(viewer: Viewer, line: Line, course: list[tuple[datetime, datetime, int]]) -> Plot:
    since, until, zone = course[0][0], course[-1][1], line.zone
    by_days = until - since > _BY_DAYS
    leads = {
        begin: line.leading(narrowed_to(line.text, line.asked, begin, end))
        for begin, end, number in course
        if number
    }
    return Plot(
        viewer.gettext("When the tweets that {query} finds were written", query=line.text),
        [Series(viewer.gettext("tweets"), [(begin, float(number)) for begin, _, number in course])],
        since,
        until,
        zone,  # type: ignore[arg-type]
        viewer.short,
        lambda at: viewer.written(at, zone, "MMMd") if by_days else viewer.clock(at, zone),
        style="bars",
        leads={at: href for at, href in leads.items() if href is not None},
    )
