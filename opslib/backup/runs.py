"""Runs of the backup: which parts there are, in which order they are saved, and which belong together.

The order is what lets a restore repeat and never lose: how far the readers of Kafka are before what they
wrote to MongoDB, and how far NiFi's searches are before the messages that these put into Kafka. What comes
between is read and written once more, which does no harm: a tweet's id is its own.

A run is named by the moment it began. It is *whole* once the part :data:`MARK` is there, which says how each
of the others came out; parts of a run that was cut short are taken away by a later one.
"""

from __future__ import annotations

import fcntl
import os
import tarfile
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable

from opslib.backup import files, kafka, mongodb
from opslib.backup.archive import Reader, Writer
from opslib.backup.restic import BackupError, Repository, Saved, Snapshot
from opslib.run.backups import read
from opslib.settings import SettingsError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from opslib.settings import Settings

Told = Callable[[str, int], None]  # the part, and how many more documents, messages or files of it are saved
MARK = "run"
CONTROL = "control"  # of the control node, which ansible/backup.yml brings
ORDER = ("positions", "nifi", "mongodb", "log", "kafka", "zookeeper", "opslib", "web")
_NAME = "%Y%m%dT%H%M%SZ"
_TRIES = 20
_NIFI = Path("/var/lib/nifi")
BUDGET = Path("var/lib/nifi/x-budget.sqlite")  # below the root
TREES = {
    "nifi": files.Trees(
        [
            *(_NIFI / "conf" / name for name in ("flow.json.gz", "users.xml", "authorizations.xml")),
            *(_NIFI / name for name in ("state", "x-budget.sqlite")),
        ],
        together=True,  # a state's checkpoint and its journals
    ),
    "zookeeper": files.Trees([Path("/var/lib/zookeeper")]),
    # The speed layer's state and the index are made anew; what the local X API serves is the inventory's.
    "opslib": files.Trees(
        [Path("/var/lib/opslib")],
        [Path("/var/lib/opslib", name) for name in ("speed", "search", "simulate", "backup")],
    ),
    "web": files.Trees([Path("/var/lib/opslib-web")]),
}
PARTS = (*ORDER, CONTROL)


def name_of(at: float) -> str:
    """Return the name of a run that begins at Unix time *at*."""
    return datetime.fromtimestamp(at, timezone.utc).strftime(_NAME)


def moment_of(run: str) -> datetime:
    """Return when a run began; ``ValueError`` if that is no name of one."""
    return datetime.strptime(run, _NAME).replace(tzinfo=timezone.utc)


@dataclass
class Result:
    """What a run came to."""

    run: str
    began: float
    ended: float = 0.0
    parts: dict[str, Saved] = field(default_factory=dict)
    removed: int = 0  # older snapshots
    log_to: list[int] | None = None  # where MongoDB's log ends


def control_of(settings: Settings) -> Path | None:
    """Return the tar of the control node's part that ansible/backup.yml left, if it has."""
    path = settings.backup.state / "control.tar"
    return path if path.is_file() else None


@contextmanager
def alone(state: Path) -> Iterator[None]:
    """Refuse to go on while another backup, restore or verification of this host does."""
    state.mkdir(parents=True, exist_ok=True)
    with (state / "lock").open("w") as lock:
        if os.geteuid() == 0:  # whoever the timer runs as has to get at it as well
            os.fchown(lock.fileno(), state.stat().st_uid, state.stat().st_gid)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as busy:
            raise BackupError("another backup is at work on this host: wait for its end") from busy
        yield


def save(
    settings: Settings,
    repository: Repository,
    parts: Sequence[str],
    run: str,
    told: Told,
) -> Result:
    """Save *parts*, each as one snapshot, and then the mark that they are whole."""
    result = Result(run, time.time())
    known = found(repository.snapshots())
    log_from = _log_end(repository, known, read(settings.backup.state)) if "log" in parts else None
    work = _Work(settings, told, log_from)
    about: dict[str, Any] = {}
    for part in (one for one in PARTS if one in parts):
        with repository.save(run, part) as (pipe, saved):
            writer = Writer(pipe)
            work.save(part, writer)
            contents = writer.close()
        result.parts[part] = saved
        about[part] = {
            "snapshot": saved.snapshot, "bytes": saved.bytes, "added": saved.added,
            **({"log": contents["log"]} if "log" in contents else {}),
        }  # fmt: skip
    result.ended = time.time()
    result.log_to = about.get("log", {}).get("log", {}).get("to")
    with repository.save(run, MARK) as (pipe, _):
        writer = Writer(pipe)
        writer.about(run=run, began=result.began, ended=result.ended, parts=about)
        writer.close()
    return result


class _Work:
    """How each part is saved."""

    def __init__(self, settings: Settings, told: Told, log_from: list[int] | None) -> None:
        self._settings = settings
        self._told = told
        self._log_from = mongodb.stamp(log_from) if log_from else None
        self._begin: Any = None

    def save(self, part: str, writer: Writer) -> None:
        if part in ("mongodb", "log"):
            self._mongodb(part, writer)
        elif part == "positions":
            kafka.save_settings(self._settings, writer)
        elif part == "kafka":
            kafka.save_messages(self._settings, writer, lambda number: self._told(part, number))
        elif part == CONTROL:
            _put_control(control_of(self._settings), writer)
        else:
            self._told(part, _save_trees(part, writer))

    def _mongodb(self, part: str, writer: Writer) -> None:
        def told(number: int) -> None:
            self._told(part, number)

        with self._settings.mongodb.client(
            appname="opslib-backup", serverSelectionTimeoutMS=10_000
        ) as client:
            database = client[self._settings.mongodb.database]
            if part == "mongodb":
                self._begin = mongodb.save(database, writer, told)
            elif self._begin is None:
                raise SettingsError("the part log goes with the part mongodb: save both")
            else:
                mongodb.save_log(database, writer, self._begin, self._log_from, told)


def _save_trees(part: str, writer: Writer) -> int:
    trees = TREES[part]
    if not any(path.exists() for path in trees.paths):
        raise SettingsError(
            f"this host has nothing of the part {part}, such as {trees.paths[0]}: take it out of backup.parts"
        )
    return files.save(trees, writer)


def _put_control(path: Path | None, writer: Writer) -> None:
    if path is None:
        raise SettingsError("the part control is what ansible/backup.yml brings, and it has not yet")
    try:
        with tarfile.open(path) as tar:
            for info in tar:
                taken = tar.extractfile(info) if info.isreg() else None
                writer.put(info, taken.read() if taken else None)
    except tarfile.TarError as error:
        raise SettingsError(f"{path} is no tar: {error}") from error


# -- which there are ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Run:
    """A run as the repository has it."""

    name: str
    parts: Mapping[str, Snapshot]
    marks: Sequence[Snapshot]

    @property
    def whole(self) -> bool:
        """Tell whether it came to its end."""
        return bool(self.marks)


def found(snapshots: Iterable[Snapshot]) -> list[Run]:
    """Return the runs that *snapshots* belong to, the oldest first."""
    by_run: dict[str, list[Snapshot]] = {}
    for one in snapshots:
        by_run.setdefault(one.run, []).append(one)
    return [
        Run(
            name,
            {one.part: one for one in some if one.part != MARK},
            [one for one in some if one.part == MARK],
        )
        for name, some in sorted(by_run.items())
    ]


def choose(runs: Sequence[Run], part: str, wanted: str | None) -> Run:
    """Return the newest whole run that has *part*, of those up to the run *wanted*."""
    if wanted is not None and wanted not in {run.name for run in runs}:
        raise SettingsError(f"there is no backup {wanted}: see `opslib backup list`")
    some = [run for run in runs if run.whole and part in run.parts and (wanted is None or run.name <= wanted)]
    if not some:
        raise SettingsError(f"there is no whole backup with the part {part}: see `opslib backup list`")
    return some[-1]


def contents(repository: Repository, snapshot: Snapshot) -> dict[str, Any]:
    """Read a part to its end, and return what is in it: what comes back without an error is whole."""
    with repository.read(snapshot) as pipe:
        reader = Reader(pipe)
        for _ in reader:
            pass
    return reader.contents


def mark(repository: Repository, run: Run) -> dict[str, Any]:
    """Return what was noted of the parts of a run."""
    parts: dict[str, Any] = {}
    for one in run.marks:
        parts.update(contents(repository, one)["parts"])
    return parts


def _log_end(repository: Repository, known: Sequence[Run], status: Mapping[str, Any]) -> list[int] | None:
    """Return where the log of the newest whole run ends; what this host made itself it remembers."""
    for run in reversed(known):
        if run.whole and "log" in run.parts:
            if status.get("run") == run.name and "log_to" in status:
                remembered: list[int] = status["log_to"]
                return remembered
            ended: list[int] = mark(repository, run)["log"]["log"]["to"]
            return ended
    return None


def prune(repository: Repository, keep_last: int) -> int:
    """Remove the runs that the policy leaves nothing for, and what is left of those that were cut short.

    Called at the end of a run: parts that are younger than the newest mark belong to another that is at work.
    """
    runs = found(repository.snapshots())
    whole = [run.name for run in runs if run.whole]
    unkept = repository.unkept(MARK) if len(whole) > keep_last else set()
    gone: list[Snapshot] = []
    for run in runs:
        if run.whole and {one.id for one in run.marks} <= unkept:
            gone += [*run.parts.values(), *run.marks]
        elif not run.whole and whole and run.name < whole[-1]:
            gone += run.parts.values()
    repository.remove(gone)
    return len(gone)


def described(runs: Iterable[Run]) -> list[dict[str, Any]]:
    """Return runs as JSON can hold them."""
    return [
        {
            "run": run.name,
            "at": moment_of(run.name),
            "whole": run.whole,
            "parts": [part for part in PARTS if part in run.parts],
        }
        for run in runs
    ]
