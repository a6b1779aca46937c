"""The unit tests at another moment: ``TRENDLAKE_TEST_MOMENT=2026-10-31T23:59:59Z pytest tests/unit``."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
import time_machine
from clocks import Clock
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from collections.abc import Iterator


# No property is about how long it takes, and others may keep the machine busy.
settings.register_profile("busy", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("busy")


@pytest.fixture(scope="module", autouse=True)
def _moment(request: pytest.FixtureRequest) -> Iterator[None]:
    """Begin each module at the moment asked for, from where time goes on as ever."""
    moment = os.environ.get("TRENDLAKE_TEST_MOMENT")
    if not moment or request.node.get_closest_marker("real_clock"):
        yield
        return
    with time_machine.travel(moment, tick=True):
        yield


@pytest.fixture
def clock() -> Clock:
    return Clock()
