"""Putting the speed layer together, and telling a server that is not up yet from settings that are wrong."""

from __future__ import annotations

import logging
import socket
import threading
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import click
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient
from kafka.errors import KafkaError  # type: ignore[import-untyped]
from prometheus_client import CollectorRegistry
from pymongo.errors import PyMongoError
from quixstreams.exceptions import QuixException

from opslib import message, metrics
from opslib.run import endpoints
from opslib.run.daemon import check_handshakes, on_signal, wait_for
from opslib.run.failures import wrong_settings
from opslib.settings import SettingsError
from opslib.speed.aggregator import Aggregator
from opslib.speed.publish import Forgotten, Trending
from opslib.speed.score import Rules
from opslib.speed.service import Service, connection, refusal
from opslib.store.collections import TRENDING

if TYPE_CHECKING:
    from opslib.settings import Settings

_LOG = logging.getLogger(__name__)
_SERVER_SELECTION_MILLISECONDS = 5_000
_KAFKA_SECONDS = 10
# Kafka keeps tweets for seven days, and whatever is forgotten may come from there again.
_FORGOTTEN = timedelta(days=8)


def run(settings: Settings, instance: str | None) -> None:
    """Run the speed layer until SIGTERM or SIGINT."""
    # What ends the service it says itself, and in one line.
    logging.getLogger("quixstreams.internal_consumer").setLevel(logging.CRITICAL)
    stop = threading.Event()
    on_signal(stop.set)
    registry = CollectorRegistry()
    figures = metrics.Speed(registry)
    server = metrics.serve(registry, settings.speed.metrics_port, "speed.metrics_port")
    client = settings.mongodb.client(
        appname="opslib-speed", serverSelectionTimeoutMS=_SERVER_SELECTION_MILLISECONDS
    )
    try:
        database = client[settings.mongodb.database]
        wait_for("MongoDB", stop, lambda: _try_mongodb(settings, database))
        trending, forgotten = Trending(database, figures), Forgotten(database, _FORGOTTEN)
        aggregator = Aggregator(rules(settings), settings.speed.lateness_seconds, trending.write, figures)
        # The members of a group know each other by this name, so it has to differ between hosts.
        member = f"{socket.gethostname()}-{instance}" if instance else None
        service = wait_for(
            "Kafka",
            stop,
            lambda: _try_kafka(settings, lambda: Service(settings, aggregator, forgotten, figures, member)),
        )
        if service is not None and not stop.is_set():
            service.run()
            _LOG.info("stopped")
    except (KafkaException, QuixException) as error:
        # Nothing that the service could wait for any longer: systemd starts it again.
        raise refusal(error) or click.ClickException(f"Kafka: {str(error)[:300]}") from error
    finally:
        client.close()
        if server is not None:
            server.close()


def rules(settings: Settings) -> Rules:
    """Return what the settings say counts as a trend."""
    speed = settings.speed
    return Rules(speed.minimum_authors, speed.baseline_minutes, speed.half_life)


def _try_mongodb(settings: Settings, database: Any) -> None:
    if "tls=true" in settings.mongodb.uri.lower():
        check_handshakes("MongoDB", endpoints.mongodb(settings))
    try:
        database[TRENDING.name].find_one({}, {"_id": 1})
    except PyMongoError as error:
        reason = wrong_settings(error, starting=True)
        if reason:
            raise SettingsError(reason) from error
        raise


def _try_kafka(settings: Settings, make: Any) -> Service:
    """Return the service once the brokers answer and have the tweets' topic."""
    if settings.kafka.security_protocol == "SSL":
        check_handshakes("Kafka", endpoints.kafka(settings))
    try:
        admin = AdminClient(connection(settings).as_librdkafka_dict())
        if message.TWEETS not in admin.list_topics(timeout=_KAFKA_SECONDS).topics:
            # Quix Streams would make it, with one partition.
            raise KafkaError(f"Kafka has no topic {message.TWEETS}, or does not show it to this client")
        made: Service = make()
    except (KafkaException, QuixException) as error:
        raise refusal(error) or KafkaError(str(error)) from error
    return made
