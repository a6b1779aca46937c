"""The doctor's own workings; what it says about real servers is in tests/integration."""

from __future__ import annotations

import subprocess
import threading
from typing import TYPE_CHECKING, Any

import pytest

from opslib.cli.doctor import _print_text
from opslib.doctor import findings, host, kafka
from opslib.doctor.findings import Finding
from opslib.run import endpoints
from opslib.settings import Settings, SettingsError

if TYPE_CHECKING:
    from pathlib import Path

SETTINGS = Settings()


def found(checks: Any, timeout: float = 5) -> list[tuple[str, str, str]]:
    report = findings.run(checks, list(checks), SETTINGS, timeout)
    return [(one.check, one.status, one.text) for one in report]


@pytest.mark.slow
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

    assert found({"a": hangs, "b": breaks, "c": wrong, "d": works}, timeout=2) == [
        ("a", "failed", "no answer within 2 s"),
        ("a", "ok", "so far so good"),
        ("b", "failed", "ZeroDivisionError: by nothing"),
        ("c", "failed", "nifi.url: no"),
        ("d", "ok", "well"),
    ]


def report_of(check: Any) -> list[tuple[str, str]]:
    report = findings.Findings("x")
    check(SETTINGS, report)
    return [(one.status, one.text) for one in report.findings]


@pytest.mark.parametrize(("free", "status"), [(5, "failed"), (50, "ok")])
def test_a_disk_that_fills_up(monkeypatch: pytest.MonkeyPatch, free: int, status: str) -> None:
    usage = host.shutil._ntuple_diskusage(100 * 1024**3, 0, free * 1024**3)  # type: ignore[attr-defined]
    monkeypatch.setattr(host.shutil, "disk_usage", lambda _: usage)
    assert report_of(host.check_disk) == [(status, f"/var/lib has {free}.0 of 100.0 GB free")]


WANTED = ("kafka.service", "opslib-sink@1.service", "opslib-report.timer", "nginx.service", "ssh.service")
RUNS = {"ActiveState": "active", "SubState": "running", "Type": "notify", "Result": "success"}
STOPPED = {**RUNS, "ActiveState": "inactive", "SubState": "dead"}


class Systemctl:
    """Answers as systemctl does: a list of what failed, what a boot starts, and the state of a unit."""

    def __init__(self, failed: str = "", **states: dict[str, str]) -> None:
        self.failed, self.states = failed, {name.replace("_", "-"): state for name, state in states.items()}

    def __call__(self, command: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
        told = self.failed
        if "--property=Wants" in command:
            told = " ".join(WANTED[:3]) + "\n\n" + " ".join(WANTED[3:])
        elif command[2] == "show":
            unit = command[-1].split(".")[0].split("@")[0]
            told = "\n".join(f"{name}={value}" for name, value in self.states.get(unit, RUNS).items())
        return subprocess.CompletedProcess(command, 0, stdout=told, stderr="")


@pytest.mark.parametrize(
    ("systemctl", "expected"),
    [
        (Systemctl(), [("ok", "3 units of the lake run, none has failed")]),
        (
            Systemctl("kafka.service loaded failed failed Kafka\n"),
            [("failed", "kafka.service failed")],
        ),
        (
            Systemctl(opslib_report=STOPPED),
            [("failed", "opslib-report.timer is stopped, though a boot starts it")],
        ),
        (
            Systemctl(opslib_sink={**RUNS, "ActiveState": "activating", "SubState": "auto-restart"}),
            [("failed", "opslib-sink@1.service does not stay up: it is started again and again")],
        ),
        (
            Systemctl(kafka={**STOPPED, "Type": "oneshot"}),
            [("ok", "3 units of the lake run, none has failed")],
        ),
        # Another's web server, as far as this host was told.
        (Systemctl(nginx=STOPPED), [("ok", "3 units of the lake run, none has failed")]),
    ],
)
def test_units_that_failed_or_are_stopped(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, systemctl: Systemctl, expected: list[tuple[str, str]]
) -> None:
    monkeypatch.setattr(host, "_SYSTEMD", tmp_path)
    monkeypatch.setattr(host.subprocess, "run", systemctl)
    assert report_of(host.check_units) == expected


def test_nginx_is_a_unit_of_the_lake_where_the_page_is(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(host, "_SYSTEMD", tmp_path)
    monkeypatch.setattr(host.subprocess, "run", Systemctl(nginx=STOPPED))
    monkeypatch.setenv("OPSLIB_WEB__URL", "https://here")
    report = findings.Findings("units")
    host.check_units(Settings(), report)
    (found,) = report.findings
    assert found.text == "nginx.service is stopped, though a boot starts it"
    assert found.advice == "systemctl start nginx.service; if it ends again: journalctl -u nginx.service -e"


def test_checks_that_hang_take_no_longer_than_one(monkeypatch: pytest.MonkeyPatch) -> None:
    now, release = [100.0], threading.Event()

    def join(thread: threading.Thread, timeout: float) -> None:
        assert thread.is_alive()
        now[0] += timeout

    monkeypatch.setattr(findings.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(findings.threading.Thread, "join", join)
    checks = dict.fromkeys("abc", lambda *_: release.wait(30))
    assert found(checks, timeout=25) == [(name, "failed", "no answer within 25 s") for name in "abc"]
    assert now[0] == 125
    release.set()


def test_replicas_that_are_behind_and_partitions_without_a_leader() -> None:
    def partition(number: int, leader: int, replicas: list[int], in_sync: list[int]) -> dict[str, Any]:
        return {
            "partition_index": number, "leader_id": leader,
            "replica_nodes": replicas, "isr_nodes": in_sync,
        }  # fmt: skip

    report = findings.Findings("kafka")
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


def test_a_finding_has_its_colour_and_what_a_server_said_has_none(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("click.utils.should_strip_ansi", lambda *_: False)
    _print_text([Finding("nifi", "failed", "it said \x1b[2J")])
    assert capsys.readouterr().out == "\x1b[31mfailed  \x1b[0m nifi         it said \\x1b[2J\n"
    monkeypatch.undo()
    _print_text([Finding("nifi", "ok", "it runs")])
    assert capsys.readouterr().out == "ok       nifi         it runs\n"
