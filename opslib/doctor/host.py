"""The host itself: room on its disk, and units that do not run."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING, Any

from opslib.doctor import growth
from opslib.run import endpoints

if TYPE_CHECKING:
    from opslib.doctor.findings import Findings
    from opslib.settings import Settings

# Of those that lie on one disk the first is told. Whatever fills up stops what writes there.
_PATHS = tuple(
    Path(name)
    for name in (
        "/var/lib",
        "/",
        "/var/log",
        "/opt",
        *(f"/var/lib/{name}" for name in ("zookeeper", "kafka", "mongodb", "nifi", "opslib", "prometheus")),
    )
)
GROWTH = Path("/var/lib/opslib/metrics/disk.json")
_SYSTEMD = Path("/run/systemd/system")
_LEAST_FREE = 0.10
_LEAST_DAYS = 4
_MAKE_ROOM = (
    "make room or shorten the retention before services stop writing: opslib disk shows what takes how much"
)
_GIGABYTE = 1024**3
UNITS = ("zookeeper*", "kafka*", "mongodb*", "mongod*", "nifi*", "opslib*", "trendlake*")


@dataclass(frozen=True)
class Disk:
    """A disk that something of the lake lies on; sizes in bytes."""

    path: str  # the first of the lake's that lies on it
    total: int
    used: int
    free: int
    # At the growth of the last day; None where that is not known, or it does not grow.
    days_left: float | None


def disks(now: float) -> list[Disk]:
    """Return the disks that something of the lake lies on."""
    noted = growth.read(GROWTH)
    return [
        Disk(
            str(path),
            *(usage.total, usage.used, usage.free),
            growth.days_left(noted.get(str(path), []), usage.used, usage.free, now),
        )
        for path, usage in _disks().items()
    ]


def check_disk(_settings: Settings, report: Findings) -> None:
    """Report how much room each disk of the lake has left, and for how many days at today's growth."""
    for disk in disks(time.time()):
        figures = {"path": disk.path, "total": disk.total, "used": disk.used, "free": disk.free}
        text = f"{disk.path} has {disk.free / _GIGABYTE:.1f} of {disk.total / _GIGABYTE:.1f} GB free"
        left = disk.days_left
        if left is not None:
            figures["days_left"] = round(left, 1)
            text += f", enough for {left:.0f} days at the growth of the last one"
        if disk.free < _LEAST_FREE * disk.total or (left is not None and left < _LEAST_DAYS):
            report.failed(text, _MAKE_ROOM, **figures)
        else:
            report.ok(text, **figures)


def note_growth(now: float) -> None:
    """Note what is used of each disk, for :func:`check_disk` to tell how fast it fills."""
    used = {str(path): usage.used for path, usage in _disks().items()}
    new = GROWTH.with_suffix(".new")
    new.write_text(json.dumps(growth.note(growth.read(GROWTH), used, now)))
    new.replace(GROWTH)


def _disks() -> dict[Path, Any]:
    """Return what is used of each disk, by the first path that lies on it."""
    found: dict[int, Path] = {}
    for path in _PATHS:
        if path.is_dir():
            found.setdefault(path.stat().st_dev, path)
    return {path: shutil.disk_usage(path) for path in found.values()}


def check_units(settings: Settings, report: Findings) -> None:
    """Report units of the lake that failed, do not stay up, or are stopped although a boot starts them."""
    if not _SYSTEMD.is_dir():
        report.skipped("this host does not run systemd")
        return
    patterns = (*UNITS, *(("nginx*",) if endpoints.configured(settings, "web") else ()))
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
