"""How a backup comes back: all of it is read once and compared before anything is changed."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable

from opslib.backup import files, kafka, mongodb, runs
from opslib.backup.archive import DamagedError, Reader
from opslib.backup.kafka import Kept, Positions
from opslib.backup.restic import BackupError
from opslib.kafka_client import KafkaAdminClient
from opslib.run import lag
from opslib.settings import SettingsError, has_credential
from opslib.store.collections import FORGOTTEN, FORGOTTEN_AUTHORS
from opslib.store.write import safely
from opslib.x.budget import Budget

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pymongo.database import Database

    from opslib.backup.restic import Repository, Snapshot
    from opslib.backup.runs import Run
    from opslib.settings import Settings

Document = dict[str, Any]
Told = Callable[[str, int], None]
# How far the clocks of two hosts may differ: what is read once more does no harm.
_CLOCKS = timedelta(minutes=10)


@dataclass
class Plan:
    """What is restored from where; once it was read, all of it is known to be whole."""

    run: Run
    until: datetime | None = None
    logs: list[Run] = field(default_factory=list)  # whose log is replayed, in this order
    contents: dict[str, dict[str, Any]] = field(default_factory=dict)  # by part
    settings: list[Document] = field(default_factory=list)  # topics, access lists, groups
    notes: dict[str, list[Document]] = field(
        default_factory=dict
    )  # what is forgotten as of the newest backup


class Restore:
    """One restore. It raises ``click.ClickException`` in one line, before anything is changed if it can."""

    def __init__(self, settings: Settings, repository: Repository, told: Told) -> None:
        self._settings = settings
        self._repository = repository
        self._told = told
        self._runs = runs.found(repository.snapshots())

    def plan(self, parts: Sequence[str], wanted: str | None, until: datetime | None) -> Plan:
        """Return from which backup *parts* are to come."""
        if until is not None:
            plan = self._plan_until(until, wanted)
        else:
            run = runs.choose(self._runs, parts[0], wanted)
            plan = Plan(run, logs=[run] if "log" in run.parts else [])
        for part in parts:
            if part not in plan.run.parts:
                raise SettingsError(f"the backup {plan.run.name} has no part {part}")
        return plan

    def read(self, plan: Plan, parts: Sequence[str]) -> None:
        """Read to its end what *parts* are made of, and note in *plan* what is to be known of it."""
        for part in parts:
            plan.contents[part] = self._whole(part, plan.run.parts[part])
        if "mongodb" in parts:
            for run in plan.logs:
                self._whole("log", run.parts["log"])
            plan.notes = self._notes()
        if "positions" in plan.run.parts and {"mongodb", "kafka", "positions"} & set(parts):
            with self._repository.read(plan.run.parts["positions"]) as pipe:
                plan.settings = list(Reader(pipe).documents(kafka.SETTINGS))

    def _plan_until(self, until: datetime, wanted: str | None) -> Plan:
        """Return the newest backup that ended before *until*, and the logs from there on."""
        later: list[Run] = []
        for run in reversed(
            [one for one in self._runs if one.whole and {"mongodb", "log"} <= one.parts.keys()]
        ):
            log = runs.mark(self._repository, run)["log"]["log"]
            # An entry has the server's moment, which is no later than the second that its place counts.
            ended = datetime.fromtimestamp(log["to"][0], timezone.utc) + timedelta(seconds=1)
            if ended <= until and (wanted is None or run.name <= wanted):
                return Plan(run, until, [run, *self._gapless(log["to"], until, list(reversed(later)))])
            later.append(run)
        raise SettingsError(f"there is no backup from before {until:%Y-%m-%dT%H:%M:%S}Z")

    def _gapless(self, at: list[int], until: datetime, later: list[Run]) -> list[Run]:
        needed = []
        reached = datetime.fromtimestamp(at[0], timezone.utc)
        for run in later:
            log = runs.mark(self._repository, run)["log"]["log"]
            if log["from"] > at:
                raise SettingsError(
                    f"MongoDB's log has a gap before the backup {run.name}: no moment in it is known"
                )
            needed.append(run)
            at, reached = log["to"], datetime.fromisoformat(log["until"])
            if reached >= until:
                return needed
        raise SettingsError(
            f"no backup reaches as far as that: the newest one ends at {reached:%Y-%m-%dT%H:%M:%S}Z"
        )

    def _whole(self, part: str, snapshot: Snapshot) -> dict[str, Any]:
        with _damage_of(part, snapshot):
            return runs.contents(self._repository, snapshot)

    def _notes(self) -> dict[str, list[Document]]:
        """Return what was forgotten, and by whom, as of the newest backup, whichever is restored."""
        newest = runs.choose(self._runs, "mongodb", None)
        found: dict[str, list[Document]] = {name: [] for name in mongodb.FIRST}
        with self._repository.read(newest.parts["mongodb"]) as pipe:
            mongodb.take_first(Reader(pipe), found)
        return found

    # -- what would be overwritten ------------------------------------------------------------------------

    def in_the_way(self, plan: Plan, parts: Sequence[str], root: Path) -> list[str]:
        """Return what is there already and would be overwritten."""
        there: list[str] = []
        if "mongodb" in parts:
            with self._client() as client:
                names = mongodb.filled(client[self._settings.mongodb.database])
            there += [f"documents in {name}" for name in names]
        if "kafka" in parts:
            with kafka.client(self._settings, KafkaAdminClient) as admin:
                there += [f"messages in {name}" for name in kafka.held(admin, self._topics(admin))]
        for part in parts:
            if part in runs.TREES:
                there += self._files(part, plan.run.parts[part], root)[:3]
        return there

    def _files(self, part: str, snapshot: Snapshot, root: Path) -> list[str]:
        with _damage_of(part, snapshot), self._repository.read(snapshot) as pipe:
            return files.present(Reader(pipe), root)

    def check_stopped(self, plan: Plan) -> None:
        """Raise if somebody reads in a group that is to be set back."""
        if plan.settings:
            with kafka.client(self._settings, KafkaAdminClient) as admin:
                groups = kafka.busy(admin, plan.settings)
            if groups:
                raise SettingsError(
                    f"nothing was changed: somebody reads in {', '.join(groups)}: stop the services first"
                )

    def _topics(self, admin: Any) -> dict[str, int]:
        known = set(admin.list_topics())
        return lag.partition_counts(admin, [name for name in self._settings.backup.topics if name in known])

    def _client(self) -> Any:
        return self._settings.mongodb.client(appname="opslib-backup", serverSelectionTimeoutMS=10_000)

    # -- doing it -----------------------------------------------------------------------------------------

    def restore(self, plan: Plan, parts: Sequence[str], root: Path, *, force: bool) -> dict[str, Any]:
        """Bring *parts* back; with *force* what is there goes first. Return what came of it."""
        done: dict[str, Any] = {}
        positions: Positions | Kept | None = None
        ahead = self._ahead(plan) if self._goes_on(parts, root) else {}
        if "kafka" in parts:
            positions, done["kafka"] = self._kafka(plan, force)
        if "mongodb" in parts:
            done["mongodb"] = self._mongodb(plan, positions, force)
        if plan.settings:
            done["positions"] = self._positions(plan, positions)
        for part in parts:
            if part in runs.TREES:
                with self._repository.read(plan.run.parts[part]) as pipe:
                    done[part] = files.restore(Reader(pipe), root, list(runs.TREES[part].paths))
        if ahead and (root / runs.BUDGET).exists():
            Budget.of(root / runs.BUDGET).note_collected(ahead)
            done["searches that are further"] = len(ahead)
        return done

    def _goes_on(self, parts: Sequence[str], root: Path) -> bool:
        """Tell whether NiFi comes back for a Kafka that went on without it, and that can be asked."""
        asked = has_credential("kafka_cert") or self._settings.kafka.security_protocol != "SSL"
        return "nifi" in parts and "kafka" not in parts and root == Path("/") and asked

    def _ahead(self, plan: Plan) -> dict[str, int]:
        """Return how far searches have come since the backup: what came is not to be paid for again."""
        since = runs.moment_of(plan.run.name) - _CLOCKS
        return kafka.newest_collected(self._settings, since, lambda more: self._told("nifi", more))

    def _kafka(self, plan: Plan, force: bool) -> tuple[Positions, int]:
        number = 0

        def told(more: int) -> None:
            nonlocal number
            number += more
            self._told("kafka", more)

        with kafka.client(self._settings, KafkaAdminClient) as admin:
            kafka.restore_settings(admin, plan.settings)
            topics = self._topics(admin)
            if force:
                kafka.empty(admin, topics)
        with self._repository.read(plan.run.parts["kafka"]) as pipe:
            positions = kafka.restore_messages(self._settings, Reader(pipe), topics, told)
        return positions, number

    def _positions(self, plan: Plan, positions: Positions | Kept | None) -> dict[str, int]:
        """Set groups to where they stood: what they read since they read again."""
        with kafka.client(self._settings, KafkaAdminClient) as admin:
            if positions is None:
                positions = Kept(lag.bounds(admin, self._topics(admin)))
            return kafka.restore_positions(admin, plan.settings, positions)

    def _mongodb(self, plan: Plan, positions: Positions | Kept | None, force: bool) -> int:
        number = 0

        def told(more: int) -> None:
            nonlocal number
            number += more
            self._told("mongodb", more)

        def moved(document: Document) -> Document | None:
            return _moved(document, positions, plan.until)

        with self._client() as client:
            database = client[self._settings.mongodb.database]
            if force:
                mongodb.empty(database)
            about = plan.contents["mongodb"]
            with self._repository.read(plan.run.parts["mongodb"]) as pipe:
                mongodb.restore(database, Reader(pipe), about, told, moved)
            after = mongodb.stamp(about["begin"])
            for run in plan.logs:
                with self._repository.read(run.parts["log"]) as pipe:
                    mongodb.replay(database, Reader(pipe), after, plan.until)
                after = mongodb.stamp(runs.mark(self._repository, run)["log"]["log"]["to"])
            mongodb.indexed(database, about)
            self._note(database, plan)
        return number

    def _note(self, database: Database[Document], plan: Plan) -> None:
        """Add what was forgotten since: whoever reads the lake from now on leaves it out."""
        for name, documents in plan.notes.items():
            target = safely(database[name])
            there = {one["_id"] for one in target.find({}, {"_id": 1})}
            new = [one for one in documents if one["_id"] not in there]
            for first in range(0, len(new), 1000):
                target.insert_many(new[first : first + 1000], bypass_document_validation=True)


@contextmanager
def _damage_of(part: str, snapshot: Snapshot) -> Iterator[None]:
    try:
        yield
    except DamagedError as error:
        raise BackupError(f"the part {part} of the backup {snapshot.run} is damaged: {error}") from error


def _moved(document: Document, positions: Positions | Kept | None, until: datetime | None) -> Document | None:
    """Return a measurement as this lake has it: where the recorder goes on is a place in Kafka."""
    if until is not None and document["at"] > until:
        return None
    if not isinstance(positions, Positions):
        return document
    for place in document.get("next", ()):
        moved = positions.of((place["topic"], place["partition"]), place["offset"])
        if moved is not None:
            place["offset"] = moved
    return document


def forgotten(database: Database[Document]) -> tuple[dict[int, str], dict[str, str]]:
    """Return all tweets and authors that are noted, with the reason: all of it is taken out once more."""
    tweets = {one["_id"]: one["reason"] for one in database[FORGOTTEN.name].find({}, {"reason": 1})}
    authors = {one["_id"]: one["reason"] for one in database[FORGOTTEN_AUTHORS.name].find({}, {"reason": 1})}
    return tweets, authors
