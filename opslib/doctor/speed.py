"""The speed layer: how far it is behind, and how old its newest window is."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import TYPE_CHECKING

from pymongo import DESCENDING
from pymongo.errors import PyMongoError

from opslib import message
from opslib.doctor import kafka
from opslib.doctor.mongodb import connected
from opslib.run.failures import said
from opslib.store.collections import TRENDING

if TYPE_CHECKING:
    from opslib.doctor.findings import Findings
    from opslib.settings import Settings

_OLD_SECONDS = 300
_ADVICE = "journalctl -u opslib-speed"


def check(settings: Settings, report: Findings) -> None:
    """Report messages that wait, in either step, and when the newest window was made."""
    group = settings.speed.group_id
    kafka.check_group(settings, report, group, [message.TWEETS, f"{group}.sightings"], _ADVICE)
    try:
        with connected(settings) as client:
            trending = client[settings.mongodb.database][TRENDING.name]
            newest = trending.find_one({"minutes": 1}, {"ends_at": 1}, sort=[("ends_at", DESCENDING)])
    except PyMongoError as error:
        report.failed(
            f"the windows cannot be looked at: {said(error)}",
            "see the check mongodb",
        )
        return
    if newest is None:
        # Windows begin with the first tweet.
        report.ok("no window yet")
        return
    age = (datetime.now(timezone.utc) - newest["ends_at"]).total_seconds()
    if age > _OLD_SECONDS:
        report.failed(f"the newest window ended {age / 60:.0f} minutes ago", _ADVICE)
    else:
        report.ok(f"the newest window ended {age:.0f} s ago")
