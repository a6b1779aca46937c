"""What roles bring in Python beside opslib: filters, modules, programs for hosts; and how to play one."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path
from typing import Any

import jinja2
import yaml

ROOT = Path(__file__).resolve().parents[1]
ROLES = ROOT / "roles"


def module(path: str) -> Any:
    """Return the file at *path* below ``roles/`` as a module."""
    spec = importlib.util.spec_from_file_location(f"role_{Path(path).stem}", ROLES / path)
    assert spec
    assert spec.loader
    found = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    return found


def play(
    book: Path, inventory: Path | str, *arguments: str, home: Path, path: str = ""
) -> subprocess.CompletedProcess[str]:
    """Run the playbook *book*, with *home* as home and programs of the folder *path* before the system's."""
    return subprocess.run(
        [Path(sys.executable).with_name("ansible-playbook"), "-i", inventory, book, *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
        env={
            "PATH": f"{path}:/usr/sbin:/usr/bin:/sbin:/bin".lstrip(":"),
            "HOME": str(home),
            "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
            "ANSIBLE_CALLBACK_RESULT_FORMAT": "json",
        },
    )


def kafka_topics() -> list[dict[str, Any]]:
    """Return Kafka's topics as the role's defaults make them."""
    defaults = yaml.safe_load((ROLES / "kafka/defaults/main.yml").read_text())
    topics: list[dict[str, Any]] = defaults["kafka_topics"]
    for topic in topics:
        for name, value in topic["config"].items():
            topic["config"][name] = jinja2.Template(str(value)).render(defaults)
    return topics
