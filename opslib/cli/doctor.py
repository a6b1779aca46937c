"""``opslib doctor``: the check of everything."""

from __future__ import annotations

import dataclasses
import functools
import logging
import sys
import time
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import click

from opslib import metrics
from opslib.cli._options import OUTPUT, examples, tell_json, with_format, with_settings
from opslib.cli._terminal import tell
from opslib.cli._times import SpanType
from opslib.doctor import (
    arrivals,
    backup,
    certificates,
    host,
    kafka,
    mongodb,
    nifi,
    search,
    speed,
    versions,
    web,
    wishes,
    zookeeper,
)
from opslib.doctor.causes import explained
from opslib.doctor.findings import Check, Finding, Findings, run
from opslib.run import endpoints

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from opslib.cli._times import Span
    from opslib.settings import Settings

_TIMEOUT = 25.0
_COLOURS = {"ok": "green", "failed": "red", "skipped": "yellow"}


def _if_configured(section: str, check: Check) -> Check:
    """Skip *check* on a host whose settings say nothing about its component."""

    def guarded(settings: Settings, report: Findings) -> None:
        if endpoints.configured(settings, section):
            check(settings, report)
        else:
            report.skipped("not configured")

    return guarded


CHECKS: dict[str, Check] = {
    "zookeeper": _if_configured("zookeeper", zookeeper.check),
    "kafka": _if_configured("kafka", kafka.check),
    "mongodb": _if_configured("mongodb", mongodb.check),
    "nifi": _if_configured("nifi", nifi.check),
    "web": _if_configured("web", web.check),
    "sink": _if_configured("kafka", kafka.check_sink),
    "speed": _if_configured("speed", speed.check),
    "search": _if_configured("kafka", search.check),
    "wishes": _if_configured("kafka", wishes.check),
    "stats": _if_configured("mongodb", mongodb.check_stats),
    "trends": _if_configured("mongodb", arrivals.check_trends),
    "tweets": _if_configured("mongodb", arrivals.check_tweets),
    "rollups": _if_configured("mongodb", arrivals.check_rollups),
    "clouds": _if_configured("mongodb", arrivals.check_clouds),
    "budget": _if_configured("mongodb", arrivals.check_budget),
    "backup": backup.check,
    "certificates": certificates.check,
    "disk": host.check_disk,
    "units": host.check_units,
    "versions": versions.check,
}


@click.command(epilog=examples("opslib doctor", "opslib doctor --only kafka --only mongodb --json"))
@with_format
@click.option("--only", multiple=True, type=click.Choice(list(CHECKS)), help="This check; may be repeated.")
@click.option(
    "--certificate-warning-days",
    type=SpanType("d", least=timedelta()),
    default=f"{certificates.WARNING_DAYS}d",
    show_default=True,
    help="A certificate with less than this left is a failure.",
)
@click.option("--json", "as_json", is_flag=True, help="The same as --format json.")
@click.option("--metrics", "told", type=OUTPUT, help="Tell Prometheus' node exporter in this file too.")
@with_settings
def command(
    settings: Settings,
    form: str,
    only: tuple[str, ...],
    certificate_warning_days: Span,
    as_json: bool,
    told: Path | None,
) -> None:
    """Ask every component over its real protocol how it is, and say why it is not well.

    Exit code 1 if anything is not as it should be.
    """
    # What the clients' libraries log is repeated here, better said.
    logging.disable(logging.CRITICAL)
    checks = dict(CHECKS)
    checks["certificates"] = functools.partial(certificates.check, warning_days=certificate_warning_days.days)
    try:
        findings = explained(run(checks, only or CHECKS, settings, _TIMEOUT))
        failed = _print_json(findings) if as_json or form == "json" else _print_text(findings)
    finally:
        logging.disable(logging.NOTSET)
    if told is not None:
        _tell_prometheus(findings, told)
    sys.exit(1 if failed else 0)


def _tell_prometheus(findings: list[Finding], path: Path) -> None:
    figures, now = metrics.Doctor(), time.time()
    failed = {finding.check for finding in findings if finding.status == "failed"}
    for finding in findings:
        if finding.status != "skipped":
            follows = any(cause.partition(":")[0] in failed for cause in finding.causes)
            figures.failed.labels(finding.check).inc(finding.status == "failed" and not follows)
    figures.looked.set(now)
    try:
        figures.write(path)
        host.note_growth(now)
    except OSError as error:
        raise click.ClickException(f"{path}: {error.strerror}") from error


def looked(settings: Settings) -> dict[str, Any]:
    """Return what all checks find, as plain data."""
    return _plain(explained(run(CHECKS, CHECKS, settings, _TIMEOUT)))


def _plain(findings: Iterable[Finding]) -> dict[str, Any]:
    found = list(findings)
    failed = any(finding.status == "failed" for finding in found)
    return {"ok": not failed, "findings": [dataclasses.asdict(finding) for finding in found]}


def _print_json(findings: Iterable[Finding]) -> bool:
    plain = _plain(findings)
    tell_json(plain)
    return not plain["ok"]


def _print_text(findings: Iterable[Finding]) -> bool:
    failed = False
    for finding in findings:
        failed |= finding.status == "failed"
        status = click.style(f"{finding.status:8}", fg=_COLOURS[finding.status])
        advice = f": {finding.advice}" if finding.advice else ""
        tell(f" {finding.check:12} {finding.text}{advice}", label=status)
        for cause in finding.causes:
            tell(f" {'':12} because of {cause}", label=f"{'':8}")
    return failed
