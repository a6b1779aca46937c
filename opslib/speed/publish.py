"""The speed layer's side of MongoDB: windows go into ``trending``, and what is unwanted comes back."""

from __future__ import annotations

import logging
from array import array
from bisect import bisect_left
from collections.abc import Collection
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pymongo
from pymongo import ReplaceOne
from pymongo.errors import PyMongoError

from opslib import message
from opslib.run.failures import check_settings, said
from opslib.speed.sightings import STEP
from opslib.store.collections import TRENDING
from opslib.store.unwanted import Notes, Policy
from opslib.store.write import safely

if TYPE_CHECKING:
    from collections.abc import Iterator

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
        "_id": f"{window.place}:{window.minutes}:{message.stamp(ends_at)}",
        "woeid": window.place,
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


class Watch:
    """Keeps in memory who is unwanted: windows are made of more tweets than MongoDB can be asked about."""

    def __init__(self, database: Database[Document]) -> None:
        self._notes = Notes(database)
        self._tweets = _Ids()
        self._authors: set[str] = set()
        self._names: set[str] = set()
        self.policy = Policy(self._tweets, self._authors, self._names)
        self._looked: datetime | None = None

    def look(self) -> Policy:
        """Return the policy as far as it was noted since the last look.

        A look that fails is made good by the next one; settings that are wrong raise
        :class:`opslib.settings.SettingsError`.
        """
        now = datetime.now(timezone.utc)
        try:
            with pymongo.timeout(_ATTEMPT_SECONDS):
                found = self._notes.since(self._looked and self._looked - _AGAIN)
        except PyMongoError as error:
            check_settings(error)
            _LOG.warning("not known who is to be forgotten: %s", said(error))
            return Policy()
        self._looked = now
        news = Policy(
            {tweet for tweet in found.tweets if tweet not in self._tweets},
            {author for author in found.authors if author not in self._authors},
            {name for name in found.names if name not in self._names},
        )
        self._tweets.add(news.tweets)
        self._authors.update(news.authors)
        self._names.update(news.names)
        return news


class _Ids(Collection[int]):
    """Ids in order, eight bytes each: all that were ever noted matter, for any may be retweeted again."""

    def __init__(self) -> None:
        self._ids = array("q")

    def add(self, more: Collection[int]) -> None:
        self._ids = array("q", sorted((*self._ids, *more))) if more else self._ids

    def __contains__(self, tweet: object) -> bool:
        if not isinstance(tweet, int):
            return False
        at = bisect_left(self._ids, tweet)
        return at < len(self._ids) and self._ids[at] == tweet

    def __iter__(self) -> Iterator[int]:
        return iter(self._ids)

    def __len__(self) -> int:
        return len(self._ids)
