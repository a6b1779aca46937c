"""Each service installs from the official archive by URL as well; a wrong checksum leaves nothing."""

from __future__ import annotations

import functools
import hashlib
import http.server
import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))
from repack import OFFICIAL, repack

from opslib.dist import build

if TYPE_CHECKING:
    from collections.abc import Iterator

CHECKOUT = Path(__file__).parents[2]
MACHINE = "trendlake-archives"
PLAY = """
- hosts: all
  gather_facts: false
  tasks:
    - ansible.builtin.include_role: {name: service, tasks_from: install}
"""

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="machines are booted as root")


def machine(*arguments: str) -> str:
    command = [str(CHECKOUT / "bin/machine"), *arguments]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()


@pytest.fixture(scope="module")
def bare_machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Boot a bare machine; the folder has what Ansible needs to reach it."""
    folder = tmp_path_factory.mktemp("ansible")
    address = machine("up", MACHINE, "--replace")
    try:
        (folder / "ssh_config").write_text(machine("ssh-config", MACHINE))
        (folder / "hosts").write_text(
            f"{MACHINE} ansible_host={address} ansible_user=root "
            f"ansible_ssh_common_args='-F {folder}/ssh_config'\n"
        )
        (folder / "play.yml").write_text(PLAY)
        yield folder
    finally:
        machine("down", MACHINE)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """Serve a folder by HTTP."""
    folder = tmp_path_factory.mktemp("site")
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", folder
        server.shutdown()


def install(folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    variables = {f"service_{name}": value for name, value in variables.items()}
    variables["service_dist_cache"] = str(folder / "cache/dist")
    command = ["ansible-playbook", "-i", f"{folder}/hosts", "-e", json.dumps(variables), f"{folder}/play.yml"]
    environment = {
        **os.environ,
        "ANSIBLE_CONFIG": f"{CHECKOUT}/ansible.cfg",
        "ANSIBLE_ROLES_PATH": f"{CHECKOUT}/roles",
    }
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


# One archive is what bin/test has.
SHORT = ("zookeeper",)
NAMES = [name if name in SHORT else pytest.param(name, marks=pytest.mark.long) for name in OFFICIAL]


@pytest.mark.parametrize("name", NAMES)
def test_official_layout_by_url(name: str, bare_machine: Path, site: tuple[str, Path]) -> None:
    url, folder = site
    tarball = build.path(name) if build.is_current(name) else build.build(name)
    archive = repack(name, tarball, folder)
    official = OFFICIAL[name]
    version = tarball.name[len(name) + 1 : -len(".tar.gz")]
    wanted = {"name": official.service, "version": version, "archive": f"{url}/{archive.name}"}
    checksum = hashlib.sha256(archive.read_bytes()).hexdigest()

    refused = install(bare_machine, **wanted, archive_checksum="sha256:" + "0" * 64)
    assert refused.returncode != 0
    assert "checksum" in refused.stdout + refused.stderr
    assert machine("ssh", MACHINE, f"ls -d /opt/{official.service} 2>/dev/null || true") == ""
    assert not list(bare_machine.glob(f"cache/downloads/*{archive.name}*"))

    done = install(bare_machine, **wanted, archive_checksum=f"sha256:{checksum}")
    assert done.returncode == 0, done.stdout + done.stderr
    current = f"/opt/{official.service}/current"
    assert machine("ssh", MACHINE, f"readlink {current}") == version
    proof = official.proof.format(version)
    assert machine("ssh", MACHINE, f"stat -c %U {current}/{proof}") == "root"
    if proof.startswith("bin/"):
        assert machine("ssh", MACHINE, f"test -x {current}/{proof} && echo runs") == "runs"
    assert "changed=0" in install(bare_machine, **wanted, archive_checksum=f"sha256:{checksum}").stdout
