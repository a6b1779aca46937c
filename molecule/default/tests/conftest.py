"""The machine that `molecule create` booted, and what a client of its services holds."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import testinfra
import yaml
from ansible.parsing.vault import VaultLib, VaultSecret

if TYPE_CHECKING:
    from testinfra.host import Host

ROOT = Path(__file__).resolve().parents[3]


@dataclass(frozen=True)
class Lake:
    """Where the deployed lake is, and the operator's certificate and secrets."""

    name: str
    address: str
    folder: Path
    secrets: dict[str, Any]

    @property
    def ca(self) -> str:
        return str(self.folder / "ca/operator/ca.pem")

    @property
    def certificate(self) -> str:
        return str(self.folder / "ca/operator/operator.pem")

    @property
    def key(self) -> str:
        return str(self.folder / "ca/operator/operator.key")


@pytest.fixture(scope="session")
def lake() -> Lake:
    folder = ROOT / "out/molecule" / os.environ.get("MOLECULE_SCENARIO_NAME", "default")
    if not (folder / "ssh_config").exists():
        pytest.fail("there is no machine: run `molecule create` and `molecule converge` first")
    name, address = re.findall(
        r"^Host (\S+) \S+\n\s+HostName (\S+)", (folder / "ssh_config").read_text(), re.MULTILINE
    )[0]
    vault = VaultLib([("default", VaultSecret((folder / "vault-password").read_bytes().strip()))])
    secrets = yaml.safe_load(vault.decrypt((folder / "vault.yml").read_bytes()))
    return Lake(name, address, folder, secrets)


@pytest.fixture(scope="session")
def host(lake: Lake) -> Host:
    """Over ssh, whoever starts the tests: Molecule, or pytest alone."""
    return testinfra.get_host(f"ssh://{lake.name}", ssh_config=str(lake.folder / "ssh_config"))
