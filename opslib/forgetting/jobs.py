"""Stored tweets held against X by batch compliance: many thousands a job, and nothing is charged.

A job outlives a run: which one is under way, and for which tweets, is kept in MongoDB beside how far the
recheck has come. A run that is killed is gone on with by the next one, wherever it stood: a job without ids
gets them, one that X is at work on is waited for, and the results of one that is done are taken.
"""

from __future__ import annotations

import time
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from bson.int64 import Int64

from opslib.forgetting.recheck import Page
from opslib.store.collections import RECHECKS, TWEETS
from opslib.store.write import safely
from opslib.x.client import RateLimited, Refused
from opslib.x.compliance import COMPLETE, CREATED, IN_PROGRESS

if TYPE_CHECKING:
    from collections.abc import Callable

    from pymongo.database import Database

    from opslib.store.documents import Document
    from opslib.x.backoff import Backoff
    from opslib.x.compliance import Compliance, Job

_T = TypeVar("_T")
_JOB = "job"
_NO_GEO = "scrub_geo"
_CONFLICT = 409
_TRIES = 5
# How long a run waits for X, and how often it looks: X allows 150 calls in 15 minutes.
_PATIENCE_SECONDS = 20 * 60.0
_FIRST_LOOK, _LAST_LOOK = 1.0, 30.0


class Jobs:
    """Asks X about posts by jobs of batch compliance."""

    size = 50_000

    def __init__(
        self,
        database: Database[Document],
        compliance: Compliance,
        backoff: Backoff,
        wait: Callable[[float], Any],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._tweets = safely(database[TWEETS.name])
        self._rechecks = safely(database[RECHECKS.name])
        self._compliance = compliance
        self._backoff = backoff
        self._wait = wait
        self._clock = clock
        self.made = 0  # jobs

    def unfinished(self) -> tuple[int, int] | None:
        """Return the first and the last id of the job that an earlier run has begun, if there is one."""
        known = self._rechecks.find_one({"_id": _JOB})
        return (known["first"], known["last"]) if known and known.get("job") else None

    def page(self, ids: list[int]) -> Page:
        """Return what X says about *ids*.

        Raises what :class:`~opslib.x.client.XClient` raises: :class:`~opslib.x.client.Refused` with 403 where
        the token may not.
        """
        page = Page()
        if not ids:
            self._note(None, ids)
            return page
        try:
            job = self._finished(ids)
        except RateLimited as error:
            page.stopped = str(error)
            return page
        if job is None:
            page.stopped = "X is still at work on a compliance job"
            return page
        results = self._tried(lambda: self._compliance.results(job))
        page.asked = ids
        page.gone = self._gone(ids, results)
        page.there = len(ids) - len(page.gone)
        self._note(None, ids)
        return page

    def _finished(self, ids: list[int]) -> Job | None:
        """Return the job about *ids* once X is through with it; ``None`` if it takes too long."""
        deadline = self._clock() + _PATIENCE_SECONDS
        look = _FIRST_LOOK
        job = self._begun(ids)
        while job is None or job.status != COMPLETE:
            if job is not None and job.status not in (CREATED, IN_PROGRESS):
                self._note(None, ids)  # it failed, or expired before it had its ids
                job = self._begun(ids)
                continue
            if self._clock() > deadline:
                return None
            self._wait(look)
            look = min(_LAST_LOOK, 2 * look)
            job = self._begun(ids) if job is None else self._tried(partial(self._compliance.get, job.id))
        return job

    def _begun(self, ids: list[int]) -> Job | None:
        """Return the job about *ids*, which has them by now; ``None`` while X runs one of somebody else."""
        known = self._rechecks.find_one({"_id": _JOB})
        job = self._known(known["job"]) if known and known.get("job") else None
        if job is None:
            job = self._new(f"trendlake recheck {ids[0]}-{ids[-1]}"[:64])
            if job is None:
                return None
            self._note(job, ids)
        if job.status == CREATED:
            begun = job
            self._tried(lambda: self._compliance.upload(begun, ids))
            job = replace(begun, status=IN_PROGRESS)
        return job

    def _known(self, job_id: str) -> Job | None:
        try:
            return self._tried(lambda: self._compliance.get(job_id))
        except Refused as refused:
            if refused.status in (400, 404):
                return None  # X does not keep them for ever
            raise

    def _new(self, name: str) -> Job | None:
        """Make a job; where one waits for ids that a killed run has made, take that."""
        try:
            job = self._tried(lambda: self._compliance.create(name))
        except Refused as refused:
            if refused.status != _CONFLICT:
                raise
            waiting = self._tried(self._compliance.under_way)
            return waiting if waiting is not None and waiting.status == CREATED else None
        self.made += 1
        return job

    def _note(self, job: Job | None, ids: list[int]) -> None:
        """Keep which job is under way, and for which tweets."""
        told: Document = {"job": None}
        if job is not None:
            told = {"job": job.id, "first": Int64(ids[0]), "last": Int64(ids[-1])}
        self._rechecks.update_one({"_id": _JOB}, {"$set": told}, upsert=True)

    def _gone(self, ids: list[int], results: dict[int, str]) -> dict[int, str]:
        """Return those of *ids* that are to be forgotten; who took back a place wants it nowhere."""
        found = {tweet_id: results[tweet_id] for tweet_id in ids if tweet_id in results}
        scrubbed = [Int64(tweet_id) for tweet_id, reason in found.items() if reason == _NO_GEO]
        if scrubbed:
            some = {"_id": {"$in": scrubbed}, "geo": {"$exists": True}}
            placed = {tweet["_id"] for tweet in self._tweets.find(some, {"_id": 1})}
            found = {t: reason for t, reason in found.items() if reason != _NO_GEO or t in placed}
        return found

    def _tried(self, ask: Callable[[], _T]) -> _T:
        return self._backoff.persist(ask, _TRIES, self._wait)
