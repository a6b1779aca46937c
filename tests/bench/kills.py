"""What is lost and paid for again when NiFi is killed again and again. Not part of the test runs.

    .venv/bin/python tests/bench/kills.py [--kills 10]

Runs `tests/integration/test_collection.py` with that many kills, from the same seed, and prints its figures
as JSON: the test's own assertions hold for any number of them.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

PROJECT = Path(__file__).parents[2]


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--kills", type=int, default=10)
    kills = parser.parse_args().kills
    with tempfile.TemporaryDirectory(prefix="trendlake-bench-") as folder:
        figures = Path(folder) / "figures.json"
        test = [sys.executable, "-m", "pytest", "-q", "tests/integration/test_collection.py"]
        wanted = {"TRENDLAKE_TEST_KILLS": str(kills), "TRENDLAKE_TEST_FIGURES": str(figures)}
        done = subprocess.run(
            test, cwd=PROJECT, env={**os.environ, **wanted}, stdout=sys.stderr, check=False
        ).returncode
        if figures.exists():
            print(figures.read_text())  # noqa: T201
    sys.exit(done)


if __name__ == "__main__":
    main()
