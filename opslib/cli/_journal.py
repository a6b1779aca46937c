"""Logs of services, as the journal wants them."""

from __future__ import annotations

import logging
import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_SELDOM_SECONDS = 60


def log_to_journal() -> None:
    """Log what opslib does to standard error, in the form that the journal takes levels from."""
    # Under systemd each line starts with its level for the journal, which adds time and name itself.
    journal = "JOURNAL_STREAM" in os.environ
    handler = logging.StreamHandler(sys.stderr)
    text = "%(levelname)s %(name)s: %(message)s"
    handler.setFormatter(_Levels(text) if journal else logging.Formatter(f"%(asctime)s {text}"))
    handler.addFilter(_seldom())
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
    logging.getLogger("opslib").setLevel(logging.INFO)
    # It complains about every tenth of a second that a busy machine takes from it.
    logging.getLogger("kafka.net.selector").setLevel(logging.ERROR)


def _seldom() -> Callable[[logging.LogRecord], bool]:
    """Return a filter that lets each complaint of Kafka's client through once a minute.

    While a broker is away it has several, many times a second.
    """
    last: dict[tuple[str, str], float] = {}

    def passes(record: logging.LogRecord) -> bool:
        if not record.name.startswith("kafka."):
            return True
        key = (record.name, str(record.msg))
        if record.created - last.get(key, 0) < _SELDOM_SECONDS:
            return False
        last[key] = record.created
        return True

    return passes


class _Levels(logging.Formatter):
    """Puts syslog's number of the level before each line, as sd-daemon(3) has it."""

    _NUMBERS = ((logging.ERROR, 3), (logging.WARNING, 4), (logging.INFO, 6))

    def format(self, record: logging.LogRecord) -> str:
        number = next((number for level, number in self._NUMBERS if record.levelno >= level), 7)
        return "\n".join(f"<{number}>{line}" for line in super().format(record).splitlines())
