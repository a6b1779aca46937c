"""What a service role refuses before it touches a host: the role `service` itself, run on this machine."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import roles

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "roles" / "service" / "filter_plugins"))

import service  # noqa: E402 - a plugin's folder is no package


def preflight(tmp_path: Path, **variables: Any) -> str:
    """Return what the preflight refuses with; empty if it does not."""
    play = [
        {
            "hosts": "localhost",
            "connection": "local",
            "gather_facts": False,
            "vars": {
                "ansible_python_interpreter": sys.executable,
                "service_memory_total_mb": 4096,
                **variables,
            },
            "tasks": [
                {
                    "ansible.builtin.include_role": {"name": "service", "tasks_from": "preflight"},
                    "vars": {"service_name": "trendlake-nobody"},
                }
            ],
        }
    ]
    (tmp_path / "play.json").write_text(json.dumps(play))
    run = roles.play(tmp_path / "play.json", "localhost,", home=tmp_path)
    return "" if run.returncode == 0 else run.stdout + run.stderr


def waited(process: str, answers_at: int, seconds: int, ends_at: int = 0) -> str:
    """Return what the health check ends with for a service *process*, given up after *seconds* of no work.

    It answers when it is asked for the time *answers_at*, every 0.3 s at most and ends at the time *ends_at*.
    """
    check = f"""
exec(open("roles/service/files/until.py").read())
_BUSY /= 10  # where others are busy too, one that is gets a small share of a processor
asked = iter(range(1, 10_000))

def ask():
    now = next(asked)
    if now == {ends_at}:
        os.kill(int(os.environ["MAINPID"]), 9)
    return now >= {answers_at}, "no"

until("it", ask, {seconds}, "silent")
"""
    service = subprocess.Popen([sys.executable, "-c", process])
    # Somebody has to take note of its end, as systemd does.
    threading.Thread(target=service.wait, daemon=True).start()
    try:
        run = subprocess.run(
            [sys.executable, "-c", check],
            cwd=ROOT,
            env={"MAINPID": str(service.pid)},
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
    finally:
        service.kill()
    return run.stderr.strip() if run.returncode else "good"


@pytest.mark.slow
def test_a_start_that_is_at_work_gets_the_time_it_takes() -> None:
    assert waited("while True: pass", answers_at=40, seconds=10) == "good"


@pytest.mark.slow
def test_a_start_that_does_nothing_is_given_up() -> None:
    assert waited("import time; time.sleep(600)", answers_at=10_000, seconds=2) == "silent: no"


def test_a_start_that_has_ended_is_told_at_once() -> None:
    told = waited("import time; time.sleep(600)", answers_at=10_000, seconds=300, ends_at=2)
    assert "has ended" in told


@pytest.mark.parametrize("shown", [1967, 3919, 7937, 16_015, 32_096, 64_300, 128_700])
def test_a_kernel_that_keeps_a_little_more_memory_changes_no_heap(shown: int) -> None:
    groups = ["zookeeper", "kafka", "mongodb", "nifi"]
    shares = service.service_memory_mb(shown, groups)
    for other in range(shown - 10, shown + 11):
        assert service.service_memory_mb(other, groups) == shares
    assert sum(shares.values()) < max(shown / 2, 1200)


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.mark.slow
def test_a_host_that_is_as_it_should_be_is_not_refused(tmp_path: Path) -> None:
    refused = preflight(tmp_path, service_required=["some_secret"], some_secret="s3cret")
    assert refused == ""


def test_a_missing_secret_is_named(tmp_path: Path) -> None:
    refused = preflight(tmp_path, service_required=["nifi_sensitive_props_key"])
    assert "nifi_sensitive_props_key is not set" in refused


def test_an_empty_secret_is_a_missing_one(tmp_path: Path) -> None:
    assert "x_token is not set" in preflight(tmp_path, service_required=["x_token"], x_token="")


@pytest.mark.slow
def test_a_taken_port_is_named_with_the_variable_that_moves_it(tmp_path: Path, taken: int) -> None:
    refused = preflight(tmp_path, service_ports={"kafka_port": taken})
    assert f"Port {taken} on localhost is taken by" in refused
    assert "choose another with kafka_port" in refused


def test_too_little_memory_is_told(tmp_path: Path) -> None:
    assert "needs 8192 MB" in preflight(tmp_path, service_memory_needed_mb=8192)


@pytest.mark.parametrize(
    ("total", "groups"),
    [(4096, ["zookeeper", "kafka", "mongodb", "nifi"]), (65536, ["kafka"]), (1024, ["nifi"])],
)
def test_memory_is_shared_out_and_not_given_away_twice(total: int, groups: list[str]) -> None:
    shares = service.service_memory_mb(total, groups)
    assert sum(shares[name] for name in groups) <= total // 2
    assert all(service.SHARES[name][1] <= shares[name] <= service.SHARES[name][2] for name in groups)


@pytest.mark.parametrize(
    ("heap", "beside", "total", "bound"),
    [(126, 384, 0, 636), (504, 512, 4096, 2457), (6144, 512, 4096, 12800)],
)
def test_a_unit_may_hold_its_heap_twice_and_what_is_cached(
    heap: int, beside: int, total: int, bound: int
) -> None:
    assert service.service_memory_max_mb(heap, beside, total) == bound


def test_a_kernel_that_keeps_a_little_more_changes_no_bound() -> None:
    bounds = {service.service_memory_max_mb(504, 512, total) for total in (3915, 3925, 3935)}
    assert len(bounds) == 1


def test_its_own_listener_is_not_foreign() -> None:
    line = 'LISTEN 0 50 *:9093 *:* users:(("java",pid=7,fd=1)) uid:104 ino:1'
    assert service.service_foreign_listeners([line], [104]) == []
    assert service.service_foreign_listeners([line], [105]) == ["java (pid 7)"]
