"""What the roles bring in Python beside opslib: filters, modules, programs for hosts."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

ROLES = Path(__file__).resolve().parents[1] / "roles"


def module(path: str) -> Any:
    """Return the file at *path* below ``roles/`` as a module."""
    spec = importlib.util.spec_from_file_location(f"role_{Path(path).stem}", ROLES / path)
    assert spec
    assert spec.loader
    found = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    return found
