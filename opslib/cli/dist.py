"""``opslib dist``: assemble and check the distributions that the roles install."""

from __future__ import annotations

import functools
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from opslib.cli._options import WrongInput, examples, tell_json, with_format
from opslib.cli._progress import progress
from opslib.cli._terminal import one_line, tell
from opslib.dist import DistError, build
from opslib.dist import advisories as known
from opslib.dist.lock import resolve
from opslib.dist.sources import SOURCES
from opslib.packing import CHECKOUT

if TYPE_CHECKING:
    from collections.abc import Callable

Function = TypeVar("Function", bound="Callable[..., Any]")


@click.group()
def command() -> None:
    """Assemble the tarballs that the roles put on hosts, from locked and checked inputs.

    They are kept in $TRENDLAKE_CACHE (default: ~/.cache/trendlake). The same inputs give the same bytes.
    """


def _of_a_checkout(function: Function) -> Function:
    """Tell whoever calls *function* on a server that there is nothing to do there."""

    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        if not (CHECKOUT / "pyproject.toml").is_file():
            raise WrongInput(
                f"distributions are built and verified in a checkout of the project, on the control node; "
                f"{CHECKOUT} is an installation of opslib, which came here in one"
            )
        return function(*args, **kwargs)

    return wrapper  # type: ignore[return-value]


_names = click.argument("names", nargs=-1, type=click.Choice(build.NAMES), metavar="[NAME]...")


def _say(text: str) -> None:
    tell(text, err=True)


@command.command("build", epilog=examples("opslib dist build", "opslib dist build kafka mongodb"))
@_names
@click.option("--force", is_flag=True, help="Build even what is up to date.")
@_of_a_checkout
def build_(names: tuple[str, ...], force: bool) -> None:
    """Build what is missing or out of date; print the paths.

    Without NAMEs: all of them.
    """
    with progress("distributions", len(names or build.NAMES)) as done:
        for name in names or build.NAMES:
            try:
                if not force and build.is_current(name):
                    _say(f"{name} is up to date")
                else:
                    _say(f"building {name}")
                    build.build(name)
                    _say(f"built {name}")
                tell(build.path(name))
            except DistError as error:
                raise click.ClickException(f"{name}: {error}") from error
            done(1)


@command.command(epilog=examples("opslib dist verify", "opslib dist verify kafka"))
@_names
@_of_a_checkout
def verify(names: tuple[str, ...]) -> None:
    """Check tarballs and the inputs they were made of against the locks.

    Exit code 1 if anything is not what it has to be, 2 where that cannot be told.
    """
    wrong = []
    with progress("distributions", len(names or build.NAMES)) as done:
        for name in names or build.NAMES:
            wrong += build.verify(name)
            done(1)
    for line in wrong:
        tell(line)
    if wrong:
        sys.exit(1)
    _say(f"{len(names or build.NAMES)} distributions are what their locks say")


@command.command(epilog=examples("opslib dist advisories", "opslib dist advisories --format json"))
@click.option(
    "--osv",
    "folders",
    type=click.Path(exists=True, file_okay=False, readable=True, path_type=Path),
    multiple=True,
    help="A folder of advisories in OSV's format (*.json, also below it); may be repeated.",
)
@with_format
@_of_a_checkout
def advisories(folders: tuple[Path, ...], form: str) -> None:
    """Say which known faults the locked versions have, and who can reach them.

    Without --osv those that somebody has judged (opslib/dist/advisories.json). Nothing is asked of the
    internet. Exit code 1 if anybody can reach one, or if nobody has judged one yet.
    """
    try:
        files = [path for folder in folders for path in sorted(folder.rglob("*.json"))]
        components = known.installed(CHECKOUT)
        findings = known.check(components, files)
    except DistError as error:
        raise WrongInput(str(error)) from error
    for finding in findings:
        told = {
            "advisory": finding.advisory,
            "component": finding.component.name,
            "version": finding.component.version,
            "files": list(finding.component.places),
            "reachable_by": finding.reachable,
            "why": finding.why,
        }
        if form == "json":
            tell_json(told)
        else:
            tell(
                f"{finding.reachable:10} {finding.advisory:20} {finding.component.name} "
                f"{finding.component.version}: {one_line(finding.why)}"
            )
    bad = sum(finding.is_bad for finding in findings)
    _say(f"{len(findings)} known faults of {len(components)} components, {bad} to be looked at")
    if bad:
        sys.exit(1)


@command.command(epilog=examples("opslib dist path kafka"))
@click.argument("name", type=click.Choice(build.NAMES))
@_of_a_checkout
def path(name: str) -> None:
    """Print where the tarball of NAME stands, built or not."""
    tell(build.path(name))


@command.command(epilog=examples("opslib dist lock kafka"))
@click.argument("names", nargs=-1, type=click.Choice(sorted(SOURCES)), metavar="[NAME]...")
@_of_a_checkout
def lock(names: tuple[str, ...]) -> None:
    """Look up anew what opslib/dist/sources.py asks for, and lock it.

    For maintainers: read the difference before you commit it.
    """
    for name in names or SOURCES:
        _say(f"locking {name}")
        try:
            resolve(SOURCES[name]).save()
        except DistError as error:
            raise click.ClickException(f"{name}: {error}") from error
