"""What a number was counted of, and the texts that were counted for it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from fastapi import HTTPException

from opslib.store.behind import Behind, Moment, Span, counted_by, of_word
from opslib.store.observations import Key
from opslib.store.reads import Place
from opslib.web.answers import said
from opslib.web.asked import LONGEST_SPAN, bounds, chosen, date_of, kind_asked, lake_of, now_of
from opslib.words import Counting

if TYPE_CHECKING:
    from starlette.requests import Request

    from opslib.store.behind import Scope
    from opslib.store.reads import Document, Lake

_EARLIEST, _LATEST = 2006, 2100  # the years between which spans are


@dataclass(frozen=True)
class Asked:
    """What numbers were counted of: a scope, and how a page calls it."""

    scope: Span | Moment
    place: Place
    since: datetime
    until: datetime
    query: dict[str, Any]  # of the address that asks for it
    topic: str | None = None
    cloud: Document | None = None

    def counting(self, word: str) -> tuple[Counting, ...] | None:
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
    cloud: str | None = None,
    place: int | None = None,
    day: str = "",
    since: datetime | None = None,
    until: datetime | None = None,
    topic: str | None = None,
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
    beside: str | None = None,
    counted: tuple[Counting, ...] | None = None,
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
