"""What the commands that forget share: who asks, the journal, and the second look."""

from __future__ import annotations

import getpass
import logging
import logging.handlers
import os
import socket
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable

import click
from pymongo.errors import PyMongoError

from opslib.settings import SettingsError
from opslib.store.failures import wrong_settings
from opslib.store.forget import SETTLE_SECONDS, Asked, Forgetting, Taken, Wanted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pymongo.database import Database

    from opslib.settings import Settings

_LOG = logging.getLogger("opslib.forget")
_SYSLOG = Path("/dev/log")  # which is the journal's


def who() -> str:
    """Return who asks: the person behind sudo, if there is one, and the host."""
    return f"{os.environ.get('SUDO_USER') or getpass.getuser()}@{socket.gethostname()}"


def carry_out(
    database: Database[dict[str, Any]],
    wanted: Wanted,
    asked: Asked,
    told: Callable[[Taken], None] = lambda _: None,
) -> Taken:
    """Forget, tell the journal, and look once more for what a sink had in its hands meanwhile."""
    forgetting = Forgetting(database, wanted, asked)
    total = Taken()
    for part in forgetting.take():
        total.add(part)
        told(part)
    if total != Taken():
        click.echo(f"a second look follows in {SETTLE_SECONDS:.0f} s", err=True)
        time.sleep(SETTLE_SECONDS)
        for part in forgetting.look_again():
            total.add(part)
        _tell_journal(wanted, asked, total)
    return total


def _tell_journal(wanted: Wanted, asked: Asked, taken: Taken) -> None:
    if not _SYSLOG.exists():
        return
    handler = logging.handlers.SysLogHandler(str(_SYSLOG), logging.handlers.SysLogHandler.LOG_AUTH)
    handler.ident = "opslib-forget: "
    reasons = sorted({*wanted.tweets.values(), *wanted.authors.values()})
    text = (
        f"forgotten by {asked.who} ({asked.why}): asked for {len(wanted.tweets)} tweets and "
        f"{len(wanted.authors)} authors ({', '.join(reasons)}), taken out {taken.tweets} tweets and "
        f"{taken.retweets} retweets"
    )
    handler.emit(logging.LogRecord("opslib", logging.INFO, "", 0, text.replace("\n", " "), None, None))
    handler.close()


@contextmanager
def database_of(settings: Settings) -> Iterator[Database[dict[str, Any]]]:
    """Give the database; errors of MongoDB end the command in one line."""
    client = settings.mongodb.client(appname="opslib-forget", serverSelectionTimeoutMS=10_000)
    try:
        yield client[settings.mongodb.database]
    except PyMongoError as error:
        reason = wrong_settings(error, starting=True)
        if reason:
            raise SettingsError(reason) from error
        raise click.ClickException(f"MongoDB: {str(error).split(', Timeout:')[0]}") from error
    finally:
        client.close()
