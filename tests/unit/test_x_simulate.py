"""The local X API's tweets of a file."""

from __future__ import annotations

import os
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

from opslib.simulate.tweets import FileSource, end_of_span

if TYPE_CHECKING:
    from pathlib import Path

NOW = datetime(2026, 11, 20, 12, tzinfo=timezone.utc)


def ids(path: Path, now: datetime) -> list[int]:
    return [tweet.id for tweet in FileSource(path, end_of_span(path, now)).until(now)]


def test_texts_have_the_same_ids_after_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "texts.txt"
    path.write_text("um #a\ndois #b\n", encoding="utf-8")
    changed = (NOW - timedelta(hours=1)).timestamp()
    os.utime(path, (changed, changed))
    first = ids(path, NOW)
    assert len(first) == 2
    assert ids(path, NOW + timedelta(minutes=7)) == first


def test_an_old_file_is_served_as_if_written_now(tmp_path: Path) -> None:
    path = tmp_path / "texts.txt"
    path.write_text("um #a\n", encoding="utf-8")
    os.utime(path, (0, 0))
    assert end_of_span(path, NOW) == NOW
