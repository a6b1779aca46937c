"""The service: the socket, Kafka and X behind the desk."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import socketserver
import threading
from datetime import datetime
from typing import TYPE_CHECKING, Any

from kafka.errors import KafkaConfigurationError, KafkaError  # type: ignore[import-untyped]
from prometheus_client import CollectorRegistry

from opslib import metrics
from opslib.run.listening import bound, handed_over
from opslib.run.notify import notify
from opslib.run.signals import on_signal
from opslib.settings import SettingsError, secret
from opslib.wishes.ask import Refused
from opslib.wishes.desk import Desk
from opslib.wishes.journal import Journal
from opslib.x import board
from opslib.x.budget import Budget, Exhausted, Limits, utc_now
from opslib.x.client import Refused as RefusedByX
from opslib.x.client import XClient, XError
from opslib.x.estimate import RECENT_DAYS, Counter, estimate

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from opslib.settings import Settings
    from opslib.x.board import Record, Records

_LOG = logging.getLogger(__name__)
_MOST_BYTES = 64 * 1024  # of a wish
_READ_SECONDS = 10
_AT_ONCE = 8
_BAD_REQUEST = 400


def journal_of(settings: Settings) -> Journal:
    """Return where it is noted who asked for what."""
    return Journal(settings.wishes.state / "journal.sqlite")


def run(settings: Settings) -> None:
    """Carry out wishes until SIGTERM or SIGINT."""
    stop = threading.Event()
    on_signal(stop.set)
    folder = settings.wishes.state
    if not os.access(folder, os.W_OK | os.X_OK):
        raise SettingsError(f"wishes.state: {folder} is no folder that can be written in")
    options, token = settings.kafka.client_options(), secret("x_token")
    lake = _Followed(options)
    counts = _Estimates(settings, token, folder / "budget.sqlite")
    desk = Desk(lake.read, lake.save, counts.estimate, settings.wishes, journal_of(settings))
    registry = CollectorRegistry()
    figures = metrics.Wishes(registry)
    shown = metrics.serve(registry, settings.wishes.metrics_port, "wishes.metrics_port")
    try:
        with _Server(_listening(settings.wishes.socket), desk, figures) as server:
            serving = threading.Thread(target=server.serve_forever, daemon=True)
            serving.start()
            notify(READY="1", STATUS="carrying out wishes")
            _LOG.info("started")
            stop.wait()
            notify(STOPPING="1")
            server.shutdown()
            serving.join()
    finally:
        lake.close()
        if shown is not None:
            shown.close()
    _LOG.info("stopped")


def _listening(path: Path) -> socket.socket:
    listening = handed_over()
    if listening is not None:
        return listening
    try:
        made = bound(path)
    except OSError as error:
        raise SettingsError(
            f"wishes.socket: {path} cannot be listened on: {error.strerror or error}"
        ) from error
    made.listen(_AT_ONCE)
    return made


class _Followed:
    """The board in Kafka, read on by one thread at a time."""

    def __init__(self, options: Mapping[str, Any]) -> None:
        self._options = options
        self._board = board.Board(lambda: board.consumer(**options))
        self._lock = threading.Lock()

    def read(self) -> Records:
        """Return what is followed."""
        with self._lock, _kafka_works():
            return self._board.read()

    def save(self, changes: Mapping[str, Record]) -> None:
        """Write changes, and wait until the brokers have them."""
        with _kafka_works():
            board.save(self._options, changes)

    def close(self) -> None:
        """Let go of the connection."""
        self._board.close()


@contextlib.contextmanager
def _kafka_works() -> Iterator[None]:
    try:
        yield
    except (KafkaError, KafkaConfigurationError, ValueError, OSError) as error:
        _LOG.warning("Kafka cannot be asked: %r", error)
        raise Refused("away", "Kafka does not answer, and what is followed is kept there") from error


class _Estimates:
    """X's counts of the posts that match, within a budget of this service's own."""

    def __init__(
        self, settings: Settings, token: str, file: Path, clock: Callable[[], datetime] = utc_now
    ) -> None:
        self._x = settings.x
        self._token = token
        self._clock = clock
        self._budget = Budget(file, Limits(usd_day=settings.wishes.estimates_usd_day), clock=clock)

    def estimate(self, query: str, usd_day: float) -> dict[str, Any]:
        """Return what the last days of a query say that it will bring and cost."""
        x = self._x
        with _x_answers(), contextlib.closing(XClient(x.base_url, self._token, x.timeout)) as client:
            counter = Counter(client, self._budget, self._clock)
            counted = counter.last(query, RECENT_DAYS)
            return estimate(counted, counter.price("post"), usd_day)


@contextlib.contextmanager
def _x_answers() -> Iterator[None]:
    try:
        yield
    except RefusedByX as refused:
        if refused.status == _BAD_REQUEST:
            raise Refused("input", f"X does not take this query: {refused.detail}") from refused
        raise Refused("away", str(refused)) from refused
    except Exhausted as error:
        raise Refused(
            "limit", f"estimates may cost no more today: wait until {error.until:%H:%M} UTC"
        ) from error
    except XError as error:
        raise Refused("away", str(error)) from error


class _Line(socketserver.StreamRequestHandler):
    """One connection: a wish, and its answer."""

    timeout = _READ_SECONDS
    server: _Server

    def handle(self) -> None:
        with contextlib.suppress(OSError):  # whoever asked has gone
            line = self.rfile.readline(_MOST_BYTES + 1)
            # What is being answered may take as long as X takes.
            self.connection.settimeout(None)
            self.wfile.write(json.dumps(self.server.answer(line), default=_plain).encode() + b"\n")


class _Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    """Answers on a socket that is there, a few wishes at once."""

    daemon_threads = True

    def __init__(self, listening: socket.socket, desk: Desk, figures: metrics.Wishes) -> None:
        super().__init__("", _Line, bind_and_activate=False)
        self.socket.close()
        self.socket = listening
        self._desk = desk
        self._figures = figures
        self._places = threading.BoundedSemaphore(_AT_ONCE)

    def answer(self, line: bytes) -> dict[str, Any]:
        """Return the answer to a wish in a line."""
        wish = None
        with contextlib.suppress(ValueError, RecursionError):
            wish = json.loads(line)
        what, outcome = self._desk.what(wish), "done"
        try:
            return self._answer(wish)
        except Refused as refused:
            outcome = refused.why
            return {"why": refused.why, "text": str(refused)}
        finally:
            self._figures.answered.labels(what, outcome).inc()

    def _answer(self, wish: object) -> dict[str, Any]:
        if not self._places.acquire(blocking=False):
            raise Refused("away", "others are answered: ask again in a moment")
        try:
            return self._desk.answer(wish)
        except Refused:
            raise
        except Exception as error:
            _LOG.exception("a wish failed")
            raise Refused("away", "this wish failed: journalctl -u opslib-wishes says why") from error
        finally:
            self._places.release()


def _plain(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat(timespec="seconds")
    raise TypeError(f"{value!r} is nothing that JSON has")
