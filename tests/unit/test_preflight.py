"""What stands in the way on a host, from what was seen there: the role `preflight`."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
import uuid
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

import roles

ROLES = Path(__file__).resolve().parents[2] / "roles"


preflight = roles.module("preflight/filter_plugins/preflight.py")
look = roles.module("preflight/files/look.py")

EVERYTHING = ["trendlake", "zookeeper", "kafka", "mongodb", "nifi", "opslib", "web"]
FACTS = {
    "distribution": "Debian",
    "distribution_version": "12.1",
    "distribution_major_version": "12",
    "architecture": "x86_64",
    "service_mgr": "systemd",
    "memtotal_mb": 4096,
    "all_ipv4_addresses": ["192.0.2.1"],
}
NOTHING: dict[str, Any] = {"lists": True, "removes": [], "upgrades": [], "errors": []}
HELD = {"path": "/l", "pid": 5, "process": "apt"}
SHOP = {"file": "/f/shop", "names": ["shop"], "ports": [80, 443]}
DISK = {"device": 1, "size_mb": 50_000, "free_mb": 40_000, "noexec": False}


def settings(**known: Any) -> dict[str, Any]:
    found: dict[str, Any] = preflight.preflight_settings(known)
    return found


def seen(**different: Any) -> dict[str, Any]:
    """What a host shows on which nothing stands in the way, but for what is *different*."""
    paths = preflight.preflight_asked(settings(), EVERYTHING, 0, 0.0)["paths"]
    quiet: dict[str, Any] = {
        "clock": {"ahead": 0.5, "keepers": ["systemd-timesyncd"], "synchronised": True},
        "locks": {"held": [], "waited": 0},
        "sockets": [listens(22, process="sshd", unit="ssh.service")],
        "interfaces": [card("lo", "", "127.0.0.1"), card("ens3", "", "192.0.2.1")],
        "default_interface": "ens3",
        "tables": [],
        "firewall": False,
        "capabilities": 2**40 - 1,
        "apt": {"lists": True, "removes": [], "upgrades": [], "errors": []},
        "disks": dict.fromkeys(paths, DISK),
        "proxies": {"found": [], "without": []},
        "nginx": [],
        "page": False,
        "front": False,
        "lent": [],
        "installed": [],
    }
    return quiet | different


def listens(port: int, address: str = "0.0.0.0", protocol: str = "tcp", **who: Any) -> dict[str, Any]:  # noqa: S104
    named = {"process": "thing", "pid": 7, "unit": "thing.service", "package": "things"} | who
    return {"protocol": protocol, "address": address, "port": port, **named}


def card(name: str, kind: str, *addresses: str, master: str = "") -> dict[str, Any]:
    return {"name": name, "kind": kind, "master": master, "addresses": list(addresses)}


def findings(
    *, facts: dict[str, Any] | None = None, known: dict[str, Any] | None = None, **different: Any
) -> list[dict[str, str]]:
    found: list[dict[str, str]] = preflight.preflight_findings(
        seen(**different), FACTS | (facts or {}), settings(**(known or {})), EVERYTHING
    )
    return found


def test_a_host_of_its_own_has_nothing_in_its_way() -> None:
    assert findings() == []


@pytest.mark.parametrize(
    ("facts", "known", "different", "words"),
    [
        ({"distribution": "Ubuntu"}, {}, {}, ["Ubuntu 12.1", "common_debian_versions"]),
        ({"distribution_version": "10.13", "distribution_major_version": "10"}, {}, {}, ["Debian 10.13"]),
        ({"architecture": "aarch64"}, {}, {}, ["aarch64", "x86_64"]),
        ({"service_mgr": "sysvinit"}, {}, {}, ["sysvinit", "systemd"]),
        ({"memtotal_mb": 512}, {}, {}, ["512 MB", "1024 MB", "common_memory_min_mb"]),
        ({}, {"common_disk_min_mb": 10**6}, {}, ["/var/lib", "1000000 MB", "common_disk_min_mb"]),
        ({}, {}, {"sockets": [listens(2222, process="sshd")]}, ["on 2222", "let in 22", "common_ssh_ports"]),
        ({}, {"ansible_port": 2222}, {}, ["sshd listens on 22,", "let in 2222"]),
        ({}, {}, {"sockets": [listens(9093)]}, ["thing (pid 7, thing.service, package things)", "kafka_"]),
        ({}, {}, {"sockets": [listens(9302, "127.0.0.1")]}, ["9302/tcp", "kafka_metrics_port"]),
        ({}, {}, {"sockets": [listens(9311)]}, ["9311/tcp", "opslib_metrics_ports.sink"]),
        ({}, {}, {"apt": NOTHING | {"errors": ["Unable to locate acl"]}}, ["apt cannot", "acl"]),
        ({}, {}, {"locks": {"held": [HELD], "waited": 9}}, ["apt (pid 5)", "9 s"]),
        ({}, {}, {"clock": {"ahead": -700.0, "keepers": [], "synchronised": 1}}, ["700 s behind"]),
        ({}, {}, {"nginx": [SHOP]}, ["shop on 80, 443", "web_port"]),
    ],
)  # fmt: skip
def test_what_has_to_be_settled_is_told_with_what_settles_it(
    facts: dict[str, Any], known: dict[str, Any], different: dict[str, Any], words: list[str]
) -> None:
    (found,) = [one for one in findings(facts=facts, known=known, **different) if one["grade"] == "stop"]
    assert all(word in found["text"] for word in words), found["text"]


@pytest.mark.parametrize(
    ("different", "name", "words"),
    [
        ({"sockets": [listens(9100)]}, "9100/tcp", ["common_firewall_keep: [{port: 9100}]"]),
        ({"sockets": [listens(9100, "::")]}, "9100/tcp", []),
        (
            {"sockets": [listens(51820, protocol="udp", process="", pid=0, unit="")]},
            "51820/udp",
            ["the kernel, such as WireGuard", "{port: 51820, protocol: udp}"],
        ),
        (
            {"interfaces": [card("docker0", "bridge", "172.17.0.1")], "sockets": [listens(53, "172.17.0.1")]},
            "docker0",
            ["172.17.0.1", "{interface: docker0}"],
        ),
        (
            {"tables": [{"name": "inet filter", "refuses": True}]},
            "table inet filter",
            ["let in the lake's ports"],
        ),
        (
            {"apt": {"lists": True, "removes": ["openntpd"], "upgrades": [], "errors": []}},
            "remove openntpd",
            ["apt would remove openntpd"],
        ),
        (
            {"nginx": [{"file": "/f/blog", "names": [], "ports": [80]}]},
            "nginx blog",
            ["/f/blog", "default site"],
        ),
    ],
)
def test_what_the_owner_may_mean_is_refused_until_confirmed(
    different: dict[str, Any], name: str, words: list[str]
) -> None:
    (found,) = findings(**different)
    assert (found["grade"], found["id"]) == ("confirm", name)
    assert all(word in found["text"] for word in words), found["text"]
    (confirmed,) = preflight.preflight_unconfirmed([found], [name])
    assert confirmed["grade"] == "note"
    assert preflight.preflight_unconfirmed([found], ["another"]) == [found]
    report = "\n".join(preflight.preflight_report({"lake": [found]}))
    assert f'preflight_confirmed: ["{name}"]' in report


@pytest.mark.parametrize(
    ("keep", "port", "protocol", "kept"),
    [
        ({"port": 9100}, 9100, "tcp", True),
        ({"port": "9100"}, 9100, "tcp", True),
        ({"port": 9100}, 9100, "udp", False),
        ({"port": "9000-9200", "protocol": "udp"}, 9100, "udp", True),
        ({"port": "9000-9099"}, 9100, "tcp", False),
        ({"interface": "ens3"}, 9100, "tcp", False),
    ],
)
def test_what_is_kept_is_not_told(keep: dict[str, Any], port: int, protocol: str, kept: bool) -> None:
    found = findings(known={"common_firewall_keep": [keep]}, sockets=[listens(port, protocol=protocol)])
    assert (found == []) is kept


def test_a_bridge_that_is_kept_or_carries_the_hosts_own_card_is_not_told() -> None:
    guests = card("virbr0", "bridge", "192.168.122.1")
    assert findings(known={"common_firewall_keep": [{"interface": "virbr0"}]}, interfaces=[guests]) == []
    assert findings(interfaces=[card("br0", "bridge", "192.0.2.1"), card("ens3", "", master="br0")]) == []
    # A second card of a container; and what a guest has of its own carries no address here.
    assert (
        findings(interfaces=[card("eth1", "veth", "198.51.100.5"), card("vnet0", "tun", master="br1")]) == []
    )


def test_what_is_local_asks_itself_or_is_let_in_anyway_is_not_told() -> None:
    harmless = [
        listens(22, process="sshd"),
        listens(631, "127.0.0.1"),
        listens(631, "::1"),
        listens(68, protocol="udp", process="dhclient"),
        listens(123, protocol="udp", process="ntpd"),
        listens(8080, process="docker-proxy"),
        listens(161, protocol="udp"),
    ]
    assert findings(known={"common_firewall_extra_rules": ["udp dport 161 accept"]}, sockets=harmless) == []


def test_nobody_is_shut_out_where_there_is_to_be_no_firewall_or_none_can_be() -> None:
    assert findings(known={"common_firewall": False}, sockets=[listens(9100)]) == []
    without = 2**40 - 1 - 2**12
    assert findings(capabilities=without, sockets=[listens(9100)]) == []


def running() -> dict[str, Any]:
    """A host with the lake on it."""
    units = {
        2182: "zookeeper",
        9301: "zookeeper",
        9093: "kafka",
        27017: "mongodb",
        8443: "nifi",
        9311: "opslib-sink@1",
    }
    sockets = [listens(port, process="java", unit=f"{unit}.service") for port, unit in units.items()]
    return {
        "sockets": [
            *sockets,
            listens(443, process="nginx", unit="nginx.service"),
            listens(22, process="sshd"),
        ],
        "page": True,
        "firewall": True,
        "installed": ["java", "kafka", "mongodb", "nifi", "opslib", "zookeeper"],
        "tables": [{"name": "inet trendlake", "refuses": True}],
    }


def test_a_lake_that_runs_has_nothing_in_its_own_way() -> None:
    full = {path: DISK | {"free_mb": 1} for path in seen()["disks"]}
    assert findings(**running(), disks=full) == []


def test_what_watches_has_nothing_in_its_own_way_and_what_somebody_else_runs_is_told() -> None:
    units = {9090: "prometheus", 9303: "prometheus-alertmanager", 9300: "prometheus-node-exporter"}
    sockets = [listens(port, "127.0.0.1", unit=f"{unit}.service") for port, unit in units.items()]
    front = listens(9443, process="nginx", unit="nginx.service")
    known = {"groups": {"monitoring": ["watch", "another"]}, "inventory_hostname": "watch"}
    lake = {"monitoring_mail_to": "a@example.org", **known}

    def stops(**different: Any) -> set[str]:
        there = seen(sockets=[*sockets, front, listens(22, process="sshd")], **different)
        told = preflight.preflight_findings(there, FACTS, settings(**lake), ["trendlake", "monitoring"])
        return {one["id"] for one in told if one["grade"] == "stop"}

    assert stops(front=True, lent=[f"{unit}.service" for unit in units.values()]) == set()
    assert stops() == {"9090/tcp", "9303/tcp", "9300/tcp", "9443/tcp"}


def test_what_a_lake_that_runs_shuts_out_already_is_only_said() -> None:
    lake = running()
    lake["sockets"].append(listens(9100))
    lake["tables"].append({"name": "inet office", "refuses": True})
    lake["nginx"] = [{"file": "/f/blog", "names": ["blog"], "ports": [443]}]
    assert {one["id"]: one["grade"] for one in findings(**lake)} == {
        "9100/tcp": "note", "table inet office": "note", "nginx blog": "note",
    }  # fmt: skip


def test_alarms_that_would_reach_nobody_are_refused() -> None:
    def graded(**known: Any) -> list[tuple[str, str]]:
        known["groups"] = {"monitoring": ["lake"]}
        told = preflight.preflight_findings(seen(), FACTS, settings(**known), [*EVERYTHING, "monitoring"])
        return [(one["grade"], one["id"]) for one in told]

    assert graded(inventory_hostname="lake") == [("stop", "alarms")]
    assert graded(inventory_hostname="lake", monitoring_mail_to="a@example.org") == []


def test_only_a_host_that_another_one_watches_listens_for_it() -> None:
    def ports(name: str) -> set[str]:
        known = settings(inventory_hostname=name, groups={"monitoring": ["watch"]})
        return {variable for variable, _, _ in preflight._needed(known, ["trendlake"])}

    assert ports("watch") == {"monitoring_node_port"}
    assert ports("lake") == {"monitoring_node_port", "monitoring_front_port"}


def test_a_unit_that_is_only_called_like_one_of_the_lakes_is_another_ones() -> None:
    (found,) = findings(sockets=[listens(9093, unit="kafka.service")])
    assert found["grade"] == "stop"


def test_small_disks_are_told_by_what_shares_them() -> None:
    disks = {path: DISK | {"free_mb": 3000} for path in seen()["disks"]}
    (found,) = findings(disks=disks)
    assert "3000 MB are free" in found["text"]
    for number, one in enumerate(disks.values()):
        one["device"] = number
    assert findings(disks=disks) == []


@pytest.mark.parametrize(
    ("days", "budget", "grade"),
    [
        # 500 USD a month are 3,333 posts a day, of 2,500 bytes: 7.9 MB of the 50,000.
        (365, {}, None),
        (4500, {}, "confirm"),
        (None, {}, None),  # for ever: that is foreseen while it runs
        # Without a budget X's own 3 million a month: 238 MB a day.
        (120, {"nifi_flow_budget_usd_day": "", "nifi_flow_budget_usd_month": ""}, None),
        (160, {"nifi_flow_budget_usd_day": "", "nifi_flow_budget_usd_month": ""}, "confirm"),
        # The least of all limits counts.
        (4500, {"nifi_flow_budget_resources_day": 3000}, None),
    ],
)
def test_a_retention_that_the_budget_of_x_makes_too_long_for_the_disk_is_asked_about(
    days: int | None, budget: dict[str, Any], grade: str | None
) -> None:
    known = {"opslib_settings": {"store": {"tweets_days": days}}, **budget}
    assert [one["grade"] for one in findings(known=known)] == ([grade] if grade else [])
    if grade:
        (found,) = findings(known=known, installed=["mongodb"])
        assert (found["grade"], found["id"]) == ("note", "retention")
        assert f"{days} days of tweets" in found["text"]


def test_who_asks_for_chrony_has_its_rivals_go() -> None:
    apt = {"lists": True, "removes": ["systemd-timesyncd"], "upgrades": [], "errors": []}
    (found,) = findings(known={"common_clock": "chrony"}, apt=apt)
    assert found["grade"] == "note"


def test_a_host_of_ipv6_alone_is_refused() -> None:
    (found, _) = preflight.preflight_names(
        "lake", {"lake": "2001:db8::1"}, {}, {"all_ipv4_addresses": []}, []
    )
    assert found["grade"] == "stop"
    assert "no IPv4 address" in found["text"]
    only_itself = {"all_ipv4_addresses": ["127.0.0.1"]}
    (found, _) = preflight.preflight_names("lake", {"lake": "lake"}, {}, only_itself, [])
    assert found["id"] == "ipv4"


def test_what_other_hosts_cannot_be_called_is_told_with_them_alone() -> None:
    wrong = ["lake: trendlake_address is l, which peer has no IPv4 address for"]
    both = {"lake": "l", "peer": "192.0.2.2"}
    (found, _) = preflight.preflight_names("lake", both, {}, FACTS, wrong)
    assert "set trendlake_address" in found["text"]
    assert [one["grade"] for one in preflight.preflight_names("peer", both, {}, FACTS, wrong)] == ["note"]


def test_a_host_that_could_not_be_looked_at_is_in_the_report() -> None:
    report = preflight.preflight_report({"lake": []}, ["down"])
    assert report == ["down: could not be looked at, see above", "lake: nothing stands in the way"]


# ---- what the roles ask for is written once more in the filters


def tasks(role: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for path in sorted((ROLES / role / "tasks").glob("*.yml")):
        waiting = yaml.safe_load(path.read_text()) or []
        while waiting:
            one = waiting.pop()
            found.append(one)
            waiting += one.get("block", []) + one.get("rescue", []) + one.get("always", [])
    return found


# The vendor's packages, chrony by what keeps the clock, and unzip for other people's archives.
SPECIAL = {"mongodb-org-server={{ mongodb_apt_version }}", "chrony", "unzip"}


@pytest.mark.parametrize("role", ["common", "tls", "mongodb", "opslib", "nifi", "web", "monitoring"])
def test_every_package_that_a_role_installs_is_one_that_apt_is_asked_about(role: str) -> None:
    known = settings(groups={"monitoring": ["another"]} if role == "monitoring" else {})
    asked = preflight.preflight_asked(known, ["trendlake", role, "opslib"], 0, 0.0)["packages"]
    for task in tasks(role):
        names = task.get("ansible.builtin.apt", {}).get("name", [])
        named = names if isinstance(names, list) else re.findall(r"'([\w.+-]+)'", names) or [names]
        if isinstance(names, str) and (variable := re.fullmatch(r"{{ (\w+) }}", names)):
            named = yaml.safe_load((ROLES / role / "defaults/main.yml").read_text())[variable[1]]
        assert {one for one in named if "{{" not in one} - SPECIAL - {"11", "archive"} <= {
            *asked,
            "libssl1.1",
            "libssl3",
        }, task
    if role == "common":
        assert set(yaml.safe_load((ROLES / "common/vars/main.yml").read_text())["_common_packages"]) <= set(
            asked
        )


@pytest.mark.parametrize("role", ["zookeeper", "kafka", "mongodb", "nifi", "opslib", "java"])
def test_the_disk_that_a_role_asks_for_is_the_one_that_is_looked_at(role: str) -> None:
    asked = [task["vars"]["service_disk"] for task in tasks(role) if "service_disk" in task.get("vars", {})]
    named = [
        (re.sub(r"{{ (\w+) }}", r"\1", one["path"]).replace("_nifi_data", "/var/lib/nifi"), one["mb"])
        for one in asked[0]
    ]
    assert named == preflight.DISKS.get(role, [("/opt", preflight.JAVA_MB)])


def test_every_port_of_a_role_is_looked_at() -> None:
    ports = [*preflight.PORTS.values(), preflight.WATCHED, preflight.WATCHED_BY_ANOTHER]
    known = {name for some in ports for name, _ in some} | {"opslib_simulate_port"}
    for defaults in sorted(ROLES.glob("*/defaults/main.yml")):
        for name, value in (yaml.safe_load(defaults.read_text()) or {}).items():
            # kafka_zookeeper_port and nifi_flow_kafka_port are ZooKeeper's and Kafka's.
            if name.endswith("_port") and isinstance(value, int) and name.count("_") < 3:
                assert name in known | {"kafka_zookeeper_port"}, name


def test_the_default_of_ssh_ports_is_worked_out_as_the_role_common_has_it() -> None:
    default = yaml.safe_load((ROLES / "common/defaults/main.yml").read_text())["common_ssh_ports"]
    assert default == ["{{ ansible_port | default(22) }}"]
    assert settings()["common_ssh_ports"] == [22]
    assert settings(ansible_port=2022)["common_ssh_ports"] == [2022]
    assert settings(common_ssh_ports=[2200])["common_ssh_ports"] == [2200]


# ---- the looks


@given(st.ip_addresses())
def test_addresses_of_proc_net_are_read(address: Any) -> None:
    words = [address.packed[at : at + 4] for at in range(0, len(address.packed), 4)]
    hexed = "".join(f"{int.from_bytes(word, sys.byteorder):08X}" for word in words)
    assert look.address(hexed) == str(getattr(address, "ipv4_mapped", None) or address)


def test_who_listens_here_is_seen_with_its_process() -> None:
    with socket.create_server(("127.0.0.1", 0)) as tcp, socket.socket(type=socket.SOCK_DGRAM) as udp:
        udp.bind(("127.0.0.1", 0))
        found = {(one["protocol"], one["port"]): one for one in look.sockets()}
        for protocol, here in (("tcp", tcp), ("udp", udp)):
            one = found[protocol, here.getsockname()[1]]
            assert one["address"] == "127.0.0.1"
            assert one["process"].startswith(("pytest", "python"))


def chain(name: str, **more: Any) -> dict[str, Any]:
    return {"chain": {"family": "inet", "table": "t", "name": name, **more}}


def rule(chain: str, *expressions: dict[str, Any]) -> dict[str, Any]:
    return {"rule": {"family": "inet", "table": "t", "chain": chain, "expr": list(expressions)}}


@pytest.mark.parametrize(
    ("entries", "refuses"),
    [
        ([chain("in", hook="input", policy="drop")], True),
        ([chain("in", hook="input", policy="accept")], False),
        ([chain("in", hook="input", policy="accept"), rule("in", {"match": {}}, {"drop": None})], True),
        ([chain("in", hook="prerouting", policy="accept"), rule("in", {"reject": None})], True),
        ([chain("fwd", hook="forward", policy="drop")], False),
        ([chain("x"), rule("x", {"drop": None}), chain("in", hook="input", policy="accept")], False),
        (
            [chain("in", hook="input"), rule("in", {"jump": {"target": "x"}}), chain("x"),
             rule("x", {"goto": {"target": "y"}}), chain("y"), rule("y", {"drop": None})],
            True,
        ),
    ],
)  # fmt: skip
def test_a_packet_filter_that_can_refuse_what_comes_in_is_told_from_one_that_cannot(
    monkeypatch: pytest.MonkeyPatch, entries: list[dict[str, Any]], refuses: bool
) -> None:
    ruleset = {"nftables": [{"metainfo": {}}, {"table": {"family": "inet", "name": "t"}}, *entries]}
    monkeypatch.setattr(look, "run", lambda *_, **__: (0, json.dumps(ruleset), ""))
    monkeypatch.setattr(look, "text", lambda _: "")
    assert look.tables() == [{"name": "inet t", "refuses": refuses}]


def test_a_proxy_is_told_without_its_password(monkeypatch: pytest.MonkeyPatch) -> None:
    files = {
        "/etc/environment": 'https_proxy="http://me:secret@proxy.example.org:3128"\nno_proxy=localhost, lan\n'
    }
    monkeypatch.setattr(look, "text", lambda path: files.get(str(path), ""))
    monkeypatch.setattr(look, "said", lambda *_, **__: "")
    monkeypatch.setattr(look.os, "environ", {})
    assert look.proxies() == {
        "found": [{"where": "/etc/environment", "name": "https_proxy", "proxy": "proxy.example.org:3128"}],
        "without": ["lan", "localhost"],
    }


def test_whoever_holds_a_lock_is_found_and_the_lock_left_to_them(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    path.touch()
    assert look.holder(path) is None
    program = (
        "import fcntl, sys; f = open(sys.argv[1], 'w'); fcntl.lockf(f, fcntl.LOCK_EX); "
        "print('x', flush=True); input()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holding:
        assert holding.stdout
        assert holding.stdout.readline() == "x\n"
        assert look.holder(path) == holding.pid
        holding.communicate("\n")
    assert look.holder(path) is None


# ---- who reaches whom


def reach(*arguments: str) -> Any:
    done = subprocess.run(
        [sys.executable, ROLES / "preflight/files/reach.py", *arguments],
        capture_output=True, text=True, timeout=600, check=True,
    )  # fmt: skip
    return json.loads(done.stdout)


def test_a_port_that_answers_is_told_from_one_that_is_silent_and_from_another_one() -> None:
    token = uuid.uuid4().hex
    with socket.create_server(("127.0.0.1", 0)) as free, socket.create_server(("127.0.0.1", 0)) as other:
        port, taken = free.getsockname()[1], other.getsockname()[1]
        free.close()
        asked = {
            "token": token,
            "host": "a",
            "seconds": 60,
            "ports": [["127.0.0.1", port], ["127.0.0.1", taken]],
        }
        answering = reach("listen", json.dumps(asked))
        assert [one for one, _ in answering["failed"]] == [taken]
        try:
            targets = [["a", "127.0.0.1", port], ["b", "127.0.0.1", port], ["a", "127.0.0.1", taken]]
            answers = reach("connect", json.dumps({"token": token, "seconds": 30, "targets": targets[:2]}))
            assert answers == ["", "a answers there"]
            assert reach("connect", json.dumps({"token": token, "seconds": 1, "targets": targets[2:]})) == [
                "timed out"
            ]
        finally:
            subprocess.run(["kill", str(answering["pid"])], check=True)
        (gone,) = reach("connect", json.dumps({"token": token, "seconds": 30, "targets": targets[:1]}))
        assert gone == "Connection refused"


def test_the_hosts_of_an_ensemble_reach_one_anothers_quorum_and_others_do_not_need_to() -> None:
    groups = {"zookeeper": ["a", "b"]}
    known = settings()
    listeners = {
        host: preflight.preflight_listens(seen(), known, ["zookeeper"], f"192.0.2.{at}")
        for at, host in enumerate("ab")
    }
    addresses = {"a": "192.0.2.0", "b": "192.0.2.1", "c": "192.0.2.2"}
    assert [port for _, _, port in preflight.preflight_targets("a", listeners, addresses, groups)] == [
        2182,
        2888,
        3888,
    ] * 2
    assert [port for _, _, port in preflight.preflight_targets("c", listeners, addresses, groups)] == [
        2182
    ] * 2
    alone = preflight.preflight_targets("a", listeners, addresses, {"zookeeper": ["a"]})
    assert [port for _, _, port in alone] == [2182] * 2


def test_a_port_that_is_not_reached_stops_unless_the_lakes_own_firewall_is_there() -> None:
    targets = [["b", "192.0.2.1", 9093], ["b", "192.0.2.1", 2182]]
    answers = ["timed out", ""]
    (found,) = preflight.preflight_reached(targets, answers, [])
    assert (found["grade"], found["text"]) == ("stop", "it does not reach 9093 of b at 192.0.2.1: timed out")
    (found,) = preflight.preflight_reached(targets, answers, ["b"])
    assert found["grade"] == "note"
    listeners = {"b": {"taken": [443]}}
    (line,) = preflight.preflight_matrix("a", targets, answers, listeners)
    assert line == "a to b: reaches 2182; does not reach 9093; not tried, since in use: 443"
