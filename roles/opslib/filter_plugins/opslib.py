"""Filters of the role `opslib`: settings as TOML, and which file each job is handed."""

from __future__ import annotations

import json
from typing import Any


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
    lines = [f"{key} = {json.dumps(value, ensure_ascii=False)}\n" for key, value in values.items()]
    head = f"[{name}]\n" if name and (lines or not nested) else ""
    return (
        head
        + "".join(lines)
        + "".join("\n" + _table(f"{name}.{key}", value) for key, value in nested.items())
    )


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
            "opslib_to_toml": to_toml,
        }
