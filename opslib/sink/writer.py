"""The side of the sink that talks to MongoDB and to the dead-letter topic, in a thread of its own."""

from __future__ import annotations

import logging
import threading
import time
from functools import partial
from typing import TYPE_CHECKING, TypeVar

import pymongo

from opslib.metrics import Sink as Figures
from opslib.run.failures import said
from opslib.run.retry import persist
from opslib.run.threads import Pulse
from opslib.store import rollups
from opslib.store.collections import ROLLUP_MARKS, TRENDS, TWEETS
from opslib.store.unwanted import Notes
from opslib.store.write import Outcome, safely, write_once, write_tweets

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from pymongo.database import Database

    from opslib.sink.batch import Batch, DeadLetter
    from opslib.store.documents import Document

Result = TypeVar("Result")
_LOG = logging.getLogger(__name__)
# One attempt at a batch, everything in it; then it counts as failed and is tried again. What it wrote
# stays, so a slow server makes progress with each.
ATTEMPT_SECONDS = 10
STUCK_SECONDS = 180  # beyond what an attempt at dead letters waits for the broker
REMARK_SECONDS = 5
_TARGETS = {"MongoDB": "mongodb", "the dead-letter topic": "dead_letters"}  # as metrics label them


class Writer:
    """Writes batches, each as often as it takes."""

    def __init__(
        self,
        database: Database[Document],
        send_dead: Callable[[list[DeadLetter]], None],
        figures: Figures | None = None,
    ) -> None:
        self._figures = figures or Figures()
        self._tweets = safely(database[TWEETS.name])
        self._trends = safely(database[TRENDS.name])
        self._marks = safely(database[ROLLUP_MARKS.name])
        self._marked: dict[datetime, float] = {}  # minutes with when they were last marked
        self._notes = Notes(database)
        self._send_dead = send_dead
        self._abandon = threading.Event()
        self.pulse = Pulse("writer", STUCK_SECONDS)
        self.away_since: float | None = None
        self.trouble = ""

    def abandon(self) -> None:
        """Stop trying; what is not written by now stays in Kafka."""
        self._abandon.set()

    def write(self, batch: Batch) -> Outcome:
        """Write *batch* and return once a majority of MongoDB has it and the broker its dead letters.

        A fault that passes is waited for; settings that are wrong raise
        :class:`opslib.settings.SettingsError`, a pause after :meth:`abandon`
        :class:`opslib.run.retry.Stopped`.
        """
        with self._figures.batch_seconds.time():
            outcome = self._persist("MongoDB", lambda: self._store(batch))
            if batch.dead:
                self._persist("the dead-letter topic", lambda: self._send_dead(batch.dead))
        return outcome

    def _store(self, batch: Batch) -> Outcome:
        total = Outcome()
        # The whole attempt is bounded, so a server that answers nothing is noticed.
        with pymongo.timeout(ATTEMPT_SECONDS):
            if batch.tweets.by_id:
                # In each attempt anew: whoever forgets waits for no longer than one.
                batch.leave_out(self._notes.unwanted(batch.tweets.by_id))
            if batch.tweets.by_id:
                outcome = write_tweets(self._tweets, batch.tweets.by_id, self._mark)
                batch.refuse(batch.tweets, outcome.refused)
                total.add(outcome)
            if batch.trends.by_id:
                outcome = write_once(self._trends, batch.trends.by_id)
                batch.refuse(batch.trends, outcome.refused)
                total.add(outcome)
        return total

    def _mark(self, moments: set[datetime]) -> None:
        """Mark the minutes of *moments*, but not those marked just before: a mark costs as long as a write.

        A write ends within ATTEMPT_SECONDS of its turn, so within REMARK_SECONDS and these of its mark, which
        is well below what a mark is kept for (``rollups.SETTLE``).
        """
        began = time.monotonic()
        self._marked = {at: then for at, then in self._marked.items() if began - then < REMARK_SECONDS}
        new = {rollups.floor(moment, "minute") for moment in moments} - self._marked.keys()
        rollups.mark(self._marks, new)
        self._marked.update(dict.fromkeys(new, began))

    def _persist(self, what: str, attempt: Callable[[], Result]) -> Result:
        def alive() -> Result:
            self.pulse.well()
            return attempt()

        try:
            result = persist(alive, self._abandon, partial(self._note_trouble, what))
        finally:
            self.pulse.idle()
        self._note_recovery(what)
        return result

    def _note_trouble(self, what: str, error: BaseException) -> None:
        self.away_since = self.away_since or time.monotonic()
        self.trouble = f"waiting for {what}: {said(error)}"
        self._figures.failed_attempts.labels(_TARGETS[what]).inc()
        self._figures.waiting.labels(_TARGETS[what]).set(1)
        _LOG.warning("%s", self.trouble)

    def _note_recovery(self, what: str) -> None:
        if self.away_since is not None:
            _LOG.info("%s is back after %.0f s", what, time.monotonic() - self.away_since)
            self._figures.waiting.labels(_TARGETS[what]).set(0)
        self.away_since, self.trouble = None, ""
