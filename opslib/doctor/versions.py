"""Which version of what is there: what is installed on this host, and what the servers say they are."""

from __future__ import annotations

import http.client
import platform
import re
from pathlib import Path
from typing import TYPE_CHECKING

from pymongo.errors import PyMongoError

from opslib import __version__
from opslib.doctor.mongodb import connected
from opslib.run import endpoints

if TYPE_CHECKING:
    from opslib.doctor.findings import Findings
    from opslib.settings import Settings

# A release is a folder of the name of its version, and `current` points at the one in use.
_PROGRAMS = Path("/opt")
_NAMES = ("java", "zookeeper", "kafka", "mongodb", "nifi")
_SYSTEM = Path("/etc/os-release")


def check(settings: Settings, report: Findings) -> None:
    """Report versions. It fails never: another version than the rest is not wrong by itself."""
    python, system, kernel = platform.python_version(), _system(), platform.release()
    report.ok(
        f"opslib {__version__} on Python {python}, {system}, Linux {kernel}",
        opslib=__version__,
        python=python,
        system=system,
        kernel=kernel,
    )
    installed = _installed()
    if installed:
        listed = ", ".join(f"{name} {version}" for name, version in installed.items())
        report.ok(f"installed on this host: {listed}", **installed)
    if endpoints.configured(settings, "mongodb"):
        _served(settings, report)


def _served(settings: Settings, report: Findings) -> None:
    try:
        with connected(settings) as client:
            version = client.server_info()["version"]
    except (PyMongoError, OSError, http.client.HTTPException):
        report.skipped("mongodb does not say which it is: see its check")
        return
    report.ok(f"mongodb says that it is {version}", mongodb_server=version)


def _installed() -> dict[str, str]:
    found = {name: _PROGRAMS / name / "current" for name in _NAMES}
    return {name: path.resolve().name for name, path in found.items() if path.is_symlink()}


def _system() -> str:
    try:
        said = re.search(r'^PRETTY_NAME="?([^"\n]*)', _SYSTEM.read_text(), re.MULTILINE)
    except OSError:
        return "an unknown system"
    return said[1] if said else "an unknown system"
