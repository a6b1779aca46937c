"""Each thing that stands in the way is named, by one playbook that changes nothing."""

from __future__ import annotations

import contextlib
import json
import socket
import subprocess
from typing import TYPE_CHECKING

import pytest
from conftest import FOLDER

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conftest import Hosts, Played
    from testinfra.host import Host

# Everything of the host that is not its log or its memory, packages, units, rules, cards, and who listens.
STATE = r"""
find / -xdev -mindepth 1 \( -path /tmp -o -path /proc -o -path /sys -o -path /run -o -path /dev \
  -o -path /var/log -o -path "$HOME/.ansible" \) -prune -o -printf '%p %T@ %s %m %u %g\n' | sort
find /tmp /run/systemd/system | sort
dpkg-query -W; systemctl list-unit-files --no-legend
systemctl list-units --all --no-legend --plain -t service,timer,mount |
  grep -v -e ssh@ -e session -e user@ -e user-runtime | awk '{print $1, $2, $3, $4}'
nft list ruleset; ip address; ss -Hltun | awk '{print $1, $5}' | sort
"""


def state(host: Host) -> list[str]:
    return host.check_output(STATE).splitlines()


# Has apt locked, as a machine that updates itself after its first boot; a "patient" one until somebody waits.
UPDATER = """
import fcntl, pathlib, sys, time
file = open("/var/lib/dpkg/lock-frontend", "r+")
fcntl.lockf(file, fcntl.LOCK_EX)
print("locked", flush=True)
def waits():
    every = pathlib.Path("/proc").glob("[0-9]*/cmdline")
    return any(b"lock" b"_seconds" in path.read_bytes() for path in every)
while sys.argv[1] != "patient" or not waits():
    time.sleep(0.2)
time.sleep(2)
"""


@contextlib.contextmanager
def locked(host: Host, manner: str) -> Iterator[None]:
    """Have apt locked, and not only before somebody looks."""
    host.check_output("systemd-run --quiet --collect --unit=updater python3 -c %s %s", UPDATER, manner)
    host.check_output(
        "for _ in $(seq 600); do journalctl -q -u updater | grep -q locked && exit 0; sleep 0.1; done; false",
    )
    try:
        yield
    finally:
        host.run("systemctl stop updater")


def unnamed() -> dict[str, str]:
    """Return how a machine is reached by an address that ssh_config does not have."""
    lines = (FOLDER / "ssh_config").read_text().splitlines()
    return {
        "ansible_user": "root",
        "ansible_ssh_private_key_file": next(line.split()[1] for line in lines if "IdentityFile" in line),
        "ansible_ssh_common_args": "-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null",
    }


@pytest.fixture(scope="module")
def looked(hosts: Hosts) -> dict[str, object]:
    """Preflight in check mode and out of it, with the state of both hosts before and after."""
    machines = {name: hosts.host(name) for name in hosts.addresses}
    before = {name: state(host) for name, host in machines.items()}
    with locked(machines[hosts.first], "patient"):
        played = hosts.play("ansible/preflight.yml")
    # Once more under check mode, with an apt that stays locked, and a name that its host takes for itself.
    with locked(machines[hosts.first], "stubborn"):
        checked = hosts.play(
            "ansible/preflight.yml", "--check", "--diff", "-e", "preflight_lock_seconds=1",
            **{hosts.first.replace("-", "_"): {"trendlake_address": f"{hosts.first}.example.org"}},
        )  # fmt: skip
    return {
        "before": before,
        "after": {name: state(host) for name, host in machines.items()},
        "played": played,
        "checked": checked,
    }


@pytest.fixture(scope="module")
def played(looked: dict[str, object]) -> Played:
    return looked["played"]  # type: ignore[return-value]


@pytest.fixture(scope="module")
def checked(looked: dict[str, object]) -> Played:
    return looked["checked"]  # type: ignore[return-value]


@pytest.mark.parametrize(
    ("grade", "words"),
    [
        ("stop", ["answer (pid ", "shop.service", "has 443/tcp", "web_port"]),
        ("confirm", ["nginx serves blog.example.org on 8081", "sites-enabled/blog"]),
        (
            "confirm",
            ["node-exporter.service", "9100/tcp", "common_firewall_keep: [{port: 9100}]", '["9100/tcp"]'],
        ),
        ("confirm", ["backup.service", "9101/tcp", '["9101/tcp"]']),
        ("confirm", ["tunnel.service", "51820/udp", "{port: 51820, protocol: udp}"]),
        ("confirm", ["virbr0 is a bridge with 192.168.122.1", "{interface: virbr0}"]),
        ("confirm", ["apt would remove ntpsec", '["remove ntpsec"]']),
        ("note", ["apt was locked", "free after"]),
        ("note", ["programs may not be run from", "(noexec)"]),
        ("note", ["/etc/environment names the proxy 127.0.0.1:9 (https_proxy)"]),
        ("note", ["127.0.1.1", "trendlake_address"]),
        ("note", ["clock is kept by the host"]),
    ],
)
def test_what_stands_in_the_way_is_named(hosts: Hosts, played: Played, grade: str, words: list[str]) -> None:
    lines = played.of(hosts.first)
    assert [line for line in lines if line.startswith(grade) and all(word in line for word in words)], lines


def test_what_is_local_or_let_in_or_leads_to_the_hosts_own_network_is_not_complained_about(
    hosts: Hosts, played: Played
) -> None:
    said = "\n".join(line for line in played.of(hosts.first) if not line.startswith("note"))
    assert "9102" not in said
    assert "22/tcp" not in said
    assert "card2" not in said
    assert "secret" not in played.said


def test_the_others_reach_a_host_with_its_name_on_127_0_1_1_and_a_second_card_at_the_address_of_its_route(
    hosts: Hosts, played: Played
) -> None:
    for name, address in hosts.addresses.items():
        assert any(f"the others reach it at {address} " in line for line in played.of(name))


def test_another_packet_filter_and_the_port_that_it_refuses_are_named(hosts: Hosts, played: Played) -> None:
    lines = played.of(hosts.second)
    assert [line for line in lines if line.startswith("confirm") and "table inet office" in line], lines
    reached = [line for line in played.of(hosts.first) if "does not reach" in line]
    assert reached == [
        f"stop it does not reach 9093 of {hosts.second} at {hosts.addresses[hosts.second]}: timed out"
    ]


def test_who_reaches_whom_is_a_line_for_each_two(hosts: Hosts, played: Played) -> None:
    first, second = hosts.first, hosts.second
    assert f"{first} to {second}: reaches 2182, 2888, 3888; does not reach 9093" in played.said
    assert (
        f"{second} to {first}: reaches 2182, 2888, 3888, 8443, 9093, 27017; not tried, since in use: 443"
        in played.said
    )
    assert f"{first} to {first}: " in played.said


def test_it_ends_with_a_code_that_is_not_0_in_check_mode_as_well(played: Played, checked: Played) -> None:
    for done in (played, checked):
        assert done.code == 2, done.said[-2000:]
        assert "changed=0" in done.said
        assert "have to be settled first" in done.said


def test_nothing_was_changed(hosts: Hosts, looked: dict[str, object]) -> None:
    for name in hosts.addresses:
        before, after = (set(looked[when][name]) for when in ("before", "after"))  # type: ignore[index]
        assert before ^ after == set()


def test_an_apt_that_stays_locked_is_refused_after_the_bound_with_who_has_it(
    hosts: Hosts, checked: Played
) -> None:
    (line,) = [line for line in checked.of(hosts.first) if "locked" in line]
    assert line.startswith("stop python3 (pid ")
    assert "/var/lib/dpkg/lock-frontend" in line


def test_site_yml_refuses_before_it_changes_anything(hosts: Hosts) -> None:
    before = state(hosts.host(hosts.second))
    played = hosts.play("site.yml", "--skip-tags", "dist")
    assert played.code == 2
    assert any("443/tcp" in line for line in played.of(hosts.first))
    # What the first host has keeps the second one from being half a lake.
    assert set(before) ^ set(state(hosts.host(hosts.second))) == set()


def test_a_name_that_its_host_takes_for_itself_is_refused_with_its_variable(
    hosts: Hosts, checked: Played
) -> None:
    said = f"stop trendlake_address is {hosts.first}.example.org, which "
    wrong = [line.removeprefix(said) for line in checked.of(hosts.first) if line.startswith(said)]
    itself, unknown = sorted(wrong)
    assert itself.startswith(f"{hosts.first} takes for 127.0.1.1")
    assert unknown.startswith(f"{hosts.second} has no IPv4 address for")
    assert "set trendlake_address" in unknown


def test_through_a_tunnel_the_address_is_the_hosts_own_and_the_tunnels_port_is_not_sshds(
    hosts: Hosts,
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    tunnel = subprocess.Popen(
        ["ssh", "-F", FOLDER / "ssh_config", "-N", "-o", "ExitOnForwardFailure=yes",
         "-L", f"127.0.0.1:{port}:127.0.0.1:22", hosts.first],
    )  # fmt: skip
    reached = {"ansible_host": "127.0.0.1", "ansible_port": port, **unnamed()}
    try:
        played = hosts.play(
            "ansible/preflight.yml", only=[hosts.first], **{hosts.first.replace("-", "_"): reached}
        )
    finally:
        tunnel.terminate()
        tunnel.wait()
    lines = played.of(hosts.first)
    assert [line for line in lines if f"the others reach it at {hosts.addresses[hosts.first]} " in line], (
        lines
    )
    (line,) = [line for line in lines if "sshd listens on 22" in line]
    assert line.startswith("stop")
    assert "common_ssh_ports" in line
    assert str(port) in line


def test_a_host_of_ipv6_alone_is_refused_at_once(hosts: Hosts) -> None:
    name, address = hosts.second, hosts.addresses[hosts.second]

    def ip(*arguments: str) -> str:
        return subprocess.run(["ip", *arguments], capture_output=True, text=True, check=True).stdout

    inside = ("-n", f"trendlake-{name}")
    (route,) = json.loads(ip("-j", "route", "get", address))
    (link,) = json.loads(ip(*inside, "-j", "address", "show", "eth0"))
    (local,) = [one["local"] for one in link["addr_info"] if one.get("scope") == "link"]
    (gateway,) = [one["gateway"] for one in json.loads(ip(*inside, "-j", "route", "show", "default"))]
    for card in ("eth0", "virbr0", "card2"):
        ip(*inside, "-4", "address", "flush", "dev", card)
    try:
        reached = {"ansible_host": f"{local}%{route['dev']}", **unnamed()}
        played = hosts.play("ansible/preflight.yml", only=[name], **{name.replace("-", "_"): reached})
    finally:
        ip(*inside, "address", "add", f"{address}/24", "dev", "eth0")
        ip(*inside, "route", "add", "default", "via", gateway)
    assert played.code == 2
    assert [line for line in played.of(name) if line.startswith("stop it has no IPv4 address")], played.said[
        -3000:
    ]
