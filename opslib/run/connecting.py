"""How a service gets to its servers: it waits for what may come, and ends of settings that are wrong."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, TypeVar

from kafka.errors import KafkaConfigurationError, UnknownTopicOrPartitionError  # type: ignore[import-untyped]
from pymongo.errors import PyMongoError
from tenacity import wait_fixed

from opslib.reading import Reader
from opslib.run import endpoints, tls
from opslib.run.failures import check_settings, said
from opslib.run.notify import notify
from opslib.run.retry import persist
from opslib.settings import SettingsError

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Iterable

    from pymongo import MongoClient

    from opslib.settings import Settings

Result = TypeVar("Result")
_LOG = logging.getLogger(__name__)
_PAUSE = wait_fixed(2)  # seconds
_HANDSHAKE_SECONDS = 5
_SERVER_SELECTION_MILLISECONDS = 5_000
_BOOTSTRAP_MILLISECONDS = 10_000
_RECONNECT_MILLISECONDS = 5_000


def wait_for(what: str, stop: threading.Event, attempt: Callable[[], Result]) -> Result:
    """Return what *attempt* returns once *what* lets it; systemd and the journal see the wait.

    Raises :class:`opslib.run.retry.Stopped` once *stop* is set.
    """

    def told(error: BaseException) -> None:
        _LOG.warning("waiting for %s: %s", what, said(error))
        notify(STATUS=f"waiting for {what}")

    notify(STATUS=f"connecting to {what}")
    return persist(attempt, stop, told, _PAUSE)


def mongodb_client(settings: Settings, appname: str) -> MongoClient[dict[str, Any]]:
    """Return the client of a service, which notices within seconds that no server takes it."""
    return settings.mongodb.client(appname=appname, serverSelectionTimeoutMS=_SERVER_SELECTION_MILLISECONDS)


def mongodb(settings: Settings, stop: threading.Event, look: Callable[[], object]) -> None:
    """Wait until MongoDB lets this account *look* at what the service works with."""

    def attempt() -> None:
        if "tls=true" in settings.mongodb.uri.lower():
            _check_handshakes("MongoDB", endpoints.mongodb(settings))
        try:
            look()
        except PyMongoError as error:
            check_settings(error, starting=True)
            raise

    wait_for("MongoDB", stop, attempt)


def kafka(settings: Settings, stop: threading.Event, make: Callable[[], Result]) -> Result:
    """Return the client that *make* makes once the brokers accept it."""

    def attempt() -> Result:
        if settings.kafka.security_protocol == "SSL":
            _check_handshakes("Kafka", endpoints.kafka(settings))
        try:
            return make()
        except (KafkaConfigurationError, ValueError) as error:
            raise SettingsError(f"the Kafka settings are wrong: {error}") from error

    return wait_for("Kafka", stop, attempt)


def consumer(settings: Settings, stop: threading.Event, **options: Any) -> Reader:
    """Return a consumer that commits what it is told to and begins with the oldest message."""
    return kafka(
        settings,
        stop,
        lambda: Reader(
            **settings.kafka.client_options(),
            bootstrap_timeout_ms=_BOOTSTRAP_MILLISECONDS,
            reconnect_backoff_max_ms=_RECONNECT_MILLISECONDS,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            allow_auto_create_topics=False,
            metrics_enabled=False,
            **options,
        ),
    )


def topics(consumer: Reader, names: Iterable[str], stop: threading.Event) -> dict[str, int]:
    """Return the topics with the number of their partitions once all are there.

    Whoever joined a group without them would sit there with nothing to read.
    """

    def attempt() -> dict[str, int]:
        found = {topic: len(consumer.partitions_for_topic(topic) or ()) for topic in names}
        missing = [topic for topic, partitions in found.items() if not partitions]
        if missing:
            raise UnknownTopicOrPartitionError(f"Kafka has no topic {' and no '.join(missing)}")
        return found

    return wait_for("the topics", stop, attempt)


def _check_handshakes(what: str, servers: list[endpoints.Endpoint]) -> None:
    """Raise if a server and this host do not accept each other's certificates.

    The clients' libraries only say that they could not connect in time, and try for ever.
    """
    for server in servers:
        context = tls.client_context(server.certificate, server.key)
        reason = tls.refused_certificate(server.host, server.port, context, timeout=_HANDSHAKE_SECONDS)
        if reason:
            raise SettingsError(f"TLS with {what} on {server} fails: {reason}")
