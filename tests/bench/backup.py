"""What a backup of many tweets costs: the first, the next and a restore. Not part of the test runs.

    .venv/bin/python tests/bench/backup.py [--count 1000000] [--more 50000] [--keep FOLDER]
        [--repository s3:http://127.0.0.1:7070/lake --environment AWS_ACCESS_KEY_ID=... ]

MongoDB holds *count* tweets as the sink stores them; *more* come between the first backup and the next. The
restore takes away what is there (`--force`) and reads it all twice. Prints JSON, one figure a line: seconds,
how much was new to the repository, and the most memory of each program that took part. MongoDB is not
restarted between: it has in memory what it has. The repository is a folder, or what restic calls by another
name, with what that wants to know.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

PROJECT = Path(__file__).parents[2]
sys.path[:0] = [str(PROJECT / "tests"), str(PROJECT / "tests/integration")]

import conftest  # noqa: E402
import services  # noqa: E402
from sink import tweets  # noqa: E402

from opslib.message import tweet_document  # noqa: E402
from opslib.store.collections import initialise  # noqa: E402
from opslib.store.documents import complete  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Iterator

_AT_ONCE = 2000
_LOOK_SECONDS = 0.2


def report(name: str, value: object) -> None:
    """Print one figure."""
    print(json.dumps({name: value}), flush=True)  # noqa: T201


def fill(lake: conftest.Lake, first: int, end: int) -> None:
    """Store tweets by number from *first* to before *end*, as the sink would."""
    some: list[dict[str, Any]] = []
    for number, value in enumerate(tweets(end)):
        if number >= first:
            some.append(complete(tweet_document(value)))
        if len(some) >= _AT_ONCE or (some and number == end - 1):
            lake.database.tweets.insert_many(some, ordered=False)
            some = []


class Memory(threading.Thread):
    """Looks at what a process and what it started hold in memory."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        super().__init__(daemon=True)
        self._process = process
        self.most: dict[str, int] = {}  # MB by the name of a program

    def run(self) -> None:
        while self._process.poll() is None:
            for status in _family(self._process.pid):
                name = status["Name"]
                megabytes = int(status.get("VmHWM", "0 kB").split()[0]) // 1024
                self.most[name] = max(self.most.get(name, 0), megabytes)
            time.sleep(_LOOK_SECONDS)


def _family(pid: int) -> Iterator[dict[str, str]]:
    for path in Path("/proc").glob("[0-9]*/status"):
        try:
            status = dict(line.split(":\t", 1) for line in path.read_text().splitlines() if ":\t" in line)
        except OSError:
            continue
        if str(pid) in (status.get("Pid"), status.get("PPid")):
            yield status


def run(lake: conftest.Lake, name: str, *arguments: str) -> dict[str, Any]:
    """Run a command of backups, and tell what it cost."""
    began = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, "-m", "opslib", "backup", *arguments, "--format", "json"],
        env=lake.environment(),
        stdout=subprocess.PIPE,
    )
    memory = Memory(process)
    memory.start()
    out, _ = process.communicate()
    if process.returncode != 0:
        sys.exit(f"{name} ended with {process.returncode}")
    report(f"{name}, seconds", round(time.monotonic() - began, 1))
    report(f"{name}, MB of memory", memory.most)
    found: dict[str, Any] = json.loads(out)
    return found


def measure(lake: conftest.Lake, options: argparse.Namespace) -> None:
    """Make two backups, verify the second and restore it."""
    repository = options.repository or lake.folder / "repository"
    lake.put("restic_password", "of the bench\n")
    if options.environment:
        lake.put("restic_environment", "".join(f"{one}\n" for one in options.environment))
    mongod = services.distribution("mongodb") / "bin/mongod"
    with lake.config.open("a") as config:
        config.write(
            f"[backup]\nrepository = '{repository}'\nparts = ['mongodb', 'log']\n"
            f"state = '{lake.folder / 'backup'}'\nmongod = '{mongod}'\n"
        )
    initialise(lake.database)
    fill(lake, 0, options.count)
    report("tweets", options.count)
    report("MB of them as BSON", lake.database.command("collStats", "tweets")["size"] // 10**6)
    lake.log_in("opslib-backup")
    subprocess.run([sys.executable, "-m", "opslib", "backup", "init"], env=lake.environment(), check=True)
    for name, more in (("first", 0), ("next", options.more)):
        fill(lake, options.count, options.count + more)
        made = run(lake, name, "create")
        for figure in ("bytes", "added"):
            parts = {part: round(one[figure] / 10**6, 1) for part, one in made["parts"].items()}
            report(f"{name}, MB {figure}", parts)
    run(lake, "verify", "verify")
    lake.put("mongodb_username", "__system")
    keyfile = lake.servers.mongodb.folder / "keyfile"
    lake.put("mongodb_password", "".join(keyfile.read_text().split()))
    run(lake, "restore", "restore", "mongodb", "--force")
    report("tweets that came back", lake.database.tweets.count_documents({}))


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--count", type=int, default=1_000_000)
    parser.add_argument("--more", type=int, default=50_000)
    parser.add_argument("--repository", help="As restic names it.")
    parser.add_argument(
        "--environment", action="append", default=[], metavar="NAME=VALUE", help="What it wants to know."
    )
    parser.add_argument("--keep", type=Path, help="Work in this folder, and leave it.")
    options = parser.parse_args()
    folder = options.keep or Path(tempfile.mkdtemp(prefix="bench-backup-"))
    folder.mkdir(exist_ok=True)
    try:
        with conftest.running(folder / "servers") as servers:
            (folder / "lake").mkdir()
            lake = conftest.Lake(servers, folder / "lake")
            try:
                report("processors", os.cpu_count())
                measure(lake, options)
            finally:
                lake.close()
    finally:
        if options.keep is None:
            shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
