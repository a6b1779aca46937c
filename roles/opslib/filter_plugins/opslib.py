"""Filters of the role `opslib`: settings as TOML, and which file each job is handed."""

from __future__ import annotations

import json
import math
import re
from typing import Any

from ansible.errors import AnsibleFilterError

_BARE = re.compile(r"[A-Za-z0-9_-]+")


def to_toml(settings: dict[str, Any]) -> str:
    """Return *settings* as TOML, sorted: tables of plain values and lists."""
    blocks = [_table("", settings)] + [
        _table(name, table) for name, table in sorted(settings.items()) if isinstance(table, dict)
    ]
    return "\n".join(block for block in blocks if block)


def _table(name: str, table: dict[str, Any]) -> str:
    values = {key: value for key, value in sorted(table.items()) if not isinstance(value, dict)}
    nested = {key: value for key, value in sorted(table.items()) if isinstance(value, dict)} if name else {}
    # JSON's strings, numbers, booleans and flat lists are TOML's as well.
    lines = [f"{_key(key)} = {json.dumps(value, ensure_ascii=False)}\n" for key, value in values.items()]
    head = f"[{name}]\n" if name and (lines or not nested) else ""
    return (
        head
        + "".join(lines)
        + "".join("\n" + _table(f"{name}.{_key(key)}", value) for key, value in nested.items())
    )


def _key(name: object) -> str:
    """Return a key as TOML has it: other than letters, digits, _ and - of ASCII in quotes."""
    return str(name) if _BARE.fullmatch(str(name)) else json.dumps(str(name), ensure_ascii=False)


def opslib_credentials(jobs: list[dict[str, Any]], tls: str) -> dict[str, dict[str, dict[str, str]]]:
    """Return the files of each job: links to its certificate, its account's name, variables with secrets."""
    # The certificate of the authority is the same beside each certificate.
    authority = next((job["account"] for job in jobs if "certificate_for" in job), "")
    files: dict[str, dict[str, dict[str, str]]] = {}
    for job in jobs:
        own = f"{tls}/{job['account']}"
        mine = files[job["name"]] = {"ca": {"link": f"{tls}/{authority}/ca.pem"}}
        for layer in job.get("certificate_for", []):
            mine[f"{layer}_cert"] = {"link": f"{own}/cert.pem"}
            mine[f"{layer}_key"] = {"link": f"{own}/key.pem"}
        for name, variable in job.get("secrets", {}).items():
            mine[name] = {"variable": variable}
        if "mongodb_password" in mine:
            mine["mongodb_username"] = {"content": job["account"]}
    return files


def sink_instances(cores: int, partitions: int, hosts: int, ports: dict[str, int]) -> int:
    """Return how many sinks a host with so many *cores* runs.

    Each has a partition to read at least, of those that fall to one of so many *hosts*; and sink N has the
    *ports*' ``sink`` plus N for its metrics, so it ends where the ports of another service begin.
    """
    most = [cores, math.ceil(partitions / max(hosts, 1))]
    if "sink" in ports:
        base = int(ports["sink"])
        most += [int(port) - base - 1 for name, port in ports.items() if name != "sink" and int(port) > base]
    return max(1, min(most))


# NiFi's units of time: https://nifi.apache.org/docs/nifi-docs/html/administration-guide.html
_MINUTES = {
    r"ns|nanos?|nanoseconds?": 1 / 60e9,
    r"ms|millis?|milliseconds?": 1 / 60e3,
    r"s|secs?|seconds?": 1 / 60,
    r"m|mins?|minutes?": 1,
    r"h|hrs?|hours?": 60,
    r"d|days?": 60 * 24,
    r"w|wks?|weeks?": 60 * 24 * 7,
}


def minutes(period: str) -> float:
    """Return a period as NiFi takes it, such as ``60 min``, in minutes."""
    for unit, length in _MINUTES.items():
        found = re.fullmatch(rf"\s*(\d+(?:\.\d+)?)\s*(?:{unit})\s*", str(period), re.IGNORECASE)
        if found:
            return float(found[1]) * length
    raise AnsibleFilterError(f"{period!r} is no period such as 60 min")


def metrics_listeners(ports: dict[str, int], sinks: int) -> dict[str, int]:
    """Return the ports that metrics are served on, by the setting that each comes from."""
    found = {f"opslib_metrics_ports.{name}": int(port) for name, port in ports.items()}
    base = found.pop("opslib_metrics_ports.sink", None)
    if base is not None:
        found.update({f"opslib_metrics_ports.sink + {n}": base + n for n in range(1, sinks + 1)})
    return found


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Any]:
        """Return the filters by name."""
        return {
            "opslib_credentials": opslib_credentials,
            "opslib_metrics_listeners": metrics_listeners,
            "opslib_minutes": minutes,
            "opslib_sink_instances": sink_instances,
            "opslib_to_toml": to_toml,
        }
