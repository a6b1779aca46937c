"""Filters of the role `preflight`: what a host is asked, and what stands in the way of what was seen there.

A finding is ``{"grade", "id", "text"}``. Grade ``stop`` has to be settled; ``confirm`` as well, unless the
owner has its id in ``preflight_confirmed``; ``note`` is only said.
"""

from __future__ import annotations

import ipaddress
import re
from pathlib import Path
from typing import Any

import yaml

ROLES = Path(__file__).resolve().parents[2]

# What each group's role listens on: the variable with the port, and who has to get in.
PORTS: dict[str, list[tuple[str, str]]] = {
    "zookeeper": [
        ("zookeeper_port", "lake"),
        ("zookeeper_quorum_port", "members"),
        ("zookeeper_election_port", "members"),
        ("zookeeper_metrics_port", "itself"),
    ],
    "kafka": [("kafka_port", "lake"), ("kafka_metrics_port", "itself")],
    "mongodb": [("mongodb_port", "lake")],
    "nifi": [("nifi_https_port", "lake")],
    "web": [("web_port", "lake"), ("web_metrics_port", "itself")],
    "monitoring": [("monitoring_prometheus_port", "itself"), ("monitoring_alertmanager_port", "itself")],
}
# Free MB that a first installation wants, as the roles' own preflight asks for them.
DISKS: dict[str, list[tuple[str, int]]] = {
    "zookeeper": [("/opt", 100), ("zookeeper_data_dir", 1024)],
    "kafka": [("/opt", 200), ("kafka_data_dir", 2048)],
    "mongodb": [("mongodb_data_directory", 2048)],
    "nifi": [("/opt", 400), ("/var/lib/nifi", 2048)],
    "opslib": [("/opt", 1024)],
}
JAVA = ("zookeeper", "kafka", "nifi")
JAVA_MB = 400
# What bounds how many posts come: X's price of one, and the most of them that it gives in a month.
_USD_A_POST, _MOST_POSTS_A_MONTH = 0.005, 3_000_000
# What a tweet takes with its indexes, word counts and place in the search index, twice what made-up ones did
# (docs/storage.md), and how much of its disk that may be: the rest is for Kafka, the oplog, clouds and so on.
_TWEET_BYTES, _SHARE = 2500, 0.7
# The same of every host of a lake that somebody watches, and of those that another host does.
WATCHED = [("monitoring_node_port", "itself")]
WATCHED_BY_ANOTHER = [("monitoring_front_port", "lake")]
# Debian packages that the roles of a group install.
PACKAGES: dict[str, list[str]] = {
    "trendlake": [
        "acl", "ca-certificates", "iproute2", "logrotate", "openssl", "procps", "python3", "tar",
        "python3-cryptography",
    ],
    "mongodb": ["libcurl4", "liblzma5", "python3-venv"],
    "opslib": ["python3-venv", "fonts-noto-core", "fonts-noto-cjk", "fonts-noto-color-emoji", "libfribidi0"],
    "nifi": ["python3-venv"],
    "web": ["python3-venv", "nginx-light", "tzdata"],
    "monitoring": ["prometheus", "prometheus-alertmanager", "prometheus-node-exporter"],
}  # fmt: skip
_UNITS = re.compile(r"(zookeeper|kafka|mongodb|nifi)\.service|mongod\.service|opslib-[^/]*")
# The bits of the capabilities, from capability.h.
_NET_ADMIN, _SYS_TIME = 12, 25
# They ask from the port they listen on, and answers come in.
_ASKERS = ("systemd-timesyn", "chronyd", "ntpd", "dhclient", "dhcpcd", "systemd-network")
_CLOCKS = ("systemd-timesyncd", "ntpsec", "ntp", "openntpd")
_GUESTS = ("bridge", "tun")
# A certificate is good from the control node's now on; the rest of the lake bears more.
_CLOCK_BEHIND, _CLOCK_AHEAD = -10.0, 60.0


def preflight_settings(known: Any) -> dict[str, Any]:
    """Return the roles' variables that preflight goes by: those of the host, else the roles' defaults.

    Defaults that are templates are left out, but for those that are worked out here.
    """
    settings: dict[str, Any] = {}
    for defaults in sorted(ROLES.glob("*/defaults/main.yml")):
        for name, value in (yaml.safe_load(defaults.read_text()) or {}).items():
            if name in known:
                settings[name] = known[name]
            elif "{{" not in str(value):
                settings[name] = value
    settings.setdefault("common_ssh_ports", [known.get("ansible_port", 22)])
    watch = list(known.get("groups", {}).get("monitoring", []))
    settings["watched"] = bool(watch)
    settings["watched_by_another"] = bool(set(watch) - {known.get("inventory_hostname")})
    return settings


def _needed(settings: dict[str, Any], groups: list[str]) -> list[tuple[str, int, str]]:
    """Return variable, port and who has to get in, of all that a host of *groups* is to listen on."""
    ports = [port for group in groups for port in PORTS.get(group, ())]
    ports += WATCHED if settings["watched"] else []
    ports += WATCHED_BY_ANOTHER if settings["watched_by_another"] else []
    found = [(name, int(settings[name]), who) for name, who in ports if settings.get(name)]
    if "opslib" in groups:
        found += [
            (f"opslib_metrics_ports.{job}", int(port) + (job == "sink"), "itself")
            for job, port in settings["opslib_metrics_ports"].items()
        ]
    if "nifi" in groups and settings.get("opslib_simulate_enabled"):
        found.append(("opslib_simulate_port", int(settings["opslib_simulate_port"]), "itself"))
    return found


def preflight_asked(settings: dict[str, Any], groups: list[str], seconds: int, now: float) -> dict[str, Any]:
    """Return what ``look.py`` is asked on a host of *groups*."""
    packages = [*PACKAGES["trendlake"], *settings["common_packages"]]
    packages += [one for group in groups for one in PACKAGES.get(group, ()) if group != "trendlake"]
    packages += ["nftables"] if settings["common_firewall"] else []
    packages += ["unattended-upgrades"] if settings["common_security_updates"] else []
    packages += ["prometheus-node-exporter"] if settings["watched"] else []
    packages += ["nginx-light"] if settings["watched_by_another"] else []
    return {
        "packages": sorted(set(packages)),
        "paths": sorted({"/var/lib", "/opt", "/tmp", *(path for path, _ in _disks(settings, groups))}),  # noqa: S108
        "lock_seconds": seconds,
        "clock": settings["common_clock"],
        "now": now,
    }


def _disks(settings: dict[str, Any], groups: list[str]) -> list[tuple[str, int]]:
    wanted = [(str(settings.get(name, name)), mb) for group in groups for name, mb in DISKS.get(group, ())]
    return wanted + ([("/opt", JAVA_MB)] if set(groups) & set(JAVA) else [])


class _Host:
    """One host: what was seen, what it is to be, and what stands between the two."""

    def __init__(
        self, seen: dict[str, Any], facts: dict[str, Any], settings: dict[str, Any], groups: list[str]
    ) -> None:
        self.seen, self.facts, self.settings, self.groups = seen, facts, settings, groups
        self.findings: list[dict[str, str]] = []
        self.needed = _needed(settings, groups)
        self.filters = settings["common_firewall"] and bool(seen["capabilities"] >> _NET_ADMIN & 1)

    def say(self, grade: str, name: str, text: str) -> None:
        """Note one finding."""
        self.findings.append({"grade": grade, "id": name, "text": text})

    def is_lakes(self, one: dict[str, Any]) -> bool:
        """Return whether a socket is the lake's own."""
        if one["unit"] == "nginx.service":
            fronts = [("page", "web_port"), ("front", "monitoring_front_port")]
            return any(self.seen[front] and one["port"] == self.settings[port] for front, port in fronts)
        if one["unit"] in self.seen["lent"]:
            return True
        return bool(self.seen["installed"]) and _UNITS.fullmatch(one["unit"]) is not None


def preflight_findings(
    seen: dict[str, Any], facts: dict[str, Any], settings: dict[str, Any], groups: list[str]
) -> list[dict[str, str]]:
    """Return what stands in the way on a host, of what ``look.py`` saw and Ansible's *facts*, worst first."""
    host = _Host(seen, facts, settings, groups)
    for check in (
        _machine,
        _space,
        _retention,
        _ports,
        _sites,
        _lock_out,
        _shut_out,
        _guests,
        _filters,
        _apt,
        _clock,
        _proxies,
        _told,
    ):
        check(host)
    order = ("stop", "confirm", "note")
    return sorted(host.findings, key=lambda one: order.index(one["grade"]))


def _machine(host: _Host) -> None:
    facts, settings = host.facts, host.settings
    versions = [str(one) for one in settings["common_debian_versions"]]
    if facts["distribution"] != "Debian" or str(facts["distribution_major_version"]) not in versions:
        host.say(
            "stop", "debian",
            f"it runs {facts['distribution']} {facts['distribution_version']}; Trendlake runs on Debian "
            f"{', '.join(versions)} (common_debian_versions)",
        )  # fmt: skip
    if facts["architecture"] != "x86_64":
        host.say(
            "stop",
            "architecture",
            f"its processor is {facts['architecture']}; the distributions are for x86_64",
        )
    if facts["service_mgr"] != "systemd":
        host.say(
            "stop", "systemd",
            f"it is run by {facts['service_mgr']}; Trendlake's services are units of systemd",
        )  # fmt: skip
    memory, least = (
        int(settings.get("common_memory_mb") or facts["memtotal_mb"]),
        int(settings["common_memory_min_mb"]),
    )
    if memory < least:
        host.say(
            "stop", "memory",
            f"it has {memory} MB of memory, the least is {least} MB (common_memory_min_mb; common_memory_mb "
            "overrides what was found)",
        )  # fmt: skip


def _space(host: _Host) -> None:
    disks, least = host.seen["disks"], int(host.settings["common_disk_min_mb"])
    if disks["/var/lib"]["size_mb"] < least:
        host.say(
            "stop", "disk",
            f"the disk with /var/lib has {disks['/var/lib']['size_mb']} MB, the least is {least} MB "
            "(common_disk_min_mb)",
        )  # fmt: skip
    wanted: dict[Any, list[tuple[str, int]]] = {}
    # What is installed has taken its share.
    for path, mb in [] if host.seen["installed"] else _disks(host.settings, host.groups):
        wanted.setdefault(disks[path]["device"], []).append((path, mb))
    for shares in wanted.values():
        free, needed = disks[shares[0][0]]["free_mb"], sum(mb for _, mb in shares)
        if free < needed:
            paths = ", ".join(sorted({path for path, _ in shares}))
            host.say(
                "stop", "disk", f"{free} MB are free for {paths}, the lake needs {needed} MB to begin with"
            )
    if disks["/opt"]["noexec"]:
        host.say(
            "stop",
            "/opt",
            "programs may not be run from /opt, where the lake's are (noexec): mount it with exec",
        )
    if disks["/tmp"]["noexec"]:  # noqa: S108
        host.say("note", "noexec", "programs may not be run from /tmp (noexec); nothing of the lake does")


def _posts_a_day(settings: dict[str, Any]) -> float:
    """Return how many posts the budget lets in at most, and X without one."""
    most = [_MOST_POSTS_A_MONTH / 30]
    for name, unit, days in (("day", 1.0, 1), ("month", 1.0, 30)):
        for limit, each in (
            (f"nifi_flow_budget_usd_{name}", _USD_A_POST),
            (f"nifi_flow_budget_resources_{name}", unit),
        ):
            # No number is no limit: as `opslib x check` takes it.
            if str(settings.get(limit) or ""):
                most.append(float(settings[limit]) / each / days)
    return min(most)


def _retention(host: _Host) -> None:
    """Hold what is to be kept against the disk. Kept for ever they fill any, of which there is an alarm."""
    store = (host.settings["opslib_settings"] or {}).get("store") or {}
    days = store.get("tweets_days")
    if "mongodb" not in host.groups or not days:
        return
    size = int(host.seen["disks"][str(host.settings["mongodb_data_directory"])]["size_mb"])
    posts = _posts_a_day(host.settings)
    needed = int(float(days) * posts * _TWEET_BYTES / 2**20)
    if needed > size * _SHARE:
        host.say(
            "note" if host.seen["installed"] else "confirm", "retention",
            f"{float(days):g} days of tweets (store.tweets_days) are up to {needed} MB, at the {posts:,.0f} "
            f"posts a day that the budget of X lets in, and the disk has {size} MB: keep fewer days, or "
            "lower nifi_flow_budget_*",
        )  # fmt: skip


def _who(one: dict[str, Any]) -> str:
    """Return who holds a socket, in words."""
    if not one["pid"]:
        return "the kernel, such as WireGuard," if one["protocol"] == "udp" else "the kernel"
    more = [f"pid {one['pid']}", one["unit"], f"package {one['package']}" if one["package"] else ""]
    return f"{one['process']} ({', '.join(part for part in more if part)})"


def _ports(host: _Host) -> None:
    for variable, port, _ in host.needed:
        others = [
            one
            for one in host.seen["sockets"]
            if one["protocol"] == "tcp" and one["port"] == port and not host.is_lakes(one)
        ]
        for one in {one["pid"]: one for one in others}.values():
            host.say(
                "stop", f"{port}/tcp",
                f"{_who(one)} has {port}/tcp, which the role {variable.partition('_')[0]} needs: stop "
                f"it, or set {variable} to another",
            )  # fmt: skip


def _sites(host: _Host) -> None:
    if "web" not in host.groups:
        return
    page, installed = int(host.settings["web_port"]), host.seen["page"]
    for site in host.seen["nginx"]:
        name = f"nginx {site['file'].rpartition('/')[2]}"
        served, on = " ".join(site["names"]) or "a site", ", ".join(map(str, site["ports"]))
        what = f"nginx serves {served} on {on} ({site['file']})"
        if installed:
            host.say("note", name, f"{what}, beside the page")
        elif page in site["ports"]:
            host.say(
                "stop", name, f"{what}, and the page would be the default there: set web_port to another"
            )
        else:
            host.say(
                "confirm", name,
                f"{what}: the role web puts the page on {page} beside it, takes Debian's default site "
                "out and reloads nginx",
            )  # fmt: skip


def _lock_out(host: _Host) -> None:
    listens = {one["port"] for one in host.seen["sockets"] if one["process"].startswith("sshd")}
    lets_in = {int(port) for port in host.settings["common_ssh_ports"]}
    # None is seen where systemd listens for it, or under another connection than ssh.
    if host.filters and listens and not listens & lets_in:
        host.say(
            "stop", "ssh",
            f"sshd listens on {', '.join(map(str, sorted(listens)))}, the firewall would let in "
            f"{', '.join(map(str, sorted(lets_in)))}: set common_ssh_ports",
        )  # fmt: skip


def _is_let_in(host: _Host, protocol: str, port: int) -> bool:
    """Return whether the role common's firewall has a rule for a port."""
    settings = host.settings
    if protocol == "tcp" and port in {int(one) for one in settings["common_ssh_ports"]}:
        return True
    if protocol == "tcp" and any(port == one for _, one, who in host.needed if who != "itself"):
        return True
    if protocol == "udp" and port in (68, 546):
        return True
    if any(
        re.search(rf"\b{protocol}\b.*\bdport\b.*\b{port}\b", str(rule))
        for rule in settings["common_firewall_extra_rules"]
    ):
        return True
    return any(
        protocol == keep.get("protocol", "tcp") and _covers(str(keep["port"]), port)
        for keep in settings["common_firewall_keep"]
        if "port" in keep
    )


def _covers(ports: str, port: int) -> bool:
    first, _, last = ports.partition("-")
    return int(first) <= port <= int(last or first)


def _kept_cards(host: _Host) -> set[str]:
    return {keep["interface"] for keep in host.settings["common_firewall_keep"] if "interface" in keep}


def _shut_out(host: _Host) -> None:
    if not host.filters:
        return
    bridges = {
        address: card["name"]
        for card in host.seen["interfaces"]
        if _is_guests(host, card)
        for address in card["addresses"]
    }
    shut: dict[tuple[str, int], list[dict[str, Any]]] = {}
    for one in host.seen["sockets"]:
        # What listens for guests alone is told with their bridge.
        if ipaddress.ip_address(one["address"].partition("%")[0]).is_loopback or one["address"] in bridges:
            continue
        if host.is_lakes(one) or one["process"].startswith(("sshd", "docker-proxy")):
            continue
        if one["protocol"] == "udp" and one["process"] in _ASKERS:
            continue
        if not _is_let_in(host, one["protocol"], one["port"]):
            shut.setdefault((one["protocol"], one["port"]), []).append(one)
    taken = {port for _, port, _ in host.needed}
    for (protocol, port), held in sorted(shut.items()):
        if protocol == "tcp" and port in taken:
            continue  # the lake's own; told already
        name = f"{port}/{protocol}"
        told = "" if protocol == "tcp" else ", protocol: udp"
        _shutting(host, name, f"{_who(held[0])} listens on {name}", f"{{port: {port}{told}}}")


def _shutting(host: _Host, name: str, what: str, keep: str) -> None:
    if host.seen["firewall"]:
        host.say(
            "note",
            name,
            f"{what}; the lake's firewall keeps others out (common_firewall_keep: [{keep}] lets them in)",
        )
    else:
        host.say(
            "confirm", name,
            f"{what}, and the lake's firewall would shut others out: common_firewall_keep: [{keep}] lets "
            "them in",
        )  # fmt: skip


def _is_guests(host: _Host, card: dict[str, Any]) -> bool:
    """Return whether a card leads to guests of the host, and not to its own network."""
    own = host.seen["default_interface"]
    over = {one["master"] for one in host.seen["interfaces"] if one["name"] == own}
    return card["kind"] in _GUESTS and not card["master"] and card["name"] not in {own, *over}


def _guests(host: _Host) -> None:
    if not host.filters:
        return
    for card in host.seen["interfaces"]:
        if _is_guests(host, card) and card["addresses"] and card["name"] not in _kept_cards(host):
            what = f"{card['name']} is a {card['kind']} with {', '.join(card['addresses'])}, as guests have"
            _shutting(host, card["name"], what, f"{{interface: {card['name']}}}")


def _filters(host: _Host) -> None:
    for table in host.seen["tables"] or ():
        if table["name"] == "inet trendlake":
            continue
        name = f"table {table['name']}"
        if table["refuses"] and not host.seen["firewall"]:
            host.say(
                "confirm", name,
                f"another packet filter is in force ({name}), and what it refuses stays refused: it has to "
                "let in the lake's ports as well",
            )  # fmt: skip
        else:
            host.say("note", name, f"another packet filter is in force ({name}); it is not touched")


def _apt(host: _Host) -> None:
    apt, locks = host.seen["apt"], host.seen["locks"]
    for held in locks["held"]:
        host.say(
            "stop", "apt",
            f"{held['process']} (pid {held['pid']}) has {held['path']} locked, after {locks['waited']} s "
            "still: wait for it (preflight_lock_seconds)",
        )  # fmt: skip
    if locks["waited"] and not locks["held"]:
        host.say("note", "apt", f"apt was locked, as on a new machine; free after {locks['waited']} s")
    if not apt["lists"]:
        host.say("note", "apt lists", "apt has no lists yet, so what it would remove could not be asked")
    for package in apt["removes"]:
        # Who asks for chrony has it in the place of its rivals.
        asked_for = host.settings["common_clock"] == "chrony" and package in _CLOCKS
        host.say(
            "note" if asked_for else "confirm", f"remove {package}",
            f"apt would remove {package}, which does not go together with what the roles install",
        )  # fmt: skip
    for error in apt["errors"]:
        host.say("stop", "apt", f"apt cannot install what the roles need: {error}")
    if apt["upgrades"]:
        host.say("note", "apt upgrades", f"apt would bring newer ones of {', '.join(apt['upgrades'])}")


def _clock(host: _Host) -> None:
    clock = host.seen["clock"]
    if not _CLOCK_BEHIND <= clock["ahead"] <= _CLOCK_AHEAD:
        way = "ahead of" if clock["ahead"] > 0 else "behind"
        host.say(
            "stop", "clock",
            f"its clock is {abs(clock['ahead']):.0f} s {way} the control node's: certificates and X's limits "
            "go by it",
        )  # fmt: skip
    if not host.seen["capabilities"] >> _SYS_TIME & 1:
        host.say("note", "clock", "its clock is kept by the host that it runs on")
    elif not clock["synchronised"]:
        by = ", ".join(clock["keepers"]) or "nothing"
        host.say("note", "clock", f"its clock is not synchronised yet; {by} keeps it (common_clock)")


def _proxies(host: _Host) -> None:
    for one in host.seen["proxies"]["found"]:
        host.say(
            "note", f"{one['name']} in {one['where']}",
            f"{one['where']} names the proxy {one['proxy']} ({one['name']}); the lake does not ask it for "
            "its own addresses",
        )  # fmt: skip


def _told(host: _Host) -> None:
    if "monitoring" not in host.groups:
        return
    if not host.settings["monitoring_webhook_url"] and not host.settings["monitoring_mail_to"]:
        host.say(
            "stop", "alarms",
            "it is in the group monitoring, and alarms would reach nobody: set monitoring_webhook_url or "
            "monitoring_mail_to (docs/alarms.md)",
        )  # fmt: skip


def preflight_names(
    name: str,
    addresses: dict[str, str],
    looked_up: dict[str, dict[str, list[str]]],
    facts: dict[str, Any],
    wrong: list[str],
) -> list[dict[str, str]]:
    """Return what is to be said about the address of the host *name*; *wrong* is what cannot work of all."""
    found = []
    if not [one for one in facts.get("all_ipv4_addresses") or () if not one.startswith("127.")]:
        text = "it has no IPv4 address: services of the lake name one another by one, a private one is enough"
        found.append({"grade": "stop", "id": "ipv4", "text": text})
    for line in wrong:
        host, _, rest = line.partition(": ")
        if host == name:
            text = f"{rest}: set trendlake_address to an IPv4 address of it, or to a name that all know it by"
            found.append({"grade": "stop", "id": "trendlake_address", "text": text})
    meant = [
        f"{viewer} takes {known} for {', '.join(means)}"
        for viewer, names in sorted(looked_up.items())
        for known, means in sorted(names.items())
        if means and known in {name, facts.get("fqdn"), facts.get("ansible_host"), addresses[name]}
    ]
    text = "; ".join([f"the others reach it at {addresses[name]} (trendlake_address)", *meant])
    return [*found, {"grade": "note", "id": "address", "text": text}]


def preflight_unconfirmed(findings: list[dict[str, str]], confirmed: list[str]) -> list[dict[str, str]]:
    """Return *findings* with what the owner has confirmed as notes."""
    return [
        {**one, "grade": "note", "text": f"{one['text']} (confirmed)"}
        if one["grade"] == "confirm" and one["id"] in confirmed
        else one
        for one in findings
    ]


# ---- who reaches whom


def preflight_listens(
    seen: dict[str, Any], settings: dict[str, Any], groups: list[str], bind: str
) -> dict[str, Any]:
    """Return the ports that a host can answer on for others (``try``), and those that are ``taken``."""
    needed = [(port, who) for _, port, who in _needed(settings, groups) if who != "itself"]
    taken = {one["port"] for one in seen["sockets"] if one["protocol"] == "tcp"}
    return {
        "try": [[bind, port] for port, _ in needed if port not in taken],
        "taken": [port for port, _ in needed if port in taken],
        "members": [port for port, who in needed if who == "members"],
        "firewall": seen["firewall"],
    }


def preflight_targets(
    host: str, listeners: dict[str, dict[str, Any]], addresses: dict[str, str], groups: dict[str, list[str]]
) -> list[list[Any]]:
    """Return ``[host, address, port]`` of every port that *host* has to reach, itself included."""
    ensemble = groups.get("zookeeper", [])
    return [
        [other, addresses[other], port]
        for other, listener in listeners.items()
        for _, port in listener["try"]
        if port not in listener["members"] or (host in ensemble and len(ensemble) > 1)
    ]


def preflight_reached(
    targets: list[list[Any]], answers: list[str], firewalled: list[str]
) -> list[dict[str, str]]:
    """Return what is to be said of *targets* that did not answer; *firewalled* have the lake's firewall."""
    missed: dict[tuple[str, str, str], list[int]] = {}
    for (other, address, port), answer in zip(targets, answers):
        if answer:
            missed.setdefault((other, address, answer), []).append(port)
    return [
        {
            "grade": "note" if other in firewalled else "stop",
            "id": f"reach {other}",
            "text": f"it does not reach {', '.join(map(str, ports))} of {other} at {address}: {answer}"
            + ("; the lake's own firewall there may not know it yet" if other in firewalled else ""),
        }
        for (other, address, answer), ports in missed.items()
    ]


def preflight_matrix(
    host: str, targets: list[list[Any]], answers: list[str], listeners: dict[str, dict[str, Any]]
) -> list[str]:
    """Return a line for each host that *host* was to reach: ports that it does, does not, and did not try."""
    lines = []
    for other, listener in listeners.items():
        good = [port for (name, _, port), answer in zip(targets, answers) if name == other and not answer]
        bad = [port for (name, _, port), answer in zip(targets, answers) if name == other and answer]
        parts = {"reaches": good, "does not reach": bad, "not tried, since in use:": listener["taken"]}
        said = "; ".join(
            f"{verb} {', '.join(map(str, sorted(ports)))}" for verb, ports in parts.items() if ports
        )
        lines.append(f"{host} to {other}: {said or 'nothing to reach'}")
    return lines


# ---- the report


def preflight_report(
    findings: dict[str, list[dict[str, str]]], missing: list[str] | None = None
) -> list[str]:
    """Return the lines that say it all, host by host; of those *missing* Ansible has said why before."""
    lines = [f"{host}: could not be looked at, see above" for host in missing or ()]
    for host, found in findings.items():
        lines.append(f"{host}:" if found else f"{host}: nothing stands in the way")
        for one in found:
            hint = (
                f' (or confirm it, preflight_confirmed: ["{one["id"]}"])' if one["grade"] == "confirm" else ""
            )
            lines.append(f"  {one['grade']:<8}{one['text']}{hint}")
    return lines


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Any]:
        """Return the filters by name."""
        return {name: value for name, value in globals().items() if name.startswith("preflight_")}
