"""The machines of a scenario, by number from 1, inventories of them, and playbooks that run against these."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

ROOT = Path(__file__).resolve().parents[1]
# Differs from boot to boot, on a machine whose kernel goes on running as well.
BOOT = "systemctl show -p UserspaceTimestampMonotonic --value"


class Machines:
    """What molecule has booted for the scenario of *folder*."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        known = (folder / "ssh_config").read_text()
        found = re.findall(r"^Host (\S+) \S+\n\s+HostName (\S+)", known, re.MULTILINE)
        self.names, self.addresses = [one[0] for one in found], [one[1] for one in found]

    def ssh(self, number: int, command: str, *, check: bool = True) -> str:
        """Run a shell command as root, and return what it wrote."""
        done = subprocess.run(
            ["ssh", "-F", self.folder / "ssh_config", self.names[number - 1], command],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0 or not check, f"{command}: {done.stderr[-1500:]}"
        return done.stdout.strip()

    def write(
        self, path: Path, hosts: Iterable[int], groups: Mapping[str, Iterable[int]], **variables: Any
    ) -> None:
        """Write an inventory of *hosts*, whose *groups* are in the order that is given."""
        lake = {
            "hosts": {self.names[one - 1]: {"ansible_host": self.addresses[one - 1]} for one in hosts},
            "vars": {
                "ansible_user": "root",
                "ansible_ssh_common_args": f"-F {self.folder}/ssh_config",
                "common_memory_mb": 4096,
                **variables,
            },
            "children": {
                group: {"hosts": {self.names[one - 1]: {} for one in members}}
                for group, members in groups.items()
            },
        }
        path.write_text(json.dumps({"trendlake": lake}))

    def start(
        self,
        inventory: Path,
        playbook: str | Path,
        *arguments: str,
        environment: Mapping[str, str] | None = None,
        **variables: Any,
    ) -> subprocess.Popen[str]:
        """Start a playbook, in a group of processes of its own."""
        # Ctrl-C is told to it even where whoever called the tests, from the background, is deaf to it.
        command = ["env", "--default-signal=INT", "ansible-playbook", "-i", inventory, ROOT / playbook]
        command += [*arguments, "--vault-password-file", self.folder / "vault-password"]
        command += ["-e", json.dumps(variables)]
        return subprocess.Popen(
            command,
            cwd=ROOT,
            env={
                **os.environ,
                "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
                "ANSIBLE_ROLES_PATH": str(ROOT / "roles"),
                "ANSIBLE_NOCOLOR": "1",
                **(environment or {}),
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
