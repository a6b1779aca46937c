"""``opslib backup``: what is saved of the lake, and how it comes back."""

from __future__ import annotations

import getpass
import os
import socket
import time
from contextlib import contextmanager
from dataclasses import asdict
from datetime import timezone
from pathlib import Path
from typing import TYPE_CHECKING

import click
from pymongo.errors import PyMongoError

from opslib.backup import restore as restoring
from opslib.backup import runs, state, verify
from opslib.backup.restic import BackupError, Repository
from opslib.cli._options import FILE, FOLDER, examples, tell_json, with_format, with_settings
from opslib.cli._progress import progress
from opslib.cli._terminal import one_line, tell
from opslib.cli._times import MOMENT
from opslib.forgetting.take import Asked, Forgetting, Request
from opslib.run.failures import said, wrong_settings
from opslib.settings import SettingsError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from opslib.cli._times import Moment
    from opslib.settings import Settings

_MEGABYTE = 1_000_000
_RESTORED = ("kafka", "mongodb", "nifi", "opslib", "web")  # of `all`; the rest is for a person to look into


@click.group()
def command() -> None:
    """Save the lake, and bring it back.

    Backups are kept by restic, encrypted, where the setting backup.repository says. A backup is a run over
    all parts of this host, in an order by which a restore can repeat and never lose.
    """


@command.command(epilog=examples("opslib backup init"))
@with_settings
def init(settings: Settings) -> None:
    """Make the repository, unless it is there already."""
    # Each backup begins with it, and a store that is away shows here first.
    with _failure_noted(settings, "failed"):
        made = Repository(settings.backup).init()
    tell("made the repository" if made else "nothing to change")


@command.command(
    epilog=examples("opslib backup create", "opslib backup create --part mongodb --part log --format json")
)
@click.option(
    "--part", "parts", multiple=True, type=click.Choice(runs.PARTS), help="Only this part; may be repeated."
)
@click.option("--run", "name", help="The name of a run that another host began, as 20260301T023000Z.")
@with_format
@with_settings
def create(settings: Settings, parts: tuple[str, ...], name: str | None, form: str) -> None:
    """Save the parts of this host, and remove what is older than is to be kept."""
    chosen = list(parts or settings.backup.parts or runs.ORDER)
    if not parts and runs.control_of(settings) is not None:
        chosen.append(runs.CONTROL)
    if name is not None:
        _known_name(name)
    repository = Repository(settings.backup)
    with runs.alone(settings.backup.state), _noted(settings, "failed"), progress("saved") as done:
        result = runs.save(
            settings,
            repository,
            chosen,
            name or runs.name_of(time.time()),
            lambda _, more: done(more),
        )
        result.removed = runs.prune(repository, settings.backup.keep_last)
    state.note(
        settings.backup.state,
        run=result.run,
        ended=result.ended,
        seconds=round(result.ended - result.began, 3),
        log_to=result.log_to,
        parts={part: {"bytes": one.bytes, "added": one.added} for part, one in result.parts.items()},
    )
    if form == "json":
        tell_json(asdict(result))
        return
    for part, one in result.parts.items():
        tell(f"{part:10} {one.bytes / _MEGABYTE:10.1f} MB read  {one.added / _MEGABYTE:10.1f} MB added")
    tell(f"backup {result.run} is whole after {result.ended - result.began:.0f} s")


@command.command("list", epilog=examples("opslib backup list", "opslib backup list --format json"))
@with_format
@with_settings
def list_(settings: Settings, form: str) -> None:
    """List the backups, the oldest first."""
    found = runs.described(runs.found(Repository(settings.backup).snapshots()))
    if form == "json":
        tell_json(found)
        return
    for one in found:
        cut = "" if one["whole"] else "  cut short"
        tell(one_line(f"{one['run']}  {' '.join(one['parts'])}{cut}"))
    tell(f"{len(found)} backups", err=True)


@command.command(
    epilog=examples(
        "opslib backup restore all --dry-run",
        "opslib backup restore mongodb --at 2026-03-01T12:00:00Z --force",
        "opslib backup restore zookeeper --to /var/tmp",
    )
)
@click.argument("part", type=click.Choice(["all", *(part for part in runs.PARTS if part != "log")]))
@click.option("--run", "name", help="To this backup of `opslib backup list`, otherwise to the newest.")
@click.option("--at", type=MOMENT, help="MongoDB to this moment between two backups; in UTC.")
@click.option("--to", "root", type=FOLDER, help="Files below this folder and not where they were.")
@click.option("--force", is_flag=True, help="Take away what is there.")
@click.option("--dry-run", is_flag=True, help="Only read it all and say what would be done.")
@with_format
@with_settings
def restore(
    settings: Settings,
    part: str,
    name: str | None,
    at: Moment | None,
    root: Path | None,
    force: bool,
    dry_run: bool,
    form: str,
) -> None:
    """Bring back one part, or all that this host saves.

    What is there is not overwritten without --force. All of it is read and compared with what was saved
    before anything is changed. What was forgotten since is taken out again. With mongodb the groups of Kafka
    go back to where they stood, so that what they read since is read again; stop the services first.
    """
    parts = _parts(settings, part, root)
    until = at.within(timezone.utc) if at else None
    if until is not None and "mongodb" not in parts:
        raise click.UsageError("--at is for the part mongodb")
    repository = Repository(settings.backup)
    with runs.alone(settings.backup.state), _mongodb_errors():
        with progress("restored") as done:
            work = restoring.Restore(settings, repository, lambda _, more: done(more))
            plan = work.plan(parts, name, until)
            target = root or Path("/")
            there = work.in_the_way(plan, parts, target)
            if there and not force:
                raise SettingsError(
                    f"nothing was changed: there is {', '.join(there)} already; --force takes it away"
                )
            work.read(plan, parts)
            if not dry_run:
                work.check_stopped(plan)
            came = {} if dry_run else work.restore(plan, parts, target, force=force)
        taken = _forget_again(settings) if "mongodb" in parts and not dry_run else 0
    if form == "json":
        tell_json(
            {
                "run": plan.run.name,
                "at": until,
                "parts": parts,
                "there": there,
                "restored": came,
                "forgotten_again": taken,
                "dry_run": dry_run,
            }
        )
        return
    verb = "would come" if dry_run else "came"
    tell(f"{', '.join(parts)} {verb} back from the backup {plan.run.name}")
    for one, number in came.items():
        tell(f"{one}: {number}")
    if taken:
        tell(f"{taken} tweets were forgotten since and are taken out again")


@command.command("verify", epilog=examples("opslib backup verify", "opslib backup verify --format json"))
@click.option("--run", "name", help="This backup of `opslib backup list`, otherwise the newest.")
@with_format
@with_settings
def verify_(settings: Settings, name: str | None, form: str) -> None:
    """Restore the newest backup into a MongoDB of its own, and compare counts and sums."""
    repository = Repository(settings.backup)
    with runs.alone(settings.backup.state), _noted(settings, "verify_failed"), progress("restored") as done:
        run = runs.choose(runs.found(repository.snapshots()), "mongodb", name)
        with _mongodb_errors():
            figures = verify.verify(settings, repository, run, done)
        size = repository.size()
    state.note(settings.backup.state, verified=time.time(), verified_run=run.name, repository=size)
    if form == "json":
        tell_json({"run": run.name, "collections": figures, "repository": size})
        return
    for collection, one in figures.items():
        tell(one_line(f"{collection:18} {one['documents']:>12} documents"))
    tell(f"the backup {run.name} is whole: it came back as it was saved; all take {size / _MEGABYTE:.1f} MB")


def _known_name(name: str) -> None:
    try:
        runs.moment_of(name)
    except ValueError as error:
        raise click.BadParameter(f"{name!r} is no name of a run, such as 20260301T023000Z") from error


def _parts(settings: Settings, part: str, root: Path | None) -> list[str]:
    mine = settings.backup.parts or list(runs.ORDER)
    parts = [one for one in _RESTORED if one in mine] if part == "all" else [part]
    if part == runs.CONTROL and root is None:
        raise click.UsageError("the control node's part goes into a folder: --to")
    return parts


def _forget_again(settings: Settings) -> int:
    """Take out what is noted, of which the backup was not rid yet, and return how many tweets that were."""
    with settings.mongodb.client(appname="opslib-backup", serverSelectionTimeoutMS=10_000) as client:
        database = client[settings.mongodb.database]
        tweets, authors = restoring.forgotten(database)
        asked = Asked(f"{getpass.getuser()}@{socket.gethostname()}", "restored from a backup")
        return sum(
            one.tweets + one.retweets for one in Forgetting(database, Request(tweets, authors), asked).take()
        )


@contextmanager
def _noted(settings: Settings, failure: str) -> Iterator[None]:
    """Note that it failed, or that it did not, for whoever watches."""
    with _failure_noted(settings, failure), _mongodb_errors():
        yield
    state.note(settings.backup.state, **{failure: False})


@contextmanager
def _failure_noted(settings: Settings, failure: str) -> Iterator[None]:
    """Note that it failed."""
    try:
        yield
    except click.ClickException:
        if os.access(settings.backup.state, os.W_OK):
            state.note(settings.backup.state, **{failure: True})
        raise


@contextmanager
def _mongodb_errors() -> Iterator[None]:
    """Tell errors of MongoDB in one line."""
    try:
        yield
    except PyMongoError as error:
        reason = wrong_settings(error, starting=True)
        if reason:
            raise SettingsError(reason) from error
        raise BackupError(f"MongoDB: {said(error)}") from error


@command.group()
def password() -> None:
    """Change what the repository opens with: add another password, hand it to all hosts, remove the old one.

    What was saved stays as it is: restic encrypts its own key with each password.
    """


@password.command("add", epilog=examples("opslib backup password add new.txt"))
@click.argument("file", type=FILE)
@with_settings
def add_password(settings: Settings, file: Path) -> None:
    """Let the repository open with the password in FILE as well."""
    added = Repository(settings.backup).add_password(file)
    tell("added the password" if added else "nothing to change")


@password.command("remove", epilog=examples("opslib backup password remove old.txt"))
@click.argument("file", type=FILE)
@with_settings
def remove_password(settings: Settings, file: Path) -> None:
    """Let the repository no longer open with the password in FILE.

    The one that backups are made with stays.
    """
    removed = Repository(settings.backup).remove_password(file)
    tell("removed the password" if removed else "nothing to change")
