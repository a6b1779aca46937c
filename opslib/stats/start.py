"""Putting the recorder together."""

from __future__ import annotations

import logging
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from prometheus_client import CollectorRegistry

from opslib import message, metrics
from opslib.run import connecting
from opslib.run.notify import notify
from opslib.run.retry import Stopped
from opslib.run.signals import on_signal
from opslib.stats.observer import Observer
from opslib.stats.recorder import Recorder
from opslib.stats.series import Series
from opslib.stats.stored import Stored

if TYPE_CHECKING:
    from pymongo.database import Database

    from opslib.settings import Settings

_LOG = logging.getLogger(__name__)
TOPICS = (message.TWEETS, message.TRENDS, message.DEAD_LETTERS)


def run(settings: Settings) -> None:
    """Run the recorder until SIGTERM or SIGINT."""
    stop = threading.Event()
    on_signal(stop.set)
    registry = CollectorRegistry()
    figures = metrics.Stats(registry)
    server = metrics.serve(registry, settings.stats.metrics_port, "stats.metrics_port")
    client = connecting.mongodb_client(settings, "opslib-stats")
    try:
        consumer = connecting.consumer(
            settings, stop, client_id="opslib-stats", group_id=settings.stats.group_id
        )
        topics = connecting.topics(consumer, TOPICS, stop)
        _record(settings, consumer, topics, client[settings.mongodb.database], figures, stop)
    except Stopped:
        pass  # before it began
    finally:
        client.close()
        if server is not None:
            server.close()
    _LOG.info("stopped")


def _record(
    settings: Settings,
    consumer: Any,
    topics: dict[str, int],
    database: Database[dict[str, Any]],
    figures: metrics.Stats,
    stop: threading.Event,
) -> None:
    stored, series = Stored(), Series(database)
    observer = Observer(settings, TOPICS, stored, figures, died=stop.set)
    # It tells that MongoDB is away while that is waited for.
    observer.start()
    try:
        with suppress(Stopped):
            connecting.mongodb(settings, stop, series.newest)
            recorder = Recorder(
                consumer,
                series,
                observer,
                stored,
                figures,
                stop,
                topics=topics,
                grace_seconds=settings.stats.grace_seconds,
            )
            notify(READY="1", STATUS="recording")
            recorder.run()
        observer.check()
    finally:
        observer.stop()
