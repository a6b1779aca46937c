"""The role common on a host with an owner: what is kept stays reachable, what locks out goes back."""

from __future__ import annotations

import socket
import time
from typing import TYPE_CHECKING, Any

import pytest
from conftest import KEEPS

if TYPE_CHECKING:
    from conftest import Hosts, Played

# web_port: the owner's shop stays where it is.
OWNERS: dict[str, Any] = {
    "web_port": 8444,
    "common_firewall_keep": [*KEEPS, {"port": "8000-8099"}, {"port": 443}],
    "preflight_confirmed": ["nginx blog", "80/tcp", "9101/tcp", "remove ntpsec"],
    "common_packages": [],
}


def connects(address: str, port: int) -> bool:
    try:
        socket.create_connection((address, port), timeout=2).close()
    except OSError:
        return False
    return True


def answers(address: str, port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        asking.settimeout(2)
        asking.sendto(b"who is there\n", (address, port))
        try:
            return asking.recv(100) == b"here\n"
        except OSError:
            return False


def apply(hosts: Hosts, **more: Any) -> Played:
    name = hosts.first
    return hosts.play("molecule/real/common.yml", only=[name], **{name.replace("-", "_"): {**OWNERS, **more}})


@pytest.fixture(scope="module")
def applied(hosts: Hosts) -> Played:
    """The role, once the owner has said what is kept and what is meant."""
    return apply(hosts)


def kept(hosts: Hosts) -> dict[str, bool]:
    address, host = hosts.addresses[hosts.first], hosts.host(hosts.first)
    guest = (
        "import socket; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(2); "
        "s.sendto(b'name', ('192.168.122.1', 53)); print(s.recv(9))"
    )
    return {
        "shop": connects(address, 443),
        "blog": connects(address, 8081),
        "node_exporter": connects(address, 9100),
        "tunnel": answers(address, 51820),
        "guest": host.run("ip netns exec guest python3 -c %s", guest).rc == 0,
        "ssh": connects(address, 22),
    }


def test_what_the_owner_keeps_stays_reachable_and_what_was_confirmed_is_shut(
    hosts: Hosts, applied: Played
) -> None:
    assert applied.code == 0, applied.said[-3000:]
    assert kept(hosts) == dict.fromkeys(kept(hosts), True)
    assert not connects(hosts.addresses[hosts.first], 9101)


@pytest.mark.usefixtures("applied")
def test_what_was_confirmed_is_still_said(hosts: Hosts) -> None:
    again = hosts.play("ansible/preflight.yml", only=[hosts.first], **{hosts.first.replace("-", "_"): OWNERS})
    assert again.code == 0, again.said[-3000:]
    assert [line for line in again.of(hosts.first) if "9101/tcp" in line and line.startswith("note")]


@pytest.mark.usefixtures("applied")
def test_a_network_that_was_not_named_does_not_reach_what_is_kept_for_others(hosts: Hosts) -> None:
    rules = hosts.host(hosts.first).check_output("nft list table inet trendlake")
    assert "ip saddr 10.0.0.0/8 tcp dport 9100 accept" in rules
    assert 'iifname "virbr0" accept' in rules
    assert "udp dport 51820 accept" in rules
    assert "tcp dport 8000-8099 accept" in rules


@pytest.mark.usefixtures("applied")
def test_a_second_run_changes_nothing(hosts: Hosts) -> None:
    assert "changed=0" in apply(hosts).said


@pytest.mark.usefixtures("applied")
def test_the_clock_s_keeper_of_the_owner_is_still_there(hosts: Hosts) -> None:
    assert hosts.host(hosts.first).package("ntpsec").is_installed


@pytest.mark.usefixtures("applied")
def test_rules_that_lock_the_control_node_out_go_back_to_the_last_good_ones(hosts: Hosts) -> None:
    host = hosts.host(hosts.first)
    good = host.check_output("cat /etc/trendlake.nft")
    locked = apply(hosts, common_ssh_networks=["203.0.113.0/24"], common_firewall_back_seconds=24)
    assert locked.code != 0
    assert "lets this control node in no more" in " ".join(locked.said.split())
    deadline = time.monotonic() + 120
    while not connects(hosts.addresses[hosts.first], 22):
        assert time.monotonic() < deadline, "it stayed locked"
        time.sleep(0.5)
    assert host.check_output("cat /etc/trendlake.nft") == good
    assert host.service("trendlake-firewall").is_running
    assert kept(hosts) == dict.fromkeys(kept(hosts), True)
    assert not connects(hosts.addresses[hosts.first], 9101)
