"""What all services do alike: end on a signal, wait for servers, tell certificates that are refused."""

from __future__ import annotations

import logging
import signal
from typing import TYPE_CHECKING, Any

from kafka.errors import KafkaError  # type: ignore[import-untyped]
from pymongo.errors import PyMongoError

from opslib.run import tls
from opslib.run.notify import notify
from opslib.settings import SettingsError

if TYPE_CHECKING:
    import threading
    from types import FrameType

    from opslib.run import endpoints

_LOG = logging.getLogger(__name__)
_PAUSE_SECONDS = 2.0


def on_signal(act: Any) -> None:
    """Call *act* on SIGTERM and SIGINT."""

    def handler(number: int, _frame: FrameType | None) -> None:
        _LOG.info("%s: finishing", signal.Signals(number).name)
        act()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, handler)


def wait_for(what: str, stop: threading.Event, attempt: Any) -> Any:
    """Return what *attempt* returns once it no longer returns a reason to wait; ``None`` when stopped."""
    while not stop.is_set():
        notify(STATUS=f"connecting to {what}")
        try:
            return attempt()
        except (PyMongoError, KafkaError) as error:
            _LOG.warning("waiting for %s: %s", what, str(error).split(", Timeout:")[0][:300])
            notify(STATUS=f"waiting for {what}")
        stop.wait(_PAUSE_SECONDS)
    return None


def check_handshakes(what: str, servers: list[endpoints.Endpoint]) -> None:
    """Raise if a server and this host do not accept each other's certificates.

    The clients' libraries only say that they could not connect in time, and try for ever.
    """
    for server in servers:
        context = tls.client_context(server.certificate, server.key)
        reason = tls.refused_certificate(server.host, server.port, context, timeout=5)
        if reason:
            raise SettingsError(f"TLS with {what} on {server} fails: {reason}")
