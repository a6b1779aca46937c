"""What the roles bring in Python beside opslib: filters, modules, programs for hosts."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import jinja2
import yaml

ROLES = Path(__file__).resolve().parents[1] / "roles"


def module(path: str) -> Any:
    """Return the file at *path* below ``roles/`` as a module."""
    spec = importlib.util.spec_from_file_location(f"role_{Path(path).stem}", ROLES / path)
    assert spec
    assert spec.loader
    found = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    return found


def kafka_topics() -> list[dict[str, Any]]:
    """Return Kafka's topics as the role's defaults make them."""
    defaults = yaml.safe_load((ROLES / "kafka/defaults/main.yml").read_text())
    topics: list[dict[str, Any]] = defaults["kafka_topics"]
    for topic in topics:
        for name, value in topic["config"].items():
            topic["config"][name] = jinja2.Template(str(value)).render(defaults)
    return topics
