"""Filters of the role `service`: who is a member of which cluster, who is to be, and by which id."""

from __future__ import annotations

import json
from typing import Any

# The services whose hosts are members of one cluster, by the name of their group.
CLUSTERS = ("zookeeper", "kafka", "mongodb")


def service_member_looks(hostvars: Any, hosts: list[str], others: list[dict[str, Any]]) -> dict[str, Any]:
    """Return what ``members.py`` said on each of *hosts* that could be asked, *others* in a loop."""
    said = {host: hostvars[host].get("_service_member_look") or {} for host in hosts}
    said.update({result["item"]: result for result in others if "item" in result})
    return {host: json.loads(result["stdout"]) for host, result in said.items() if result.get("stdout")}


def service_members(
    looks: dict[str, Any], groups: dict[str, list[str]], addresses: dict[str, str]
) -> dict[str, dict[str, Any]]:
    """Return for each cluster ``members``, ``ids``, ``new``, ``gone`` and ``retired``.

    ``members`` are ``{id: address}`` and ``ids`` ``{host: id}``.
    *looks* has what ``members.py`` said on each host that could be asked. ``new`` are hosts of the inventory
    that the running cluster does not have, ``gone`` members ``{id: address}`` that the inventory does not
    have; ``retired`` are those of ``new`` that keep data of when they were members. A cluster that is yet to
    be made has no members, and its ids are counted in the order of the group.
    """
    found = {}
    for name in CLUSTERS:
        hosts = [host for host in groups.get(name, []) if host in looks]
        kept = {host for host in hosts if name in looks[host].get("retired", [])}
        # Where all are stopped it is a lake that stands still, and each is what it was.
        retired = kept if any(looks[host][name] for host in hosts if host not in kept) else set()
        cluster = _OF[name](
            {host: None if host in retired else looks[host][name] for host in hosts},
            {host: addresses[host] for host in groups.get(name, [])},
        )
        found[name] = {**cluster, "retired": [host for host in cluster["new"] if host in retired]}
    return found


def _zookeeper(looks: dict[str, Any], addresses: dict[str, str]) -> dict[str, Any]:
    formed = {host: look for host, look in looks.items() if look}
    members: dict[int, str] = {}
    for host, look in sorted(formed.items(), key=lambda item: int(item[1]["version"])):
        # One that was started alone has no list.
        listed = {int(number): address for number, address in look["members"].items()}
        members = listed or {look["id"]: addresses[host]}
    by_address = {address: number for number, address in members.items()}
    known = {host: by_address[address] for host, address in addresses.items() if address in by_address}
    found = _settled(members, known, addresses, [])
    # One that was to join when a run was interrupted has its id already.
    started = {host: int(look["id"]) for host, look in formed.items() if host in found["new"]}
    return _settled(members, known, addresses, [], {h: n for h, n in started.items() if n not in members})


def _kafka(looks: dict[str, Any], addresses: dict[str, str]) -> dict[str, Any]:
    known = {host: int(look["id"]) for host, look in looks.items() if look}
    answers = [look for look in looks.values() if look and look["brokers"] is not None]
    live = {int(number): address for look in answers for number, address in look["brokers"].items()}
    holders = {int(number) for look in answers for number in look["holders"]}
    if answers and not holders:
        # Nothing was kept yet: an installation that was interrupted.
        return {"members": {}, "ids": _counted(known, addresses, []), "new": [], "gone": {}}
    # Of a host that cannot be asked it is known by what is left which broker it is.
    free = sorted(holders - set(known.values()) - set(live))
    for host in addresses:
        if host not in looks and known and free:
            known[host] = free.pop(0)
    own = {number: addresses[host] for host, number in known.items()}
    members = {**dict.fromkeys(holders, ""), **live, **own} if known else {}
    return _settled(members, known, addresses, free)


def _mongodb(looks: dict[str, Any], addresses: dict[str, str]) -> dict[str, Any]:
    named = next((look["members"] for look in looks.values() if look), [])
    members = {number: name.rsplit(":", 1)[0] for number, name in enumerate(named)}
    by_address = {address: number for number, address in members.items()}
    known = {host: by_address[address] for host, address in addresses.items() if address in by_address}
    return _settled(members, known, addresses, [])


def _settled(
    members: dict[int, str],
    known: dict[str, int],
    addresses: dict[str, str],
    free: list[int],
    started: dict[str, int] | None = None,
) -> dict[str, Any]:
    new = [host for host in addresses if host not in known] if members else []
    gone = {number: address for number, address in members.items() if number not in known.values()}
    ids = _counted({**known, **(started or {})}, addresses, free, members)
    return {"members": members, "ids": ids, "new": new, "gone": gone}


def _counted(
    known: dict[str, int], addresses: dict[str, str], free: list[int], members: dict[int, str] | None = None
) -> dict[str, int]:
    """Return the id of each host: the one it has, else one of *free*, else the next that nobody ever had."""
    ids, left = dict(known), list(free)
    for host in addresses:
        if host not in ids:
            used = {0, *ids.values(), *(members or {})}
            ids[host] = left.pop(0) if left else max(used) + 1
    return ids


_OF = {"zookeeper": _zookeeper, "kafka": _kafka, "mongodb": _mongodb}


def service_members_differ(members: dict[str, dict[str, Any]], addresses: dict[str, str]) -> list[str]:
    """Return a sentence for each cluster whose members are not the hosts of its group."""
    said = []
    for name, cluster in members.items():
        parts = [f"{host} ({addresses[host]}) is no member of it" for host in cluster["new"]]
        parts += [
            f"its member {number}{f' ({address})' if address else ''} is not in the inventory"
            for number, address in sorted(cluster["gone"].items())
        ]
        if parts:
            said.append(f"{name} runs with {len(cluster['members'])} members, and {'; '.join(parts)}")
    return said


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Any]:
        """Return the filters by name."""
        return {
            "service_member_looks": service_member_looks,
            "service_members": service_members,
            "service_members_differ": service_members_differ,
        }
