"""Look at a host, change nothing: who listens, who filters packets, what apt would do, clock, disks, proxies.

``python3 - '{"packages": [], "paths": [], "lock_seconds": 0, "clock": "auto", "now": 0}'`` with this text on
standard input, as root. Prints what was seen as one JSON object; what to make of it is for the role's
filters. Needs nothing but Python 3.9 and Debian's own tools, and does without those of them that are missing.
"""

import contextlib
import ctypes
import fcntl
import hashlib
import ipaddress
import json
import os
import re
import struct
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

_APT_LOCKS = (
    "/var/lib/dpkg/lock-frontend",
    "/var/lib/dpkg/lock",
    "/var/lib/apt/lists/lock",
    "/var/cache/apt/archives/lock",
)
_SYS_TIME = 25  # of capability.h
_CLOCKS = ("chrony", "systemd-timesyncd", "ntpsec", "ntp", "openntpd")
_LISTENS = {"tcp": "0A", "udp": "07"}
_PROXY = re.compile(
    r"^\s*(?:export\s+)?((?:https?|all|no)_proxy)=[\"']?([^\"'\n]*)", re.IGNORECASE | re.MULTILINE
)
# The lake's own files: nginx' sites of the page and of the metrics, and what settles a unit of Debian's.
_PAGE, _FRONT = "trendlake.conf", "trendlake-metrics.conf"
_LENT = "*.service.d/trendlake.conf"


def said(*command, **more):
    """Return what a program writes to standard output, nothing if it is not there or fails."""
    return run(*command, **more)[1]


def run(*command, **more):
    """Return exit code, standard output and standard error of a program; 127 if it is not there."""
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
            env={**os.environ, "LC_ALL": "C", **more},
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return 127, "", str(error)
    return done.returncode, done.stdout, done.stderr


def text(path):
    """Return what a file says, nothing if it cannot be read."""
    try:
        return Path(path).read_text(errors="replace")
    except OSError:
        return ""


# ---- who listens


def address(hexed):
    """Return the address that /proc/net writes as words of 32 bits in the machine's order."""
    words = [struct.pack("=I", int(hexed[at : at + 8], 16)) for at in range(0, len(hexed), 8)]
    found = ipaddress.ip_address(b"".join(words))
    return str(getattr(found, "ipv4_mapped", None) or found)


def sockets():
    """Return every socket that waits for others, with who holds it; one of the kernel's has no process."""
    holders = {}
    for link in Path("/proc").glob("[0-9]*/fd/*"):
        with contextlib.suppress(OSError):
            inode = re.fullmatch(r"socket:\[(\d+)\]", str(link.readlink()))
            if inode:
                holders.setdefault(inode.group(1), int(link.parts[2]))
    found = {}
    for protocol, state in _LISTENS.items():
        for line in (text(f"/proc/net/{protocol}") + text(f"/proc/net/{protocol}6")).splitlines():
            fields = line.split()
            if len(fields) > 9 and fields[3] == state and fields[0] != "sl":
                local, _, port = fields[1].partition(":")
                one = {"protocol": protocol, "address": address(local), "port": int(port, 16)}
                found[tuple(one.values())] = {**one, **process(holders.get(fields[9]))}
    return [found[key] for key in sorted(found, key=str)]


def process(pid):
    """Return name, unit and executable of a process."""
    if pid is None:
        return {"process": "", "pid": 0, "unit": "", "exe": ""}
    groups = re.findall(r"[^/]+\.(?:service|scope|socket)(?=/|$)", text(f"/proc/{pid}/cgroup"), re.MULTILINE)
    exe = ""
    with contextlib.suppress(OSError):
        exe = str(Path(f"/proc/{pid}/exe").readlink())
    return {
        "process": text(f"/proc/{pid}/comm").strip(),
        "pid": pid,
        "unit": groups[-1] if groups else "",
        "exe": exe,
    }


def with_packages(listeners):
    """Add to each listener the Debian package that its program is of."""
    known = {}
    for one in listeners:
        exe = one.pop("exe")
        if exe and exe not in known:
            owner = said("dpkg-query", "-S", exe) or said("dpkg-query", "-S", exe.replace("/usr/", "/", 1))
            known[exe] = owner.partition(":")[0].strip()
        one["package"] = known.get(exe, "")
    return listeners


# ---- cards, and who filters packets


def interfaces():
    """Return the interfaces with kind (bridge, tun ...), bridge and addresses, and the default route's."""
    try:
        links = json.loads(said("ip", "-j", "-d", "address") or "[]")
        routes = json.loads(said("ip", "-j", "route", "show", "default") or "[]")
    except ValueError:
        return [], ""
    found = [
        {
            "name": link.get("ifname", ""),
            "kind": link.get("linkinfo", {}).get("info_kind", ""),
            "master": link.get("master", ""),
            "addresses": [one["local"] for one in link.get("addr_info", ()) if "local" in one],
        }
        for link in links
        if link.get("ifname")
    ]
    return found, next((route["dev"] for route in routes if "dev" in route), "")


def tables():
    """Return the packet filters' tables, and for each whether what comes in can be refused by it.

    ``None`` when nobody could be asked.
    """
    code, listed, _ = run("nft", "-j", "list", "ruleset")
    if code == 0:
        entries = json.loads(listed)["nftables"]
        found = {
            f"{one['table']['family']} {one['table']['name']}": False for one in entries if "table" in one
        }
        incoming = {
            (one["chain"]["family"], one["chain"]["table"], one["chain"]["name"]): one["chain"].get("policy")
            == "drop"
            for one in entries
            if "chain" in one and one["chain"].get("hook") in ("input", "ingress", "prerouting")
        }
        _refusing(entries, incoming)
        for (family, table, _), refuses in incoming.items():
            found[f"{family} {table}"] = found.get(f"{family} {table}", False) or refuses
    else:
        found = {}
    for family, saved in (("ip", "iptables-save"), ("ip6", "ip6tables-save")):
        # Those of the old kind nft does not list.
        if code == 0 and not text(f"/proc/net/{family}_tables_names"):
            continue
        rules = said(saved)
        if rules:
            code = 0
            refuses = bool(re.search(r"^:INPUT DROP|^-A \S+ .*-j (DROP|REJECT)", rules, re.MULTILINE))
            found[f"{family} filter (iptables)"] = refuses
    return (
        [{"name": name, "refuses": refuses} for name, refuses in sorted(found.items())] if code == 0 else None
    )


def _refusing(entries, incoming):
    """Note in *incoming* which base chains refuse something, themselves or where they jump to."""
    drops, jumps = set(), []
    for one in entries:
        rule = one.get("rule")
        if not rule:
            continue
        here = (rule["family"], rule["table"], rule["chain"])
        for part in rule["expr"]:
            if "drop" in part or "reject" in part:
                drops.add(here)
            jumps += [(here, (*here[:2], part[verb]["target"])) for verb in ("jump", "goto") if verb in part]
    grown = True
    while grown:
        more = {source for source, target in jumps if target in drops} - drops
        drops |= more
        grown = bool(more)
    for chain in drops & set(incoming):
        incoming[chain] = True


# ---- apt


def holder(path):
    """Return the process that has *path* locked, without taking the lock."""
    try:
        with Path(path).open("rb") as file:
            asked = struct.pack("hhqqi0q", fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
            answer = struct.unpack("hhqqi0q", fcntl.fcntl(file, fcntl.F_GETLK, asked))
    except OSError:
        return None
    return None if answer[0] == fcntl.F_UNLCK else answer[4]


def locks(seconds):
    """Wait until nobody has apt and dpkg locked, *seconds* at most; return who still has, and the wait."""
    began = time.monotonic()
    while True:
        held = {path: holder(path) for path in _APT_LOCKS}
        held = {path: pid for path, pid in held.items() if pid is not None}
        waited = time.monotonic() - began
        if not held or waited >= seconds:
            break
        time.sleep(min(1.0, seconds - waited))
    by = [
        {"path": path, "pid": pid, "process": text(f"/proc/{pid}/comm").strip() or "a process"}
        for path, pid in held.items()
    ]
    return {"held": by, "waited": int(waited)}


def apt(packages):
    """Return what installing *packages* would remove, upgrade and fail at, by apt's own simulation."""
    if not any(Path("/var/lib/apt/lists").glob("*Packages*")):
        return {"lists": False, "removes": [], "upgrades": [], "errors": []}
    code, out, err = run(
        "apt-get", "-s", "-q", "-o", "Dir::Cache::pkgcache=", "-o", "Dir::Cache::srcpkgcache=",
        "install", "--no-install-recommends", "--", *packages,
        DEBIAN_FRONTEND="noninteractive",
    )  # fmt: skip
    return {
        "lists": True,
        "removes": sorted(set(re.findall(r"^Remv (\S+)", out, re.MULTILINE))),
        "upgrades": sorted(set(re.findall(r"^Inst (\S+) \[", out, re.MULTILINE))),
        "errors": re.findall(r"^E: (.*)", err, re.MULTILINE) or ([err.strip()[-200:]] if code else []),
    }


# ---- the rest


def disk(path):
    """Return size and free MB of the file system that *path* is or will be on, and whether it is noexec."""
    there = Path(path)
    while not there.exists():
        there = there.parent
    found = os.statvfs(there)
    return {
        "device": there.stat().st_dev,
        "size_mb": found.f_blocks * found.f_frsize >> 20,
        "free_mb": found.f_bavail * found.f_frsize >> 20,
        "noexec": bool(found.f_flag & os.ST_NOEXEC),
    }


def clock(now):
    """Return by how much this clock is ahead of *now* (epoch seconds of who asks), and who keeps it."""
    running = said("systemctl", "list-units", "--type=service", "--state=running", "--plain", "--no-legend")
    return {
        "ahead": time.time() - now,
        "keepers": [name for name in _CLOCKS if f"{name}.service " in running],
        "synchronised": synchronised(),
    }


def synchronised():
    """Return whether the kernel knows its clock to be right. timedatectl would start a service to say so."""
    state = ctypes.create_string_buffer(512)  # struct timex of adjtimex(2), with nothing to be set
    try:
        ctypes.CDLL(None).adjtimex(state)
    except (OSError, AttributeError):
        return False
    # Its third long: the greatest error in microseconds, 16 s where nobody sets the clock.
    (error,) = struct.unpack_from("@l", state, 3 * struct.calcsize("@l"))
    return 0 < error < 16_000_000


def proxies():
    """Return who is told of a proxy for HTTP, without passwords."""
    told = {
        "/etc/environment": text("/etc/environment"),
        "systemd": said("systemctl", "show-environment"),
        "the environment of this connection": "".join(
            f"{key}={value}\n" for key, value in os.environ.items()
        ),
    }
    told.update({str(path): text(path) for path in sorted(Path("/etc/profile.d").glob("*.sh"))})
    found, without = [], set()
    for where, lines in told.items():
        for name, value in _PROXY.findall(lines):
            if name.lower() == "no_proxy":
                without |= set(value.split(","))
            elif value:
                parts = urlsplit(value if "//" in value else f"//{value}")
                found.append(
                    {
                        "where": where,
                        "name": name,
                        "proxy": f"{parts.hostname}:{parts.port or ''}".rstrip(":"),
                    }
                )
    return {"found": found, "without": sorted(one.strip() for one in without if one.strip())}


def nginx():
    """Return the sites that nginx serves beside the lake's and Debian's example: file, names, ports."""
    found = []
    for path in sorted(
        [*Path("/etc/nginx/sites-enabled").glob("*"), *Path("/etc/nginx/conf.d").glob("*.conf")]
    ):
        lines = re.sub(r"#.*", "", text(path))
        listens = re.findall(r"\blisten\s+([^;]+);", lines)
        if path.name in (_PAGE, _FRONT) or _is_example(path) or not (listens or "server_name" in lines):
            continue
        ports = {int((re.search(r"(?:^|:)(\d+)$", one.split()[0]) or [0, 80])[1]) for one in listens}
        names = " ".join(re.findall(r"\bserver_name\s+([^;]+);", lines)).split()
        found.append({"file": str(path), "names": names, "ports": sorted(ports) or [80]})
    return found


def _is_example(path):
    if path.name != "default":
        return False
    given = said("dpkg-query", "-W", "-f", "${Conffiles}\n", "nginx-common")
    return hashlib.md5(text(path).encode()).hexdigest() in given  # noqa: S324 - as dpkg has it


def main():
    """Entry point."""
    asked = json.loads(sys.argv[1])
    clocks = clock(asked["now"])  # first: the rest takes its time
    cards, default = interfaces()
    bounds = re.search(r"^CapBnd:\s*(\w+)", text("/proc/1/status"), re.MULTILINE)
    capabilities = int(bounds.group(1), 16) if bounds else 0
    if asked["clock"] == "chrony" or (asked["clock"] == "auto" and not set(clocks["keepers"]) - {"chrony"}):
        # As the role common does where it may set the clock.
        asked["packages"] += ["chrony"] if capabilities >> _SYS_TIME & 1 else []
    seen = {
        "clock": clocks,
        "locks": locks(asked["lock_seconds"]),
        "sockets": with_packages(sockets()),
        "interfaces": cards,
        "default_interface": default,
        "tables": tables(),
        "firewall": "trendlake" in said("nft", "list", "tables", "inet"),
        "capabilities": capabilities,
        "apt": apt(asked["packages"]),
        "disks": {path: disk(path) for path in asked["paths"]},
        "proxies": proxies(),
        "nginx": nginx(),
        "page": Path("/etc/nginx/conf.d", _PAGE).exists(),
        "front": Path("/etc/nginx/conf.d", _FRONT).exists(),
        # Units of Debian's packages that the lake has settled.
        "lent": sorted(path.parent.name[:-2] for path in Path("/etc/systemd/system").glob(_LENT)),
        "installed": sorted(path.parent.name for path in Path("/opt").glob("*/current")),
    }
    json.dump(seen, sys.stdout)


if __name__ == "__main__":
    main()
