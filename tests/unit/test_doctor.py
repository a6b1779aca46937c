"""The doctor's own workings; what it says about real servers is in tests/integration."""

from __future__ import annotations

import subprocess
import threading
from typing import TYPE_CHECKING, Any

import pytest

from opslib.doctor import findings, host, kafka
from opslib.run import endpoints
from opslib.settings import Settings, SettingsError

if TYPE_CHECKING:
    from pathlib import Path

SETTINGS = Settings()


def found(checks: Any, timeout: float = 5) -> list[tuple[str, str, str]]:
    report = findings.run(checks, list(checks), SETTINGS, timeout)
    return [(one.check, one.status, one.text) for one in report]


def test_a_check_that_hangs_or_breaks_leaves_the_others_alone() -> None:
    def hangs(_: Any, report: Any) -> None:
        report.ok("so far so good")
        threading.Event().wait(30)

    def breaks(_: Any, __: Any) -> None:
        raise ZeroDivisionError("by nothing")

    def wrong(_: Any, __: Any) -> None:
        raise SettingsError("nifi.url: no")

    def works(_: Any, report: Any) -> None:
        report.ok("well")

    assert found({"a": hangs, "b": breaks, "c": wrong, "d": works}, timeout=0.2) == [
        ("a", "failed", "no answer within 0.2 s"),
        ("a", "ok", "so far so good"),
        ("b", "failed", "ZeroDivisionError: by nothing"),
        ("c", "failed", "nifi.url: no"),
        ("d", "ok", "well"),
    ]


def report_of(check: Any) -> list[tuple[str, str]]:
    report = findings.Report("x")
    check(SETTINGS, report)
    return [(one.status, one.text) for one in report.findings]


@pytest.mark.parametrize(("free", "status"), [(5, "failed"), (50, "ok")])
def test_a_disk_that_fills_up(monkeypatch: pytest.MonkeyPatch, free: int, status: str) -> None:
    usage = host.shutil._ntuple_diskusage(100 * 1024**3, 0, free * 1024**3)  # type: ignore[attr-defined]
    monkeypatch.setattr(host.shutil, "disk_usage", lambda _: usage)
    assert report_of(host.check_disk) == [(status, f"/var/lib has {free}.0 of 100.0 GB free")]


@pytest.mark.parametrize(
    ("listed", "expected"),
    [
        ("", [("ok", "no unit of the lake has failed")]),
        ("kafka.service loaded failed failed Kafka\n", [("failed", "kafka.service failed")]),
    ],
)
def test_failed_units(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, listed: str, expected: list[tuple[str, str]]
) -> None:
    monkeypatch.setattr(host, "_SYSTEMD", tmp_path)
    done = subprocess.CompletedProcess([], 0, stdout=listed, stderr="")
    monkeypatch.setattr(host.subprocess, "run", lambda *_, **__: done)
    assert report_of(host.check_units) == expected


def test_replicas_that_are_behind_and_partitions_without_a_leader() -> None:
    def partition(number: int, leader: int, replicas: list[int], in_sync: list[int]) -> dict[str, Any]:
        return {
            "partition_index": number, "leader_id": leader,
            "replica_nodes": replicas, "isr_nodes": in_sync,
        }  # fmt: skip

    report = findings.Report("kafka")
    whole = [partition(0, 1, [1, 2], [1, 2]), partition(1, 1, [1, 2], [1]), partition(2, -1, [2], [])]
    kafka._check_replicas({"tweets.raw": {"partitions": whole}}, report)
    assert [one.text for one in report.findings] == [
        "without a leader: tweets.raw-2",
        "under-replicated: tweets.raw-1",
    ]


def test_only_what_this_host_was_told_about_is_configured(monkeypatch: pytest.MonkeyPatch) -> None:
    assert endpoints.with_tls(Settings()) == []
    monkeypatch.setenv("OPSLIB_MONGODB__URI", "mongodb://a:1,b/?tls=true")
    settings = Settings()
    assert [str(one) for one in endpoints.with_tls(settings)] == ["a:1", "b:27017"]


@pytest.mark.parametrize("text", ["host", "host:", ":1", "host:x"])
def test_an_address_without_a_port_is_a_wrong_setting(text: str) -> None:
    with pytest.raises(SettingsError, match=r"zookeeper\.servers"):
        endpoints.host_port("zookeeper.servers", text)
