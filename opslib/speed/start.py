"""Putting the speed layer together, and telling a server that is not up yet from settings that are wrong."""

from __future__ import annotations

import logging
import socket
import threading
from typing import TYPE_CHECKING

import click
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient
from kafka.errors import KafkaError  # type: ignore[import-untyped]
from prometheus_client import CollectorRegistry
from quixstreams.exceptions import QuixException

from opslib import message, metrics
from opslib.run import connecting
from opslib.run.failures import said
from opslib.run.retry import Stopped
from opslib.run.signals import on_signal
from opslib.speed.aggregator import Aggregator
from opslib.speed.pipeline import Pipeline, connection, refusal
from opslib.speed.publish import Trending, Watch
from opslib.speed.score import Rules
from opslib.store.collections import TRENDING

if TYPE_CHECKING:
    from collections.abc import Callable

    from opslib.settings import Settings

_LOG = logging.getLogger(__name__)
_KAFKA_SECONDS = 10


def run(settings: Settings, instance: str | None) -> None:
    """Run the speed layer until SIGTERM or SIGINT."""
    # What ends the service it says itself, and in one line.
    logging.getLogger("quixstreams.internal_consumer").setLevel(logging.CRITICAL)
    stop = threading.Event()
    on_signal(stop.set)
    registry = CollectorRegistry()
    figures = metrics.Speed(registry)
    server = metrics.serve(registry, settings.speed.metrics_port, "speed.metrics_port")
    client = connecting.mongodb_client(settings, "opslib-speed")
    try:
        database = client[settings.mongodb.database]
        connecting.mongodb(settings, stop, lambda: database[TRENDING.name].find_one({}, {"_id": 1}))
        trending, watch = Trending(database, figures), Watch(database)
        aggregator = Aggregator(rules(settings), settings.speed.lateness_seconds, trending.write, figures)
        # The members of a group know each other by this name, so it has to differ between hosts.
        member = f"{socket.gethostname()}-{instance}" if instance else None
        pipeline = connecting.kafka(
            settings,
            stop,
            lambda: _try_kafka(settings, lambda: Pipeline(settings, aggregator, watch, figures, member)),
        )
        if not stop.is_set():
            pipeline.run()
    except Stopped:
        pass  # before it began
    except (KafkaException, QuixException) as error:
        # Nothing that the service could wait for any longer: systemd starts it again.
        raise refusal(error) or click.ClickException(f"Kafka: {said(error)}") from error
    finally:
        client.close()
        if server is not None:
            server.close()
    _LOG.info("stopped")


def rules(settings: Settings) -> Rules:
    """Return what the settings say counts as a trend."""
    speed = settings.speed
    return Rules(speed.minimum_authors, speed.baseline_minutes, speed.half_life)


def _try_kafka(settings: Settings, make: Callable[[], Pipeline]) -> Pipeline:
    """Return what *make* makes once the brokers answer and have the tweets' topic."""
    try:
        admin = AdminClient(connection(settings).as_librdkafka_dict())
        if message.TWEETS not in admin.list_topics(timeout=_KAFKA_SECONDS).topics:
            # Quix Streams would make it, with one partition.
            raise KafkaError(f"Kafka has no topic {message.TWEETS}, or does not show it to this client")
        return make()
    except (KafkaException, QuixException) as error:
        raise refusal(error) or KafkaError(said(error)) from error
