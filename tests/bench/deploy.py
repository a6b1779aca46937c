"""How long a deployment takes, and how much memory the idle lake holds. Not part of the test runs.

    .venv/bin/python tests/bench/deploy.py [--warm-only]

Takes the demo's machine down and up again. The first demo starts with an empty cache of distributions and
without the root that machines are laid over. Prints JSON, one figure a line.
"""

from __future__ import annotations

import json
import os
import platform
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

PROJECT = Path(__file__).parents[2]
UNITS = re.compile(r"^(zookeeper|kafka|mongodb|nifi|nginx|opslib-\S+)\.service +(\d+)$", re.MULTILINE)


def run(*command: str | Path, **environment: str) -> tuple[float, str]:
    """Run it; return the seconds it took and what it printed, or stop with its last words."""
    began = time.monotonic()
    done = subprocess.run(
        [str(part) for part in command],
        cwd=PROJECT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        sys.exit(f"{command} failed:\n{(done.stdout + done.stderr)[-3000:]}")
    return round(time.monotonic() - began, 1), done.stdout + done.stderr


def report(name: str, value: object) -> None:
    """Print one figure."""
    print(json.dumps({name: value}), flush=True)  # noqa: T201


def resident_mb() -> dict[str, int]:
    """Return the resident memory of each unit with all its processes, in MB."""
    _, said = run("bin/machine", "ssh", "trendlake-demo", "ps -eo unit=,rss=")
    held: Counter[str] = Counter()
    for unit, kilobytes in UNITS.findall(said):
        held[unit] += int(kilobytes)
    return {unit: kilobytes // 1024 for unit, kilobytes in held.most_common()}


def main() -> None:
    """Entry point."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**30
    report("machine", f"{os.cpu_count()} cores, {memory} GiB, {platform.release()}")
    if "--warm-only" not in sys.argv:
        run("bin/demo", "down")
        with tempfile.TemporaryDirectory() as empty:
            folders = {"TRENDLAKE_CACHE": f"{empty}/cache", "TRENDLAKE_BASES": f"{empty}/bases"}
            report("first bin/demo, with downloads, seconds", run("bin/demo", **folders)[0])
            run("bin/demo", "down", **folders)
    run(".venv/bin/opslib", "dist", "build")
    run("bin/machine", "base", "12")
    run("bin/demo", "down")
    report("bin/demo with a warm cache on a new machine, seconds", run("bin/demo")[0])
    site = [
        "-i",
        "out/demo/hosts.yml",
        "-e",
        "@out/demo/vault.yml",
        "-e",
        "x_token=local",
    ]
    site += ["--vault-password-file", "out/demo/vault-password", "site.yml"]
    environment = {"ANSIBLE_CONFIG": str(PROJECT / "ansible.cfg")}
    seconds, said = run(".venv/bin/ansible-playbook", *site, **environment)
    report("second site.yml run, seconds", seconds)
    report("changed by it", [int(n) for n in re.findall(r"changed=(\d+)", said)])
    time.sleep(60)
    held = resident_mb()
    report("resident memory a minute later, MB", {**held, "all": sum(held.values())})


if __name__ == "__main__":
    main()
