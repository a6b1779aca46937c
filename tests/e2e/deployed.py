"""The machine of Molecule's scenario `default`, as `bin/test` has deployed it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

SCENARIO = Path(__file__).parents[2] / "out" / "molecule" / "default"
MACHINE = os.environ.get("TRENDLAKE_TEST_MACHINE", "trendlake-test")

needs_machine = pytest.mark.skipif(
    not (SCENARIO / "ssh_config").is_file(), reason="no machine: `molecule converge`"
)


def on_machine(command: str) -> str:
    """Run a shell command there as root, and return what it wrote."""
    done = subprocess.run(
        ["ssh", "-F", SCENARIO / "ssh_config", MACHINE, command], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{command}: {done.stderr[-1500:]}"
    return done.stdout
