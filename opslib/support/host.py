"""What this host says: its system, its units and their last words, and the figures that services show."""

from __future__ import annotations

import importlib.metadata
import platform
import subprocess
import time
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING

from opslib.doctor.host import UNITS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from opslib.settings import Settings

_SECONDS = 30
_MOST_BYTES = 8 * 1024 * 1024
_SINKS = 64
# As the roles have them: ZooKeeper, Kafka, node exporter.
_PORTS = (9301, 9302, 9300)
_PROPERTIES = (
    "Id,LoadState,ActiveState,SubState,Result,NRestarts,ExecMainStatus,ActiveEnterTimestamp,"
    "InactiveEnterTimestamp,MemoryCurrent,CPUUsageNSec,TasksCurrent,FragmentPath,DropInPaths"
)


class RefusedError(OSError):
    """A program of the system does not answer; says why."""


def system() -> str:
    """Return what system this is, its clock, memory and load."""
    lines = [
        f"{platform.platform()}, Python {platform.python_version()}",
        time.strftime("%FT%TZ", time.gmtime()),
    ]
    for name in ("/etc/os-release", "/proc/uptime", "/proc/loadavg", "/proc/meminfo", "/proc/mounts"):
        lines += [f"\n# {name}", Path(name).read_text()]
    return "\n".join(lines)


def packages() -> str:
    """Return the versions of the Python packages that this opslib runs with."""
    found = {one.metadata["Name"]: one.version for one in importlib.metadata.distributions()}
    return "".join(
        f"{name} {version}\n" for name, version in sorted(found.items(), key=lambda pair: pair[0].lower())
    )


def units() -> list[str]:
    """Return the lake's units on this host, those that failed and those that rest too."""
    lines = _said(
        "systemctl", "list-units", "--all", "--plain", "--no-legend", "--no-pager", *UNITS, "nginx*"
    )
    return sorted(line.split()[0] for line in lines.splitlines() if line.strip())


def states(names: list[str]) -> str:
    """Return the state of each unit."""
    return _said("systemctl", "show", "--no-pager", f"--property={_PROPERTIES}", *names) if names else ""


def journal(unit: str, lines: int) -> str:
    """Return the last lines of a unit's journal."""
    call = ("journalctl", f"--unit={unit}", f"--lines={lines}", "--no-pager", "--output=short-iso", "--utc")
    return _said(*call)


def metrics(settings: Settings) -> Iterator[tuple[int, str]]:
    """Yield port and figures of each service that shows some on this host."""
    others = (settings.speed, settings.stats, settings.search, settings.web)
    for port in (*_PORTS, *(one.metrics_port for one in others if one.metrics_port is not None)):
        figures = _shown(port)
        if figures is not None:
            yield port, figures
    # Of the sink without a number, and of those with one until the first that is not there.
    for number in range(_SINKS if settings.sink.metrics_port is not None else 0):
        port = (settings.sink.metrics_port or 0) + number
        figures = _shown(port)
        if figures is not None:
            yield port, figures
        elif number:
            return


def _shown(port: int) -> str | None:
    # No proxy is asked for what is on loopback.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(f"http://127.0.0.1:{port}/metrics", timeout=_SECONDS) as answer:
            content: bytes = answer.read(_MOST_BYTES)
    except (OSError, ValueError):
        return None
    return content.decode("utf-8", "replace")


def _said(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, timeout=_SECONDS, check=False)
    if done.returncode:
        told = done.stderr.decode("utf-8", "replace").strip().splitlines()
        raise RefusedError(f"{command[0]}: {told[-1] if told else 'it failed without a word'}")
    return done.stdout.decode("utf-8", "replace")
