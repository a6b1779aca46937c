"""Filters of the role `service`: who is where, who gets how much memory, who holds a port."""

from __future__ import annotations

import json
import re
from typing import Any

# Of a host's memory, this share is handed out as heaps and caches. The rest is for what a heap does not
# show (metaspace, threads, connections), for the page cache that Kafka and MongoDB live on, and for Debian.
HANDED_OUT = 0.4

# service: (weight among those that share the host, least MB it runs with, most MB it can use well)
SHARES: dict[str, tuple[int, int, int]] = {
    "zookeeper": (1, 96, 1024),
    "kafka": (4, 256, 6144),
    "mongodb": (3, 256, 1_000_000),
    "nifi": (5, 512, 8192),
}

# How many of the last lines of a unit are told.
_TOLD = 12

# Groups whose hosts are members of one cluster.
CLUSTERED = {"zookeeper", "kafka", "mongodb"}


def service_addresses(
    hostvars: Any, hosts: list[str], looked_up: dict[str, dict[str, list[str]]]
) -> dict[str, str]:
    """Return for each of *hosts* the address by which the others, and it itself, reach it.

    *looked_up* has for each host that could be asked what names mean there: ``{host: {name: [addresses]}}``.
    ``trendlake_address`` is taken as it is; else ``ansible_host`` if it is an IPv4 address that the host
    has, or a name that every host, itself included, takes for such an address; else the address of the
    host's default route, or the only one it has.
    """
    return {host: _address(host, hostvars[host], looked_up) for host in hosts}


def service_group_addresses(groups: dict[str, list[str]], addresses: dict[str, str]) -> dict[str, list[str]]:
    """Return for each group the addresses of its hosts, in inventory order.

    Those of members of a cluster are in an order of their own, lake-9 before lake-10: the inventory's means
    nothing there, and a list that is turned around is to change no file.
    """
    found = {
        group: [addresses[host] for host in hosts if host in addresses] for group, hosts in groups.items()
    }
    for group in CLUSTERED & found.keys():
        found[group].sort(key=lambda address: (len(address), address))
    return found


def service_names(known: Any) -> list[str]:
    """Return the names, not addresses, by which a host may be reached, from its variables."""
    given = (known.get(key) for key in ("trendlake_address", "ansible_host", "inventory_hostname"))
    names = {str(name) for name in given if name}
    return sorted(name for name in names if not _is_address(name))


def _is_address(text: str) -> bool:
    return ":" in text or re.fullmatch(r"[0-9.]+", text) is not None


def _address(host: str, known: Any, looked_up: dict[str, dict[str, list[str]]]) -> str:
    named = known.get("trendlake_address")
    if named:
        return str(named)
    reached = str(known.get("ansible_host") or host)
    own = _own_addresses(known)
    if not own:
        return reached  # nobody could ask it
    if reached in own or _means_one_of(reached, own, looked_up):
        return reached
    facts = known.get("ansible_facts") or {}
    route: str = (facts.get("default_ipv4") or {}).get("address") or own[0]
    return route


def _own_addresses(known: Any) -> list[str]:
    """Return the IPv4 addresses of a host by which another one may reach it."""
    facts = known.get("ansible_facts") or {}
    return [str(one) for one in facts.get("all_ipv4_addresses") or () if not str(one).startswith("127.")]


def _means_one_of(name: str, own: list[str], looked_up: dict[str, dict[str, list[str]]]) -> bool:
    found = [names.get(name) or [] for names in looked_up.values()]
    return bool(found) and all(some and set(some) <= set(own) for some in found)


def service_bind_address(address: str, known: Any, names: dict[str, list[str]]) -> str:
    """Return the host's own address to listen on: the one that *address* is there, else the default route's.

    Behind address translation a host does not have the address that the others use.
    """
    own = _own_addresses(known)
    for one in (address, *names.get(address, ())):
        if one in own:
            return one
    facts = known.get("ansible_facts") or {}
    route: str = (facts.get("default_ipv4") or {}).get("address") or next(iter(own), "0.0.0.0")  # noqa: S104
    return route


def service_sources(
    addresses: dict[str, str], hostvars: Any, looked_up: dict[str, dict[str, list[str]]]
) -> list[str]:
    """Return the IPv4 addresses that connections of the lake's hosts come from, for their packet filters."""
    found = set()
    for host, address in addresses.items():
        found |= {one for names in looked_up.values() for one in names.get(address, ())}
        found |= {address} if _is_address(address) else set()
        found.add(service_bind_address(address, hostvars[host], looked_up.get(host, {})))
    return sorted(one for one in found if not one.startswith(("127.", "0.")))


def service_unreachable_names(
    addresses: dict[str, str], hostvars: Any, looked_up: dict[str, dict[str, list[str]]]
) -> list[str]:
    """Return a sentence for each address of *addresses* that cannot work, as seen from each host."""
    wrong = []
    for host, address in addresses.items():
        own = _own_addresses(hostvars[host])
        said = f"{host}: trendlake_address is {address}"
        if _is_address(address):
            if address.startswith("127."):
                wrong.append(f"{said}, which each host takes for itself")
            continue
        for viewer, names in looked_up.items():
            found = names.get(address) or []
            if not found:
                wrong.append(f"{said}, which {viewer} has no IPv4 address for")
            elif any(one.startswith("127.") for one in found):
                wrong.append(f"{said}, which {viewer} takes for {', '.join(found)}: its /etc/hosts says so")
            elif viewer == host and not set(found) & set(own):
                wrong.append(f"{said}, which is {', '.join(found)} there, and it has {', '.join(own)} only")
    return wrong


def service_looked_up(results: list[dict[str, Any]]) -> dict[str, dict[str, list[str]]]:
    """Return ``{host: {name: [IPv4 addresses]}}`` of the looped look-ups of ``addresses.yml``."""
    found: dict[str, dict[str, list[str]]] = {}
    for result in results:
        if result.get("unreachable") or "stdout_lines" not in result:
            continue
        names: dict[str, list[str]] = {}
        for line in result["stdout_lines"]:
            name, *addresses = line.split()
            names[name] = sorted(set(addresses))
        found[result["item"]] = names
    return found


def _nominal_mb(total_mb: int) -> int:
    """Return the size that a host of *total_mb* was sold with: a kernel keeps some of it for itself.

    Rounded up to a quarter of the power of two below, so that a kernel that keeps 10 MB more or less changes
    no heap: what a host shows is 1 to 6 % below such a size, never close above one.
    """
    step = max(64, 2 ** (max(total_mb, 1).bit_length() - 1) // 4)
    return -(-total_mb // step) * step


def service_memory_mb(total_mb: int, group_names: list[str]) -> dict[str, int]:
    """Return for each service its heap or cache in MB on a host of *total_mb* that is in *group_names*."""
    weights = sum(weight for name, (weight, _, _) in SHARES.items() if name in group_names) or 1
    return {
        name: max(least, min(most, int(_nominal_mb(total_mb) * HANDED_OUT * weight / weights)))
        for name, (weight, least, most) in SHARES.items()
    }


# Of a host's memory, what Kafka and MongoDB may at least hold each: files that they use are cached in it, and
# what is cached is given up where others need it.
CACHED = 0.6


def service_memory_max_mb(heap_mb: int, beside_mb: int, total_mb: int = 0) -> int:
    """Return systemd's ``MemoryMax=`` in MB of a service with a heap or cache of *heap_mb*.

    Java's buffers outside of the heap may be as large as the heap; *beside_mb* is for all else. With
    *total_mb*, the memory of the host, it is one whose files are to be cached.
    """
    return max(2 * int(heap_mb) + int(beside_mb), int(_nominal_mb(int(total_mb)) * CACHED) if total_mb else 0)


def service_foreign_listeners(ss_lines: list[str], uids: list[int]) -> list[str]:
    """Return which processes listen in *ss_lines* (of ``ss -Hltnpe``) under a user that is not of *uids*."""
    foreign = []
    for line in ss_lines:
        # ss leaves the field out for root.
        owner = re.search(r"\buid:(\d+)", line)
        if int(owner.group(1) if owner else 0) in uids:
            continue
        process = re.search(r'users:\(\("([^"]+)",pid=(\d+)', line)
        foreign.append(f"{process.group(1)} (pid {process.group(2)})" if process else "another process")
    return foreign


def service_turns(
    hosts: list[str], hostvars: Any, roll: dict[str, Any] | None, release: str = ""
) -> list[dict[str, Any]]:
    """Return whose turn it is to restart, in order: who is down, who follows, who leads.

    Each is ``{host, units, down, differs, leads, release, later}``; *later* are the hosts whose turn comes
    after. *hostvars* have what ``pending`` and the look at the cluster said on each host. *roll* may name
    ``hosts``, and then others have none; with ``restart`` each of them has one, whether anything differs or
    not. A host with another *release* in use is to go to that.
    """
    found = []
    for host in hosts:
        said = _json_of(hostvars[host], "_service_pending")
        chosen = not (roll or {}).get("hosts") or host in (roll or {})["hosts"]
        other = release if release and _in_use(hostvars[host]) != release else ""
        anyhow = bool(other or (roll and roll.get("restart"))) and chosen
        units = [
            name
            for name, unit in said.items()
            if _is_down(unit) or (unit["state"] == "active" and (anyhow or unit["differs"]))
        ]
        if units and chosen:
            differs = sorted({path for name in units for path in said[name]["differs"]})
            down = any(_is_down(said[name]) for name in units)
            leads = bool(_json_of(hostvars[host], "_service_seen").get("leads"))
            turn = {"host": host, "units": units, "down": down, "differs": differs, "leads": leads}
            found.append({**turn, "release": other})
    found.sort(key=lambda turn: (not turn["down"], turn["leads"]))
    for number, turn in enumerate(found, 1):
        turn["later"] = [one["host"] for one in found[number:]]
    return found


def _is_down(unit: dict[str, Any]) -> bool:
    # A unit that nobody has started, as one of a timer, is not down; one that tries again and again is.
    return unit["state"] in ("failed", "activating", "deactivating")


def _in_use(known: Any) -> str:
    """Return the release that a host's link points to."""
    return str((known.get("_service_link") or {}).get("stdout") or "")


def _json_of(known: Any, name: str) -> dict[str, Any]:
    """Return what a host's command printed as JSON, nothing if it did not."""
    try:
        found: dict[str, Any] = json.loads((known.get(name) or {}).get("stdout") or "{}")
    except ValueError:
        return {}
    return found


def service_turns_told(turns: list[dict[str, Any]], name: str, would: bool) -> list[str]:
    """Return a line for each of *turns*: what restarts, or *would*, and why."""
    verb = "would restart" if would else "restarts"
    if not turns:
        return [f"{name}: nothing is pending"]
    return [
        f"{name} on {turn['host']} {verb}"
        + (f" with {turn['release']}" if turn["release"] else "")
        + (" first, since it is down" if turn["down"] else " last, since it leads" if turn["leads"] else "")
        + (f"; changed since its start: {', '.join(turn['differs'])}" if turn["differs"] else "")
        for turn in turns
    ]


def service_stopped(turn: dict[str, Any], name: str, task: str, result: dict[str, Any], journal: str) -> str:
    """Return what to say when a turn went wrong: what was seen, who was left alone, what to do."""
    host, later = turn["host"], turn["later"]
    untouched = f"; {', '.join(later)} was left as it is" if later else ""
    # Of a loop the result itself says no more than that an item failed.
    failed = next((item for item in result.get("results", ()) if item.get("failed")), result)
    seen = str(failed.get("stderr") or failed.get("msg") or "no word").strip()
    if "before" in task:
        return f"{name}: {host} was not touched{untouched}, since the cluster is not whole: {seen}"
    # Where in its program an exception arose is for its developers, and longer than what it is about.
    told = [line for line in journal.splitlines() if not re.match(r"\s+at \S+\(", line)][-_TOLD:]
    lines = "\nIts last lines:\n" + "\n".join(told) + "\n" if told else " "
    return (
        f"{name} on {host} did not come back{untouched}. {seen}{lines}"
        "Mend it and run again: the next run goes on from here."
    )


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Any]:
        """Return the filters by name."""
        return {
            "service_addresses": service_addresses,
            "service_group_addresses": service_group_addresses,
            "service_bind_address": service_bind_address,
            "service_sources": service_sources,
            "service_names": service_names,
            "service_unreachable_names": service_unreachable_names,
            "service_looked_up": service_looked_up,
            "service_memory_mb": service_memory_mb,
            "service_memory_max_mb": service_memory_max_mb,
            "service_foreign_listeners": service_foreign_listeners,
            "service_turns": service_turns,
            "service_turns_told": service_turns_told,
            "service_stopped": service_stopped,
        }
