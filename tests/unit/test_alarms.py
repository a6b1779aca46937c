"""The alarms' rules: each fires when it is to and not before, says what to do, and asks for what there is.

promtool is of Debian's package ``prometheus``; bin/setup takes it out of that without installing the service.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from opslib import metrics

ROOT = Path(__file__).resolve().parents[2]
RULES = ROOT / "roles/monitoring/files/rules.yml"
PAGE = ROOT / "docs/alarms.md"
CACHE = Path(os.environ.get("TRENDLAKE_CACHE") or Path.home() / ".cache/trendlake")
PROMTOOL = shutil.which("promtool", path=f"{CACHE / 'promtool'}:{os.environ['PATH']}")
ALERTS = {
    rule["alert"]: rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]
}

# What the exporters tell that is not this project's, as they told it on a deployed machine.
EXPORTED = {
    "up", "alertmanager_notifications_failed_total", "kafka_kafkacontroller_activecontrollercount",
    "kafka_kafkacontroller_offlinepartitionscount", "kafka_replicamanager_underreplicatedpartitions",
    "nifi_percent_used_bytes", "nifi_percent_used_count", "node_filesystem_avail_bytes",
    "node_filesystem_files", "node_filesystem_files_free", "node_filesystem_size_bytes",
    "node_systemd_service_restart_total", "node_systemd_unit_state", "node_time_seconds",
    "node_timex_offset_seconds", "prometheus_notifications_dropped_total", "znode_count",
}  # fmt: skip
DASHBOARD = {"ALERTS", "node_cpu_seconds_total", "node_memory_MemAvailable_bytes"}
_WORDS = {"avg", "histogram_quantile",
          "and", "or", "on", "ignoring", "without", "by", "sum", "max", "count", "abs", "rate", "increase",
          "scalar", "vector", "time", "timestamp", "hour", "predict_linear", "max_over_time",
          "min_over_time"}  # fmt: skip
_STEP = 15


@dataclass
class Case:
    """Series with which an alarm fires, ``after`` so many seconds and its ``for``, and others where not."""

    fires: list[str]
    quiet: list[list[str]]
    after: int = 0


def doctor(check: str) -> Case:
    name = f'trendlake_doctor_failed{{check="{check}",host="a",instance="a:9300"}}'
    return Case([f"{name} 1x400"], [[f"{name} 0x400"], [f"{name} 1x2 0x400"]])


def now_and_then(check: str) -> Case:
    """Return the case of a failure that the doctor sees again and again, and of one that passes."""
    name = f'trendlake_doctor_failed{{check="{check}",host="a",instance="a:9300"}}'
    seen = "1x7 0x12 " * 6
    return Case([f"{name} {seen}"], [[f"{name} 0x400"], [f"{name} 1x16 0x400"]])


def disk(what: str, value: str) -> list[str]:
    labels = '{host="a",mountpoint="/",fstype="ext4",device="d"}'
    size = "node_filesystem_files" if "files_free" in what else "node_filesystem_size_bytes"
    return [f"{size}{labels} 100x4000", f"{what}{labels} {value}"]


def zookeeper(serving: int, hosts: int = 3) -> list[str]:
    labels = [f'{{job="zookeeper",host="z{n}",instance="z{n}:1"}}' for n in range(3)]
    return [
        *(f"up{one} {int(n < hosts)}x400" for n, one in enumerate(labels)),
        *(f"znode_count{one} 9x400" for one in labels[:serving]),
        *(f'up{{job="node",host="z{n}",instance="z{n}:2"}} {int(n < hosts)}x400' for n in range(3)),
    ]


def budget(left: float, spent: float) -> list[str]:
    return [
        f'trendlake_stats_budget_usd{{figure="{name}",host="a",instance="a:1"}} {usd}x6000'
        for name, usd in (("left", left), ("spent", spent))
    ]


def members(behind: int) -> list[str]:
    name = 'trendlake_stats_mongodb_status{figure="repl.lastWrite.lastWriteDate",host="a",member='
    return [f'{name}"x"}} 1000+15x400', f'{name}"y"}} {1000 - behind}+15x400']


def controllers(*counts: int) -> list[str]:
    name = "kafka_kafkacontroller_activecontrollercount"
    return [f'{name}{{host="{host}"}} {count}x400' for host, count in enumerate(counts)]


def of(name: str, fires: str, *quiet: str, after: int = 0) -> Case:
    return Case([f"{name} {fires}"], [[f"{name} {one}"] for one in quiet], after)


CASES = {
    "NothingCollected": now_and_then("tweets"),
    "BudgetEndsEarly": Case(budget(1, 19), [budget(10, 10), budget(2.5, 17.5)]),
    "NiFiComplains": now_and_then("nifi"),
    "NiFiQueueFull": of('nifi_percent_used_count{host="n",id="q"}', "95x400", "30x400", "95x9 0x400"),
    "SinkBehind": doctor("sink"),
    "SinkWaits": of('trendlake_sink_waiting{host="a",target="mongodb"}', "1x400", "0x400", "1x9 0x400"),
    "SpeedBehind": doctor("speed"),
    "DeadLetters": of('trendlake_stats_dead_letters_total{host="a"}', "0x3 5x400", "5x400", after=75),
    "RollupsOld": doctor("rollups"),
    "CloudsOld": doctor("clouds"),
    "PageDown": doctor("web"),
    # promtool's time begins at 0.
    "RecorderSilent": of(
        'trendlake_stats_newest_minute_timestamp_seconds{host="a"}', "1x400", "1+15x400", "0x400", after=615
    ),
    "ServiceDown": of('up{job="kafka",host="a",instance="a:1"}', "0x400", "1x400", "0x5 1x400"),
    "PartitionsOffline": of('kafka_kafkacontroller_offlinepartitionscount{host="a"}', "3x400", "0x400"),
    "PartitionsUnderReplicated": of(
        'kafka_replicamanager_underreplicatedpartitions{host="a"}', "3x400", "0x400", "3x20 0x400"
    ),
    "NoController": Case(controllers(0, 0), [controllers(1, 0)]),
    "QuorumLost": Case(zookeeper(1), [zookeeper(2), zookeeper(3), zookeeper(0, hosts=0)]),
    "MongoDBMemberDown": of('trendlake_stats_mongodb_up{host="a",member="m:1"}', "0x400", "1x400"),
    "ReplicationLag": Case(members(100), [members(10), members(0)]),
    "HostDown": of('up{job="node",host="a",instance="a:9300"}', "0x400", "1x400", "0x5 1x400"),
    "DiskFull": Case(
        disk("node_filesystem_avail_bytes", "9x400"), [disk("node_filesystem_avail_bytes", "11x400")]
    ),
    "DiskFullSoon": Case(
        disk("node_filesystem_avail_bytes", "49-0.01x2000"),
        # It grows slowly, does not, or has time.
        [
            disk("node_filesystem_avail_bytes", value)
            for value in ("49-0.0001x2000", "40x2000", "99-0.01x2000")
        ],
        after=15,
    ),
    "InodesUsedUp": Case(
        disk("node_filesystem_files_free", "4x400"), [disk("node_filesystem_files_free", "6x400")]
    ),
    "CertificateEnds": doctor("certificates"),
    "UnitFailed": of('node_systemd_unit_state{state="failed",host="a",name="u"}', "1x400", "0x400"),
    "UnitFlapping": of(
        'node_systemd_service_restart_total{host="a",name="u"}', "0+1x400", "3x400", "0x9 1x9 2x400", after=90
    ),
    "ClockWrong": of('node_time_seconds{host="a"}', "10+15x400", "0+15x400", "4+15x400"),
    # promtool's time begins at 0: three days before is as good as three days after.
    "BackupOld": of("trendlake_backup_last_success_timestamp_seconds", "-300000x400", "0x400", "-90000x400"),
    "BackupUnverified": of("trendlake_backup_last_verification_failed", "1x400", "0x400"),
    "DoctorSilent": of(
        'trendlake_doctor_looked_timestamp_seconds{host="a"}', "0x400", "0+15x400", after=915
    ),
    "AlarmsNotTold": of('alertmanager_notifications_failed_total{host="a"}', "0+1x400", "7x400", after=15),
    "DeadMansSwitch": Case([], []),
}  # fmt: skip


def seconds(period: str | None) -> int:
    units = {"s": 1, "m": 60, "h": 3600}
    return int(period[:-1]) * units[period[-1]] if period else 0


def test_every_alarm_is_held_here() -> None:
    assert list(CASES) == list(ALERTS)


def judged(alert: str, series: list[str], at: int, fires: bool) -> dict[str, Any]:
    parts = [one.rpartition("} ") if "} " in one else one.partition(" ") for one in series]
    firing = f'count(ALERTS{{alertname="{alert}",alertstate="firing"}}) > bool 0 or vector(0)'
    return {
        "interval": f"{_STEP}s",
        "input_series": [
            {"series": name + end.strip(), "values": values.strip()} for name, end, values in parts
        ],
        "promql_expr_test": [
            {
                "expr": firing,
                "eval_time": f"{at}s",
                "exp_samples": [{"labels": "{}", "value": int(fires)}],
            }
        ],
    }


@pytest.mark.slow
@pytest.mark.skipif(PROMTOOL is None, reason="there is no promtool: bin/setup")
@pytest.mark.parametrize(
    "alert",
    # A day of the budget is many evaluations.
    [pytest.param(one, marks=pytest.mark.slow) if one == "BudgetEndsEarly" else one for one in CASES],
)
def test_an_alarm_fires_in_its_time_and_not_before_nor_without_cause(alert: str, tmp_path: Path) -> None:
    case = CASES[alert]
    lasts = seconds(ALERTS[alert].get("for"))
    fires_at = case.after + lasts + _STEP
    tests = [judged(alert, case.fires, fires_at, fires=True)]
    if lasts:
        tests.append(judged(alert, case.fires, case.after + lasts - 2 * _STEP, fires=False))
    tests += [judged(alert, quiet, fires_at, fires=False) for quiet in case.quiet]
    if alert == "BudgetEndsEarly":  # at nine in the evening it ends in its time
        tests.append(judged(alert, case.fires, 21 * 3600, fires=False))
    file = tmp_path / "test.yml"
    file.write_text(
        yaml.safe_dump({"rule_files": [str(RULES)], "evaluation_interval": f"{_STEP}s", "tests": tests})
    )
    done = subprocess.run(
        [str(PROMTOOL), "test", "rules", str(file)], capture_output=True, text=True, timeout=600, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def asked(expression: str) -> set[str]:
    bare = re.sub(r"\{[^}]*\}|\[[^\]]*\]|\"[^\"]*\"", " ", expression)
    bare = re.sub(r"\b(by|without|on|ignoring)\s*\([^)]*\)", " ", bare)
    return set(re.findall(r"[a-zA-Z]\w+", bare)) - _WORDS


@pytest.mark.parametrize("alert", list(ALERTS))
def test_each_metric_that_a_rule_asks_for_exists(alert: str) -> None:
    ours = {one.name for _, one in metrics.reference()}
    assert asked(ALERTS[alert]["expr"]) <= ours | EXPORTED


def test_each_metric_that_the_dashboard_asks_for_exists() -> None:
    ours = {one.name for _, one in metrics.reference()} | {"trendlake_sink_batch_seconds_bucket"}
    panels = json.loads((ROOT / "docs/grafana.json").read_text())["panels"]
    expressions = [target["expr"] for panel in panels for target in panel.get("targets", [])]
    assert len(expressions) > 15
    assert set().union(*map(asked, expressions)) <= ours | EXPORTED | DASHBOARD


def test_every_metric_that_is_said_to_be_exported_is_asked_for() -> None:
    assert set().union(*(asked(rule["expr"]) for rule in ALERTS.values())) >= EXPORTED


def section(alert: str) -> str:
    found = re.search(rf"^### {alert}\n(.*?)(?=^##|\Z)", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    assert found, f"docs/alarms.md has no section {alert}"
    return found[1]


@pytest.mark.parametrize("alert", list(ALERTS))
def test_each_alarm_says_what_is_wrong_and_links_to_what_to_do(alert: str) -> None:
    notes = ALERTS[alert]["annotations"]
    assert notes["summary"].endswith(".")
    assert notes["runbook"] == f"docs/alarms.md#{alert.lower()}"
    assert len(section(alert).split()) > 15


def test_the_page_has_no_section_of_an_alarm_that_is_gone() -> None:
    assert re.findall(r"^### (\w+)$", PAGE.read_text(), re.MULTILINE) == list(ALERTS)
