"""Say which of what a lake has once is on this host, by files and units: a line of JSON. Changes nothing.

Called with what they are, as JSON: ``_service_singles`` of the role's variables.
"""

import json
import pwd
import re
import subprocess
import sys
from pathlib import Path

SYSTEMD = "/etc/systemd/system"
SETTINGS = "/etc/opslib/opslib.toml"


def marked(tree):
    """Return whether what is in a folder does not count: it is on its way to here, or went from here."""
    return any(Path(tree, mark).exists() for mark in (".arriving", ".moved"))


def ours(account):
    """Return whether the account is the lake's: what others installed under the name is left alone."""
    try:
        return pwd.getpwnam(account).pw_gecos.startswith("Trendlake ")
    except KeyError:
        return False


def asked(verb, units):
    """Return whether systemd says so of one of the units."""
    return any(
        subprocess.run(
            ["systemctl", verb, "--quiet", unit], stderr=subprocess.DEVNULL, check=False
        ).returncode
        == 0
        for unit in units
    )


def look(single):
    """Return whether its data are here and count, whether it may start, and whether it runs or is to."""
    there = any(Path(path).exists() for path in single["kept"]) and ours(single["account"])
    return {
        "has": there and not marked(single["trees"][0]),
        "blocked": any(Path(SYSTEMD, unit + ".d", "moved.conf").exists() for unit in single["units"]),
        "runs": there and (asked("is-active", single["units"]) or asked("is-enabled", single["units"])),
    }


def nifi_of():
    """Return the address of NiFi by what this host's jobs were set up with, empty if none is known."""
    try:
        text = Path(SETTINGS).read_text()
    except OSError:
        return ""
    found = re.search(r'^\[nifi\]$[^\[]*?^url = "https://([^":]+)', text, re.MULTILINE)
    return found.group(1) if found else ""


if __name__ == "__main__":
    said = {name: look(single) for name, single in json.loads(sys.argv[1]).items()}
    sys.stdout.write(json.dumps({**said, "nifi_of": nifi_of()}) + "\n")
