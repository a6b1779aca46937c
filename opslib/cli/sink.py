"""``opslib sink``: the storage layer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from opslib.cli._journal import log_to_journal
from opslib.cli._options import examples, with_settings
from opslib.sink import start

if TYPE_CHECKING:
    from opslib.settings import Settings


@click.command(epilog=examples("opslib sink --instance 0"))
@click.option(
    "--instance",
    metavar="NAME",
    help="A name that no other sink on this host has. A sink that comes back under its name goes on at "
    "once where it was; without one the group first has to notice that it was gone (20 s).",
)
@with_settings
def command(settings: Settings, instance: str | None) -> None:
    """Store what arrives on Kafka in MongoDB, until SIGTERM.

    Several sinks share the work. Messages that cannot be stored go to the topic tweets.dlq.
    """
    log_to_journal()
    start.run(settings, instance)
