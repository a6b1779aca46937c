"""Threads beside the main loop of a service that are missed when they die or are stuck.

A thread that dies of a surprise says so on standard error and takes nothing with it: the service goes on
without what it did, and its watchdog is fed by another. So a thread of a service runs supervised, it says in
each turn that it is well, and whoever feeds the watchdog asks first whether it is.
"""

from __future__ import annotations

import logging
import sys
import threading
import time
import traceback
from typing import TYPE_CHECKING

import click

from opslib.run.failures import said
from opslib.settings import SettingsError

if TYPE_CHECKING:
    from collections.abc import Callable

_LOG = logging.getLogger(__name__)


class ThreadFailedError(click.ClickException):
    """A thread that the service cannot do without is gone or stuck; systemd starts the service again."""

    exit_code = 1


class Pulse:
    """When a thread last said that it is well."""

    def __init__(self, name: str, stuck_seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        """*stuck_seconds* is how long one turn may take: longer than any wait that it bounds itself."""
        self._name = name
        self._stuck_seconds = stuck_seconds
        self._clock = clock
        self._thread: int | None = None
        self._well_at: float | None = None

    def well(self) -> None:
        """Say that a turn begins; the thread itself calls this."""
        self._thread, self._well_at = threading.get_ident(), self._clock()

    def idle(self) -> None:
        """Say that there is nothing to do, for as long as it may be."""
        self._well_at = None

    def check(self) -> None:
        """Raise if a turn takes too long."""
        well_at = self._well_at
        if well_at is not None and self._clock() - well_at > self._stuck_seconds:
            silent = self._clock() - well_at
            raise ThreadFailedError(
                f"the thread {self._name} has been stuck for {silent:.0f} s {self._where()}".rstrip()
            )

    def _where(self) -> str:
        frame = sys._current_frames().get(self._thread or 0)  # noqa: SLF001 - as faulthandler does
        if frame is None:
            return ""
        place = traceback.extract_stack(frame)[-1]
        return f"in {place.name} ({place.filename}:{place.lineno})"


class Supervised:
    """A thread that is missed."""

    def __init__(
        self,
        name: str,
        target: Callable[[], None],
        *,
        died: Callable[[], None],
        stuck_seconds: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Run *target* once started; *died* is called if it raises, and ends the main loop.

        *stuck_seconds* is as for :class:`Pulse`.
        """
        self._name = name
        self._target = target
        self._died = died
        self._pulse = Pulse(name, stuck_seconds, clock)
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def well(self) -> None:
        """Say that a turn begins; the thread itself calls this."""
        self._pulse.well()

    def join(self, seconds: float) -> None:
        """Wait until the thread has ended, *seconds* at most."""
        self._thread.join(seconds)

    def check(self) -> None:
        """Raise if the thread died, of :class:`SettingsError` that, or has been in one turn for too long."""
        if isinstance(self._failure, SettingsError):
            raise self._failure
        if self._failure is not None:
            raise ThreadFailedError(
                f"the thread {self._name} died of {type(self._failure).__name__}: {said(self._failure)}"
            ) from self._failure
        self._pulse.check()

    def _run(self) -> None:
        self._pulse.well()
        try:
            self._target()
        except BaseException as error:
            self._failure = error
            _LOG.exception("the thread %s died", self._name)
            self._died()
        finally:
            self._pulse.idle()
