"""A lake that is taken away with ansible/remove.yml, and what is then not as on a machine that never had one.

Shared by `molecule/default/tests` and `tests/alarms`.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from chaos import ROOT

if TYPE_CHECKING:
    from pathlib import Path

# Runs on a machine as root: what there is, a line each, as JSON.
_LOOK = r"""
import grp, hashlib, json, os, pwd, re, shutil, stat, subprocess, sys

def name(of, number, what):
    try:
        return getattr(of(number), what)
    except KeyError:
        return str(number)

def one(path):
    found = os.lstat(path)
    owner = name(pwd.getpwuid, found.st_uid, "pw_name") + ":" + name(grp.getgrgid, found.st_gid, "gr_name")
    kind = stat.filemode(found.st_mode) + " " + owner
    if stat.S_ISLNK(found.st_mode):
        return kind + " -> " + os.readlink(path)
    if stat.S_ISREG(found.st_mode) and path.startswith("/etc/"):
        with open(path, "rb") as file:
            text = file.read()
        if path == "/etc/shadow":
            # Passwords are salted, and each has the day on which it was set.
            text = re.sub(br"(?m)^([^:]+):[$][^:]+:", br"\1:*:", text)
            text = re.sub(br"(?m)^([^:]+:[^:]*):[0-9]*:", br"\1::", text)
        return kind + " " + hashlib.sha256(text).hexdigest()
    return kind

def below(top, deep=True):
    for folder, folders, files in os.walk(top):
        for entry in folders + files:
            yield os.path.join(folder, entry)
        if not deep:
            return

def said(*command):
    if not shutil.which(command[0]):
        return []
    quiet = {"stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    return subprocess.run(command, universal_newlines=True, **quiet).stdout.splitlines()

seen = {}
for top in ("/etc", "/opt", "/usr/local", "/var/www"):
    seen.update((path, one(path)) for path in below(top))
for top in ("/var/lib", "/var/log", "/var/cache", "/root", "/home", "/srv", "/usr/share/keyrings"):
    seen.update((path, one(path)) for path in below(top, False))
seen.update(("user " + line.partition(":")[0], line) for line in said("getent", "passwd"))
seen.update(("group " + line.partition(":")[0], line) for line in said("getent", "group"))
listed = ("dpkg-query", "-W", "-f", "${Package} ${db:Status-Abbrev}\n")
seen.update(("package " + line.split()[0], line) for line in said(*listed))
seen.update(("wanted " + line, "") for line in said("apt-mark", "showmanual"))
units = said("systemctl", "list-unit-files", "--no-legend", "--plain", "--no-pager")
seen.update(("unit " + line.split()[0], " ".join(line.split()[1:2])) for line in units)
runs = said("systemctl", "list-units", "--no-legend", "--plain", "--no-pager", "--type=service,timer,socket")
seen.update(("runs " + line.split()[0], " ".join(line.split()[1:3])) for line in runs)
failed = said("systemctl", "--failed", "--no-legend", "--plain")
seen.update(("failed " + line.split()[0], "") for line in failed)
for line in said("sysctl", "-a"):
    key, _, value = line.partition(" = ")
    if key.startswith(("vm.", "net.core.somaxconn", "net.ipv4.tcp_")):
        seen["kernel " + key] = value
json.dump(seen, sys.stdout)
"""
# Of each machine its own, or what it does and not what it has.
_OWN = re.compile(
    r"/etc/(hostname|hosts|machine-id|resolv\.conf|ssh/ssh_host_\w+(\.pub)?)|/root/\.\w+"
    r"|runs (session-|user@|user-|systemd-|apt-|run-).*"
    r"|kernel .*(lowmem|max_orphans|mem|buckets|fastopen_key).*"
    r"|/var/log/(lastlog|wtmp|btmp|faillog|journal)"
)
# What stays though it is not as it was.
RESTS = (
    # What these were before the last change, by Debian's tools.
    r"/etc/(passwd|group|shadow|gshadow|subuid|subgid)-",
    # Of a package that was there, and may have been brought up to date.
    r"/etc/(ssl/certs/.*|ca-certificates\.conf.*)",
    # Put there by tests/restore.
    r"/root/(put-)?state-of-x(\.json)?|/etc/systemd/system/opslib-simulate\.service\.d.*",
)


@dataclass
class Hosts:
    """The machines of a scenario as an operator has them in an inventory."""

    folder: Path
    groups: dict[str, list[str]]  # of each machine
    variables: tuple[Path, ...] = ()

    def ssh(self, name: str, command: str, given: str = "") -> str:
        """Run a command on a machine as root."""
        done = subprocess.run(
            ["ssh", "-F", self.folder / "ssh_config", name, command],
            input=given, capture_output=True, text=True, check=False, timeout=300,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr[-1500:]
        return done.stdout

    def look(self, name: str) -> dict[str, str]:
        """Return what there is on a machine."""
        return {**seen(self.ssh(name, "python3 -", _LOOK)), "rules": rules(name)}

    def remove(self, **said: Any) -> dict[str, int]:
        """Take the lake away; return how many tasks changed something, by host."""
        inventory = self.folder / "removing"
        variables = inventory / "group_vars" / "all"
        variables.mkdir(parents=True, exist_ok=True)
        config = f"-F {self.folder}/ssh_config"
        hosts = {name: {"ansible_ssh_common_args": config, "ansible_user": "root"} for name in self.groups}
        names = {group for groups in self.groups.values() for group in groups}
        children = {
            group: {"hosts": {name: {} for name, groups in self.groups.items() if group in groups}}
            for group in names
        }
        lake = {"hosts": hosts, "children": children}
        (inventory / "hosts.yml").write_text(json.dumps({"trendlake": lake}))
        # Of those that say the same the last one counts, by the alphabet.
        shutil.copy(ROOT / "inventory/demo/group_vars/all/main.yml", variables / "1-demo.yml")
        shutil.copy(self.folder / "vault.yml", variables / "2-vault.yml")
        for number, path in enumerate((ROOT / "molecule/shared/vars/scenario.yml", *self.variables), 3):
            shutil.copy(path, variables / f"{number}-{path.name}")
        command = ["ansible-playbook", "-i", inventory, ROOT / "ansible/remove.yml", "-e", json.dumps(said)]
        scenario = {"MOLECULE_PROJECT_DIRECTORY": str(ROOT), "MOLECULE_SCENARIO_NAME": self.folder.name}
        own = {"ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_NOCOLOR": "1"}
        done = subprocess.run(
            [*command, "--vault-password-file", self.folder / "vault-password"],
            cwd=ROOT, env={**os.environ, **scenario, **own}, timeout=1800,
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        log = ROOT / "out/test/remove.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_text(done.stdout + done.stderr)
        assert done.returncode == 0, done.stdout[-6000:]
        recap = re.findall(r"^(\S+) +: ok=\d+ +changed=(\d+)", done.stdout, re.MULTILINE)
        return {name: int(changed) for name, changed in recap}


def seen(text: str) -> dict[str, str]:
    """Return what :data:`_LOOK` wrote, without what is each machine's own."""
    found: dict[str, str] = json.loads(text)
    return {what: how for what, how in found.items() if not _OWN.fullmatch(what)}


def rules(name: str) -> str:
    """Return the packet filter of a machine, which has no nft itself before and after."""
    command = ["ip", "netns", "exec", f"trendlake-{name}", "nft", "list", "ruleset"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def differences(was: dict[str, str], found: dict[str, str]) -> list[str]:
    """Return what differs, but for what is to stay."""
    return sorted(
        f"{what}: {was.get(what, 'nothing')} before, {found.get(what, 'nothing')} now"
        for what in was.keys() | found.keys()
        if was.get(what) != found.get(what) and not any(re.fullmatch(rest, what) for rest in RESTS)
    )


@dataclass
class Blank:
    """A machine that never had a lake, for as long as it is looked at."""

    debian: str
    lifelike: bool
    name: str

    def look(self) -> dict[str, str]:
        """Return what there is on it."""
        lifelike = ["--lifelike"] if self.lifelike else []
        _machine("up", self.name, "--debian", self.debian, "--replace", *lifelike)
        try:
            found = seen(_machine("ssh", self.name, "python3 -", given=_LOOK))
            return {**found, "rules": rules(self.name)}
        finally:
            _machine("down", self.name)


def _machine(*command: str, given: str = "") -> str:
    return subprocess.run(
        ["bin/machine", *command], cwd=ROOT, input=given, stdout=subprocess.PIPE, text=True, check=True
    ).stdout
