"""The machine that `molecule create` booted, and what a client of its services holds."""

from __future__ import annotations

import functools
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import opened
import pytest
import testinfra
import yaml
from ansible.parsing.vault import VaultLib, VaultSecret
from pymongo import MongoClient

if TYPE_CHECKING:
    from collections.abc import Callable

    from testinfra.host import Host

ROOT = Path(__file__).resolve().parents[3]


@dataclass(frozen=True)
class Lake:
    """Where the deployed lake is, and the operator's certificate and secrets."""

    name: str
    address: str
    folder: Path
    secrets: dict[str, Any]
    key: str = ""

    @property
    def ca(self) -> str:
        return str(self.folder / "ca/operator/ca.pem")

    @property
    def certificate(self) -> str:
        return str(self.folder / "ca/operator/operator.pem")


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
    key = opened.operator_key(folder / "ca", secrets["tls_operator_p12_password"])
    return Lake(name, address, folder, secrets, key)


@pytest.fixture(scope="session")
def host(lake: Lake) -> Host:
    """Over ssh, whoever starts the tests: Molecule, or pytest alone."""
    return testinfra.get_host(f"ssh://{lake.name}", ssh_config=str(lake.folder / "ssh_config"))


@pytest.fixture(scope="session")
def held(
    host: Host, lake: Lake, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], tuple[str, str]]:
    """Return who holds what: certificate and key by the certificate's CN."""

    @functools.cache
    def of(name: str) -> tuple[str, str]:
        if name == "operator":
            return lake.certificate, lake.key
        of_its_own = name == "opslib-backup" or not name.startswith("opslib")
        folder = f"/etc/{name}/tls" if of_its_own else f"/etc/opslib/tls/{name}"
        kept = tmp_path_factory.mktemp("held")
        for file in ("cert.pem", "key.pem"):
            (kept / file).touch(0o600)
            (kept / file).write_text(host.check_output(f"cat {folder}/{file}"))
        return str(kept / "cert.pem"), str(kept / "key.pem")

    return of


@pytest.fixture
def account(host: Host, lake: Lake) -> Callable[[str], MongoClient[dict[str, Any]]]:
    """Return how to log in to MongoDB with an account of a job."""

    def of(name: str) -> MongoClient[dict[str, Any]]:
        job = name.removeprefix("opslib-")
        folder = "/etc/opslib-backup/credentials" if job == "backup" else f"/etc/opslib/credentials/{job}"
        password = host.check_output(f"cat {folder}/mongodb_password")
        return MongoClient(
            lake.address, 27017, tls=True, tlsCAFile=lake.ca, directConnection=True,
            username=name, password=password, serverSelectionTimeoutMS=8000,
        )  # fmt: skip

    return of
