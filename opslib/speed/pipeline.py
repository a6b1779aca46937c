"""The speed layer as an application of Quix Streams: two steps that Kafka joins.

The first step reads ``tweets.raw``, in as many instances as there are partitions to share out, and turns each
tweet into a sighting. The second holds the sightings of the whole lake and makes the windows. Tweets are
keyed by their id, so whoever names a thing is spread over all partitions, and the authors of a window can
only be told apart where they meet: the topic between the two steps has one partition, and whichever instance
has been given it is the aggregator. Its state is in RocksDB and in a changelog topic, from which another
instance takes it over.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from confluent_kafka import KafkaException
from quixstreams import Application, message_context
from quixstreams.kafka import ConnectionConfig
from quixstreams.kafka.exceptions import KafkaProducerDeliveryError
from quixstreams.models import TopicConfig

from opslib import message
from opslib.reading import MOST_UNPACKED
from opslib.run.failures import said
from opslib.run.notify import notify
from opslib.run.retry import refused_by_kafka
from opslib.run.threads import Supervised
from opslib.settings import SettingsError, credential
from opslib.speed import sightings
from opslib.speed.sightings import STEP, Sighting
from opslib.speed.unreadable import skip

if TYPE_CHECKING:
    from quixstreams.state import State

    from opslib.metrics import Speed as Metrics
    from opslib.settings import Settings
    from opslib.speed.aggregator import Aggregator
    from opslib.speed.publish import Watch

_LOG = logging.getLogger(__name__)
_LAKE = b"lake"  # the one key of all sightings
_COMMIT_SECONDS = 1.0
_SESSION_MILLISECONDS = 20_000  # after which one that is gone without a word is missed
_STATISTICS_MILLISECONDS = 5_000
_LIVE_SECONDS = 60  # who reads what was collected so lately has nothing older to read
_DAY_MILLISECONDS = str(24 * 3600 * 1000)
_STUCK_SECONDS = 60  # beyond the pause between two looks; what a tick waits for beside it takes moments
_NO_TWEET = (ValueError, TypeError, KeyError, OverflowError, AttributeError, RecursionError)


def topic_of_sightings(group: str) -> str:
    """Return the name of the topic between the two steps."""
    return f"{group}.sightings"


def changelog_of_sightings(group: str) -> str:
    """Return the name that Quix Streams gives to the changelog of the aggregator's state."""
    return f"changelog__{group}--{topic_of_sightings(group)}--default"


def connection(settings: Settings) -> ConnectionConfig:
    """Return how librdkafka reaches the brokers."""
    servers = ",".join(settings.kafka.bootstrap_servers)
    if settings.kafka.security_protocol == "PLAINTEXT":
        return ConnectionConfig(bootstrap_servers=servers, security_protocol="plaintext")
    return ConnectionConfig(
        bootstrap_servers=servers,
        security_protocol="ssl",
        ssl_ca_location=str(credential("ca")),
        ssl_certificate_location=str(credential("kafka_cert")),
        ssl_key_location=str(credential("kafka_key")),
    )


class Pipeline:
    """Runs both steps until it is told to stop."""

    def __init__(
        self,
        settings: Settings,
        aggregator: Aggregator,
        watch: Watch,
        metrics: Metrics,
        member: str | None,
    ) -> None:
        self._settings = settings.speed
        self._aggregator = aggregator
        self._watch = watch
        self._metrics = metrics
        self._stop = threading.Event()
        self._looked = 0
        self._collected = 0.0  # when the tweet last read was collected
        self._read_at = 0.0
        self._ready = False
        self._partitions: set[tuple[str, int]] = set()
        self._ticks = Supervised(
            "ticks", self._tick, died=self.stop, stuck_seconds=settings.speed.every_seconds + _STUCK_SECONDS
        )
        self._application = self._made(settings, member)

    def _made(self, settings: Settings, member: str | None) -> Application:
        application = Application(
            connection(settings),
            consumer_group=settings.speed.group_id,
            auto_offset_reset="earliest",
            commit_interval=_COMMIT_SECONDS,
            state_dir=settings.speed.state_directory,
            consumer_poll_timeout=0.5,
            loglevel=None,
            consumer_extra_config={
                "client.id": "opslib-speed",
                **({"group.instance.id": member} if member else {}),
                "session.timeout.ms": _SESSION_MILLISECONDS,
                "statistics.interval.ms": _STATISTICS_MILLISECONDS,
                "stats_cb": self._notice,
                # Partitions that lag are read in turns, so that none runs ahead of the others by hours.
                "max.partition.fetch.bytes": 256 * 1024,
                "queued.max.messages.kbytes": 16 * 1024,
                # The most that a batch of theirs may become when unpacked.
                "fetch.max.bytes": 8 * 1024 * 1024,
                "receive.message.max.bytes": 2 * MOST_UNPACKED,
            },
            producer_extra_config={"client.id": "opslib-speed", "compression.type": "zstd"},
        )
        tweets = application.topic(message.TWEETS, value_deserializer="bytes")
        between = application.topic(
            topic_of_sightings(settings.speed.group_id),
            config=TopicConfig(
                num_partitions=1, replication_factor=-1, extra_config={"retention.ms": _DAY_MILLISECONDS}
            ),
        )
        frame = application.dataframe(tweets).apply(self._read)
        frame.filter(lambda sighting: sighting is not None).to_topic(between, key=lambda _: _LAKE)
        application.dataframe(between).update(self._aggregate, stateful=True)
        self._topic = between.name
        # Quix Streams has no other way to it.
        skip(application._consumer, settings.kafka.client_options(), self._metrics.unreadable.inc)  # noqa: SLF001
        return application

    def stop(self) -> None:
        """Finish what is begun, and end :meth:`run`."""
        self._stop.set()
        self._application.stop()

    def run(self) -> None:
        """Work until SIGTERM, SIGINT or :meth:`stop`; raise if the thread of the ticks failed."""
        self._ticks.start()
        try:
            self._application.run()
            # Before it is told to end: a thread that is stuck is still alive.
            self._ticks.check()
        finally:
            self._stop.set()
            self._ticks.join(5)
        notify(STOPPING="1", STATUS="stopped")

    def _read(self, value: bytes) -> dict[str, Any] | None:
        """First step: return what the second needs of a tweet; of what is no tweet, nothing.

        That is for the storage layer to put aside.
        """
        self._metrics.messages.inc()
        try:
            sighting, collected = sightings.read(value, time.time())
        except _NO_TWEET:
            self._metrics.unreadable.inc()
            return None
        self._collected, self._read_at = collected, time.monotonic()
        return {
            "tweet": sighting.tweet,
            "author": sighting.author,
            "pane": sighting.pane,
            "entries": sighting.entries,
            "topics": sightings.plain(sighting.topics),
            **({"retweet": sighting.retweet} if sighting.retweet else {}),
            "collected": collected,
            "partition": str(message_context().partition),
        }

    def _aggregate(self, value: dict[str, Any], state: State[Any, Any]) -> None:
        """Second step: take a sighting or a tick in, and make the windows when it is time."""
        self._aggregator.open(state)
        if "tick" in value:
            if value["tick"] is not None:
                self._aggregator.pass_time(value["tick"])
        else:
            collected, partition = value.pop("collected"), value.pop("partition")
            sighting = Sighting(**{**value, "topics": sightings.topics_in(value["topics"])})
            unwanted = self._watch.policy.holds(sighting.origin)
            self._aggregator.add(state, sighting, partition, collected, unwanted)
        look = int(time.time() / self._settings.every_seconds)
        if look != self._looked:
            self._looked = look
            with self._metrics.window_seconds.time():
                self._aggregator.take_out(state, self._watch.look())
                self._aggregator.publish(state)
            self._metrics.state_entries.set(self._aggregator.names)
        self._aggregator.close(state)

    def _tick(self) -> None:
        """Wake the second step for each look: it is called for messages only."""
        while not self._stop.is_set():
            try:
                self._send_ticks()
            except (KafkaException, KafkaProducerDeliveryError) as error:  # noqa: PERF203 - once in seconds
                # The next one wakes it as well; but a producer that lost a message takes no other.
                _LOG.warning("a tick was not delivered: %s", said(error))

    def _send_ticks(self) -> None:
        every = self._settings.every_seconds
        with self._application.get_producer() as producer:
            while not self._stop.wait(every - time.time() % every):
                now = time.time()
                live = now - self._collected < _LIVE_SECONDS
                # Whoever is catching up leaves the time to the tweets.
                tick = now if live or time.monotonic() - self._read_at > STEP else None
                producer.produce(self._topic, key=_LAKE, value=json.dumps({"tick": tick}).encode())
                producer.poll(0)
                self._ticks.well()

    def _notice(self, statistics: str) -> None:
        """Tell systemd and Prometheus how it is; librdkafka calls this from the loop itself."""
        lag = 0
        partitions = set()
        for topic, found in json.loads(statistics)["topics"].items():
            for partition, figures in found["partitions"].items():
                if figures.get("consumer_lag", -1) >= 0 and figures.get("fetch_state") == "active":
                    partitions.add((topic, int(partition)))
                    self._metrics.lag.labels(topic, partition).set(figures["consumer_lag"])
                    lag += figures["consumer_lag"]
        self._metrics.drop(self._partitions - partitions)
        self._partitions = partitions
        self._metrics.state_bytes.set(state_bytes(self._settings.state_directory))
        if not self._ready:
            self._ready = True
            _LOG.info("started group=%s", self._settings.group_id)
            notify(READY="1")
        if self._is_well():
            notify(WATCHDOG="1", STATUS=f"{len(partitions)} partitions, {lag} messages wait")

    def _is_well(self) -> bool:
        """Tell whether the other thread is; if not, end. librdkafka's callback may not raise."""
        try:
            self._ticks.check()
        except click.ClickException:
            self.stop()
            return False
        return True


def state_bytes(folder: Path) -> int:
    """Return how large the files of the state below *folder* are; RocksDB replaces some at any moment."""
    total = 0
    for below, _, names in os.walk(folder):
        for name in names:
            if name.endswith(".sst"):
                with contextlib.suppress(FileNotFoundError):
                    total += Path(below, name).stat().st_size
    return total


def refusal(error: Exception) -> SettingsError | None:
    """Return the settings error that *error* of Kafka's client is, if it is one."""
    text = str(error)
    if "AUTHORIZATION" in text.upper():
        return SettingsError(refused_by_kafka(error))
    return None
