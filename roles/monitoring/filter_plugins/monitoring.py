"""Filters of the role `monitoring`: what a host shows Prometheus, and where Prometheus finds it."""

from __future__ import annotations

from typing import Any


def monitoring_shown(ports: dict[str, int], listeners: dict[str, int]) -> list[dict[str, Any]]:
    """Return job, port on loopback and path at the front of all that a host shows.

    *ports* are by job, 0 for none; *listeners* are opslib's, by the setting that each comes from.
    """
    shown = [{"job": job, "port": int(port), "path": f"/{job}"} for job, port in ports.items() if int(port)]
    for setting, port in listeners.items():
        name, _, number = setting.partition(".")[2].partition(" + ")
        path = f"/opslib-{name}" + (f"-{number}" if number else "")
        shown.append({"job": f"opslib-{name}", "port": int(port), "path": path})
    return shown


def monitoring_targets(
    shown: list[dict[str, Any]], host: str, front: str | None, nifi: str | None
) -> list[dict[str, Any]]:
    """Return *shown* of *host* as Prometheus' file of targets.

    *front* is ``ADDRESS:PORT`` of the host's TLS, or none where Prometheus is on the host itself; *nifi* that
    of NiFi, which has TLS of its own.
    """
    found = [
        _target(
            front or f"127.0.0.1:{one['port']}",
            host,
            one["job"],
            f"{host}:{one['port']}",
            "https" if front else "http",
            one["path"] if front else "/metrics",
        )
        for one in shown
    ]
    if nifi:
        path = "/nifi-api/flow/metrics/prometheus"
        found.append(_target(nifi, host, "nifi", f"{host}:{nifi.rpartition(':')[2]}", "https", path))
    return found


def _target(address: str, host: str, job: str, instance: str, scheme: str, path: str) -> dict[str, Any]:
    labels = {
        "job": job,
        "host": host,
        "instance": instance,
        "__scheme__": scheme,
        "__metrics_path__": path,
    }
    return {"targets": [address], "labels": labels}


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Any]:
        """Return the filters by name."""
        return {"monitoring_shown": monitoring_shown, "monitoring_targets": monitoring_targets}
