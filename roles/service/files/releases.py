"""Print as JSON which releases of a component are on this host, and at which protocol it is held.

``current`` is the one in use, ``before`` the one that an open upgrade goes back to, ``there`` are all.
"""

import json
import re
import sys
from pathlib import Path


def pointed(folder, name):
    """Return the release that a link in the component's folder points to, nothing where there is none."""
    link = folder / name
    return link.resolve().name if link.is_symlink() else ""


def there(folder):
    """Return the releases that were put in place whole."""
    stamped = [stamp.parent for stamp in folder.glob("*/.archive-sha256")]
    return sorted(release.name for release in stamped if not release.is_symlink())


def protocol(component):
    """Return the version that Kafka's settings hold its brokers at; MongoDB keeps its own in its data."""
    settings = Path("/etc/kafka/server.properties")
    if component != "kafka" or not settings.exists():
        return ""
    held = r"^inter\.broker\.protocol\.version=(\d+\.\d+)"
    found = re.search(held, settings.read_text(encoding="utf-8"), re.MULTILINE)
    return found.group(1) if found else ""


if __name__ == "__main__":
    (asked,) = sys.argv[1:]
    lies = Path("/opt", asked)
    said = {name: pointed(lies, name) for name in ("current", "before")}
    sys.stdout.write(json.dumps({**said, "there": there(lies), "protocol": protocol(asked)}) + "\n")
