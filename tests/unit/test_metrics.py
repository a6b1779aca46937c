"""The metrics' names and their endpoint."""

from __future__ import annotations

import socket
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families

from opslib import metrics
from opslib.settings import SettingsError

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def served() -> Iterator[tuple[metrics.Sink, metrics.Server]]:
    registry = CollectorRegistry()
    group = metrics.Sink(registry)
    server = metrics.serve(registry, 0, "sink.metrics_port")  # any free port
    assert server is not None
    yield group, server
    server.close()


def scraped(port: int) -> dict[str, float]:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=60) as answer:
        text = answer.read().decode()
    samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    return {"".join([s.name, *(f" {k}={v}" for k, v in sorted(s.labels.items()))]): s.value for s in samples}


def test_what_a_service_counts_is_what_is_scraped(served: tuple[metrics.Sink, metrics.Server]) -> None:
    group, server = served
    group.messages.inc(5)
    group.documents.labels("inserted").inc(3)
    group.lag.labels("tweets.raw", 2).set(7)
    found = scraped(server.port)
    assert found["trendlake_sink_messages_total"] == 5
    assert found["trendlake_sink_documents_total outcome=inserted"] == 3
    assert found["trendlake_sink_documents_total outcome=updated"] == 0
    assert found["trendlake_sink_lag_messages partition=2 topic=tweets.raw"] == 7
    assert not [name for name in found if "_created" in name or not name.startswith("trendlake_sink_")]


def test_only_loopback_is_listened_on(served: tuple[metrics.Sink, metrics.Server]) -> None:
    with socket.socket() as other:
        other.settimeout(2)
        # All of 127/8 is loopback: a server on 0.0.0.0 would answer here.
        assert other.connect_ex(("127.0.0.2", served[1].port)) != 0


def test_the_series_of_a_partition_end_with_it(served: tuple[metrics.Sink, metrics.Server]) -> None:
    group, server = served
    for partition in (1, 2):
        group.lag.labels("tweets.raw", partition).set(4)
    group.drop([("tweets.raw", 1), ("tweets.raw", 9)])
    assert [name for name in scraped(server.port) if "lag" in name] == [
        "trendlake_sink_lag_messages partition=2 topic=tweets.raw"
    ]


def test_a_taken_port_is_one_clear_line(served: tuple[metrics.Sink, metrics.Server]) -> None:
    with pytest.raises(SettingsError, match=r"^sink\.metrics_port: .*127\.0\.0\.1:\d+.* in use$"):
        metrics.serve(CollectorRegistry(), served[1].port, "sink.metrics_port")


def test_a_port_is_free_again_once_it_is_not_served(served: tuple[metrics.Sink, metrics.Server]) -> None:
    first = metrics.serve(CollectorRegistry(), 0, "x")
    assert first is not None
    first.close()
    again = metrics.serve(CollectorRegistry(), first.port, "x")
    assert again is not None
    again.close()
    assert scraped(served[1].port)


def test_without_a_port_nothing_is_served() -> None:
    assert metrics.serve(CollectorRegistry(), None, "sink.metrics_port") is None


@pytest.mark.parametrize(
    ("base", "instance", "port"),
    [(9310, "1", 9311), (9310, "12", 9322), (9310, None, 9310), (9310, "blue", 9310), (None, "1", None)],
)
def test_sinks_of_one_host_do_not_share_a_port(base: int | None, instance: str | None, port: object) -> None:
    assert metrics.sink_port(base, instance) == port


def test_the_import_registers_nothing() -> None:
    code = (
        "import prometheus_client as p; before = len(list(p.REGISTRY.collect())); import opslib.metrics as m;"
        "[group() for group in m.ALL]; assert len(list(p.REGISTRY.collect())) == before"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_each_name_is_given_once_and_has_a_help() -> None:
    described = [one for _, one in metrics.reference()]
    assert len({one.name for one in described}) == len(described)
    assert all(one.name.startswith("trendlake_") and one.help.endswith(".") for one in described)
    assert all(one.name.endswith("_total") for one in described if one.kind == "counter")


def test_the_page_lists_each_metric() -> None:
    rows = [
        f"| {service} | `{one.name}` | {one.kind} | {', '.join(one.labels)} | {one.help} |"
        for service, one in metrics.reference()
    ]
    page = (Path(__file__).parents[2] / "docs/metrics.md").read_text()
    assert [line for line in page.splitlines() if "| `trendlake_" in line] == rows, "\n".join(rows)


def test_a_limit_that_is_gone_leaves_no_figure_of_what_was_left() -> None:
    registry = CollectorRegistry()
    group = metrics.Stats(registry)

    def left() -> float | None:
        return registry.get_sample_value("trendlake_stats_budget_usd", {"figure": "left"})

    group.tell_budget({"usd": 8.48, "resources": 1682}, {"usd": 0.485})
    assert left() == pytest.approx(0.485)
    group.tell_budget({"usd": 8.84, "resources": 1754}, {})
    assert str(left()) == "nan"
