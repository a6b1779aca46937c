"""The two machines of the scenario, and how a playbook is run on them from outside of Molecule."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import testinfra

if TYPE_CHECKING:
    from testinfra.host import Host

ROOT = Path(__file__).resolve().parents[3]
FOLDER = ROOT / "out/molecule" / os.environ.get("MOLECULE_SCENARIO_NAME", "real")
ANSIBLE = Path(sys.executable).with_name("ansible-playbook")
# Molecule has its own output coloured.
PLAIN = {"ANSIBLE_FORCE_COLOR": "0", "ANSIBLE_NOCOLOR": "1"}
KEEPS = [
    {"port": 9100, "networks": ["10.0.0.0/8"]},
    {"port": 51820, "protocol": "udp"},
    {"interface": "virbr0"},
]


@dataclass(frozen=True)
class Played:
    """What a playbook said, and its exit code."""

    code: int
    said: str

    def of(self, host: str) -> list[str]:
        """Return the lines of the report about *host*."""
        found, mine = [], False
        for line in self.said.splitlines():
            text = line.strip()
            mine = text == f"{host}:" if re.fullmatch(r"\S+:( .*)?", text) else mine
            if mine and re.match(r"(stop|confirm|note) ", text):
                found.append(re.sub(r"\s+", " ", text))
        return found


@dataclass(frozen=True)
class Hosts:
    """Machines by name, with their addresses, and variables for a playbook about them."""

    addresses: dict[str, str]
    folder: Path
    options: str = field(default=f"-F {FOLDER / 'ssh_config'}")

    @property
    def first(self) -> str:
        return next(iter(self.addresses))

    @property
    def second(self) -> str:
        return list(self.addresses)[1]

    def host(self, name: str) -> Host:
        return testinfra.get_host(f"ssh://{name}", ssh_config=str(FOLDER / "ssh_config"))

    def play(
        self,
        playbook: Path | str,
        *arguments: str,
        only: list[str] | None = None,
        **variables: dict[str, Any],
    ) -> Played:
        """Run *playbook* on all hosts, or a lake of those in *only*, with variables by host."""
        names = only or list(self.addresses)
        groups = {
            "zookeeper": names,
            "kafka": names,
            **{group: [names[0]] for group in ("mongodb", "nifi", "opslib", "web")},
        }
        known = {
            name: {
                "ansible_host": self.addresses[name],
                "ansible_ssh_common_args": self.options,
                "common_packages": ["chrony"],
            }
            | variables.get(name.replace("-", "_"), {})
            for name in names
        }
        children = {group: {"hosts": {name: {} for name in members}} for group, members in groups.items()}
        inventory = self.folder / "hosts.json"
        inventory.write_text(json.dumps({"trendlake": {"hosts": known, "children": children}}))
        done = subprocess.run(
            [ANSIBLE, "-i", inventory, ROOT / playbook, *arguments],
            cwd=ROOT, capture_output=True, text=True, timeout=400, check=False,
            env={**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), **PLAIN},
        )  # fmt: skip
        (self.folder / "last.log").write_text(done.stdout + done.stderr)
        return Played(done.returncode, done.stdout + done.stderr)


@pytest.fixture(scope="session")
def hosts() -> Hosts:
    if not (FOLDER / "ssh_config").exists():
        pytest.fail(
            "there are no machines: run `molecule create -s real` and `molecule prepare -s real` first"
        )
    found = re.findall(r"^Host (\S+).*\n\s+HostName (\S+)", (FOLDER / "ssh_config").read_text(), re.MULTILINE)
    return Hosts(dict(found), FOLDER)
