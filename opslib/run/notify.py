"""Telling systemd how the service is: the few datagrams of sd_notify(3)."""

from __future__ import annotations

import logging
import os
import socket

_LOG = logging.getLogger(__name__)


def notify(**fields: str) -> None:
    """Send fields such as ``READY="1"`` or ``STATUS="…"``; without systemd this does nothing."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    text = "\n".join(f"{name}={value.splitlines()[0] if value else ''}" for name, value in fields.items())
    # A leading @ stands for the abstract namespace, whose names start with a zero byte.
    path = "\0" + address[1:] if address.startswith("@") else address
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
            sender.connect(path)
            sender.sendall(text.encode())
    except OSError as error:
        _LOG.warning("systemd was not told %s: %s", ",".join(fields), error)
