"""The chaos of `tests/e2e/test_chaos.py` at length: 300,000 tweets, 20 kills. Not part of the test runs.

    .venv/bin/python tests/bench/chaos.py [--tweets 300000] [--kills 20] [--seed 1]

Needs the machine of Molecule's scenario `default`, converged. Prints what came of it as JSON and exits with 1
if anything was lost, counted twice or put aside.
"""

from __future__ import annotations

import argparse
import dataclasses
import importlib
import json
import sys
from pathlib import Path

# Beside this file is one of the same name, itself.
sys.path[:0] = [str(Path(__file__).resolve().parents[1])]
sys.modules.pop("chaos", None)
chaos = importlib.import_module("chaos")


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--tweets", type=int, default=300_000)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    wanted = parser.parse_args()
    seconds = 60 + wanted.kills * 12
    machine, producer, result = chaos.run(wanted.tweets, wanted.kills, seed=wanted.seed, seconds=seconds)
    print(json.dumps(dataclasses.asdict(result), default=str))  # noqa: T201
    chaos.leave(machine, producer)
    wrong = (result.missing, result.unknown, result.dead_letters, result.roll_ups, result.wrong_windows)
    sys.exit(1 if any(wrong) else 0)


if __name__ == "__main__":
    main()
