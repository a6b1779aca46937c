"""``opslib store``: look after what MongoDB holds."""

from __future__ import annotations

import json

import click
from pymongo.errors import PyMongoError

from opslib.cli._options import with_settings
from opslib.settings import Settings, SettingsError
from opslib.store.collections import initialise
from opslib.store.failures import wrong_settings


@click.group()
def command() -> None:
    """Look after the collections in MongoDB."""


@command.command()
@click.option("--format", "format_", type=click.Choice(["text", "json"]), default="text", show_default=True)
@with_settings
def init(settings: Settings, format_: str) -> None:
    """Create the collections with their validators and indexes; change nothing that is as it should be."""
    client = settings.mongodb.client(appname="opslib-store", serverSelectionTimeoutMS=10_000)
    try:
        changed = initialise(client[settings.mongodb.database])
    except PyMongoError as error:
        reason = wrong_settings(error, starting=True)
        if reason:
            raise SettingsError(reason) from error
        raise click.ClickException(f"MongoDB: {str(error).split(', Timeout:')[0]}") from error
    finally:
        client.close()
    if format_ == "json":
        click.echo(json.dumps({"changed": changed}))
    else:
        click.echo("\n".join(changed) or "nothing to change")
