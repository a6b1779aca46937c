"""What the commands that forget share: the journal, and the second look."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Callable

from opslib.cli._syslog import tell_syslog
from opslib.cli._terminal import tell
from opslib.forgetting.take import SETTLE_SECONDS, Asked, Forgetting, Request, Taken

if TYPE_CHECKING:
    from pymongo.database import Database


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
        tell(f"a second look follows in {SETTLE_SECONDS:.0f} s", err=True)
        time.sleep(SETTLE_SECONDS)
        for part in forgetting.look_again():
            total.add(part)
        _tell_journal(wanted, asked, total)
    return total


def _tell_journal(wanted: Request, asked: Asked, taken: Taken) -> None:
    reasons = sorted({*wanted.tweets.values(), *wanted.authors.values()})
    text = (
        f"forgotten by {asked.who} ({asked.why}): asked for {len(wanted.tweets)} tweets and "
        f"{len(wanted.authors)} authors ({', '.join(reasons)}), taken out {taken.tweets} tweets and "
        f"{taken.retweets} retweets"
    )
    tell_syslog("opslib-forget", text)
