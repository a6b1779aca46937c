"""Filters of the role `service`: who is where, who gets how much memory, who holds a port."""

from __future__ import annotations

import re
from typing import Any

# Of a host's memory, this share is handed out as heaps and caches. The rest is for what a heap does not
# show (metaspace, threads, connections), for the page cache that Kafka and MongoDB live on, and for Debian.
HANDED_OUT = 0.42

# service: (weight among those that share the host, least MB it runs with, most MB it can use well)
SHARES: dict[str, tuple[int, int, int]] = {
    "zookeeper": (1, 96, 1024),
    "kafka": (4, 256, 6144),
    "mongodb": (3, 256, 1_000_000),
    "nifi": (5, 512, 8192),
}


def service_group_addresses(groups: dict[str, list[str]], hostvars: Any) -> dict[str, list[str]]:
    """Return for each group the addresses of its hosts, in inventory order."""

    def address(host: str) -> str:
        known = hostvars[host]
        return str(known.get("trendlake_address") or known.get("ansible_host") or host)

    return {group: [address(host) for host in hosts] for group, hosts in groups.items()}


def service_memory_mb(total_mb: int, group_names: list[str]) -> dict[str, int]:
    """Return for each service its heap or cache in MB on a host of *total_mb* that is in *group_names*."""
    weights = sum(weight for name, (weight, _, _) in SHARES.items() if name in group_names) or 1
    return {
        name: max(least, min(most, int(total_mb * HANDED_OUT * weight / weights)))
        for name, (weight, least, most) in SHARES.items()
    }


def service_foreign_listeners(ss_lines: list[str], uid: str) -> list[str]:
    """Return which processes listen in *ss_lines* (of ``ss -Hltnpe``) under another user than *uid*."""
    foreign = []
    for line in ss_lines:
        # ss leaves the field out for root.
        owner = re.search(r"\buid:(\d+)", line)
        if (owner.group(1) if owner else "0") == uid:
            continue
        process = re.search(r'users:\(\("([^"]+)",pid=(\d+)', line)
        foreign.append(f"{process.group(1)} (pid {process.group(2)})" if process else "another process")
    return foreign


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Any]:
        """Return the filters by name."""
        return {
            "service_group_addresses": service_group_addresses,
            "service_memory_mb": service_memory_mb,
            "service_foreign_listeners": service_foreign_listeners,
        }
