"""Stored tweets held against X: what was deleted, edited or protected there is forgotten here as well.

Tweets are looked at in the order of their ids and, at the end, from the first again; how far it has come is
kept in MongoDB. So the next one looked at is the one that was looked at longest ago. How X is asked is one of
two ways: :class:`Lookups` here, for which X charges each post that it returns and not those that are gone,
and :class:`opslib.forgetting.jobs.Jobs`, for which it charges nothing, and which knows nothing of edits.
https://docs.x.com/developer-terms/policy asks whoever stores posts to follow deletions, edits and protection.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from bson.int64 import Int64

from opslib.store.collections import RECHECKS, TWEETS
from opslib.store.write import safely
from opslib.x.budget import Exhausted
from opslib.x.client import MAX_LOOKUP, RateLimited
from opslib.x.problems import gone

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pymongo.database import Database

    from opslib.store.documents import Document
    from opslib.x.backoff import Backoff
    from opslib.x.budget import Budget
    from opslib.x.client import Lookup, XClient

_FEW = 20
_TRIES = 3
_CURSOR = "tweets"


class TooManyGone(Exception):  # noqa: N818 - it names what befell
    """So much of a page is gone that X is not believed."""


@dataclass
class Page:
    """What X said about some tweets."""

    asked: list[int] = field(default_factory=list)
    there: int = 0
    gone: dict[int, str] = field(default_factory=dict)  # with the reason
    stopped: str = ""  # why no more was asked

    @property
    def unanswered(self) -> int:
        """How many X said nothing about: they are left as they are."""
        return len(self.asked) - self.there - len(self.gone)


class Asking(Protocol):
    """A way of asking X about posts."""

    size: int  # of a page

    def unfinished(self) -> tuple[int, int] | None:
        """Return the first and the last id of a page that an earlier run has begun, if there is one."""

    def page(self, ids: list[int]) -> Page:
        """Return what X says about *ids*."""


class Recheck:
    """Goes through the stored tweets."""

    def __init__(self, database: Database[Document], asking: Asking) -> None:
        self._tweets = safely(database[TWEETS.name])
        self._rechecks = safely(database[RECHECKS.name])
        self._asking = asking

    def pages(self, most: int, most_gone: float, *, dry_run: bool = False) -> Iterator[Page]:
        """Yield what X says, by the page, until all were looked at, *most* were, or X or the budget ends it.

        When the next page is asked for, the last one counts as dealt with, unless it is a *dry_run*. Raises
        :class:`TooManyGone`, and what :class:`~opslib.x.client.XClient` raises when X refuses or cannot be
        reached.
        """
        left = min(most, self._tweets.estimated_document_count())
        cursor = self._rechecks.find_one({"_id": _CURSOR})
        after = cursor["after"] if cursor else 0
        while left > 0:
            page = self._asking.page(self._next(after, min(self._asking.size, left)))
            share = len(page.gone) / max(1, len(page.asked))
            if len(page.asked) >= _FEW and share > most_gone:
                raise TooManyGone(
                    f"X says that {len(page.gone)} of {len(page.asked)} posts are gone, more than "
                    f"recheck.most_gone ({most_gone:g}): nothing was forgotten; if it is so, raise it"
                )
            if page.asked or page.stopped:
                yield page
            if page.asked:
                after = page.asked[-1]
                if not dry_run:
                    self._keep(after)
            if page.stopped or not page.asked:
                return
            left -= len(page.asked)

    def _next(self, after: int, number: int) -> list[int]:
        """Return the ids of the tweets that were looked at longest ago, or that a run has begun with."""
        begun = self._asking.unfinished()
        if begun is not None:
            first, last = begun
            return self._ids({"_id": {"$gte": Int64(first), "$lte": Int64(last)}}, self._asking.size)
        ids = self._ids({"_id": {"$gt": Int64(after)}}, number)
        return ids or self._ids({}, number)

    def _ids(self, some: Document, number: int) -> list[int]:
        return [found["_id"] for found in self._tweets.find(some, {"_id": 1}).sort("_id", 1).limit(number)]

    def _keep(self, after: int) -> None:
        self._rechecks.update_one({"_id": _CURSOR}, {"$set": {"after": Int64(after)}}, upsert=True)


class Lookups:
    """Looks posts up, a hundred a call, as far as the budget goes."""

    size = 1000  # what is gone of so many is forgotten at once: each time all retweets are looked through

    def __init__(
        self, client: XClient, budget: Budget, backoff: Backoff, wait: Callable[[float], Any]
    ) -> None:
        self._client = client
        self._budget = budget
        self._backoff = backoff
        self._wait = wait

    def unfinished(self) -> None:
        """Return that nothing has to be gone on with: a page that was cut short is asked about again."""
        return

    def page(self, ids: list[int]) -> Page:
        """Return what X says about *ids*, as far as it and the budget go."""
        page = Page()
        while ids and not page.stopped:
            call = ids[: min(MAX_LOOKUP, self._budget.affordable({"post": 1}))]
            try:
                # With nothing left for a single post the reservation says until when.
                answer = self._ask(call or ids[:1])
            except (Exhausted, RateLimited) as error:
                page.stopped = str(error)
            else:
                _sort(answer, call, page)
                ids = ids[len(call) :]
        return page

    def _ask(self, ids: list[int]) -> Lookup:
        """Look up *ids*; X that fails is asked again twice."""

        def look_up() -> Lookup:
            with self._budget.call({"post": len(ids)}) as came:
                answer = self._client.lookup(ids)
                came({"post": [tweet["id"] for tweet in answer.tweets]})
            return answer

        return self._backoff.persist(look_up, _TRIES, self._wait)


def _sort(answer: Lookup, asked: list[int], page: Page) -> None:
    page.asked += asked
    for tweet in answer.tweets:
        newest = (tweet.get("edit_history_tweet_ids") or [tweet["id"]])[-1]
        if newest != tweet["id"]:
            page.gone[int(tweet["id"])] = "edited"
        elif int(tweet["id"]) in asked:
            page.there += 1
    for error in answer.errors:
        reason = gone(error)
        if reason and str(error["resource_id"]).isdigit() and int(error["resource_id"]) in asked:
            page.gone[int(error["resource_id"])] = reason
