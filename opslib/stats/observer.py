"""What is asked of the servers beside reading: how far groups are, and how MongoDB is."""

from __future__ import annotations

import logging
import threading
import time
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from kafka.errors import KafkaError  # type: ignore[import-untyped]
from pymongo.errors import PyMongoError

from opslib.kafka_client import KafkaAdminClient
from opslib.run.failures import said
from opslib.run.lag import bounds, committed, partition_counts, waiting
from opslib.run.threads import Supervised

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from opslib.metrics import Stats as Figures
    from opslib.run.lag import Bounds
    from opslib.settings import Settings
    from opslib.stats.stored import Stored

_LOG = logging.getLogger(__name__)
_STORED_SECONDS = 1.0
_LAG_SECONDS = 15.0
_TIMEOUT_MILLISECONDS = 5_000
# One question waits for a connection and for an answer, each in its time; this is well beyond both.
_STUCK_SECONDS = 60
# Of serverStatus: what tells whether a server has enough of what it needs.
_FIGURES = (
    "uptime",
    "connections.current",
    "connections.available",
    "mem.resident",
    "network.bytesIn",
    "network.bytesOut",
    "opcounters.insert",
    "opcounters.query",
    "opcounters.update",
    "opcounters.delete",
    "opcounters.command",
    "globalLock.currentQueue.readers",
    "globalLock.currentQueue.writers",
    "wiredTiger.cache.bytes_currently_in_the_cache",
    "wiredTiger.cache.maximum_bytes_configured",
    "wiredTiger.cache.tracked_dirty_bytes_in_the_cache",
    # When it wrote last, in Unix time: how far a member is behind the primary is the difference of theirs.
    "repl.lastWrite.lastWriteDate",
)


class Observer:
    """Asks in a thread of its own, so that reading never waits for an answer."""

    def __init__(
        self,
        settings: Settings,
        topics: Iterable[str],
        stored: Stored,
        figures: Figures,
        *,
        died: Callable[[], None],
    ) -> None:
        self._settings = settings
        self._names = list(topics)
        self._stored = stored
        self._figures = figures
        self._stop = threading.Event()
        self._admin: Any = None
        self._members: dict[str, Any] = {}
        self._complained: set[str] = set()
        # As of when, how many partitions each topic has: more can be added at any time.
        self.topics: tuple[float, dict[str, int]] | None = None
        self.lag: tuple[float, dict[str, dict[str, int]]] | None = None  # as of when, by group and topic
        self._thread = Supervised("observer", self._run, died=died, stuck_seconds=_STUCK_SECONDS)

    def start(self) -> None:
        """Begin to ask."""
        self._thread.start()

    def check(self) -> None:
        """Raise if the thread that asks is gone or stuck."""
        self._thread.check()

    def stop(self) -> None:
        """Stop asking, and let go of the connections."""
        self._stop.set()
        self._thread.join(10)
        for client in self._members.values():
            client.close()

    @property
    def groups(self) -> tuple[str, ...]:
        """Return the groups whose lag is told, each once."""
        settings = self._settings
        ours = (settings.sink.group_id, settings.speed.group_id, settings.stats.group_id)
        return tuple(dict.fromkeys((*ours, *settings.stats.other_groups)))

    def _run(self) -> None:
        last = 0.0
        while not self._stop.wait(_STORED_SECONDS):
            self._try("the topics' partitions", self._ask_topics, KafkaError)
            if self.topics is None:
                continue
            self._try("the sink's offsets", self._ask_stored, KafkaError)
            if time.monotonic() - last > _LAG_SECONDS:
                last = time.monotonic()
                self._try("lags", self._ask_lags, KafkaError)
                for host in self._settings.mongodb.hosts():
                    self._try(f"MongoDB on {host}", partial(self._ask_mongodb, host), PyMongoError)
        if self._admin is not None:
            self._admin.close()

    def _try(self, what: str, ask: Callable[[], None], passing: type[Exception]) -> None:
        self._thread.well()
        try:
            ask()
        except passing as error:
            # Once: it is asked every second.
            if what not in self._complained:
                _LOG.warning("%s cannot be asked for: %s", what, said(error))
            self._complained.add(what)
        else:
            self._complained.discard(what)

    def _kafka(self) -> Any:
        if self._admin is None:
            self._admin = KafkaAdminClient(
                **self._settings.kafka.client_options(),
                client_id="opslib-stats",
                bootstrap_timeout_ms=_TIMEOUT_MILLISECONDS,
                request_timeout_ms=_TIMEOUT_MILLISECONDS,
            )
        return self._admin

    def _ask_topics(self) -> None:
        asked_at = time.time()
        self.topics = (asked_at, partition_counts(self._kafka(), self._names))

    @property
    def _counts(self) -> dict[str, int]:
        return self.topics[1] if self.topics else {}

    def _ask_stored(self) -> None:
        admin = self._kafka()
        done = committed(admin, self._settings.sink.group_id)
        everything = {(topic, number): 0 for topic, count in self._counts.items() for number in range(count)}
        self._stored.told({**everything, **done}, time.time())

    def _ask_lags(self) -> None:
        found: dict[str, dict[str, int]] = {}
        held = bounds(self._kafka(), self._counts)
        for group in self.groups:
            # One that may not be looked at hides no other.
            self._try(f"the offsets of {group}", partial(self._ask_lag, group, held, found), KafkaError)
        self.lag = (time.time(), found)

    def _ask_lag(self, group: str, held: Bounds, found: dict[str, dict[str, int]]) -> None:
        found[group] = waiting(committed(self._kafka(), group), held)
        for topic, messages in found[group].items():
            self._figures.group_lag.labels(group, topic).set(messages)

    def _ask_mongodb(self, host: str) -> None:
        if host not in self._members:
            self._members[host] = self._settings.mongodb.client(
                host,
                appname="opslib-stats",
                serverSelectionTimeoutMS=_TIMEOUT_MILLISECONDS,
                socketTimeoutMS=_TIMEOUT_MILLISECONDS,  # a member that answers nothing holds up no other
            )
        self._figures.mongodb_up.labels(host).set(0)
        status = self._members[host].admin.command("serverStatus")
        self._figures.mongodb_up.labels(host).set(1)
        for figure in _FIGURES:
            value: Any = status
            for part in figure.split("."):
                value = (
                    value.get(part.replace("_", " "), value.get(part)) if isinstance(value, dict) else None
                )
            if isinstance(value, datetime):
                value = value.timestamp()
            if isinstance(value, (int, float)):
                self._figures.mongodb.labels(host, figure).set(value)
