"""``opslib flow``: NiFi flows deployed from definitions in git, compared with what runs, taken back."""

from __future__ import annotations

import functools
import json
import logging
import sys
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable, TypeVar

import click
import urllib3

from opslib.cli._options import (
    FILE,
    OUTPUT,
    WrongInput,
    examples,
    tell_json,
    with_format,
    with_settings,
    write_file,
)
from opslib.cli._terminal import tell
from opslib.cli._times import SpanType
from opslib.flow import api, deploy
from opslib.flow.definition import Definition
from opslib.flow.history import DEFAULT, History
from opslib.x import plan

if TYPE_CHECKING:
    from opslib.cli._times import Span
    from opslib.settings import Settings

Function = TypeVar("Function", bound=Callable[..., Any])

_NAME = "trendlake"
_history = click.option(
    "--history",
    type=click.Path(file_okay=False, path_type=Path),
    default=DEFAULT,
    show_default=True,
    help="Where the definitions that were deployed are kept.",
)
_force = click.option(
    "--force", is_flag=True, help="Overwrite what somebody changed by hand; it is saved first."
)
_dry_run = click.option("--dry-run", is_flag=True, help="Only say what would change.")


class _NoAnswer(click.ClickException):
    exit_code = 2


def _with_nifi(function: Function) -> Function:
    """Connect before the command, and say what NiFi or a definition is wrong about in one line."""

    @functools.wraps(function)
    def wrapper(*args: Any, settings: Settings, **kwargs: Any) -> Any:
        try:
            api.connect(settings)
            return function(*args, **kwargs)
        except api.FlowError as error:
            # For `diff`, 1 is an answer.
            kind = _NoAnswer if function.__name__ == "diff" else click.ClickException
            raise kind(str(error)) from error
        except urllib3.exceptions.HTTPError as error:
            raise _NoAnswer(
                f"NiFi at {settings.nifi.url} does not answer any more ({error}): its log says what it does; "
                "restart it if it hangs, and run this again"
            ) from error

    return with_settings(wrapper)  # type: ignore[return-value]


@click.group()
def command() -> None:
    """Deploy the flow that NiFi runs, compare it with what was deployed, and go back.

    Speaks to NiFi as the holder of the credentials nifi_cert and nifi_key.
    """
    # nipyapi tells what it does, and asks urllib3 to.
    for client in ("nipyapi", "urllib3"):
        logging.getLogger(client).setLevel(logging.ERROR)


@command.command(
    "deploy",
    epilog=examples(
        "opslib flow deploy flows/trendlake.json --parameters parameters.json --dry-run",
        "opslib flow deploy flows/trendlake.json --patience 2m",
    ),
)
@click.argument("definition", type=FILE)
@click.option(
    "--parameters",
    type=FILE,
    help="JSON file: {name: value}, and {name: {secret: value}} for secrets.",
)
@click.option(
    "--starting",
    type=SpanType("s", least=timedelta()),
    default=f"{deploy.STARTING_SECONDS}s",
    show_default=True,
    help="How long after NiFi's start it may still be loading processors.",
)
@click.option(
    "--patience",
    type=SpanType("s", least=timedelta()),
    default=f"{deploy.PATIENCE_SECONDS}s",
    show_default=True,
    help="How long a component may be invalid before the version before is brought back.",
)
@_dry_run
@_force
@_history
@with_format
@_with_nifi
def deploy_(
    definition: Path,
    parameters: Path | None,
    starting: Span,
    patience: Span,
    dry_run: bool,
    force: bool,
    history: Path,
    form: str,
) -> None:
    """Deploy DEFINITION, fill its parameters and start it; the second time change nothing.

    A running flow is replaced in place: FlowFiles in its queues, the state of its processors and its
    secrets stay. What somebody changed by hand is not overwritten, and a definition that NiFi cannot run is
    taken back. A budget that would be used up by asking for trends is refused, with the sum.
    """
    values, secrets = _parameters(parameters) if parameters else ({}, set())
    _require_workable(values)
    flow = Definition.read(definition)
    how = deploy.How(dry_run, force, starting.total_seconds(), patience.total_seconds(), _say)
    _print_outcome(deploy.deploy(flow, values, secrets, History(history, flow.name), how), form)


def _require_workable(values: dict[str, str]) -> None:
    """Refuse parameters by which X would be paid and nothing collected."""
    if not {"places", "trends_interval"} <= values.keys():
        return  # another flow, or a file of some parameters
    try:
        reason = plan.unworkable(values)
    except ValueError as error:
        raise WrongInput(str(error)) from error
    if reason:
        raise WrongInput(reason)


def _parameters(path: Path) -> tuple[dict[str, str], set[str]]:
    """Return the values of a file of parameters, and which of them are secrets."""
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise WrongInput(f"{path} is not JSON: {error}") from error
    if not isinstance(raw, dict):
        raise WrongInput(f"{path} is no JSON object of parameters")
    values: dict[str, str] = {}
    secrets = {name for name, value in raw.items() if isinstance(value, dict)}
    for name, given in raw.items():
        value = given.get("secret") if name in secrets else given
        if not isinstance(value, (str, int, float)):
            raise WrongInput(f"{path}: {name!r} is to be a value, or an object with one as its `secret`")
        values[name] = str(value)
    return values, secrets


@command.command(epilog=examples("opslib flow rollback --dry-run", "opslib flow rollback --to 3"))
@click.argument("name", default=_NAME)
@click.option("--to", "version", help="The version to go back to; otherwise the one before.")
@_dry_run
@_force
@_history
@with_format
@_with_nifi
def rollback(name: str, version: str | None, dry_run: bool, force: bool, history: Path, form: str) -> None:
    """Go back to the version of the flow NAME that was deployed before; parameters stay as they are."""
    how = deploy.How(dry_run, force, say=_say)
    _print_outcome(deploy.rollback(name, version, History(history, name), how), form)


@command.command(epilog=examples("opslib flow diff", "opslib flow diff flows/trendlake.json"))
@click.argument("definition", required=False, type=FILE)
@click.option("--name", default=_NAME, show_default=True, help="The flow, where no DEFINITION is given.")
@_history
@with_format
@_with_nifi
def diff(definition: Path | None, name: str, history: Path, form: str) -> None:
    """Show how the running flow differs from DEFINITION, or from what was deployed last.

    Exit code 0: it does not, 1: it does, 2: that cannot be told. Where components stand does not count.
    """
    wanted = Definition.read(definition) if definition else None
    name = wanted.name if wanted else name
    found = deploy.drift(name, History(history, name), wanted)
    if form == "json":
        tell_json([asdict(difference) for difference in found])
    else:
        for difference in found:
            tell(str(difference))
    sys.exit(1 if found else 0)


@command.command(epilog=examples("opslib flow export --output flows/trendlake.json"))
@click.argument("name", default=_NAME)
@click.option("--output", type=OUTPUT, help="Otherwise standard output.")
@_with_nifi
def export(name: str, output: Path | None) -> None:
    """Write the running flow NAME as a definition for git: no secrets, no ids of this NiFi, stable order.

    Give it a new version (snapshotMetadata) before you deploy it.
    """
    text = deploy.exported(name).text()
    if output:
        write_file(output, text.encode())
    else:
        tell(text, nl=False)


@command.command(epilog=examples("opslib flow drain", "opslib flow drain --patience 5m"))
@click.argument("name", default=_NAME)
@click.option(
    "--patience",
    type=SpanType("s", least=timedelta()),
    default="120s",
    show_default=True,
    help="How long what came may take until it is on Kafka.",
)
@_with_nifi
def drain(name: str, patience: Span) -> None:
    """Stop collecting with the flow NAME, and let what came get to Kafka.

    Nothing more is asked of X until `opslib flow deploy` starts it again. Exit code 1 if something waits
    still: it stays in its queue.
    """
    left = deploy.drain(name, patience.total_seconds())
    if left:
        tell(f"nothing more is collected, and not all is on Kafka: {'; '.join(left)}")
        sys.exit(1)
    tell("nothing more is collected, and all that came is on Kafka")


@command.command(epilog=examples("opslib flow status --format json"))
@click.argument("name", default=_NAME)
@with_format
@_with_nifi
def status(name: str, form: str) -> None:
    """Show what the flow NAME is doing: version, queues, each processor's state and complaints.

    Exit code 1 unless all of it runs.
    """
    state = deploy.status(name)
    if form == "json":
        tell_json(state)
    else:
        by_hand = ", changed by hand since (`opslib flow diff`)" if state["changed_by_hand"] else ""
        tell(f"flow {name} version {state['version']}, digest {state['digest']}{by_hand}")
        tell(f"{state['queued']} FlowFiles queued")
        for processor in state["processors"]:
            tell(f"  {processor['name']}: {processor['state']}, {processor['validation']}")
    if any(processor["state"] != "RUNNING" for processor in state["processors"]):
        sys.exit(1)


def _say(text: str) -> None:
    tell(text, err=True)


def _print_outcome(outcome: deploy.Outcome, form: str) -> None:
    if form == "json":
        tell_json(asdict(outcome))
        return
    for change in outcome.changed or [f"version {outcome.version} runs already; nothing changed"]:
        tell(change)
