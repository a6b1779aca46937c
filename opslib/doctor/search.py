"""The search indexes: how far each host's is behind, and whether this host's answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opslib import message
from opslib.doctor import kafka

if TYPE_CHECKING:
    from opslib.doctor.findings import Findings
    from opslib.settings import Settings

_ADVICE = "journalctl -u opslib-search"


def check(settings: Settings, report: Findings) -> None:
    """Report messages that wait for an index, and one that is not there yet."""
    search = settings.search
    if not search.enabled:
        report.skipped("no search index is kept")
        return
    for host in search.hosts or [search.host]:
        advice = f"{_ADVICE} on {host}" if host else _ADVICE
        kafka.check_group(settings, report, search.group(host), [message.TWEETS], advice)
    if search.host and not (search.directory / "current").exists():
        report.failed(f"no index answers in {search.directory} yet: it is being made", _ADVICE)
