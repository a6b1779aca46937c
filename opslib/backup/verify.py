"""Whether a backup is one: the newest comes back into a MongoDB of its own, and is counted and summed there.

That server listens on a Unix socket in a folder that nobody else may enter, so no port is open, and what it
holds goes with it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Callable
from urllib.parse import quote

from pymongo import MongoClient
from pymongo.errors import PyMongoError

from opslib.backup import mongodb, runs
from opslib.backup.archive import DamagedError, Reader
from opslib.backup.restic import BackupError
from opslib.settings import SettingsError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from opslib.backup.restic import Repository
    from opslib.backup.runs import Run
    from opslib.settings import Settings

_START_SECONDS = 120
_CACHE_GB = "0.25"


@contextmanager
def scratch(settings: Settings) -> Iterator[MongoClient[dict[str, Any]]]:
    """Run a MongoDB in the folder of the state, and give its client; both are gone at the end."""
    folder = settings.backup.state / "verify"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700, parents=True)
    process = _start(settings.backup.mongod, folder)
    client: MongoClient[dict[str, Any]] | None = None
    try:
        client = MongoClient(
            f"mongodb://{quote(str(folder / 'mongod.sock'), safe='')}/", directConnection=True,
            serverSelectionTimeoutMS=2000,
        )  # fmt: skip
        _wait(client, process, folder)
        yield client
    except PyMongoError as error:
        if process.poll() is not None:
            raise BackupError(_last(folder)) from error
        raise
    finally:
        if client is not None:
            client.close()
        process.terminate()
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        shutil.rmtree(folder, ignore_errors=True)


def _start(mongod: Path, folder: Path) -> subprocess.Popen[bytes]:
    if not os.access(mongod, os.X_OK):
        raise SettingsError(f"backup.mongod: there is no program {mongod}; verify where MongoDB is installed")
    (folder / "data").mkdir()
    command = [str(mongod), "--dbpath", str(folder / "data"), "--bind_ip", str(folder / "mongod.sock")]
    # Nothing here needs JavaScript, and with it memory would have to be both written and run.
    command += ["--wiredTigerCacheSizeGB", _CACHE_GB, "--quiet", "--noscripting"]
    # The OpenSSL that the release was built for lies beside it.
    environment = {**os.environ, "LD_LIBRARY_PATH": str(mongod.resolve().parent.parent / "lib")}
    with (folder / "log").open("wb") as log:
        return subprocess.Popen(
            command, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT
        )


def _wait(client: MongoClient[dict[str, Any]], process: subprocess.Popen[bytes], folder: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while not _answers(client):
        if process.poll() is not None or time.monotonic() > deadline:
            raise BackupError(_last(folder))
        time.sleep(0.2)


def _answers(client: MongoClient[dict[str, Any]]) -> bool:
    try:
        client.admin.command("ping")
    except PyMongoError:
        return False
    return True


def _last(folder: Path) -> str:
    if shutil.disk_usage(folder).free < 64 * 1024 * 1024:
        return f"there is no room left in {folder} to verify the backup in"
    # Of its log, a line of JSON each, what it says last about what is wrong.
    lines = (folder / "log").read_text(errors="replace").splitlines()
    told = [line for line in lines if '"s":"F"' in line or '"s":"E"' in line] or lines
    return f"the MongoDB to verify the backup in ended: {told[-1][:300] if told else 'without a word'}"


def verify(
    settings: Settings, repository: Repository, run: Run, told: Callable[[int], None]
) -> dict[str, dict[str, Any]]:
    """Restore MongoDB of *run* and compare; return documents and bytes by collection.

    Each collection is compared as it was read, and the log is then replayed over it, which has to go through.
    Raises :class:`BackupError` where anything differs.
    """
    try:
        contents = runs.contents(repository, run.parts["mongodb"])
        for part in run.parts:
            if part != "mongodb":
                runs.contents(repository, run.parts[part])
    except DamagedError as error:
        raise BackupError(f"the backup {run.name} is damaged: {error}") from error
    with scratch(settings) as client:
        database = client[contents["database"]]
        with repository.read(run.parts["mongodb"]) as pipe:
            mongodb.restore(database, Reader(pipe), contents, told)
        figures = _compare(database, contents)
        if "log" in run.parts:
            with repository.read(run.parts["log"]) as pipe:
                mongodb.replay(database, Reader(pipe), mongodb.stamp(contents["begin"]), None)
        mongodb.indexed(database, contents)
    return figures


def _compare(database: Any, contents: dict[str, Any]) -> dict[str, dict[str, Any]]:
    names = [name for name, about in contents["collections"].items() if not about["timeseries"]]
    found = mongodb.digests(database, names)
    for name in contents["collections"]:
        key = f"collections/{name}"
        saved = contents["sums"].get(key, {"documents": 0})
        # A time series answers in an order of its own; its measurements are counted.
        here = found.get(key) or {"documents": database[name].count_documents({})}
        if any(saved.get(part) != value for part, value in here.items()):
            raise BackupError(
                f"{name} did not come back as it was saved: {here['documents']} documents, "
                f"{saved['documents']} were saved"
            )
        found[key] = {"documents": here["documents"], "bytes": saved.get("bytes", 0)}
    return {name.removeprefix("collections/"): one for name, one in found.items()}
