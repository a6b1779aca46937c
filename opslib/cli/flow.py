"""``opslib flow``: deploy NiFi flows from definitions kept in git."""

from __future__ import annotations

import json
import logging
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from opslib.cli._options import with_settings
from opslib.flow import api, deploy

if TYPE_CHECKING:
    from opslib.settings import Settings


@click.group()
def command() -> None:
    """Deploy and look at the flow that NiFi runs.

    Speaks to NiFi as the holder of the credentials nifi_cert and nifi_key.
    """
    # nipyapi tells what it does, and asks urllib3 to.
    logging.getLogger().setLevel(logging.ERROR)


@command.command("deploy")
@click.argument("definition", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--parameters",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="JSON file: {name: value}, and {name: {secret: value}} for secrets.",
)
@click.option("--dry-run", is_flag=True, help="Only say what would change.")
@click.option(
    "--format", "output_format", type=click.Choice(["text", "json"]), default="text", show_default=True
)
@with_settings
def deploy_(
    definition: Path, parameters: Path | None, dry_run: bool, output_format: str, settings: Settings
) -> None:
    """Deploy DEFINITION, fill its parameters and start it; the second time change nothing.

    A running group is replaced in place: FlowFiles in its queues stay.
    """
    raw = json.loads(parameters.read_text(encoding="utf-8")) if parameters else {}
    secrets = {name for name, value in raw.items() if isinstance(value, dict)}
    values = {name: str(value["secret"] if name in secrets else value) for name, value in raw.items()}
    try:
        flow = deploy.Definition.read(definition)
        api.connect(settings)
        report = deploy.deploy(flow, values, secrets, dry_run=dry_run)
    except api.FlowError as error:
        raise click.ClickException(str(error)) from error
    if output_format == "json":
        click.echo(json.dumps(asdict(report)))
        return
    for change in report.changed or [f"version {flow.version} runs already; nothing changed"]:
        click.echo(change)


@command.command()
@click.argument("name", default="trendlake")
@click.option(
    "--format", "output_format", type=click.Choice(["text", "json"]), default="text", show_default=True
)
@with_settings
def status(name: str, output_format: str, settings: Settings) -> None:
    """Show what the flow NAME is doing: each processor's state, queues, complaints.

    Exit code 1 unless all of it runs.
    """
    try:
        api.connect(settings)
        state = deploy.status(name)
    except api.FlowError as error:
        raise click.ClickException(str(error)) from error
    if output_format == "json":
        click.echo(json.dumps(state))
    else:
        click.echo(f"flow {name}: {state['queued']} FlowFiles queued; {state['comments']}")
        for processor in state["processors"]:
            click.echo(f"  {processor['name']}: {processor['state']}, {processor['validation']}")
    if any(processor["state"] != "RUNNING" for processor in state["processors"]):
        sys.exit(1)
