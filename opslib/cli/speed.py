"""``opslib speed``: the speed layer."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import click

from opslib.cli._journal import log_to_journal
from opslib.cli._options import examples, with_settings

with warnings.catch_warnings(record=True):
    # A package below says at each start what its developers are to do about another one.
    from opslib.speed import start

if TYPE_CHECKING:
    from opslib.settings import Settings


@click.command(epilog=examples("opslib speed --instance 0"))
@click.option(
    "--instance",
    metavar="NAME",
    help="A name that no other one on this host has. One that comes back under its name goes on at once "
    "where it was; without one the group first has to notice that it was gone (20 s).",
)
@with_settings
def command(settings: Settings, instance: str | None) -> None:
    """Watch what is being talked about more than usual, until SIGTERM.

    Reads tweets.raw by itself, beside the sink, and keeps windows of 1, 5 and 60 minutes in the collection
    trending, a new one every ten seconds. Several instances share the reading; one of them makes the windows,
    and another goes on when it is gone.
    """
    log_to_journal()
    start.run(settings, instance)
