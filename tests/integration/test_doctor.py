"""The doctor asked about real servers: well, down, refusing, and about to lose their certificates."""

from __future__ import annotations

import http.server
import json
import logging
import ssl
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
import services
from click.testing import CliRunner
from test_sink import tweet

from opslib import message
from opslib.cli.doctor import command

if TYPE_CHECKING:
    from collections.abc import Iterator

    from certificates import Certificate
    from conftest import Lake

ALL = ("zookeeper", "kafka", "mongodb", "sink", "certificates")


def doctor(lake: Lake, *only: str, **extra: str) -> tuple[int, dict[str, list[dict[str, str]]]]:
    """Return the exit code and the findings by check."""
    arguments = ["--format", "json", *(f"--only={name}" for name in only)]
    done = CliRunner().invoke(command, arguments, env=lake.environment(**extra))
    logging.disable(logging.NOTSET)
    findings: dict[str, list[dict[str, str]]] = {}
    for finding in json.loads(done.stdout)["findings"]:
        findings.setdefault(finding["check"], []).append(finding)
    return done.exit_code, findings


@pytest.fixture(autouse=True)
def _account(lake: Lake) -> None:
    lake.log_in("opslib-doctor")


def texts(findings: list[dict[str, str]], status: str) -> str:
    return "\n".join(f"{f['text']}: {f['advice']}" for f in findings if f["status"] == status)


def test_all_is_well(lake: Lake) -> None:
    code, found = doctor(lake, *ALL)
    assert {f["status"] for findings in found.values() for f in findings} == {"ok"}, found
    assert code == 0
    assert "standalone" in texts(found["zookeeper"], "ok")
    assert "1 broker: 127.0.0.1" in texts(found["kafka"], "ok")
    assert "1 of 1 members healthy" in texts(found["mongodb"], "ok")
    assert "0 messages wait" in texts(found["sink"], "ok")
    # Three servers and the credentials ca, kafka_cert, nifi_cert and zookeeper_cert.
    assert len(found["certificates"]) == 7


def test_people_get_one_line_for_each(lake: Lake) -> None:
    done = lake.opslib("doctor", "--only", "zookeeper", "--only", "nifi")
    first, second = done.stdout.splitlines()
    assert first.startswith("ok       zookeeper    127.0.0.1:")
    assert second == "skipped  nifi         not configured"
    assert done.returncode == 0


def test_what_is_down_is_named_and_the_rest_still_asked(lake: Lake) -> None:
    nobody = services.free_port()
    started = time.monotonic()
    with lake.servers.mongodb_away():
        code, found = doctor(
            lake, "zookeeper", "kafka", "mongodb",
            OPSLIB_ZOOKEEPER__SERVERS=json.dumps([f"127.0.0.1:{nobody}"]),
        )  # fmt: skip
    assert code == 1
    assert f"127.0.0.1:{nobody}: [Errno 111]" in texts(found["zookeeper"], "failed")
    assert "systemctl status zookeeper" in texts(found["zookeeper"], "failed")
    assert "systemctl status mongodb" in texts(found["mongodb"], "failed")
    assert {f["status"] for f in found["kafka"]} == {"ok"}
    assert time.monotonic() - started < 20


def test_a_server_that_answers_nothing_does_not_hold_up_the_others(lake: Lake) -> None:
    with lake.servers.zookeeper.frozen():
        code, found = doctor(lake, "zookeeper", "mongodb")
    assert code == 1
    assert "timed out" in texts(found["zookeeper"], "failed")
    assert {f["status"] for f in found["mongodb"]} == {"ok"}


def test_kafka_down(lake: Lake) -> None:
    nobody = json.dumps([f"127.0.0.1:{services.free_port()}"])
    code, found = doctor(lake, "kafka", "sink", OPSLIB_KAFKA__BOOTSTRAP_SERVERS=nobody)
    assert code == 1
    assert "Connection refused: on its hosts: systemctl status kafka" in texts(found["kafka"], "failed")
    assert "see the check kafka" in texts(found["sink"], "failed")


def test_refused_logins_say_so(lake: Lake) -> None:
    lake.put("mongodb_password", "wrong")
    stranger = type(lake.servers.authority)(lake.folder / "other").certificate("opslib-doctor")
    for component in ("kafka", "zookeeper"):
        lake.put(f"{component}_cert", stranger.cert.read_text())
        lake.put(f"{component}_key", stranger.key.read_text())
    code, found = doctor(lake, "zookeeper", "kafka", "mongodb")
    assert code == 1
    assert "refuses this user (AuthenticationFailed)" in texts(found["mongodb"], "failed")
    assert "does not accept our certificate" in texts(found["kafka"], "failed")
    assert "ok" not in {f["status"] for f in found["zookeeper"]}


def test_a_missing_collection(lake: Lake) -> None:
    lake.database.clouds.drop()
    code, found = doctor(lake, "mongodb")
    assert code == 1
    assert "lacks the collections clouds: run opslib store init" in texts(found["mongodb"], "failed")


def test_a_sink_that_is_behind(lake: Lake) -> None:
    # Kafka looks for the first young message: none of an earlier test may stand before the old one.
    lake.admin.delete_records(lake.ends())
    lake.send(tweet(1))
    assert "1 messages wait" in texts(doctor(lake, "sink")[1]["sink"], "ok")

    old = int((time.time() - 600) * 1000)
    content = tweet(2)
    lake.producer.send(
        message.TWEETS, key=message.key_of(content), value=message.encode(content), timestamp_ms=old
    ).get(10)
    code, found = doctor(lake, "sink")
    assert code == 1
    assert "of 2 waiting messages are older than 5 minutes" in texts(found["sink"], "failed")

    lake.log_in("opslib-sink")
    lake.start_sink()
    lake.wait_for_commit()
    assert doctor(lake, "sink")[0] == 0


@pytest.mark.parametrize(
    ("days", "status", "text"),
    [
        (200, "ok", "is good for 200 days"),
        (5, "failed", "expires in 5 days: run ansible-playbook site.yml"),
        (-3, "failed", "certificate has expired: run ansible-playbook site.yml"),
    ],
)
def test_a_server_certificate_near_its_end(lake: Lake, days: int, status: str, text: str) -> None:
    certificate = lake.servers.authority.certificate(f"nifi-{days}", days=days)
    with https(certificate, {}) as port:
        url = f"https://127.0.0.1:{port}"
        code, found = doctor(lake, "certificates", OPSLIB_NIFI__URL=url)
    assert code == (0 if status == "ok" else 1)
    (line,) = [
        line for line in texts(found["certificates"], status).splitlines() if line.startswith("nifi on")
    ]
    assert text in line


def test_a_client_certificate_near_its_end(lake: Lake) -> None:
    soon = lake.servers.authority.certificate("soon", days=5)
    lake.put("kafka_cert", soon.cert.read_text())
    lake.put("kafka_key", soon.key.read_text())
    code, found = doctor(lake, "certificates")
    assert code == 1
    assert texts(found["certificates"], "failed").startswith("kafka_cert of this host expires in 5 days")
    done = lake.opslib("doctor", "--only", "certificates", "--certificate-warning-days", "4")
    assert done.returncode == 0


@pytest.mark.parametrize(
    ("counts", "status"),
    [((5, 0, 0), "ok"), ((4, 1, 0), "failed"), ((4, 0, 1), "failed"), ((0, 0, 0), "failed")],
)
def test_nifi_and_its_flow(lake: Lake, counts: tuple[int, int, int], status: str) -> None:
    # NiFi itself is asked on the deployed machine; this holds what its answers mean.
    state = dict(zip(("runningCount", "stoppedCount", "invalidCount"), counts))
    answers = {
        "/nifi-api/flow/about": {"about": {"version": "2.3.0"}},
        "/nifi-api/flow/status": {"controllerStatus": state},
    }
    with https(lake.servers.authority.certificate("nifi"), answers) as port:
        code, found = doctor(lake, "nifi", OPSLIB_NIFI__URL=f"https://127.0.0.1:{port}")
    assert code == (0 if status == "ok" else 1)
    assert f"NiFi 2.3.0, {counts[0]} running" in texts(found["nifi"], status)


@contextmanager
def https(certificate: Certificate, answers: dict[str, Any]) -> Iterator[int]:
    """Serve *answers* over TLS to whoever shows a certificate."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps(answers[self.path]).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments: Any) -> None:
            pass

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.cert, certificate.key)
    context.load_verify_locations(certificate.ca)
    context.verify_mode = ssl.CERT_REQUIRED
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server.server_address[1]
        server.shutdown()
