"""Putting the sink together, and telling a server that is not up yet from settings that are wrong."""

from __future__ import annotations

import gc
import logging
import socket
import threading
from typing import Any

from kafka import KafkaConsumer  # type: ignore[import-untyped]
from kafka.errors import KafkaConfigurationError, UnknownTopicOrPartitionError  # type: ignore[import-untyped]
from prometheus_client import CollectorRegistry
from pymongo.errors import PyMongoError

from opslib import message, metrics
from opslib.run import endpoints
from opslib.run.daemon import check_handshakes, on_signal, wait_for
from opslib.run.failures import wrong_settings
from opslib.run.notify import notify
from opslib.settings import Settings, SettingsError
from opslib.sink.dead_letters import DeadLetters
from opslib.sink.service import Service
from opslib.sink.writer import Writer
from opslib.store.collections import TWEETS

_LOG = logging.getLogger(__name__)
_MEGABYTE = 1024 * 1024
# A sink that is killed and comes back under the same instance name takes its partitions up at once; one
# that is gone for good is noticed after this time.
_SESSION_MILLISECONDS = 20_000
_SERVER_SELECTION_MILLISECONDS = 5_000
_BOOTSTRAP_MILLISECONDS = 10_000
_TOPICS = (message.TWEETS, message.TRENDS)


def run(settings: Settings, instance: str | None) -> None:
    """Run the sink until SIGTERM or SIGINT."""
    stop = threading.Event()
    on_signal(stop.set)
    _spare_the_collector()
    registry = CollectorRegistry()
    figures = metrics.Sink(registry)
    port = metrics.sink_port(settings.sink.metrics_port, instance)
    server = metrics.serve(registry, port, "sink.metrics_port")
    client = settings.mongodb.client(
        appname="opslib-sink", serverSelectionTimeoutMS=_SERVER_SELECTION_MILLISECONDS
    )
    dead_letters = DeadLetters(settings.kafka.client_options())
    try:
        database = client[settings.mongodb.database]
        wait_for("MongoDB", stop, lambda: _try_mongodb(settings, database))
        consumer = wait_for("Kafka", stop, lambda: _try_kafka(settings, instance))
        if consumer is None:
            return
        service = Service(
            consumer,
            Writer(database, dead_letters.send, figures),
            batch_size=settings.sink.batch_size,
            batch_seconds=settings.sink.batch_seconds,
            figures=figures,
        )
        # In this order the group is joined with what there is to read already known, and not twice.
        service.subscribe(_TOPICS)
        wait_for("the topics", stop, lambda: _try_topics(consumer))
        on_signal(service.stop)
        if stop.is_set():
            service.stop()
        _LOG.info("started group=%s instance=%s", settings.sink.group_id, instance or "-")
        notify(READY="1", STATUS="waiting for messages")
        service.run()
        _LOG.info("stopped")
    finally:
        dead_letters.close()
        client.close()
        if server is not None:
            server.close()


def _spare_the_collector() -> None:
    """Let Python look for reference cycles seldom: messages have none, and looking costs a third of all."""
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)


def _try_mongodb(settings: Settings, database: Any) -> None:
    if "tls=true" in settings.mongodb.uri.lower():
        check_handshakes("MongoDB", endpoints.mongodb(settings))
    try:
        database[TWEETS.name].find_one({}, {"_id": 1})
    except PyMongoError as error:
        reason = wrong_settings(error, starting=True)
        if reason:
            raise SettingsError(reason) from error
        raise


def _try_kafka(settings: Settings, instance: str | None) -> KafkaConsumer:
    if settings.kafka.security_protocol == "SSL":
        check_handshakes("Kafka", endpoints.kafka(settings))
    # The members of a group know each other by this name, so it has to differ between hosts.
    member = f"{socket.gethostname()}-{instance}" if instance else None
    try:
        return KafkaConsumer(
            **settings.kafka.client_options(),
            client_id="opslib-sink",
            group_id=settings.sink.group_id,
            group_instance_id=member,
            session_timeout_ms=_SESSION_MILLISECONDS,
            bootstrap_timeout_ms=_BOOTSTRAP_MILLISECONDS,
            enable_auto_commit=False,
            auto_offset_reset="earliest",  # what came before the first sink is to be stored as well
            allow_auto_create_topics=False,
            max_partition_fetch_bytes=2 * _MEGABYTE,
            metrics_enabled=False,
            reconnect_backoff_max_ms=5_000,
        )
    except (KafkaConfigurationError, ValueError) as error:
        raise SettingsError(f"the Kafka settings are wrong: {error}") from error


def _try_topics(consumer: KafkaConsumer) -> None:
    """Raise if a topic is missing: a group that is joined without would sit there with nothing to read."""
    missing = [topic for topic in _TOPICS if not consumer.partitions_for_topic(topic)]
    if missing:
        raise UnknownTopicOrPartitionError(f"Kafka has no topic {' and no '.join(missing)}")
