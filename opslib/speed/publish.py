"""The speed layer's side of MongoDB: windows go into ``trending``, and what is to be forgotten comes back."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pymongo
from pymongo import ReplaceOne
from pymongo.errors import PyMongoError

from opslib import message
from opslib.run.failures import check_settings, said
from opslib.speed.sightings import STEP
from opslib.store.collections import FORGOTTEN, FORGOTTEN_AUTHORS, TRENDING
from opslib.store.write import safely

if TYPE_CHECKING:
    from collections.abc import Container

    from pymongo.database import Database

    from opslib.metrics import Speed
    from opslib.speed.windows import Window

    Document = dict[str, Any]

_LOG = logging.getLogger(__name__)
_ATTEMPT_SECONDS = 10
_AGAIN = timedelta(minutes=5)  # what was noted just before the last look may have become visible since


def document(window: Window, computed_at: datetime) -> Document:
    """Return *window* as ``trending`` has it."""
    ends_at = datetime.fromtimestamp(window.ends * STEP, timezone.utc)
    return {
        "_id": f"{window.minutes}:{message.stamp(ends_at)}",
        "minutes": window.minutes,
        "ends_at": ends_at,
        "computed_at": computed_at,
        "tweets": window.tweets,
        "authors": window.authors,
        "items": [dict(vars(item)) for item in window.items],
    }


class Trending:
    """Writes windows; says whether they were taken, and never waits long for it."""

    def __init__(self, database: Database[Document], metrics: Speed) -> None:
        self._trending = safely(database[TRENDING.name])
        self._metrics = metrics
        self._away = False

    def write(self, windows: list[Window]) -> bool:
        """Write *windows*, each in the place of what it was before; return whether MongoDB has them all.

        Settings that are wrong raise :class:`SettingsError`.
        """
        if not windows:
            return True
        now = datetime.now(timezone.utc)
        documents = [document(window, now) for window in windows]
        try:
            with pymongo.timeout(_ATTEMPT_SECONDS):
                self._trending.bulk_write(
                    [ReplaceOne({"_id": made["_id"]}, made, upsert=True) for made in documents],
                    ordered=False,
                )
        except PyMongoError as error:
            check_settings(error)
            _LOG.warning("%d windows wait for MongoDB: %s", len(windows), said(error))
            self._away = True
            return False
        if self._away:
            _LOG.info("MongoDB takes windows again")
            self._away = False
        for window in windows:
            self._metrics.windows.labels(str(window.minutes)).inc()
            self._metrics.newest_window.labels(str(window.minutes)).set(window.ends * STEP)
        return True


class Forgotten:
    """Who is to be forgotten, as ``forgotten`` and ``forgotten_authors`` have it."""

    def __init__(self, database: Database[Document], memory: timedelta) -> None:
        self._collections = (database[FORGOTTEN.name], database[FORGOTTEN_AUTHORS.name])
        self._memory = memory  # a tweet written longer ago than this is in no window
        self._tweets: dict[int, datetime] = {}
        self.authors: set[str] = set()
        self._looked: datetime | None = None

    @property
    def tweets(self) -> Container[int]:
        """The ids of tweets that may not be counted."""
        return self._tweets

    def look(self) -> tuple[list[int], set[str]]:
        """Return the tweets and authors that were noted since the last look.

        A look that fails is made good by the next one; settings that are wrong raise :class:`SettingsError`.
        """
        now = datetime.now(timezone.utc)
        since = now - self._memory if self._looked is None else self._looked - _AGAIN
        # Tweets are forgotten after they were written. Authors write on, so all of them matter.
        noted = {"at": {"$gte": since}}
        try:
            with pymongo.timeout(_ATTEMPT_SECONDS):
                tweets = {found["_id"]: found["at"] for found in self._collections[0].find(noted)}
                some = {} if self._looked is None else noted
                authors = {found["_id"] for found in self._collections[1].find(some, {"_id": 1})}
        except PyMongoError as error:
            check_settings(error)
            _LOG.warning("not known who is to be forgotten: %s", said(error))
            return [], set()
        news = [tweet for tweet in tweets if tweet not in self._tweets], authors - self.authors
        self._looked = now
        self.authors |= authors
        self._tweets = {id_: at for id_, at in {**self._tweets, **tweets}.items() if at >= now - self._memory}
        return news
