"""Signals that ask a service to end."""

from __future__ import annotations

import logging
import signal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

_LOG = logging.getLogger(__name__)


def on_signal(act: Callable[[], None]) -> None:
    """Call *act* on SIGTERM and SIGINT."""

    def handler(number: int, _frame: FrameType | None) -> None:
        _LOG.info("%s: finishing", signal.Signals(number).name)
        act()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, handler)
