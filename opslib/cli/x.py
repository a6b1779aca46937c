"""``opslib x``: the X API, and the local one that stands in for it."""

from __future__ import annotations

import click

from opslib.cli import _simulate


@click.group()
def command() -> None:
    """Talk to X, or stand in for it."""


command.add_command(_simulate.command, "simulate")
