"""Which dead letters are meant, and which are not to be sent again."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from typing import Any

import pytest

from opslib import message
from opslib.dlq import letters

NOON = dt.datetime(2026, 3, 1, 12, tzinfo=dt.timezone.utc)
LETTER = letters.Letter((0, 7), NOON, "it is not UTF-8", message.TWEETS, "2:40", size=3, left_out=False)


@pytest.mark.parametrize(
    ("wanted", "has"),
    [
        ({}, True),
        ({"reason": "utf"}, True),
        ({"reason": "json"}, False),
        ({"topic": message.TRENDS}, False),
        ({"since": NOON}, True),
        ({"since": NOON + dt.timedelta(seconds=1)}, False),
        ({"offset": 7}, True),
        ({"offset": 8}, False),
        ({"places": frozenset({(0, 7)})}, True),
        ({"places": frozenset({(1, 7)})}, False),
        ({"reason": "UTF", "offset": 8}, False),
    ],
)
def test_each_filter_narrows(wanted: dict[str, Any], has: bool) -> None:
    assert letters.Filter(**wanted).has(LETTER) is has


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({}, None),
        ({"replayed_at": NOON}, "sent again at 2026-03-01T12:00:00.000Z"),
        ({"left_out": True}, "its bytes are in tweets.raw at 2:40"),
        ({"topic": "__consumer_offsets"}, "but from __consumer_offsets"),
        ({"topic": ""}, "nowhere"),
    ],
)
def test_what_is_not_to_be_sent_again_says_why(change: dict[str, Any], word: str | None) -> None:
    reason = letters.can_replay(replace(LETTER, **change))
    assert (reason is None) == (word is None)
    assert word is None or word in str(reason)


def test_a_letter_is_named_by_its_offset_and_perhaps_its_partition() -> None:
    assert letters.place_of("12") == (0, 12)
    assert letters.place_of("3:12") == (3, 12)
    assert letters.place_of(letters.written((3, 12))) == (3, 12)
    for text in ("", "x", "1:", ":", "1:2:3", "-1", "\u0661"):
        with pytest.raises(ValueError, match="is no letter"):
            letters.place_of(text)
