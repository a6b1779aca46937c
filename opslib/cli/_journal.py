"""Logs of services, as the journal wants them."""

from __future__ import annotations

import logging
import math
import os
import sys
from collections import Counter

_SELDOM_SECONDS = 60


def log_to_journal() -> None:
    """Log what opslib does to standard error, in the form that the journal takes levels from."""
    # Under systemd each line starts with its level for the journal, which adds time and name itself.
    journal = "JOURNAL_STREAM" in os.environ
    handler = logging.StreamHandler(sys.stderr)
    text = "%(levelname)s %(name)s: %(message)s"
    handler.setFormatter(_Levels(text) if journal else logging.Formatter(f"%(asctime)s {text}"))
    handler.addFilter(Seldom())
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
    logging.getLogger("opslib").setLevel(logging.INFO)
    # It complains about every tenth of a second that a busy machine takes from it.
    logging.getLogger("kafka.net.selector").setLevel(logging.ERROR)


class Seldom(logging.Filter):
    """Lets each kind of complaint of Kafka's client through once a minute, and says how many it left out.

    While a broker is away it has several, many times a second. A kind is the statement that complains: what
    it says has ports, numbers and moments in it that change.
    """

    def __init__(self) -> None:
        super().__init__()
        self._last: dict[tuple[str, int], float] = {}
        self._left_out: Counter[tuple[str, int]] = Counter()

    def filter(self, record: logging.LogRecord) -> bool:
        """Tell whether *record* is to be logged."""
        if not record.name.startswith("kafka."):
            return True
        kind = (record.pathname, record.lineno)
        if record.created - self._last.get(kind, -math.inf) < _SELDOM_SECONDS:
            self._left_out[kind] += 1
            return False
        self._last[kind] = record.created
        more = self._left_out.pop(kind, 0)
        if more:
            record.msg, record.args = f"{record.getMessage()} (and {more} more like it since the last)", ()
        return True


class _Levels(logging.Formatter):
    """Puts syslog's number of the level before each line, as sd-daemon(3) has it."""

    _NUMBERS = ((logging.ERROR, 3), (logging.WARNING, 4), (logging.INFO, 6))

    def format(self, record: logging.LogRecord) -> str:
        number = next((number for level, number in self._NUMBERS if record.levelno >= level), 7)
        return "\n".join(f"<{number}>{line}" for line in super().format(record).splitlines())
