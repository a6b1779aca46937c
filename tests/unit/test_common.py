"""The firewall that the role `common` writes: the role itself, run here on hosts made up."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import roles

ROOT = Path(__file__).resolve().parents[2]

GOOD = {
    "distribution": "Debian",
    "distribution_version": "11.11",
    "distribution_major_version": "11",
    "architecture": "x86_64",
    "service_mgr": "systemd",
    "memtotal_mb": 4096,
    "python": {"version": {"major": 3, "minor": 9}},
}

# host: (what is different about it, variables set for it, groups it is in)
HOSTS: dict[str, tuple[dict[str, Any], dict[str, Any], list[str]]] = {
    "broker": ({}, {"ansible_host": "192.0.2.1", "common_nifi_ui_networks": ["203.0.113.0/24"]}, ["kafka"]),
    "ui": (
        {"distribution_version": "12.1", "distribution_major_version": "12"},
        {
            "ansible_host": "192.0.2.2",
            "common_nifi_ui_networks": ["203.0.113.0/24", "2001:db8::/32"],
            "common_ssh_networks": ["198.51.100.0/24"],
            "common_ssh_ports": [2222],
            "common_client_networks": ["198.51.100.7"],
            "common_firewall_extra_rules": ["udp dport 161 accept"],
            "common_firewall_keep": [
                {"port": 9100, "networks": ["198.51.100.8"]},
                {"port": "6000-6010", "protocol": "udp"},
                {"interface": "virbr0"},
            ],
        },
        ["nifi", "mongodb"],
    ),
}

PLAY = """
- hosts: all
  gather_facts: false
  tasks:
    - ansible.builtin.set_fact: {"cacheable": true, %s}
    - block:
        - ansible.builtin.include_role: {name: common, tasks_from: look, public: true}
        - ansible.builtin.template:
            src: %s/roles/common/templates/nftables.conf.j2
            dest: "%s/{{ inventory_hostname }}"
      rescue:
        - ansible.builtin.copy:
            content: "{{ ansible_failed_result.msg }}"
            dest: "%s/{{ inventory_hostname }}"
"""


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """For each host the rules of its firewall."""
    folder = tmp_path_factory.mktemp("common")
    variables = {
        name: {
            "ansible_connection": "local",
            "ansible_python_interpreter": sys.executable,
            "common_ssh_ports": [22],
            # Whoever runs this may have an sshd of his own, on any port.
            "common_firewall": False,
            "fact": {**GOOD, **different},
            **given,
        }
        for name, (different, given, _) in HOSTS.items()
    }
    groups = {group for _, _, member in HOSTS.values() for group in member}
    members = {
        group: {name: {} for name, (_, _, member) in HOSTS.items() if group in member} for group in groups
    }
    lake = {name: {} for name, (_, _, member) in HOSTS.items() if member}
    children = {group: {"hosts": hosts} for group, hosts in members.items()}
    inventory = {
        "all": {"hosts": variables, "children": {"trendlake": {"hosts": lake, "children": children}}}
    }
    (folder / "hosts.json").write_text(json.dumps(inventory))
    facts = ", ".join(f'{name}: "{{{{ fact.{name} }}}}"' for name in GOOD)
    (folder / "play.yml").write_text(PLAY % (facts, ROOT, folder, folder))
    run = roles.play(folder / "play.yml", folder / "hosts.json", home=folder)
    assert run.returncode == 0, run.stdout + run.stderr
    return {name: (folder / name).read_text() for name in HOSTS}


def rules(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip() and not line.strip().startswith("#")]


@pytest.mark.slow
def test_hosts_of_the_lake_reach_the_ports_of_its_groups_and_no_others(said: dict[str, str]) -> None:
    broker = rules(said["broker"])
    assert "ip saddr { 192.0.2.1, 192.0.2.2 } tcp dport { 9093 } accept" in broker
    assert "ip saddr { 0.0.0.0/0 } tcp dport { 22 } accept" in broker
    # NiFi does not run there, so its UI is not let in either.
    assert sum("tcp dport" in rule for rule in broker) == 3


@pytest.mark.slow
def test_answers_to_a_host_s_own_dhcp_come_in(said: dict[str, str]) -> None:
    assert [rule for rule in rules(said["broker"]) if "udp" in rule] == [
        "udp sport 67 udp dport 68 accept",
        "ip6 saddr fe80::/10 udp sport 547 udp dport 546 accept",
    ]


@pytest.mark.slow
def test_named_networks_reach_what_they_were_named_for(said: dict[str, str]) -> None:
    ui = rules(said["ui"])
    assert [rule for rule in ui if "dport" in rule and "sport" not in rule] == [
        "ip saddr { 198.51.100.0/24 } tcp dport { 2222 } accept",
        "ip saddr { 203.0.113.0/24 } tcp dport { 8443 } accept",
        "ip6 saddr { 2001:db8::/32 } tcp dport { 8443 } accept",
        "ip saddr { 192.0.2.1, 192.0.2.2 } tcp dport { 6342, 8443, 11443, 27017 } accept",
        "ip saddr { 198.51.100.7 } tcp dport { 27017 } accept",
        "ip saddr { 198.51.100.8 } tcp dport 9100 accept",
        "ip saddr { 0.0.0.0/0 } udp dport 6000-6010 accept",
        "ip6 saddr { ::/0 } udp dport 6000-6010 accept",
        "udp dport 161 accept",
    ]


@pytest.mark.slow
def test_guests_of_the_host_reach_it(said: dict[str, str]) -> None:
    assert [rule for rule in rules(said["ui"]) if "iifname" in rule] == ['iifname "virbr0" accept']
    assert "iifname" not in said["broker"]


@pytest.mark.slow
def test_rules_of_others_are_left_alone(said: dict[str, str]) -> None:
    assert "flush ruleset" not in said["ui"]
    assert {line.split("table ")[1] for line in rules(said["ui"]) if "table " in line} == {
        "inet trendlake",
        "inet trendlake {",
    }


@pytest.mark.skipif(not shutil.which("nft"), reason="nftables is not installed")
@pytest.mark.slow
def test_the_rules_are_rules(said: dict[str, str], tmp_path: Path) -> None:
    for host in ("broker", "ui"):
        file = tmp_path / host
        file.write_text(said[host])
        checked = subprocess.run(["nft", "-c", "-f", file], capture_output=True, text=True, check=False)
        if "Operation not permitted" in checked.stderr:
            pytest.skip("nft wants root even to check")
        assert checked.returncode == 0, checked.stderr
