"""By which address hosts reach one another: the filters of the role `service`, on hosts made up."""

from __future__ import annotations

import itertools
import json
import sys
from pathlib import Path
from typing import Any

import pytest

import roles

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "roles" / "service" / "filter_plugins"))

import service

ROOT = Path(__file__).resolve().parents[2]
LAKE, PEER = "192.0.2.1", "192.0.2.2"


def host(*own: str, route: str | None = None, **variables: str) -> dict[str, Any]:
    facts = {"all_ipv4_addresses": list(own), "default_ipv4": {"address": route} if route else {}}
    return {"ansible_facts": facts, **variables}


def address(known: dict[str, Any], looked_up: dict[str, dict[str, list[str]]] | None = None) -> str:
    return service.service_addresses({"lake": known}, ["lake"], looked_up or {})["lake"]


def test_an_address_that_the_host_has_is_taken() -> None:
    known = host("10.0.0.5", LAKE, route="10.0.0.5", ansible_host=LAKE)
    assert address(known) == LAKE
    assert service.service_bind_address(LAKE, known, {}) == LAKE


def test_what_the_owner_says_is_taken_as_it_is() -> None:
    assert address(host(LAKE, route=LAKE, trendlake_address="10.9.9.9", ansible_host=LAKE)) == "10.9.9.9"


def test_a_name_that_all_hosts_take_for_an_address_of_the_host_stays_a_name() -> None:
    known = host("10.0.0.5", LAKE, route="10.0.0.5", ansible_host="lake.example.org")
    names = {"lake": {"lake.example.org": [LAKE]}, "peer": {"lake.example.org": [LAKE]}}
    assert address(known, names) == "lake.example.org"
    # And it listens on that card, not on the one with the default route.
    assert service.service_bind_address("lake.example.org", known, names["lake"]) == LAKE


def test_the_full_name_on_127_0_1_1_of_an_installer_gives_the_address_of_the_default_route() -> None:
    known = host(LAKE, route=LAKE, ansible_host="lake.example.org")
    names = {"lake": {"lake.example.org": ["127.0.1.1"]}, "peer": {"lake.example.org": [LAKE]}}
    assert address(known, names) == LAKE


def test_a_name_that_one_host_does_not_know_is_not_relied_on() -> None:
    known = host(LAKE, route=LAKE, ansible_host="lake.example.org")
    names = {"lake": {"lake.example.org": [LAKE]}, "peer": {"lake.example.org": []}}
    assert address(known, names) == LAKE


def test_through_a_tunnel_or_a_translated_address_the_default_route_s_is_taken() -> None:
    for reached in ("127.0.0.1", "localhost", "203.0.113.7"):
        known = host("10.0.0.5", LAKE, route=LAKE, ansible_host=reached)
        assert address(known, {"lake": {"localhost": ["127.0.0.1"]}}) == LAKE


def test_without_a_default_route_an_address_of_its_own_is_taken() -> None:
    assert address(host("127.0.0.1", LAKE, ansible_host="lake")) == LAKE


def test_a_host_that_is_down_is_called_as_the_inventory_calls_it() -> None:
    assert address({"ansible_host": "lake.example.org"}) == "lake.example.org"


def wrong(known: dict[str, Any], looked_up: dict[str, dict[str, list[str]]]) -> list[str]:
    addresses = service.service_addresses({"lake": known}, ["lake"], looked_up)
    found: list[str] = service.service_unreachable_names(addresses, {"lake": known}, looked_up)
    return found


def test_what_cannot_work_is_named_with_its_variable_and_who_sees_it() -> None:
    known = host(LAKE, route=LAKE, trendlake_address="lake.example.org")
    (line,) = wrong(known, {"lake": {"lake.example.org": ["127.0.1.1"]}})
    assert "trendlake_address is lake.example.org" in line
    assert "127.0.1.1" in line
    assert "/etc/hosts" in line
    (line,) = wrong(known, {"lake": {"lake.example.org": [LAKE]}, "peer": {"lake.example.org": []}})
    assert "peer has no IPv4 address for" in line
    (line,) = wrong(known, {"lake": {"lake.example.org": [PEER]}})
    assert f"it has {LAKE} only" in line
    assert wrong(known, {"lake": {"lake.example.org": [LAKE]}}) == []
    (line,) = wrong(host(LAKE, trendlake_address="127.0.0.1"), {})
    assert "127.0.0.1" in line


def test_the_packet_filter_lets_in_every_address_that_a_host_may_come_from() -> None:
    known = {
        "lake": host("10.0.0.5", LAKE, route="10.0.0.5", ansible_host="lake.example.org"),
        "moved": host("10.0.0.6", route="10.0.0.6", trendlake_address="203.0.113.7"),
        "down": {"ansible_host": "192.0.2.9"},
    }
    names = {"lake": {"lake.example.org": [LAKE]}, "moved": {"lake.example.org": [LAKE]}}
    addresses = service.service_addresses(known, list(known), names)
    assert service.service_sources(addresses, known, names) == [
        "10.0.0.6", LAKE, "192.0.2.9", "203.0.113.7",
    ]  # fmt: skip


def test_the_names_of_a_host_are_what_is_looked_up_and_addresses_are_not() -> None:
    known = {"inventory_hostname": "lake", "ansible_host": "192.0.2.1", "trendlake_address": "l.example.org"}
    assert service.service_names(known) == ["l.example.org", "lake"]
    assert service.service_names({"inventory_hostname": "2001:db8::1"}) == []


def test_lines_of_getent_become_names_with_their_addresses() -> None:
    results = [
        {"item": "lake", "stdout_lines": ["lake 127.0.1.1", "peer 192.0.2.2 192.0.2.2", "gone"]},
        {"item": "down", "unreachable": True},
    ]
    assert service.service_looked_up(results) == {
        "lake": {"lake": ["127.0.1.1"], "peer": [PEER], "gone": []},
    }


@pytest.mark.parametrize("order", list(itertools.permutations([3, 11, 9])))
def test_a_list_in_another_order_names_the_members_of_a_cluster_as_before(order: tuple[int, ...]) -> None:
    hosts = [f"lake-{number}" for number in order]
    addresses = {host: f"10.0.0.{host[5:]}" for host in hosts}
    groups = {**dict.fromkeys(("zookeeper", "kafka", "mongodb"), hosts), "web": hosts}
    found = service.service_group_addresses(groups, addresses)
    assert found["zookeeper"] == found["kafka"] == found["mongodb"] == ["10.0.0.3", "10.0.0.9", "10.0.0.11"]
    # The page's first host is the one that is told to people.
    assert found["web"] == [addresses[host] for host in hosts]


@pytest.mark.slow
def test_a_run_on_one_host_goes_on_when_another_one_is_down(tmp_path: Path) -> None:
    here = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
    # Nobody listens there.
    down = {"ansible_host": "127.0.0.1", "ansible_port": 9, "trendlake_address": "192.0.2.9"}
    (tmp_path / "hosts.json").write_text(json.dumps({"trendlake": {"hosts": {"here": here, "down": down}}}))
    found = {
        "ansible.builtin.copy": {"content": "{{ service_addresses | to_json }}", "dest": f"{tmp_path}/found"}
    }
    find = {"ansible.builtin.import_role": {"name": "service", "tasks_from": "find_addresses"}}
    (tmp_path / "play.yml").write_text(json.dumps([{"hosts": "here", "tasks": [find, found]}]))
    ran = roles.play(tmp_path / "play.yml", tmp_path / "hosts.json", home=tmp_path)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert json.loads((tmp_path / "found").read_text())["down"] == "192.0.2.9"
