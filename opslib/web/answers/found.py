"""What a search finds, asked once for the page and for programs: the index says which, MongoDB what they say.

What has been forgotten this moment is not shown, whatever the index still says, nor is what is hidden.
"""

from __future__ import annotations

import logging
import sqlite3
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from fastapi import HTTPException

from opslib.search import find
from opslib.search.told import Told
from opslib.store.collections import TWEETS
from opslib.store.texts import text_of
from opslib.web.answers import said
from opslib.web.asked import lake_of
from opslib.words import merged

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime
    from pathlib import Path

    from starlette.requests import Request

    from opslib.search.query import Query
    from opslib.store.reads import Document, Lake
    from opslib.words import Merged

_LOG = logging.getLogger(__name__)
Order = Literal["newest", "reach"]
_SPANS = 60
_BESIDE = 12
# Of so many of the newest the words are counted: putting those of more together takes longer than a page may.
_SAID = 500


class Away(Told):
    """The index does not answer; the text says why."""


@dataclass(frozen=True)
class Found:
    """What a query finds: how many, some of them, when they were written, and what the newest have."""

    count: int
    tweets: list[Document]  # of this page, those that are shown
    hidden: int  # of this page, those that are not
    following: str | None  # where the next page begins
    course: list[tuple[datetime, datetime, int]]
    of: int  # so many of the newest were looked at for what they have
    languages: list[tuple[str, int]]
    authors: list[tuple[str, int]]
    hashtags: list[tuple[str, int]]
    words_of: int  # and so many of these for what they say
    words: Merged


def found(request: Request, asked: Query, order: Order, after: str | None, limit: int) -> Found:
    """Return what *asked* finds, *limit* of them from *after* on; raise :class:`Away` without an index."""
    lake = lake_of(request)
    try:
        with _index(request.app.state.search) as answers:
            listed = _page(answers, asked, order, after, limit)
            course = answers.course(asked, _SPANS)
            # Some of them may be hidden.
            most = _BESIDE + len(lake.hidden.authors) + len(lake.hidden.words)
            beside = answers.beside(asked, most=most)
    except find.NoIndexError as error:
        raise Away(error.message, **error.values) from error
    except sqlite3.Error as error:
        _LOG.warning("the search index did not answer %s: %s", request.url.path, error)
        raise Away("the search index does not answer; it is being made anew if it is damaged") from error
    shown = said.tweets_of(lake, listed.ids)
    return Found(
        # The spans have each of them once, and to count them by themselves is a second look at all.
        count=sum(number for _, _, number in course),
        tweets=[shown.documents[key] for key in listed.ids if key in shown.documents],
        hidden=shown.hidden,
        following=listed.following,
        course=course,
        of=len(beside.ids),
        languages=beside.languages[:_BESIDE],
        authors=[one for one in beside.authors if not lake.hidden.author(one[0], one[0])][:_BESIDE],
        hashtags=[one for one in beside.hashtags if not lake.hidden.holds(one[0])][:_BESIDE],
        words_of=len(beside.ids[:_SAID]),
        words=_words(lake, beside.ids[:_SAID]),
    )


@contextmanager
def _index(directory: Path | None) -> Iterator[find.Answers]:
    if directory is None:
        raise find.NoIndexError("this page has no search index")
    with find.opened(directory) as answers:
        yield answers


def _page(answers: find.Answers, asked: Query, order: Order, after: str | None, limit: int) -> find.Page:
    try:
        return answers.page(asked, order, after, limit)
    except ValueError as error:
        raise HTTPException(404, str(error)) from error


def _words(lake: Lake, ids: list[int]) -> Merged:
    """Return how many of the texts of some tweets hold each word; what is retweeted counts once."""
    texts: dict[int, list[str]] = {}
    fields: dict[str, Any] = {"words": 1, "retweet_of": 1}
    with said.within(lake):
        for tweet in lake.database[TWEETS.name].find({"_id": {"$in": ids}}, fields):
            texts.setdefault(text_of(tweet), tweet["words"])
    return merged(Counter(entry for words in texts.values() for entry in words))
