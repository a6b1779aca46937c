"""The socket that a service answers on: what systemd hands over, or one that the service makes."""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_FIRST_DESCRIPTOR = 3  # sd_listen_fds(3)


def handed_over() -> socket.socket | None:
    """Return the socket that systemd listens on for this process, if it does."""
    if os.environ.get("LISTEN_PID") == str(os.getpid()) and os.environ.get("LISTEN_FDS") == "1":
        return socket.socket(fileno=_FIRST_DESCRIPTOR)
    return None


def bound(path: Path) -> socket.socket:
    """Return a socket at *path*, for its owner and group. Raises ``OSError``."""
    if path.is_socket():  # of a service that was killed; anything else is somebody's file
        path.unlink()
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(str(path))
    path.chmod(0o660)
    return listening
