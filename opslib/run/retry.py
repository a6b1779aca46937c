"""Trying again what fails and may pass: the one way for all services."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from kafka.errors import AuthorizationError, KafkaError  # type: ignore[import-untyped]
from pymongo.errors import PyMongoError
from tenacity import Retrying, retry_if_exception, wait_random_exponential

from opslib.run.failures import wrong_settings
from opslib.settings import SettingsError

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable

    from tenacity import RetryCallState
    from tenacity.wait import wait_base

Result = TypeVar("Result")
PASSING = (PyMongoError, KafkaError)
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 5.0  # seconds


class Stopped(Exception):  # noqa: N818 - nothing went wrong: it was asked for
    """The service was told to stop before what it tried succeeded."""


def hopeless(error: BaseException) -> str | None:
    """Return one clear line if waiting will not cure *error*, or ``None`` for a fault that may pass."""
    if isinstance(error, PyMongoError):
        return wrong_settings(error)
    if isinstance(error, AuthorizationError):
        return refused_by_kafka(error)
    return None


def refused_by_kafka(error: BaseException) -> str:
    """Return what to say of an *error* by which Kafka refuses this client."""
    return f"Kafka refuses this client: {error}; check its certificate's name and its ACLs"


def persist(
    attempt: Callable[[], Result],
    stop: threading.Event,
    failed: Callable[[BaseException], None],
    pauses: wait_base | None = None,
) -> Result:
    """Return what *attempt* returns once MongoDB and Kafka let it, however long that takes.

    Each error is told to *failed*, and followed by a pause: without *pauses* one that grows to five seconds,
    by chance, so that services that lost the same server at the same moment do not come back in step.
    Settings that are wrong raise :class:`SettingsError`; once *stop* is set a pause raises :class:`Stopped`.
    """

    def pause(seconds: float) -> None:
        if stop.wait(seconds):
            raise Stopped

    def tell(state: RetryCallState) -> None:
        assert state.outcome is not None  # noqa: S101 - there was an attempt
        error = state.outcome.exception()
        assert error is not None  # noqa: S101 - and it failed
        failed(error)

    growing = wait_random_exponential(multiplier=FIRST_PAUSE, min=FIRST_PAUSE / 2, max=LONGEST_PAUSE)
    again = Retrying(
        retry=retry_if_exception(lambda error: isinstance(error, PASSING) and hopeless(error) is None),
        wait=pauses or growing,
        sleep=pause,
        before_sleep=tell,
        reraise=True,
    )
    try:
        return again(attempt)
    except PASSING as error:
        raise SettingsError(str(hopeless(error))) from error
