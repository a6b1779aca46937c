"""Whether what is to come does come: trends, tweets, their counts and clouds, held against their schedule.

Every component may be well and yet nothing comes: a place that X no longer knows, a budget that is used up, a
timer that nobody started. So the newest of each kind is held against what the section ``[schedule]`` of the
settings promises, which the role writes from the variables that the flow and the units are made of.
"""

from __future__ import annotations

import os
import sqlite3
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

from pymongo.errors import PyMongoError

from opslib.doctor.mongodb import connected
from opslib.run.failures import said, wrong_settings
from opslib.store.reads import Lake
from opslib.store.rollups import SETTLE
from opslib.x.budget import Budget

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from opslib.doctor.findings import Findings
    from opslib.settings import Settings

    Check = Callable[[Lake, Settings, Findings, datetime], None]

# One turn may fail and is made up for; then something is wrong. What a turn takes comes on top.
_TURNS = 2
_A_TURN = timedelta(minutes=5)
_TO_COUNT = timedelta(minutes=5)
_TO_DRAW = timedelta(minutes=15)
# The least that one search may cost: ten posts of 0.005 USD. With less left collection pauses.
_ONE_SEARCH = {"resources": 10, "usd": 0.05}
_COLLECTING = (
    "see the checks nifi and budget, and on NiFi's host: opslib x check; "
    "opslib flow status tells whether it was started"
)
_UNPROMISED = "nothing is promised: [schedule] has no {}"


def check_trends(settings: Settings, report: Findings) -> None:
    """Report how old the newest trends of each place are."""
    if settings.schedule.trends_minutes is None or not settings.schedule.places:
        report.skipped(_UNPROMISED.format("places and trends_minutes"))
        return
    _asked(settings, report, _trends)


def _trends(lake: Lake, settings: Settings, report: Findings, now: datetime) -> None:
    promised = _promised(settings)
    for woeid, name in settings.schedule.places.items():
        snapshot = lake.snapshot(woeid, now)
        at = snapshot["collected_at"] if snapshot else None
        _judge(f"trends of {name}", at, now, promised, report, _COLLECTING)


def check_tweets(settings: Settings, report: Findings) -> None:
    """Report how old the newest tweet is: each turn of trends brings some."""
    if settings.schedule.trends_minutes is None:
        report.skipped(_UNPROMISED.format("trends_minutes"))
        return
    _asked(settings, report, _tweets)


def _tweets(lake: Lake, settings: Settings, report: Findings, now: datetime) -> None:
    promised = _promised(settings) + timedelta(minutes=settings.report.wait_minutes)
    advice = f"see the checks trends, sink and budget; {_COLLECTING}"
    _judge("tweet", lake.newest_tweet(now), now, promised, report, advice)


def check_rollups(settings: Settings, report: Findings) -> None:
    """Report how old the newest word counts are, and whether minutes wait to be counted for too long."""
    if settings.schedule.rollup_seconds is None:
        report.skipped(_UNPROMISED.format("rollup_seconds"))
        return
    _asked(settings, report, _rollups)


def _rollups(lake: Lake, settings: Settings, report: Findings, now: datetime) -> None:
    promised = timedelta(seconds=settings.schedule.rollup_seconds or 0) + SETTLE + _TO_COUNT
    waits = lake.uncounted_since()
    counted = lake.newest_counted(now - timedelta(days=1), now)
    text = f"the newest minute counted is {_at(counted)}" if counted else "no minute of this day is counted"
    if waits is not None and now - waits > promised:
        report.failed(
            f"{text}, and one has waited for it since {_at(waits)}, {_age(now - waits)}",
            "systemctl status opslib-rollup; journalctl -u opslib-rollup -e",
        )
    else:
        report.ok(f"{text}, and none waits for long")


def check_clouds(settings: Settings, report: Findings) -> None:
    """Report the newest cloud of each place, and whether a newer snapshot should have one by now."""
    if settings.schedule.report_seconds is None or not settings.schedule.places:
        report.skipped(_UNPROMISED.format("places and report_seconds"))
        return
    _asked(settings, report, _clouds)


def _clouds(lake: Lake, settings: Settings, report: Findings, now: datetime) -> None:
    takes = timedelta(minutes=settings.report.wait_minutes, seconds=settings.schedule.report_seconds or 0)
    for woeid, name in settings.schedule.places.items():
        due = lake.snapshot(woeid, now - takes - 2 * SETTLE - _TO_DRAW)
        cloud = lake.newest_cloud(woeid, "words", now)
        text = (
            f"the newest cloud of {name} is of {_at(cloud['until'])}" if cloud else f"{name} has no cloud yet"
        )
        if due and (cloud is None or cloud["until"] < due["collected_at"]):
            report.failed(
                f"{text}, and the trends of {_at(due['collected_at'])} have none",
                "systemctl status opslib-report.timer; journalctl -u opslib-report -e",
            )
        else:
            report.ok(text)


def check_budget(settings: Settings, report: Findings) -> None:
    """Report what collecting may still cost: exactly on NiFi's host, elsewhere as the newest message told."""
    path = settings.x.budget_file
    if os.access(path, os.R_OK):
        try:
            _left("now", Budget.of(path).left_today(), report)
        except (OSError, sqlite3.Error) as error:
            report.failed(f"the budget file {path} cannot be read: {error}", "run this as root")
        return
    _asked(settings, report, _told_budget)


def _told_budget(lake: Lake, _settings: Settings, report: Findings, now: datetime) -> None:
    told = lake.newest_stats("budget", now)
    if told is None:
        report.skipped("no message of the last day has told what collecting costs")
    elif told["at"].date() < now.date():
        report.ok(f"not used up as far as is known: it was told {_at(told['at'])} last")
    else:
        _left(_at(told["at"]), told["left"], report)


def _left(when: str, left: Mapping[str, float | None], report: Findings) -> None:
    amounts = {unit: amount for unit, amount in left.items() if amount is not None}
    text = ", ".join(f"{amount:g} {'USD' if unit == 'usd' else unit}" for unit, amount in amounts.items())
    used_up = [unit for unit, amount in amounts.items() if amount < _ONE_SEARCH[unit]]
    if used_up:
        report.failed(
            f"the budget is used up: {text} left ({when}), and collection pauses",
            "it goes on by itself with the next UTC day or month; for more raise nifi_flow_budget_* and run "
            "ansible-playbook site.yml --tags nifi_flow",
        )
    else:
        report.ok(f"{text} left ({when})" if text else f"nothing limits it ({when})")


def _asked(settings: Settings, report: Findings, check: Check) -> None:
    try:
        with connected(settings) as client:
            check(Lake(client[settings.mongodb.database]), settings, report, datetime.now(timezone.utc))
    except PyMongoError as error:
        report.failed(f"not known: {wrong_settings(error) or said(error)}", "see the check mongodb")


def _promised(settings: Settings) -> timedelta:
    return timedelta(minutes=_TURNS * (settings.schedule.trends_minutes or 0)) + _A_TURN


def _judge(
    what: str, at: datetime | None, now: datetime, promised: timedelta, report: Findings, advice: str
) -> None:
    if at is None:
        report.failed(f"no {what} has ever come", advice)
    elif now - at > promised:
        minutes = promised / timedelta(minutes=1)
        report.failed(
            f"the newest {what} came {_at(at)}, {_age(now - at)}, and the next was due after {minutes:g} min",
            advice,
        )
    else:
        report.ok(f"the newest {what} came {_at(at)}, {_age(now - at)}")


def _at(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"


def _age(age: timedelta) -> str:
    minutes = int(age.total_seconds()) // 60
    return f"{minutes // 60} h {minutes % 60} min ago" if minutes >= 120 else f"{minutes} min ago"
