"""Putting the reader of the search index together."""

from __future__ import annotations

import logging
import os
import threading
from contextlib import closing
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry

from opslib import message, metrics
from opslib.kafka_client import KafkaAdminClient
from opslib.run import connecting
from opslib.run.lag import bounds, committed, partition_counts
from opslib.run.notify import notify
from opslib.run.retry import Stopped
from opslib.run.signals import on_signal
from opslib.search.folder import Folder
from opslib.search.service import Service
from opslib.settings import SettingsError
from opslib.store.collections import TWEETS

if TYPE_CHECKING:
    from opslib.search.index import Partition
    from opslib.settings import Settings

_LOG = logging.getLogger(__name__)
_TIMEOUT_MILLISECONDS = 5_000


def run(settings: Settings) -> None:
    """Keep the index until SIGTERM or SIGINT."""
    stop = threading.Event()
    on_signal(stop.set)
    folder = Folder(settings.search.directory)
    if not os.access(folder.path, os.W_OK | os.X_OK):
        raise SettingsError(f"search.directory: {folder.path} is no folder that can be written in")
    registry = CollectorRegistry()
    figures = metrics.Search(registry)
    server = metrics.serve(registry, settings.search.metrics_port, "search.metrics_port")
    client = connecting.mongodb_client(settings, "opslib-search")
    try:
        with folder.taken() as alone:
            if not alone:
                raise SettingsError(f"another opslib search works in {folder.path}")
            database = client[settings.mongodb.database]
            connecting.mongodb(settings, stop, lambda: database[TWEETS.name].find_one({}, {"_id": 1}))
            consumer = connecting.consumer(
                settings, stop, client_id="opslib-search", group_id=settings.search.group()
            )
            connecting.topics(consumer, [message.TWEETS], stop)
            _LOG.info("started group=%s folder=%s", settings.search.group(), folder.path)
            Service(
                consumer,
                database,
                folder,
                figures,
                stop,
                stored=lambda: _stored(settings),
                batch_size=settings.search.batch_size,
                keep_days=settings.store.tweets_days,
            ).run()
    except Stopped:
        notify(STOPPING="1")  # before it began
    finally:
        client.close()
        if server is not None:
            server.close()
    _LOG.info("stopped")


def _stored(settings: Settings) -> dict[Partition, int]:
    """Return from which message on the storage layer has not stored what Kafka brought."""
    options = {**settings.kafka.client_options(), "client_id": "opslib-search"}
    timeouts = dict.fromkeys(("bootstrap_timeout_ms", "request_timeout_ms"), _TIMEOUT_MILLISECONDS)
    with closing(KafkaAdminClient(**options, **timeouts)) as admin:
        held = bounds(admin, partition_counts(admin, [message.TWEETS]))
        done = committed(admin, settings.sink.group_id)
    # What was never stored is all that there is.
    return {place: max(begin, done.get(place, begin)) for place, (begin, _) in held.items()}
