"""Serving the application over HTTP."""

from __future__ import annotations

import logging
import socket
from typing import TYPE_CHECKING

import uvicorn

from opslib.simulate.app import application

if TYPE_CHECKING:
    from pathlib import Path
    from types import FrameType

    from opslib.simulate.local import LocalX


class Server(uvicorn.Server):
    """A server that ends the streams before it ends itself: it would wait for them otherwise."""

    def __init__(self, x: LocalX, state_file: Path | None = None) -> None:
        super().__init__(
            uvicorn.Config(
                application(x, state_file),
                log_level="warning",
                access_log=False,
                timeout_graceful_shutdown=5,
            )
        )
        self._x = x
        logging.getLogger("uvicorn.error").addFilter(_not_cut_short)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """End the streams, then as ever."""
        self._x.streams.closing = True
        super().handle_exit(sig, frame)


def _not_cut_short(record: logging.LogRecord) -> bool:
    """Tell whether *record* is about something else than an answer that was cut short on purpose."""
    return "without completing response" not in record.getMessage()


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens; port 0 is one that is free."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=2048)
    except TypeError as error:
        # What Python says of a name that cannot be one.
        raise OSError(f"{host!r} is no name of a host") from error
