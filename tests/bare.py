"""Calls of commands where only the packages are that every installation of opslib has.

Reads a JSON list of calls, each a list of arguments, from standard input; writes `[[code, out, err], …]`.
"""

from __future__ import annotations

import contextlib
import io
import json
import sys
import traceback
from importlib.machinery import PathFinder
from typing import Any

# The dependencies in pyproject.toml without an extra, and what these bring.
KEPT = (
    *("click", "pydantic", "pydantic_core", "annotated_types", "typing_extensions", "typing_inspection"),
    *(
        "pydantic_settings",
        "dotenv",
        "tomli",
        "rich",
        "pygments",
        "markdown_it",
        "mdurl",
        "tenacity",
        "tzdata",
    ),
)


class Bare:
    """Finds no other package."""

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        """Refuse what is an extra's."""
        spec = PathFinder.find_spec(name, path, target)
        if spec and "site-packages" in str(spec.origin) and name.split(".")[0] not in KEPT:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


def called(arguments: list[str]) -> tuple[int, str, str]:
    """Return exit code, standard output and standard error of a call."""
    from opslib.cli import main

    out, err, code = io.StringIO(), io.StringIO(), 0
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main.main(arguments, prog_name="opslib")
        except SystemExit as end:
            code = int(end.code or 0)
        except BaseException:
            traceback.print_exc()
            code = 70
    return code, out.getvalue(), err.getvalue()


if __name__ == "__main__":
    sys.meta_path.insert(0, Bare())  # type: ignore[arg-type]
    json.dump([called(arguments) for arguments in json.load(sys.stdin)], sys.stdout)
