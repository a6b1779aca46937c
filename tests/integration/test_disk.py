"""What takes how much, asked of real servers with the doctor's account."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pytest
import services
from bson.int64 import Int64
from test_sink import tweet

import roles

if TYPE_CHECKING:
    from conftest import Lake


@pytest.fixture(autouse=True)
def _account(lake: Lake) -> None:
    lake.log_in("opslib-doctor")


def disk(lake: Lake, *arguments: str, **extra: str) -> tuple[int, dict[str, Any], str]:
    """Return the exit code, what is told, and what went wrong."""
    done = lake.opslib("disk", "--json", *arguments, **extra)
    return done.returncode, json.loads(done.stdout), done.stderr


def part(told: dict[str, Any], component: str, name: str) -> dict[str, Any]:
    (found,) = (one for one in told["parts"] if (one["component"], one["name"]) == (component, name))
    return found  # type: ignore[no-any-return]


def saving(told: dict[str, Any], setting: str) -> dict[str, Any]:
    (found,) = (one for one in told["savings"] if one["setting"] == setting)
    return found  # type: ignore[no-any-return]


def stored(number: int, age: timedelta) -> dict[str, Any]:
    at = datetime.now(timezone.utc) - age
    return {
        "_id": Int64(number), "text": "x" * 2000, "words": [], "topics": [],
        "first_seen_at": at, "collected_at": at,
    }  # fmt: skip


def test_each_collection_with_what_its_retention_would_free(lake: Lake) -> None:
    old = [stored(n, timedelta(days=100)) for n in range(1, 301)]
    lake.database.tweets.insert_many([*old, *(stored(n, timedelta(days=1)) for n in range(301, 401))])
    lake.database.client.admin.command("fsync")  # sizes are those of the last checkpoint
    code, told, wrong = disk(lake, "--keep", "30d", OPSLIB_STORE__TWEETS_DAYS="200")
    assert (code, wrong, told["unknown"]) == (0, "", [])
    tweets = part(told, "mongodb", "tweets")
    assert tweets["entries"] == 400
    # A file takes whole blocks of 4 KiB, and the texts compress.
    assert tweets["bytes"] > 50_000
    assert tweets["bound"] == "store.tweets_days"
    kept = saving(told, "store.tweets_days")
    assert (kept["days"], kept["to_days"], round(kept["oldest_days"])) == (200, 30, 100)
    assert kept["bytes"] == int(0.75 * (tweets["bytes"] - tweets["reusable"]))
    # Those that nobody but others may read, the time series and the replication log are measured too.
    for name in ("audit", "forgotten", "ops_stats", "oplog.rs"):
        assert part(told, "mongodb", name)["bytes"] > 0
    # Half of what is there, unless somebody asks for another span.
    assert round(saving(disk(lake)[1], "store.tweets_days")["to_days"]) == 50


def test_each_topic_with_what_its_retention_would_free(lake: Lake) -> None:
    # As the role makes it: the broker takes all of its settings.
    (made,) = (one for one in roles.kafka_topics() if one["name"] == "tweets.raw")
    name = f"{lake.name}.raw"
    lake.admin.create_topics(
        {name: {"num_partitions": 1, "replication_factor": 1, "configs": made["config"]}}
    )
    lake.admin.wait_for_topics([name])
    now = datetime.now(timezone.utc)
    for number in range(40):
        age = timedelta(days=3 if number < 30 else 0)
        at = int((now - age).timestamp() * 1000)
        lake.producer.send(name, value=json.dumps(tweet(number)).encode(), timestamp_ms=at).get(60)
    code, told, wrong = disk(lake, "--keep", "2d")
    assert (code, wrong) == (0, "")
    found = part(told, "kafka", name)
    assert found["bytes"] > 40 * 50
    assert found["bytes"] == sum(found["on"].values())
    assert found["entries"] == 40
    assert found["bound"] == "kafka_topics: retention.ms, retention.bytes"
    kept = saving(told, f"kafka_topics: retention.ms of {name}")
    assert kept["days"] == float(made["config"]["retention.ms"]) / 86_400_000
    assert kept["bytes"] == int(found["bytes"] * 0.75)
    lake.admin.delete_topics([name])


def test_folders_of_this_host_and_the_backups(lake: Lake) -> None:
    for name in ("search", "backup"):
        (lake.folder / name).mkdir()
        (lake.folder / name / "file").write_bytes(b"x" * 100_000)
    extra = {
        "OPSLIB_SEARCH__DIRECTORY": str(lake.folder / "search"),
        "OPSLIB_BACKUP__REPOSITORY": str(lake.folder / "backup"),
    }
    _, told, _ = disk(lake, **extra)
    assert 100_000 <= part(told, "search", "index")["bytes"] < 200_000
    assert part(told, "backup", str(lake.folder / "backup"))["bound"] == "backup_keep"
    assert told["disks"][0]["path"] == "/var/lib"
    assert told["disks"][0]["total"] > told["disks"][0]["free"] > 0


def test_people_get_tables_and_what_cannot_be_asked_is_said(lake: Lake) -> None:
    lake.database.tweets.insert_one(stored(1, timedelta(days=100)))
    nobody = json.dumps([f"127.0.0.1:{services.free_port()}"])
    done = lake.opslib("disk", OPSLIB_KAFKA__BOOTSTRAP_SERVERS=nobody)
    assert done.returncode == 1
    assert done.stderr.startswith("kafka: 127.0.0.1:")
    assert done.stderr.count("\n") == 1
    lines = [" ".join(line.split()) for line in done.stdout.splitlines()]
    assert lines[0] == "disk total used free full in"
    assert any(line.startswith("mongodb tweets ") and line.endswith("store.tweets_days") for line in lines)
    assert any(line.startswith("store.tweets_days for ever 100 d 50 d ") for line in lines)
