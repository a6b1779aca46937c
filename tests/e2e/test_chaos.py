"""Nothing is lost and nothing counted twice while all that can break breaks, on the deployed machine.

30,000 tweets and 5 kills; `tests/bench/chaos.py` does the same with 300,000 and 20.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import chaos
import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.skipif(
    not (chaos.ROOT / "out/molecule/default/ssh_config").is_file(), reason="no machine: `molecule converge`"
)


@pytest.fixture(scope="module")
def result() -> Iterator[chaos.Result]:
    machine, producer, result = chaos.run(30_000, 5)
    yield result
    # The tests that follow count what is on the machine.
    assert chaos.leave(machine, producer)["tweets"] >= 30_000


def test_every_tweet_is_stored_once_and_nothing_else(result: chaos.Result) -> None:
    assert (result.missing, result.unknown) == (0, 0)
    assert sum(result.kills.values()) == 5
    assert result.repeated > 0


def test_roll_ups_equal_a_count_from_scratch(result: chaos.Result) -> None:
    assert result.roll_ups == []


def test_windows_equal_a_count_from_scratch(result: chaos.Result) -> None:
    assert result.windows > 10
    assert result.wrong_windows == []


def test_no_good_tweet_became_a_dead_letter(result: chaos.Result) -> None:
    assert result.dead_letters == 0
