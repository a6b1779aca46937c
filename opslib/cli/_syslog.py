"""What a person changes by a command, told to the host's syslog, which is the journal."""

from __future__ import annotations

import getpass
import logging
import os
import socket
import syslog


def who() -> str:
    """Return who asks: the person behind sudo, if there is one, and the host."""
    return f"{os.environ.get('SUDO_USER') or getpass.getuser()}@{socket.gethostname()}"


def tell_syslog(name: str, text: str) -> None:
    """Leave a line under the *name* of a program; on a host without a syslog it is gone."""
    syslog.openlog(name, 0, syslog.LOG_AUTH)
    syslog.syslog(syslog.LOG_INFO, text.replace("\n", " ").replace("\0", " "))


class Syslog(logging.Handler):
    """Leaves there what is logged."""

    def __init__(self, name: str) -> None:
        """*name* is that of a program."""
        super().__init__()
        self._program = name

    def emit(self, record: logging.LogRecord) -> None:
        """Leave one record."""
        tell_syslog(self._program, self.format(record))
