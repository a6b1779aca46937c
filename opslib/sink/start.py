"""Putting the sink together, and telling a server that is not up yet from settings that are wrong."""

from __future__ import annotations

import gc
import logging
import socket
import threading
from typing import TYPE_CHECKING, Any

from prometheus_client import CollectorRegistry

from opslib import message, metrics
from opslib.run import connecting
from opslib.run.notify import notify
from opslib.run.retry import Stopped
from opslib.run.signals import on_signal
from opslib.sink.dead_letters import DeadLetters
from opslib.sink.service import Service
from opslib.sink.writer import Writer
from opslib.store.collections import TWEETS

if TYPE_CHECKING:
    from opslib.settings import Settings

_LOG = logging.getLogger(__name__)
_MEGABYTE = 1024 * 1024
# A sink that is killed and comes back under the same instance name takes its partitions up at once; one
# that is gone for good is noticed after this time.
_SESSION_MILLISECONDS = 20_000
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
    client = connecting.mongodb_client(settings, "opslib-sink")
    dead_letters = DeadLetters(settings.kafka.client_options())
    try:
        database = client[settings.mongodb.database]
        connecting.mongodb(settings, stop, lambda: database[TWEETS.name].find_one({}, {"_id": 1}))
        consumer = connecting.consumer(settings, stop, **_membership(settings, instance))
        service = Service(
            consumer,
            Writer(database, dead_letters.send, figures),
            batch_size=settings.sink.batch_size,
            batch_seconds=settings.sink.batch_seconds,
            figures=figures,
        )
        # In this order the group is joined with what there is to read already known, and not twice.
        service.subscribe(_TOPICS)
        connecting.topics(consumer, _TOPICS, stop)
        on_signal(service.stop)
        if stop.is_set():
            service.stop()
        _LOG.info("started group=%s instance=%s", settings.sink.group_id, instance or "-")
        notify(READY="1", STATUS="waiting for messages")
        service.run()
    except Stopped:
        pass  # before it began
    finally:
        dead_letters.close()
        client.close()
        if server is not None:
            server.close()
    _LOG.info("stopped")


def _spare_the_collector() -> None:
    """Let Python look for reference cycles seldom: messages have none, and looking costs a third of all."""
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)


def _membership(settings: Settings, instance: str | None) -> dict[str, Any]:
    return {
        "client_id": "opslib-sink",
        "group_id": settings.sink.group_id,
        # The members of a group know each other by this name, so it has to differ between hosts.
        "group_instance_id": f"{socket.gethostname()}-{instance}" if instance else None,
        "session_timeout_ms": _SESSION_MILLISECONDS,
        "max_partition_fetch_bytes": 2 * _MEGABYTE,
    }
