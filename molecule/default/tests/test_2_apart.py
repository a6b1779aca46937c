"""Jobs kept apart on one host: accounts, credentials, memory, and secrets that nobody else sees."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

# Each job that runs as a unit, with the account that it has to itself.
JOBS = {
    "zookeeper": "zookeeper",
    "kafka": "kafka",
    "mongodb": "mongodb",
    "nifi": "nifi",
    "opslib-sink@1": "opslib-sink",
    "opslib-rollup": "opslib-rollup",
    "opslib-speed": "opslib-speed",
    "opslib-stats": "opslib-stats",
    "opslib-search": "opslib-search",
    "opslib-wishes": "opslib-wishes",
    "opslib-simulate": "opslib-simulate",
    "opslib-web": "opslib-web",
}
ACCOUNTS = {**JOBS, "opslib-report": "opslib-report"}
# `systemd-analyze security`: 0 is shut, 10 is open. nginx starts as root to take its port and its key.
EXPOSED = {**dict.fromkeys((*ACCOUNTS, "opslib-backup", "opslib-backup-verify"), 1.5), "nginx": 3.0}


def as_account(account: str, command: str) -> str:
    return f"setpriv --reuid={account} --regid={account} --clear-groups --no-new-privs sh -c '{command}'"


@pytest.mark.parametrize("unit", ACCOUNTS)
def test_a_job_has_an_account_of_its_own(host, unit):
    assert host.check_output("systemctl show -p User --value %s", unit) == ACCOUNTS[unit]
    assert host.user(ACCOUNTS[unit]).shell == "/usr/sbin/nologin"
    owner = host.run("getent passwd opslib")
    assert owner.rc == 2, "the account that all jobs of opslib shared is still there"


def opened(host, paths: list[str], account: str | None = None) -> list[str]:
    """Return which of *paths* an account can read a byte of; root without one."""
    tries = "; ".join(f"head -c 1 {path} >/dev/null 2>&1 && echo {path}" for path in paths)
    return host.run(as_account(account, tries) if account else tries).stdout.split()


@pytest.mark.parametrize("job", JOBS)
def test_no_job_gets_at_another_s_credentials_through_its_process(host, job):
    others = [other for other in JOBS if JOBS[other] != JOBS[job]]
    pids = host.check_output("systemctl show -p MainPID --value " + " ".join(others)).split()
    assert len(pids) == len(others)
    paths = [f"/proc/{pid}/{path}" for pid in pids for path in ("root/etc/hostname", "environ", "maps")]
    assert set(opened(host, paths)) == set(paths), "root sees nothing there either"
    assert opened(host, paths, JOBS[job]) == []


@pytest.mark.parametrize("unit", JOBS)
def test_no_job_reads_the_credentials_of_another_from_files(host, unit):
    kept = ["key.pem", "keystore.*", "keyfile", "form-key", "users.sqlite", "*_password", "*_key", "x_token"]
    names = " -o ".join(f"-name '{name}'" for name in [*kept, "nifi.properties"])
    paths = host.check_output(f"find /etc /run/credentials /var/lib -type f \\( {names} \\)").split()
    assert len(paths) > 20
    readable = opened(host, paths, JOBS[unit])
    # All sinks are one job.
    own = ("/run/credentials/" + unit.split("@")[0], f"/etc/{JOBS[unit]}/", f"/var/lib/{JOBS[unit]}/")
    assert [path for path in readable if not path.startswith(own)] == []


@pytest.mark.parametrize(
    "unit", ["opslib-sink@1", "opslib-rollup", "opslib-speed", "opslib-stats", "opslib-report"]
)
def test_no_job_moves_the_folder_of_another(host, unit):
    found = host.file("/var/lib/opslib")
    assert (found.user, found.group, found.mode) == ("root", "root", 0o755)
    lines = host.check_output("stat -c '%U %n' /var/lib/opslib/*/").splitlines()
    other = next(path for owner, path in map(str.split, lines) if owner != ACCOUNTS[unit])
    said = host.run(as_account(ACCOUNTS[unit], f"mv {other} /var/lib/opslib/gone"))
    assert "Permission denied" in said.stderr


@pytest.mark.parametrize("unit", EXPOSED)
def test_a_unit_is_shut_in(host, unit):
    told = host.check_output("systemd-analyze security --no-pager %s.service", unit)
    score = float(re.findall(r"exposure level for .*: ([0-9.]+)", told)[-1])
    assert score <= EXPOSED[unit]


@pytest.mark.parametrize("unit", EXPOSED)
def test_a_unit_has_a_bound_of_memory_and_leaves_no_dump(host, unit):
    shown = dict(
        line.split("=", 1)
        for line in host.check_output("systemctl show -p MemoryMax,LimitCORE %s", unit).splitlines()
    )
    assert shown["LimitCORE"] == "0"
    assert shown["MemoryMax"].isdigit(), "none"


def test_a_heap_fits_its_bound(host):
    for unit in ("zookeeper", "kafka", "nifi"):
        heap = int(re.findall(r"-Xmx(\d+)m", host.check_output("systemctl cat %s", unit))[0])
        bound = int(host.check_output("systemctl show -p MemoryMax --value %s", unit))
        assert bound >= (2 * heap + 256) * 1024 * 1024, unit


def test_secrets_are_seen_by_nobody_else(host, lake):
    secrets = {name: str(value) for name, value in lake.secrets.items() if value}
    assert len(secrets) > 12
    program = Path(__file__).with_name("secrets_anywhere.py").read_text()
    assert look_for(host, program, secrets) == ""


def test_a_secret_that_lies_about_is_found(host):
    program = Path(__file__).with_name("secrets_anywhere.py").read_text()
    marker = "a-secret-that-only-this-test-has"
    host.check_output("sh -c 'umask 022; echo %s > /var/tmp/lies-about'", marker)
    try:
        assert look_for(host, program, {"marker": marker}) == "marker in /var/tmp/lies-about"
    finally:
        host.run("rm /var/tmp/lies-about")


def look_for(host, program: str, secrets: dict[str, str]) -> str:
    """Run the program there; what it looks for goes over its standard input, not its command line."""
    folder = host.check_output("mktemp -d")
    try:
        for name, content in (("program.py", program), ("secrets.json", json.dumps(secrets))):
            host.run(f"cat > {folder}/{name} <<'END_OF_IT'\n{content}\nEND_OF_IT")
        return host.check_output(f"python3 {folder}/program.py < {folder}/secrets.json").strip()
    finally:
        host.run(f"rm -rf {folder}")


def test_debian_s_security_updates_come_by_themselves_and_nothing_is_rebooted(host):
    shown = host.check_output("apt-config dump")
    assert (
        'Unattended-Upgrade::Origins-Pattern:: "origin=Debian,codename=${distro_codename}-security' in shown
    )
    assert shown.count("Unattended-Upgrade::Origins-Pattern::") == 1
    assert 'Unattended-Upgrade::Automatic-Reboot "false"' in shown
    assert 'APT::Periodic::Unattended-Upgrade "1"' in shown
    assert host.service("apt-daily-upgrade.timer").is_enabled
    assert host.run("unattended-upgrade --dry-run").rc == 0
