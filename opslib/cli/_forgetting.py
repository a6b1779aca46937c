"""What the commands that forget share: who asks, the journal, and the second look."""

from __future__ import annotations

import getpass
import logging
import logging.handlers
import os
import socket
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable

import click

from opslib.forgetting.take import SETTLE_SECONDS, Asked, Forgetting, Request, Taken

if TYPE_CHECKING:
    from pymongo.database import Database


_LOG = logging.getLogger("opslib.forget")
_SYSLOG = Path("/dev/log")  # which is the journal's


def who() -> str:
    """Return who asks: the person behind sudo, if there is one, and the host."""
    return f"{os.environ.get('SUDO_USER') or getpass.getuser()}@{socket.gethostname()}"


def carry_out(
    database: Database[dict[str, Any]],
    wanted: Request,
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


def _tell_journal(wanted: Request, asked: Asked, taken: Taken) -> None:
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
