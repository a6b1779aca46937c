"""Backups: whether the last one was made, lately, and whether one came back whole."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from opslib.run.backups import read

if TYPE_CHECKING:
    from opslib.doctor.findings import Findings
    from opslib.settings import Settings

_DAY = 86_400
MOST_DAYS = 2  # since the newest one, which the timer makes every night
MOST_DAYS_UNVERIFIED = 14  # where one is verified a week


def check(settings: Settings, report: Findings) -> None:
    """Report what is known of this host's backups."""
    if not settings.backup.repository:
        report.skipped("no backups are made: backup_repository is not set")
        return
    known, now = read(settings.backup.state), time.time()
    if known.get("failed"):
        report.failed("the last backup failed", "journalctl -u opslib-backup -e")
    if known.get("verify_failed"):
        report.failed("the last backup did not come back whole", "journalctl -u opslib-backup-verify -e")
    if "ended" not in known:
        report.skipped("no backup was made yet: systemctl start opslib-backup makes one")
        return
    age = (now - known["ended"]) / _DAY
    if age > MOST_DAYS:
        report.failed(f"the newest backup is {age:.1f} days old", "systemctl status opslib-backup.timer")
    elif not known.get("failed"):
        report.ok(f"the newest backup, {known.get('run', '')}, is {age * 24:.1f} hours old")
    # Where MongoDB is saved.
    if "mongodb" in known.get("parts", {}):
        since = known.get("verified", known.get("first", known["ended"]))
        if now - since > MOST_DAYS_UNVERIFIED * _DAY:
            days = (now - since) / _DAY
            report.failed(
                f"no backup was verified for {days:.0f} days", "systemctl start opslib-backup-verify"
            )
