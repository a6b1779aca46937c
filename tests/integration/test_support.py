"""The file for somebody who helps, of a lake whose secrets and tweets stand wherever a fault may put them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

import pytest
from bson.int64 import Int64

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Lake

PASSWORD = "of-this-host-alone-4711"
TOKEN = "AAAAAAAAAAAAAAAAAAAAAFnz2wAAAAAA"
TWEET = "hoje tem festa na praia de Iracema com gente"
UNIT = "opslib-sink@1.service"


def systemd(folder: Path, lines: list[str]) -> str:
    """Return a PATH with programs that answer as systemd's do on a host where *lines* are logged."""
    folder.mkdir()
    (folder / "lines").write_text(
        "".join(f"2026-03-01T12:00:00+0000 lake opslib[7]: {one}\n" for one in lines)
    )
    for name, script in {
        "systemctl": f'case "$1" in list-units) echo "{UNIT} loaded active running Sink";;'
        ' show) echo "Id=$5"; echo ActiveState=active;; esac',
        "journalctl": f"[ \"$1\" = --unit={UNIT} ] && cat '{folder / 'lines'}'",
    }.items():
        (folder / name).write_text(f"#!/bin/sh\n{script}\n")
        (folder / name).chmod(0o755)
    return f"{folder}:{os.environ['PATH']}"


@pytest.fixture
def planted(lake: Lake) -> Lake:
    at = datetime(2026, 3, 1, 12, tzinfo=timezone.utc)
    lake.database.tweets.insert_one(
        {
            "_id": Int64(7), "text": TWEET, "words": TWEET.split(), "topics": [],
            "first_seen_at": at, "collected_at": at,
        }
    )  # fmt: skip
    lake.log_in("opslib-doctor")
    lake.put("x_token", TOKEN)
    lake.put("restic_password", PASSWORD)
    return lake


def gathered(lake: Lake, *arguments: str, **extra: str) -> tuple[dict[str, str], dict[str, Any]]:
    """Return the files of the archive by name, and what the command told."""
    target = lake.folder / "support.tar.gz"
    done = lake.opslib("support", "--output", str(target), "--format", "json", *arguments, **extra)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["file"] == str(target)
    assert target.stat().st_mode & 0o777 == 0o600
    with tarfile.open(target) as tar:
        files = {one.name.partition("/")[2]: tar.extractfile(one) for one in tar if one.isreg()}
        return {name: file.read().decode() for name, file in files.items() if file}, told


def test_it_holds_what_helps_and_no_secret_and_no_tweet(planted: Lake, tmp_path: Path) -> None:
    lines = [
        "INFO opslib.sink.service: stored 812",
        f"WARNING refused: Authorization: Bearer {TOKEN}",
        f"ERROR restic: wrong password {PASSWORD}",
        f"ERROR opslib.sink: {{'_id': 7, 'text': '{TWEET}', 'words': {TWEET.split()}}}",
        f"ERROR {TWEET}",
        "INFO opslib.web.accounts.users: login: iracema, from 192.0.2.7",
    ]
    extra = {
        "PATH": systemd(tmp_path / "bin", lines),
        # Whoever puts a password into an address has it in the settings.
        "OPSLIB_BACKUP__REPOSITORY": f"rest:https://lake:{PASSWORD}@backup.example.org/",
    }
    files, told = gathered(planted, **extra)
    assert set(files) >= {
        "about.txt", "system.txt", "packages.txt", "settings.json", "doctor.json", "disk.json", "lag.json",
        "units.txt", f"journal/{UNIT}.txt",
    }  # fmt: skip
    assert told["missing"] == {}
    everything = "\n".join(files.values())
    keys = [path.read_text().strip() for path in planted.credentials.glob("*_key")]
    for secret in (PASSWORD, TOKEN, *keys, *(key.splitlines()[1] for key in keys)):
        assert secret not in everything
    for word in ("festa", "Iracema", "iracema", "praia"):
        assert word not in everything
    # What helps is there.
    assert "stored 812" in files[f"journal/{UNIT}.txt"]
    assert "ActiveState=active" in files["units.txt"]
    checks = {one["check"]: one["status"] for one in json.loads(files["doctor.json"])["findings"]}
    assert checks["kafka"] == checks["versions"] == "ok"
    assert {"tweets", "audit"} <= {one["name"] for one in json.loads(files["disk.json"])["parts"]}
    assert planted.name in json.loads(files["lag.json"])
    settings = json.loads(files["settings.json"])
    assert settings["settings"]["sink"]["group_id"] == planted.name
    assert {"mongodb_password", "x_token"} <= set(settings["credentials"])
    assert "kafka-python " in files["packages.txt"]


def test_a_lake_that_is_down_is_told_of_as_well(planted: Lake, tmp_path: Path) -> None:
    path = systemd(tmp_path / "bin", [])
    (tmp_path / "bin/systemctl").write_text("#!/bin/sh\necho no bus >&2\nexit 1\n")
    with planted.servers.mongodb_away():
        files, told = gathered(planted, PATH=path)
    assert told["missing"] == {"units.txt": "systemctl: no bus"}
    assert "\nunits.txt       systemctl: no bus\n" in files["about.txt"]
    findings = json.loads(files["doctor.json"])["findings"]
    assert "failed" in {one["status"] for one in findings if one["check"] == "mongodb"}
    assert "mongodb" in {one["component"] for one in json.loads(files["disk.json"])["unknown"]}


def test_metrics_of_this_host_are_among_it_and_people_are_told_where_it_is(planted: Lake) -> None:
    port = planted.servers.kafka.metrics_port
    where = planted.folder / "elsewhere"
    where.mkdir()
    done = subprocess.run(
        [sys.executable, "-m", "opslib", "support"],
        env=planted.environment(OPSLIB_STATS__METRICS_PORT=str(port)),
        cwd=where, capture_output=True, text=True, timeout=600, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    (made,) = where.iterdir()
    first = done.stdout.splitlines()[0]
    assert first.startswith(f"{made}, ")
    assert first.endswith(" KB, holds:")
    assert "Look into it before you give it away" in done.stdout
    with tarfile.open(made) as tar:
        assert any(name.endswith(f"metrics/{port}.txt") for name in tar.getnames())
