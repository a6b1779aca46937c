"""The metrics of every service of Trendlake, named in this one place, and served for Prometheus on loopback.

A service makes the group of its metrics on a registry that it is handed or makes itself, so importing this
module registers nothing, and two services in one process do not mix::

    registry = CollectorRegistry()
    metrics = Speed(registry)
    server = serve(registry, settings.speed.metrics_port, "speed.metrics_port")
    metrics.messages.inc()

All names start with ``trendlake_`` and the name of the service, as
https://prometheus.io/docs/practices/naming/ has it: base units, moments as Unix time, totals as counters.
Series that belong to a Kafka partition end with the partition (:meth:`Group.drop`): whoever reads it next
tells about it, and the one before must not go on showing its last figure.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import prometheus_client
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from opslib import __version__
from opslib.settings import SettingsError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

LOOPBACK = "127.0.0.1"
Metric = TypeVar("Metric", Counter, Gauge, Histogram)
_PARTITION = ("topic", "partition")
_BATCH_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_REQUEST_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)


@dataclass(frozen=True)
class Described:
    """One metric as the documentation lists it; counters with the ``_total`` that Prometheus shows."""

    name: str
    kind: str
    labels: tuple[str, ...]
    help: str


class Group:
    """The metrics of one service."""

    service: str

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        self._registry = registry or CollectorRegistry()
        self._of_partition: list[Gauge] = []
        self.described: list[Described] = []
        self._gauge("build_info", "Always 1; the label has the version of opslib.", ["version"]).labels(
            __version__
        ).set(1)

    def drop(self, partitions: Iterable[tuple[str, int]]) -> None:
        """End the series of Kafka partitions, given by topic and number, that are another's to read now."""
        for topic, partition in partitions:
            for metric in self._of_partition:
                metric.remove(topic, partition)

    def _counter(self, name: str, text: str, labels: Sequence[str] = ()) -> Counter:
        return self._made(Counter, name, text, labels)

    def _gauge(self, name: str, text: str, labels: Sequence[str] = ()) -> Gauge:
        return self._made(Gauge, name, text, labels)

    def _partition_gauge(self, name: str, text: str) -> Gauge:
        gauge = self._gauge(name, text, _PARTITION)
        self._of_partition.append(gauge)
        return gauge

    def _histogram(
        self, name: str, text: str, buckets: Sequence[float], labels: Sequence[str] = ()
    ) -> Histogram:
        return self._made(Histogram, name, text, labels, buckets=buckets)

    def _made(
        self, kind: type[Metric], name: str, text: str, labels: Sequence[str], **options: Any
    ) -> Metric:
        full = f"trendlake_{self.service}_{name}"
        self.described.append(Described(full, kind.__name__.lower(), tuple(labels), text))
        return kind(full, text, labels, registry=self._registry, **options)


class Sink(Group):
    """What the storage layer does."""

    service = "sink"

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        super().__init__(registry)
        self.messages = self._counter("messages_total", "Messages read, and written or put aside.")
        self.documents = self._counter(
            "documents_total",
            "Documents by what became of them in MongoDB: inserted, updated, unchanged.",
            ["outcome"],
        )
        self.dead_letters = self._counter("dead_letters_total", "Messages sent to the dead-letter topic.")
        self.forgotten = self._counter(
            "forgotten_total", "Messages left out because their tweet or author is to be forgotten."
        )
        self.batch_seconds = self._histogram(
            "batch_seconds", "From having a batch in hand to a majority having it.", _BATCH_SECONDS
        )
        self.failed_attempts = self._counter(
            "failed_attempts_total", "Attempts that failed and were made again, by target.", ["target"]
        )
        self.waiting = self._gauge(
            "waiting", "1 while the target is away and what is in hand waits for it, else 0.", ["target"]
        )
        self.lag = self._partition_gauge(
            "lag_messages", "Messages of the partition that are not written yet, as of the last fetch."
        )
        for outcome in ("inserted", "updated", "unchanged"):
            self.documents.labels(outcome)
        for target in ("mongodb", "dead_letters"):
            self.failed_attempts.labels(target)
            self.waiting.labels(target)


class Speed(Group):
    """What the speed layer does."""

    service = "speed"

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        super().__init__(registry)
        self.messages = self._counter("messages_total", "Messages read.")
        self.late = self._counter(
            "late_total", "Messages left out because they came later than the lateness."
        )
        self.repeated = self._counter("repeated_total", "Messages left out because they were counted before.")
        self.unreadable = self._counter("unreadable_total", "Messages that cannot be read as a tweet.")
        self.forgotten = self._counter(
            "forgotten_total", "Messages left out because their tweet or author is to be forgotten."
        )
        self.windows = self._counter(
            "windows_total", "Windows written, the revised ones too, by length in minutes.", ["minutes"]
        )
        self.newest_window = self._gauge(
            "newest_window_timestamp_seconds", "When the newest window written ends.", ["minutes"]
        )
        self.window_seconds = self._histogram(
            "window_seconds", "What it took to count and write the windows of one step.", _BATCH_SECONDS
        )
        self.state_bytes = self._gauge("state_bytes", "Size of the durable state on disk.")
        self.state_entries = self._gauge("state_entries", "Names that are being counted.")
        self.lag = self._partition_gauge(
            "lag_messages", "Messages of the partition that are not counted yet."
        )


class Stats(Group):
    """The figures that the recorder keeps, those of its newest minute as gauges, and how MongoDB is."""

    service = "stats"

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        super().__init__(registry)
        self.tweets = self._counter("tweets_total", "Tweets in the minutes that were recorded.")
        self.dead_letters = self._counter(
            "dead_letters_total", "Dead letters in the minutes that were recorded."
        )
        self.minute_tweets = self._gauge("minute_tweets", "Tweets of the newest minute recorded.")
        self.newest_minute = self._gauge(
            "newest_minute_timestamp_seconds", "When the newest minute recorded begins."
        )
        self.delay = self._gauge(
            "delay_seconds",
            "Delay in the newest minute, by quantile: collected is from written on X until collected, stored "
            "from collected until in MongoDB.",
            ["stage", "quantile"],
        )
        self.group_lag = self._gauge(
            "group_lag_messages",
            "Messages that wait for a consumer group, by group and topic.",
            ["group", "topic"],
        )
        self.budget_usd = self._gauge(
            "budget_usd", "What collecting has cost today or may still cost: spent, left.", ["figure"]
        )
        self.budget_resources = self._gauge(
            "budget_resources",
            "Posts, trends and the like collected today or still allowed: spent, left.",
            ["figure"],
        )
        self.mongodb_up = self._gauge(
            "mongodb_up", "1 if the member of MongoDB's set answered at the last look, else 0.", ["member"]
        )
        self.mongodb = self._gauge(
            "mongodb_status",
            "Figures of the member's serverStatus, by their path in it.",
            ["member", "figure"],
        )

    def tell_budget(self, spent: Mapping[str, float], left: Mapping[str, float]) -> None:
        """Show what was *spent* today and may still be, by unit; what nothing limits is no number."""
        for unit, gauge in (("usd", self.budget_usd), ("resources", self.budget_resources)):
            for figure, amounts in (("spent", spent), ("left", left)):
                gauge.labels(figure).set(amounts.get(unit, math.nan))


class Search(Group):
    """What the reader of the search index does."""

    service = "search"

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        super().__init__(registry)
        self.messages = self._counter("messages_total", "Messages read.")
        self.unreadable = self._counter("unreadable_total", "Messages that cannot be read as a tweet.")
        self.forgotten = self._counter(
            "forgotten_total", "Messages left out because their tweet or author is to be forgotten."
        )
        self.tweets = self._counter(
            "tweets_total",
            "Tweets by what became of them in the index: new, changed, unchanged.",
            ["outcome"],
        )
        self.dropped = self._counter("dropped_total", "Tweets taken out because they are to be forgotten.")
        self.batch_seconds = self._histogram(
            "batch_seconds", "What it took to write what one poll brought.", _BATCH_SECONDS
        )
        self.failed_attempts = self._counter(
            "failed_attempts_total", "Attempts at MongoDB or Kafka that failed and were made again."
        )
        self.making = self._gauge("making", "1 while a new index is made of what MongoDB holds, else 0.")
        self.made = self._counter("made_total", "Tweets taken out of MongoDB for a new index.")
        self.bytes = self._gauge("index_bytes", "Size of the index on disk.")
        self.lag = self._partition_gauge(
            "lag_messages", "Messages of the partition that the index does not have yet."
        )
        for outcome in ("new", "changed", "unchanged"):
            self.tweets.labels(outcome)


class Web(Group):
    """What the page is asked for."""

    service = "web"

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        super().__init__(registry)
        self.requests = self._counter(
            "requests_total",
            "Requests answered; the route is the pattern, not the path, which anybody can make up.",
            ["route", "method", "status"],
        )
        self.request_seconds = self._histogram(
            "request_seconds",
            "From a request's head to its answer's end.",
            _REQUEST_SECONDS,
            ["route", "method"],
        )
        self.logins = self._counter(
            "logins_total", "Logins by outcome: accepted, refused, limited.", ["outcome"]
        )


class Backup(Group):
    """What is known of the last backups; in a file, for whoever makes them does not go on running."""

    service = "backup"

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        super().__init__(registry)
        self.success = self._gauge(
            "last_success_timestamp_seconds", "When the newest whole backup of this host ended."
        )
        self.failed = self._gauge("last_failed", "1 if the last backup failed, else 0.")
        self.seconds = self._gauge("last_duration_seconds", "How long the newest whole one took.")
        self.bytes = self._gauge("last_read_bytes", "What the newest whole one read, by part.", ["part"])
        self.added = self._gauge("last_added_bytes", "What it added to the repository, by part.", ["part"])
        self.repository = self._gauge("repository_bytes", "What all backups take together.")
        self.verified = self._gauge(
            "last_verified_timestamp_seconds", "When a backup last came back whole into a MongoDB of its own."
        )
        self.verify_failed = self._gauge(
            "last_verification_failed", "1 if the last verification failed, else 0."
        )


class Doctor(Group):
    """What ``opslib doctor`` found, as the node exporter tells it (``--metrics``)."""

    service = "doctor"

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        super().__init__(registry)
        self.failed = self._gauge(
            "failed",
            "Failures that the check found and that follow from no other's; none of one that was skipped.",
            ["check"],
        )
        self.looked = self._gauge("looked_timestamp_seconds", "When it had looked at everything.")

    def write(self, path: Path) -> None:
        """Write all of it to *path* for the node exporter, the old file or the new one at any moment."""
        prometheus_client.write_to_textfile(str(path), self._registry)


class Wishes(Group):
    """What the page asked for about what is followed, and what became of it."""

    service = "wishes"

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        super().__init__(registry)
        self.answered = self._counter(
            "answered_total",
            "Wishes by what they are about (list, estimate, add, pause, resume, remove) and what became of "
            "them: done, or why they were refused (role, limit, stale, input, away).",
            ["what", "outcome"],
        )


ALL: tuple[type[Group], ...] = (Sink, Speed, Stats, Search, Web, Wishes, Backup, Doctor)


def reference() -> Iterator[tuple[str, Described]]:
    """Yield every metric with the name of its service, for the documentation."""
    for group in ALL:
        for described in group().described:
            yield group.service, described


class Server:
    """An endpoint that is being served."""

    def __init__(self, server: Any, thread: Any) -> None:
        self._server = server
        self._thread = thread
        self.port: int = server.server_port

    def close(self) -> None:
        """Serve no longer, and free the port."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def serve(registry: CollectorRegistry, port: int | None, setting: str) -> Server | None:
    """Serve *registry* at ``http://127.0.0.1:<port>/metrics`` from a thread of its own.

    Without a port nothing is served and ``None`` returned. A port that cannot be had raises
    :class:`SettingsError`, which names the *setting* it came from.
    """
    if port is None:
        return None
    # When a counter was made says nothing that its reset does not, and doubles the series.
    prometheus_client.disable_created_metrics()  # type: ignore[no-untyped-call,unused-ignore]
    try:
        return Server(*prometheus_client.start_http_server(port, addr=LOOPBACK, registry=registry))
    except (OSError, OverflowError) as error:
        raise SettingsError(f"{setting}: metrics cannot be served on {LOOPBACK}:{port}: {error}") from error


def sink_port(base: int | None, instance: str | None) -> int | None:
    """Return the port of the sink *instance*: its number added to *base*, so that several fit on a host."""
    number = instance or ""
    return base + int(number) if base is not None and number.isascii() and number.isdigit() else base
