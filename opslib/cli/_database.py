"""MongoDB as commands of a person reach it."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from opslib.settings import SettingsError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pymongo.database import Database

    from opslib.settings import Settings

_SERVER_SELECTION_MILLISECONDS = 10_000


@contextmanager
def database_of(settings: Settings, appname: str) -> Iterator[Database[dict[str, Any]]]:
    """Give the database; errors of MongoDB end the command in one line."""
    from pymongo.errors import PyMongoError  # some commands do without it

    from opslib.run.failures import said, wrong_settings

    client = settings.mongodb.client(appname=appname, serverSelectionTimeoutMS=_SERVER_SELECTION_MILLISECONDS)
    try:
        yield client[settings.mongodb.database]
    except PyMongoError as error:
        reason = wrong_settings(error, starting=True)
        if reason:
            raise SettingsError(reason) from error
        raise click.ClickException(f"MongoDB: {said(error)}") from error
    finally:
        client.close()
