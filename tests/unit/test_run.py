"""What services share: the errors of servers in one line, waiting, trying again, watched threads."""

from __future__ import annotations

import ast
import re
import threading
from pathlib import Path
from typing import Any

import pytest
from kafka.errors import KafkaConnectionError, KafkaTimeoutError, TopicAuthorizationFailedError
from pymongo.errors import (
    AutoReconnect,
    ConfigurationError,
    OperationFailure,
    PyMongoError,
    ServerSelectionTimeoutError,
)

from opslib.run import retry
from opslib.run.failures import said
from opslib.run.threads import Supervised, ThreadFailedError
from opslib.settings import SettingsError

TOPOLOGY = ", Timeout: 5.0s, Topology Description: <TopologyDescription id: 6, servers: [<a>]>"


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (
            ServerSelectionTimeoutError(
                "db:27017: [Errno 111] Connection refused (configured timeouts: socketTimeoutMS: 20000.0ms, "
                f"connectTimeoutMS: 20000.0ms){TOPOLOGY}"
            ),
            "db:27017: [Errno 111] Connection refused",
        ),
        (
            OperationFailure(
                "not authorized on trendlake to execute command { find: 'tweets', lsid: { id: 1 } }",
                13,
                {"ok": 0.0, "code": 13},
            ),
            "not authorized on trendlake",
        ),
        (OperationFailure("bad auth", 18, {"ok": 0.0, "code": 18}), "bad auth"),
        (PyMongoError("one\ntwo"), "one"),
        (AutoReconnect(), "AutoReconnect"),
        (PyMongoError("x" * 1000), "x" * 300),
        (KafkaConnectionError(), "KafkaConnectionError"),
        (KafkaTimeoutError("Failed to update metadata"), "KafkaTimeoutError: Failed to update metadata"),
    ],
)
def test_an_error_of_a_server_is_said_in_one_line_without_what_only_its_client_needs(
    error: Exception, line: str
) -> None:
    assert said(error) == line


class Tries:
    """Fails in the given ways, and succeeds then."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.number = 0

    def __call__(self) -> str:
        self.number += 1
        if self.errors:
            raise self.errors.pop(0)
        return "done"


@pytest.fixture
def unhurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retry, "FIRST_PAUSE", 0.001)
    monkeypatch.setattr(retry, "LONGEST_PAUSE", 0.002)


@pytest.mark.usefixtures("unhurried")
def test_what_may_pass_is_tried_again_and_each_error_told() -> None:
    told: list[str] = []
    tries = Tries(AutoReconnect("one"), KafkaTimeoutError("two"), AutoReconnect("three"))
    assert retry.persist(tries, threading.Event(), lambda error: told.append(said(error))) == "done"
    assert told == ["one", "KafkaTimeoutError: two", "three"]


@pytest.mark.usefixtures("unhurried")
@pytest.mark.parametrize(
    ("error", "text"),
    [
        (OperationFailure("bad auth", 18), "MongoDB refuses this user (AuthenticationFailed)"),
        (ConfigurationError("no such option"), "the MongoDB settings are wrong: no such option"),
        (TopicAuthorizationFailedError("no"), "Kafka refuses this client"),
    ],
)
def test_wrong_settings_end_the_tries_at_once(error: Exception, text: str) -> None:
    tries = Tries(AutoReconnect("one"), error)
    with pytest.raises(SettingsError, match=re.escape(text)):
        retry.persist(tries, threading.Event(), lambda _: None)
    assert tries.number == 2


def test_a_surprise_is_no_fault_that_passes() -> None:
    tries = Tries(ZeroDivisionError("by nothing"))
    with pytest.raises(ZeroDivisionError):
        retry.persist(tries, threading.Event(), lambda _: None)
    assert tries.number == 1


def test_a_service_that_is_told_to_stop_tries_no_further() -> None:
    stop, tries = threading.Event(), Tries(*[AutoReconnect("gone")] * 3)
    with pytest.raises(retry.Stopped):
        retry.persist(tries, stop, lambda _: stop.set())
    assert tries.number == 1


def test_pauses_grow_to_a_bound_and_differ_by_chance() -> None:
    """So that services that lost the same server at the same moment do not come back in step."""

    class Stop(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            assert timeout is not None
            pauses.append(timeout)
            return False

    pauses: list[float] = []
    retry.persist(Tries(*[AutoReconnect("gone")] * 200), Stop(), lambda _: None)
    assert 0.25 <= min(pauses) <= pauses[0] <= 0.5
    assert 2.5 < max(pauses) <= 5
    assert len({round(pause, 6) for pause in pauses[10:]}) > 100


def supervised(target: Any, **options: Any) -> tuple[Supervised, threading.Event]:
    died = threading.Event()
    thread = Supervised("observer", target, died=died.set, **{"stuck_seconds": 60, **options})
    return thread, died


def test_a_thread_that_dies_of_a_surprise_ends_its_service(caplog: pytest.LogCaptureFixture) -> None:
    thread, died = supervised(lambda: {}["nothing"])
    thread.start()
    assert died.wait(10), "the main loop was not told"
    with pytest.raises(ThreadFailedError, match="the thread observer died of KeyError: 'nothing'") as failed:
        thread.check()
    assert failed.value.exit_code == 1
    assert "the thread observer died" in caplog.text
    assert "KeyError" in caplog.text, "where it happened is in the log"


def test_wrong_settings_found_in_a_thread_are_the_services() -> None:
    def target() -> None:
        raise SettingsError("kafka: no")

    thread, died = supervised(target)
    thread.start()
    assert died.wait(10)
    with pytest.raises(SettingsError, match="kafka: no"):
        thread.check()


def test_a_thread_that_is_stuck_is_noticed_and_where() -> None:
    now, begun, release = [100.0], threading.Event(), threading.Event()

    def hangs_here() -> None:
        begun.set()
        release.wait(30)

    thread, died = supervised(hangs_here, clock=lambda: now[0])
    thread.start()
    assert begun.wait(10)
    now[0] += 60
    thread.check()
    now[0] += 1
    with pytest.raises(ThreadFailedError, match=r"the thread observer has been stuck for 61 s in \w+ \("):
        thread.check()
    thread.well()
    thread.check()
    release.set()
    thread.join(60)
    now[0] += 1000
    thread.check()  # ended as it should
    assert not died.is_set()


@pytest.mark.slow
def test_nobody_reads_kafka_but_by_the_reader_that_unpacks_within_bounds() -> None:
    for path in (Path(__file__).resolve().parents[2] / "opslib").rglob("*.py"):
        nodes = ast.walk(ast.parse(path.read_text()))
        calls = {ast.unparse(node.func) for node in nodes if isinstance(node, ast.Call)}
        assert not any(call.endswith("KafkaConsumer") for call in calls), path
