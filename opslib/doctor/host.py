"""The host itself: room on its disk, and units that do not run."""

from __future__ import annotations

import shutil
import subprocess
from fnmatch import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING

from opslib.run import endpoints

if TYPE_CHECKING:
    from opslib.doctor.findings import Findings
    from opslib.settings import Settings

_DATA = Path("/var/lib")
_SYSTEMD = Path("/run/systemd/system")
_LEAST_FREE = 0.10
_GIGABYTE = 1024**3
_UNITS = ("zookeeper*", "kafka*", "mongodb*", "mongod*", "nifi*", "opslib*", "trendlake*")


def check_disk(_settings: Settings, report: Findings) -> None:
    """Report how much room the data of all services has left."""
    usage = shutil.disk_usage(_DATA)
    text = f"{_DATA} has {usage.free / _GIGABYTE:.1f} of {usage.total / _GIGABYTE:.1f} GB free"
    if usage.free < _LEAST_FREE * usage.total:
        report.failed(text, "make room or shorten the retention before services stop writing")
    else:
        report.ok(text)


def check_units(settings: Settings, report: Findings) -> None:
    """Report units of the lake that failed, do not stay up, or are stopped although a boot starts them."""
    if not _SYSTEMD.is_dir():
        report.skipped("this host does not run systemd")
        return
    patterns = (*_UNITS, *(("nginx*",) if endpoints.configured(settings, "web") else ()))
    try:
        failed = _listed("list-units", "--failed", *patterns)
        wanted = _shown("Wants", "multi-user.target", "timers.target", "sockets.target")
        names = sorted(name for name in wanted if any(fnmatch(name, pattern) for pattern in patterns))
        states = {name: _state(name) for name in names if name not in failed}
    except _SystemctlError as error:
        report.failed(f"systemctl: {error}", "run this as root")
        return
    for unit in failed:
        report.failed(f"{unit} failed", f"journalctl -u {unit} -e")
    bad = {unit: text for unit, state in states.items() if (text := _complaint(state))}
    for unit, text in bad.items():
        report.failed(f"{unit} {text}", f"systemctl start {unit}; if it ends again: journalctl -u {unit} -e")
    if not failed and not bad:
        report.ok(f"{len(states)} units of the lake run, none has failed")


class _SystemctlError(Exception):
    """What systemctl says went wrong."""


def _complaint(state: dict[str, str]) -> str | None:
    """Return what is wrong with a unit that a boot starts, or ``None``."""
    if state.get("SubState") == "auto-restart":
        return "does not stay up: it is started again and again"
    # What does something once has done it when it has ended well.
    done = state.get("Type") == "oneshot" and state.get("Result") == "success"
    if state.get("ActiveState") == "inactive" and not done:
        return "is stopped, though a boot starts it"
    return None


def _state(unit: str) -> dict[str, str]:
    lines = _systemctl("show", "--property=ActiveState,SubState,Type,Result", unit).splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line)


def _shown(name: str, *units: str) -> set[str]:
    return set(_systemctl("show", f"--property={name}", "--value", *units).split())


def _listed(command: str, *arguments: str) -> list[str]:
    lines = _systemctl(command, "--plain", "--no-legend", *arguments).splitlines()
    return [line.split()[0] for line in lines if line.strip()]


def _systemctl(*arguments: str) -> str:
    command = ["systemctl", "--no-pager", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    if done.returncode:
        raise _SystemctlError(done.stderr.strip())
    return done.stdout
