"""What the role monitoring makes Prometheus look at."""

from __future__ import annotations

import json

import roles

PORTS = {"node": 9300, "kafka": "9302", "zookeeper": 0}
LISTENERS = {"opslib_metrics_ports.speed": 9320, "opslib_metrics_ports.sink + 1": 9311}


monitoring = roles.module("monitoring/filter_plugins/monitoring.py")


def test_a_host_shows_what_has_a_port_each_sink_by_itself() -> None:
    assert monitoring.monitoring_shown(PORTS, LISTENERS) == [
        {"job": "node", "port": 9300, "path": "/node"},
        {"job": "kafka", "port": 9302, "path": "/kafka"},
        {"job": "opslib-speed", "port": 9320, "path": "/opslib-speed"},
        {"job": "opslib-sink", "port": 9311, "path": "/opslib-sink-1"},
    ]


def targets(front: str | None, nifi: str | None = None) -> list[tuple[str, str, str]]:
    shown = monitoring.monitoring_shown(PORTS, LISTENERS)
    found = json.loads(json.dumps(monitoring.monitoring_targets(shown, "a", front, nifi)))
    assert {one["labels"]["host"] for one in found} == {"a"}
    assert len({one["labels"]["instance"] for one in found}) == len(found)
    return [
        (one["labels"]["__scheme__"], one["targets"][0], one["labels"]["__metrics_path__"]) for one in found
    ]


def test_on_its_own_host_prometheus_asks_loopback() -> None:
    assert targets(None)[0] == ("http", "127.0.0.1:9300", "/metrics")
    assert {scheme for scheme, _, _ in targets(None)} == {"http"}


def test_another_host_is_asked_through_its_front_and_nifi_at_its_own_port() -> None:
    found = targets("192.0.2.1:9443", "192.0.2.1:8443")
    assert found[0] == ("https", "192.0.2.1:9443", "/node")
    assert found[3] == ("https", "192.0.2.1:9443", "/opslib-sink-1")
    assert found[4] == ("https", "192.0.2.1:8443", "/nifi-api/flow/metrics/prometheus")
    assert {scheme for scheme, _, _ in found} == {"https"}
