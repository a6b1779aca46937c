"""The audit as a person reads it, by an account that may do nothing else."""

from __future__ import annotations

import csv
import io
import json
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

import pytest
from bson.int64 import Int64

if TYPE_CHECKING:
    from conftest import Lake


def line(day: int, who: str, tweets: list[int], authors: list[str], why: str = "asked") -> dict[str, Any]:
    return {
        "at": datetime(2026, 3, day, 12, tzinfo=timezone.utc), "who": who, "why": why, "reasons": ["asked"],
        "tweets": [Int64(tweet) for tweet in tweets], "authors": authors,
        "taken": {"tweets": 1, "retweets": 2},
    }  # fmt: skip


@pytest.fixture
def written(lake: Lake) -> Lake:
    lake.database.audit.insert_many(
        [
            line(3, "Ana@lake", [7], []),
            line(1, "bia@lake", [], ["42"], 'letter, of "March"\x1b[31m'),
            line(2, "ana@lake", [8, 9], []),
        ]
    )
    lake.log_in("opslib-audit")
    return lake


@pytest.mark.parametrize(
    ("options", "days"),
    [
        ([], [1, 2, 3]),
        (["--since", "2026-03-02"], [2, 3]),
        (["--until", "2026-03-02T12:00"], [1]),
        (["--who", "ana"], [2, 3]),
        (["--tweet", "9"], [2]),
        (["--author", "42"], [1]),
        (["--author", "4"], []),
    ],
)
def test_lines_are_chosen_and_come_the_oldest_first(
    written: Lake, options: list[str], days: list[int]
) -> None:
    told = written.opslib("audit", *options, "--format", "json")
    assert told.returncode == 0, told.stderr
    assert [datetime.fromisoformat(json.loads(one)["at"]).day for one in told.stdout.splitlines()] == days
    assert told.stderr == f"{len(days)} lines\n"


def test_a_table_for_other_programs_and_lines_for_people_hold_no_control_characters(written: Lake) -> None:
    rows = list(csv.DictReader(io.StringIO(written.opslib("audit", "--format", "csv").stdout)))
    assert [row["ids"] for row in rows] == ["", "8 9", "7"]
    assert rows[0]["why"] == 'letter, of "March"\\x1b[31m'
    shown = written.opslib("audit").stdout
    assert "\x1b" not in shown
    assert "bia@lake  0 tweets, authors 42  (asked)" in shown.splitlines()[0]
