"""The doctor asked about real servers: well, down, refusing, and about to lose their certificates."""

from __future__ import annotations

import http.server
import json
import ssl
import threading
import time
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pytest
import services
import time_machine
from click.testing import CliRunner
from conftest import offset_at
from test_sink import tweet

from opslib import message
from opslib.cli.doctor import command
from opslib.x.budget import Budget, Limits

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from certificates import Certificate
    from conftest import Lake

ALL = ("zookeeper", "kafka", "mongodb", "sink", "certificates")


def doctor(lake: Lake, *only: str, **extra: str) -> tuple[int, dict[str, list[dict[str, str]]]]:
    """Return the exit code and the findings by check."""
    arguments = ["--format", "json", *(f"--only={name}" for name in only)]
    done = CliRunner().invoke(command, arguments, env=lake.environment(**extra))
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
    # It does not wait for what is down until somebody gives up.
    assert time.monotonic() - started < 20 * services.PATIENCE


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
    ).get(60)
    code, found = doctor(lake, "sink")
    assert code == 1
    assert "of 2 waiting messages are older than 5 minutes" in texts(found["sink"], "failed")

    lake.log_in("opslib-sink")
    lake.start_sink()
    lake.wait_for_commit()
    assert doctor(lake, "sink")[0] == 0


def test_what_retention_took_is_lost_and_not_waiting(lake: Lake) -> None:
    """A group that stopped long ago: nothing waits for it, and it is said what it never read."""
    # Kafka looks for the first young message: none of an earlier test may stand before the old ones.
    lake.admin.delete_records(lake.ends())
    group = f"{lake.name}-away"
    ends = lake.ends(message.TWEETS, message.TRENDS)
    lake.admin.alter_group_offsets(group, {partition: offset_at(end) for partition, end in ends.items()})
    old = int((time.time() - 600) * 1000)
    for number in range(30):
        content = tweet(number)
        lake.producer.send(
            message.TWEETS, key=message.key_of(content), value=message.encode(content), timestamp_ms=old
        )
    lake.producer.flush()
    waiting = {"OPSLIB_SINK__GROUP_ID": group}
    failed = texts(doctor(lake, "sink", **waiting)[1]["sink"], "failed")
    assert "30 of 30 waiting messages are older than 5 minutes" in failed
    lake.admin.delete_records(lake.ends(message.TWEETS))
    code, found = doctor(lake, "sink", **waiting)
    assert code == 1
    assert "0 messages wait" in texts(found["sink"], "ok")
    assert f"30 messages left Kafka before {group} read them" in texts(found["sink"], "failed")


PLACES = {1: "Brazil", 2: "World"}
SCHEDULE = {
    "OPSLIB_SCHEDULE__PLACES": json.dumps(PLACES),
    "OPSLIB_SCHEDULE__TRENDS_MINUTES": "60",
    "OPSLIB_SCHEDULE__ROLLUP_SECONDS": "30",
    "OPSLIB_SCHEDULE__REPORT_SECONDS": "60",
}
ARRIVALS = ("trends", "tweets", "rollups", "clouds", "budget")


def ago(minutes: float) -> datetime:
    return datetime.now(timezone.utc) - timedelta(minutes=minutes)


def put(collection: Any, **fields: Any) -> None:
    """Write a document without what its validator wants beside what the doctor looks at."""
    collection.with_options().database.command(
        "insert", collection.name, documents=[fields], bypassDocumentValidation=True
    )


def snapshot(lake: Lake, woeid: int, minutes: float) -> None:
    put(lake.database.trends, _id=f"{woeid}:{minutes}", woeid=woeid, collected_at=ago(minutes), trends=[])


def cloud(lake: Lake, woeid: int, minutes: float) -> None:
    named: dict[str, list[str]] = {"topics": [], "words": [], "left_out": []}
    chosen = {"_id": f"{woeid}:{minutes}", "woeid": woeid, "kind": "words", "until": ago(minutes)}
    put(lake.database.clouds, **chosen, **named)


def test_a_lake_in_which_all_comes_as_it_should(lake: Lake, tmp_path: Path) -> None:
    for woeid in PLACES:
        snapshot(lake, woeid, 50)
        snapshot(lake, woeid, 110)
        cloud(lake, woeid, 40)
    put(lake.database.tweets, _id=1, collected_at=ago(40))
    put(lake.database.word_counts, unit="minute", at=ago(41))
    put(lake.database.rollup_marks, _id={"unit": "minute", "at": ago(2)}, touched_at=ago(2))
    # The hour is not over.
    put(lake.database.rollup_marks, _id={"unit": "hour", "at": ago(40)}, touched_at=ago(40))
    told = {"at": ago(0.1), "meta": {"kind": "budget"}, "today": {"usd": 1.0}, "left": {"usd": 19.0}}
    lake.database.ops_stats.insert_one(told)
    nothing = {"OPSLIB_X__BUDGET_FILE": str(tmp_path / "none")}
    code, found = doctor(lake, *ARRIVALS, **SCHEDULE, **nothing)
    assert code == 0, found
    assert {finding["status"] for findings in found.values() for finding in findings} == {"ok"}, found
    assert "the newest trends of World came" in texts(found["trends"], "ok")
    assert "50 min ago" in texts(found["trends"], "ok")
    assert "19 USD left" in texts(found["budget"], "ok")


def test_a_lake_in_which_nothing_comes_any_more(lake: Lake, tmp_path: Path) -> None:
    snapshot(lake, 1, 200)
    snapshot(lake, 1, -30)  # of a clock that is fast: it hides nothing
    cloud(lake, 1, 400)
    put(lake.database.tweets, _id=1, collected_at=ago(190))
    put(lake.database.word_counts, unit="minute", at=ago(300))
    put(lake.database.rollup_marks, _id={"unit": "minute", "at": ago(190)}, touched_at=ago(190))
    told = {"at": ago(0.1), "meta": {"kind": "budget"}, "today": {"usd": 20.0}, "left": {"usd": 0.03}}
    lake.database.ops_stats.insert_one(told)
    nothing = {"OPSLIB_X__BUDGET_FILE": str(tmp_path / "none")}
    code, found = doctor(lake, *ARRIVALS, **SCHEDULE, **nothing)
    assert code == 1
    trends = texts(found["trends"], "failed").splitlines()
    assert "3 h 20 min ago, and the next was due after 125 min" in trends[0]
    assert trends[1].startswith("no trends of World has ever come: see the checks nifi and budget")
    assert "3 h 10 min ago" in texts(found["tweets"], "failed")
    assert "one has waited for it since" in texts(found["rollups"], "failed")
    assert "systemctl status opslib-rollup" in texts(found["rollups"], "failed")
    assert "the newest cloud of Brazil is of" in texts(found["clouds"], "failed")
    assert "opslib-report.timer" in texts(found["clouds"], "failed")
    assert "the budget is used up: 0.03 USD left" in texts(found["budget"], "failed")
    assert "raise nifi_flow_budget_*" in texts(found["budget"], "failed")


def test_what_no_schedule_promises_is_not_missed(lake: Lake) -> None:
    code, found = doctor(lake, "trends", "tweets", "rollups", "clouds")
    assert code == 0
    assert {finding["status"] for findings in found.values() for finding in findings} == {"skipped"}


@pytest.mark.parametrize(("spent", "status"), [(3991, "failed"), (3000, "ok")])
def test_on_the_host_of_nifi_the_budget_is_known_exactly(
    lake: Lake, tmp_path: Path, spent: int, status: str
) -> None:
    path = tmp_path / "budget.sqlite"
    with time_machine.travel(datetime(2026, 3, 1, 23, 59, 30, tzinfo=timezone.utc), tick=False):
        budget = Budget(path, Limits(usd_day=20))
        budget.settle(None, {"post": [str(number) for number in range(spent)]})
        code, found = doctor(lake, "budget", OPSLIB_X__BUDGET_FILE=str(path))
    assert (code, found["budget"][0]["status"]) == (int(status == "failed"), status), found


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
        "/nifi-api/flow/bulletin-board": {"bulletinBoard": {"bulletins": [], "generated": "00:00:30 UTC"}},
    }
    with https(lake.servers.authority.certificate("nifi"), answers) as port:
        code, found = doctor(lake, "nifi", OPSLIB_NIFI__URL=f"https://127.0.0.1:{port}")
    assert code == (0 if status == "ok" else 1)
    assert f"NiFi 2.3.0, {counts[0]} running" in texts(found["nifi"], status)


def test_what_processors_of_nifi_complain_about_is_told(lake: Lake) -> None:
    def bulletin(level: str, source: str, text: str, at: str = "00:00:20 UTC") -> dict[str, Any]:
        return {"bulletin": {"level": level, "sourceName": source, "message": text, "timestamp": at}}

    said = [
        bulletin("ERROR", "Collect trends", "X refuses the token", "23:57:00 UTC"),
        bulletin("ERROR", "Collect trends", "X refuses the token\n  401 Unauthorized", "23:59:50 UTC"),
        bulletin("WARNING", "Search tweets", "the rest waits its turn"),
        bulletin("ERROR", "Publish tweets", "not confirmed", "23:57:20 UTC"),  # and never since
        {"id": 7},  # of a component that this account may not see
    ]
    answers = {
        "/nifi-api/flow/about": {"about": {"version": "2.3.0"}},
        "/nifi-api/flow/status": {"controllerStatus": {"runningCount": 5}},
        "/nifi-api/flow/bulletin-board": {"bulletinBoard": {"bulletins": said, "generated": "00:00:30 UTC"}},
    }
    with https(lake.servers.authority.certificate("nifi"), answers) as port:
        code, found = doctor(lake, "nifi", OPSLIB_NIFI__URL=f"https://127.0.0.1:{port}")
    assert code == 1
    wanted = "Collect trends, ERROR (2 in the last five minutes): X refuses the token 401 Unauthorized: mend"
    assert texts(found["nifi"], "failed").startswith(wanted)
    assert "Search tweets, WARNING (1 in the last five minutes)" in texts(found["nifi"], "ok")
    assert "Publish tweets, ERROR (1 in the last five minutes)" in texts(found["nifi"], "ok")


@pytest.mark.parametrize(
    ("status", "text"),
    [
        (200, None),
        (502, "nginx answers 502, the page behind it does not: on its host: systemctl start opslib-web"),
        (503, "the page does not reach MongoDB: see the check mongodb"),
        (None, "nginx does not answer: [Errno 111] Connection refused: on its host: systemctl start nginx"),
    ],
)
def test_nginx_and_the_page_behind_it_are_told_apart(
    lake: Lake, status: int | None, text: str | None
) -> None:
    with https(lake.servers.authority.certificate("web"), {"/health": {}}, status or 200) as port:
        port = port if status else services.free_port()
        code, found = doctor(lake, "web", OPSLIB_WEB__URL=f"https://127.0.0.1:{port}")
    assert code == (1 if text else 0), found
    assert (text or "") in texts(found["web"], "failed")


@contextmanager
def https(certificate: Certificate, answers: dict[str, Any], status: int = 200) -> Iterator[int]:
    """Serve *answers* over TLS to whoever has a certificate, of which none is asked for ``/health``."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps(answers[self.path]).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments: Any) -> None:
            pass

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.cert, certificate.key)
    context.load_verify_locations(certificate.ca)
    context.verify_mode = ssl.CERT_OPTIONAL if "/health" in answers else ssl.CERT_REQUIRED
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server.server_address[1]
        server.shutdown()
