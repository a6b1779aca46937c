"""The host itself: room on its disk, and units that systemd gave up on."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from opslib.doctor.findings import Report
    from opslib.settings import Settings

_DATA = Path("/var/lib")
_SYSTEMD = Path("/run/systemd/system")
_LEAST_FREE = 0.10
_GIGABYTE = 1024**3
_UNITS = ("zookeeper*", "kafka*", "mongodb*", "mongod*", "nifi*", "opslib*", "trendlake*")


def check_disk(_settings: Settings, report: Report) -> None:
    """Report how much room the data of all services has left."""
    usage = shutil.disk_usage(_DATA)
    text = f"{_DATA} has {usage.free / _GIGABYTE:.1f} of {usage.total / _GIGABYTE:.1f} GB free"
    if usage.free < _LEAST_FREE * usage.total:
        report.failed(text, "make room or shorten the retention before services stop writing")
    else:
        report.ok(text)


def check_units(_settings: Settings, report: Report) -> None:
    """Report units of the lake that failed."""
    if not _SYSTEMD.is_dir():
        report.skipped("this host does not run systemd")
        return
    command = ["systemctl", "list-units", "--failed", "--plain", "--no-legend", "--no-pager", *_UNITS]
    done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    if done.returncode:
        report.failed(f"systemctl: {done.stderr.strip()}", "run this as root")
        return
    failed = [line.split()[0] for line in done.stdout.splitlines() if line.strip()]
    for unit in failed:
        report.failed(f"{unit} failed", f"journalctl -u {unit} -e")
    if not failed:
        report.ok("no unit of the lake has failed")
