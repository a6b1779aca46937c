"""The local X API's tweets, of a file and made up."""

from __future__ import annotations

import os
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

from opslib.simulate.generator import Generator
from opslib.simulate.tweets import FileSource, Store, end_of_span

if TYPE_CHECKING:
    from pathlib import Path

NOW = datetime(2026, 11, 20, 12, tzinfo=timezone.utc)
BRAZIL, MEXICO = 23424768, 23424900


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


def test_a_place_has_the_trends_of_what_people_write_there() -> None:
    languages = {BRAZIL: "pt", MEXICO: "es"}
    source = Generator(1, 1, NOW, timedelta(hours=1), ["pt", "es"])
    store = Store(source, lambda: NOW, languages=languages)
    tags: dict[str, set[str]] = {"pt": set(), "es": set()}
    for tweet in store.newest_first():
        found = tweet.data.get("entities", {}).get("hashtags", ())
        tags[tweet.data["lang"]] |= {f"#{tag['tag']}" for tag in found}
    trends = {woeid: {one["trend_name"] for one in store.trends(woeid, 50)} for woeid in (BRAZIL, MEXICO, 1)}
    assert trends == {BRAZIL: tags["pt"], MEXICO: tags["es"], 1: tags["pt"] | tags["es"]}
    assert len(tags["es"]) >= 8
    assert not tags["pt"] & tags["es"]
