"""`bin/machine` boots machines beside one another, on either kind of host, and gets over a killed run."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

PROJECT = Path(__file__).parents[2]
MACHINES = Path(os.environ.get("TRENDLAKE_MACHINES", "/var/lib/trendlake/machines"))

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="machines are booted as root")


def machine(*arguments: str, check: bool = True, **environment: str) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [PROJECT / "bin" / "machine", *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=400,
        env={**os.environ, **environment},
    )
    assert done.returncode == 0 or not check, done.stderr
    return done


@pytest.fixture
def names() -> Iterator[tuple[str, str]]:
    both = (f"m-{os.getpid()}-a", f"m-{os.getpid()}-b")
    yield both
    for name in both:
        machine("down", name)


def test_two_at_once_have_addresses_of_their_own_and_reach_one_another(names: tuple[str, str]) -> None:
    one, other = (machine("up", name).stdout.strip() for name in names)
    assert one != other
    probe = f"timeout 60 bash -c 'exec 3<>/dev/tcp/{other}/22 && head -c 3 <&3'"
    assert machine("ssh", names[0], probe).stdout == "SSH"


def test_a_live_machine_is_not_taken_over(names: tuple[str, str]) -> None:
    machine("up", names[0])
    refused = machine("up", names[0], check=False)
    assert refused.returncode == 1
    assert "is up already" in refused.stderr


@pytest.mark.long
def test_a_killed_run_leaves_nothing_to_trip_over(names: tuple[str, str]) -> None:
    machine("up", names[0])
    os.kill(int((MACHINES / names[0] / "pid").read_text()), signal.SIGKILL)
    machine("up", names[0])
    assert machine("ssh", names[0], "systemctl is-system-running --wait").stdout.strip() == "running"


@pytest.mark.long
def test_debian_12_and_a_host_with_cgroup_v2_alone(names: tuple[str, str]) -> None:
    script = (
        "umount -R /sys/fs/cgroup && mount -t cgroup2 none /sys/fs/cgroup && "
        f'bin/machine up {names[0]} --debian 12 && bin/machine ssh {names[0]} "stat -fc %T /sys/fs/cgroup; '
        f'cut -d. -f1 /etc/debian_version" ; bin/machine down {names[0]}'
    )
    done = subprocess.run(
        ["unshare", "--mount", "bash", "-c", script],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
        timeout=400,
    )
    assert done.stdout.split()[1:] == ["cgroup2fs", "12"], done.stderr
