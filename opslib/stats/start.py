"""Putting the recorder together."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Any

from kafka import KafkaConsumer  # type: ignore[import-untyped]
from kafka.errors import KafkaConfigurationError, UnknownTopicOrPartitionError  # type: ignore[import-untyped]
from prometheus_client import CollectorRegistry

from opslib import message, metrics
from opslib.run import endpoints
from opslib.run.daemon import check_handshakes, on_signal, wait_for
from opslib.run.failures import wrong_settings
from opslib.run.notify import notify
from opslib.settings import SettingsError
from opslib.stats.observer import Observer
from opslib.stats.recorder import Recorder
from opslib.stats.series import Series
from opslib.stats.stored import Stored

if TYPE_CHECKING:
    from opslib.settings import Settings

_LOG = logging.getLogger(__name__)
TOPICS = (message.TWEETS, message.TRENDS, message.DEAD_LETTERS)
_MILLISECONDS = 5_000
_BOOTSTRAP_MILLISECONDS = 10_000


def run(settings: Settings) -> None:
    """Run the recorder until SIGTERM or SIGINT."""
    stop = threading.Event()
    on_signal(stop.set)
    registry = CollectorRegistry()
    figures = metrics.Stats(registry)
    server = metrics.serve(registry, settings.stats.metrics_port, "stats.metrics_port")
    client = settings.mongodb.client(appname="opslib-stats", serverSelectionTimeoutMS=_MILLISECONDS)
    try:
        series = Series(client[settings.mongodb.database])
        wait_for("MongoDB", stop, lambda: _try_mongodb(settings, series))
        consumer = wait_for("Kafka", stop, lambda: _try_kafka(settings))
        topics = wait_for("the topics", stop, lambda: _try_topics(consumer))
        if topics is None:
            return
        _record(settings, consumer, topics, series, figures, stop)
    finally:
        client.close()
        if server is not None:
            server.close()


def _record(
    settings: Settings,
    consumer: Any,
    topics: dict[str, int],
    series: Series,
    figures: metrics.Stats,
    stop: threading.Event,
) -> None:
    stored = Stored()
    observer = Observer(settings, topics, stored, figures)
    recorder = Recorder(
        consumer, series, observer, stored, figures, topics=TOPICS, grace_seconds=settings.stats.grace_seconds
    )
    on_signal(recorder.stop)
    if stop.is_set():
        recorder.stop()
    observer.start()
    notify(READY="1", STATUS="recording")
    try:
        recorder.run()
    finally:
        observer.stop()
    _LOG.info("stopped")


def _try_mongodb(settings: Settings, series: Series) -> None:
    from pymongo.errors import PyMongoError

    if "tls=true" in settings.mongodb.uri.lower():
        check_handshakes("MongoDB", endpoints.mongodb(settings))
    try:
        series.newest()
    except PyMongoError as error:
        reason = wrong_settings(error, starting=True)
        if reason:
            raise SettingsError(reason) from error
        raise


def _try_kafka(settings: Settings) -> KafkaConsumer:
    if settings.kafka.security_protocol == "SSL":
        check_handshakes("Kafka", endpoints.kafka(settings))
    try:
        return KafkaConsumer(
            **settings.kafka.client_options(),
            client_id="opslib-stats",
            group_id=settings.stats.group_id,
            bootstrap_timeout_ms=_BOOTSTRAP_MILLISECONDS,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            allow_auto_create_topics=False,
            metrics_enabled=False,
            reconnect_backoff_max_ms=5_000,
        )
    except (KafkaConfigurationError, ValueError) as error:
        raise SettingsError(f"the Kafka settings are wrong: {error}") from error


def _try_topics(consumer: KafkaConsumer) -> dict[str, int]:
    """Return the topics with the number of their partitions; raise if one is missing."""
    found = {topic: len(consumer.partitions_for_topic(topic) or ()) for topic in TOPICS}
    missing = [topic for topic, partitions in found.items() if not partitions]
    if missing:
        raise UnknownTopicOrPartitionError(f"Kafka has no topic {' and no '.join(missing)}")
    return found
