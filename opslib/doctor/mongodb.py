"""MongoDB: log in, look for a primary, for members that are down and for collections."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from pymongo import DESCENDING
from pymongo.errors import OperationFailure, PyMongoError

from opslib.run.failures import said, wrong_settings
from opslib.store.collections import ALL, OPS_STATS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from opslib.doctor.findings import Findings
    from opslib.settings import Settings

_TIMEOUT_MILLISECONDS = 6_000
# A minute is written a while after its end; what is older than this, nobody records.
_STATS_MINUTES = 5
_GOOD_STATES = {"PRIMARY", "SECONDARY", "ARBITER"}


def check(settings: Settings, report: Findings) -> None:
    """Report the state of the replica set and what is missing in the database."""
    where = ",".join(settings.mongodb.hosts())
    try:
        with connected(settings) as client:
            hello = client.admin.command("hello")
            present = set(client[settings.mongodb.database].list_collection_names())
            _check_members(client, hello, report)
    except PyMongoError as error:
        reason = wrong_settings(error, starting=True)
        text = reason or f"{where}: {said(error)}"
        report.failed(
            text, "run ansible-playbook site.yml" if reason else "on its hosts: systemctl status mongodb"
        )
        return
    missing = sorted({wanted.name for wanted in (*ALL, OPS_STATS)} - present)
    if missing:
        report.failed(
            f"database {settings.mongodb.database} lacks the collections {', '.join(missing)}",
            "run opslib store init",
        )
    else:
        report.ok(f"database {settings.mongodb.database} has its collections")


def check_stats(settings: Settings, report: Findings) -> None:
    """Report how old the newest minute of statistics is."""
    if not settings.stats.enabled:
        report.skipped("nobody records statistics (stats.enabled)")
        return
    try:
        with connected(settings) as client:
            newest = client[settings.mongodb.database][OPS_STATS.name].find_one(
                {"meta": {"kind": "tweets"}}, {"at": 1}, sort=[("at", DESCENDING)]
            )
    except PyMongoError as error:
        report.failed(
            f"the newest statistics are not told: {wrong_settings(error) or said(error)}",
            "see the check mongodb",
        )
        return
    if newest is None:
        report.skipped("no statistics are recorded yet")
        return
    age = (datetime.now(timezone.utc) - newest["at"]).total_seconds() / 60
    text = f"the newest minute of statistics is {newest['at']:%Y-%m-%d %H:%M} UTC, {age:.0f} minutes ago"
    if age > _STATS_MINUTES:
        report.failed(text, "journalctl -u opslib-stats")
    else:
        report.ok(text)


@contextmanager
def connected(settings: Settings) -> Iterator[Any]:
    """Give a client that waits for no server longer than a check may take."""
    client = settings.mongodb.client(
        appname="opslib-doctor",
        serverSelectionTimeoutMS=_TIMEOUT_MILLISECONDS,
        socketTimeoutMS=_TIMEOUT_MILLISECONDS,
    )
    try:
        yield client
    finally:
        client.close()


def _check_members(client: Any, hello: dict[str, Any], report: Findings) -> None:
    primary = hello.get("primary", "none")
    try:
        members = client.admin.command("replSetGetStatus")["members"]
    except OperationFailure as error:
        report.failed(
            f"primary {primary}; the members' state is not told: {error.code}",
            "give this user replSetGetStatus on the cluster",
        )
        return
    down = [f"{m['name']} is {m['stateStr']}" for m in members if m["stateStr"] not in _GOOD_STATES]
    if down:
        report.failed(f"primary {primary}; {', '.join(down)}", "on that host: systemctl status mongodb")
    else:
        report.ok(f"primary {primary}, {len(members)} of {len(members)} members healthy")
