"""The services do what they are for, for those who may, and nothing for others."""

from __future__ import annotations

import json
import time
import uuid

import pytest
import requests
import using
from kafka import KafkaProducer
from kafka.errors import KafkaError
from kazoo.handlers.threading import KazooTimeoutError
from kazoo.security import make_acl
from pymongo.errors import OperationFailure, PyMongoError


def test_zookeeper_keeps_a_znode_of_kafka(lake, held):
    path, kafka = f"/verify-{uuid.uuid4().hex}", held("kafka")
    with using.zookeeper(lake, pair=kafka) as one, using.zookeeper(lake, pair=kafka) as other:
        one.create(path, b"seen", acl=[make_acl("auth", "", all=True)])
        assert other.get(path)[0] == b"seen"
        one.delete(path)


def test_zookeeper_refuses_a_client_without_a_certificate(lake):
    with pytest.raises(KazooTimeoutError), using.zookeeper(lake, pair=None):
        pass


def test_kafka_hands_on_a_message(lake):
    assert using.a_message_goes_through_kafka(lake)


def test_kafka_refuses_a_client_without_a_certificate(lake):
    with pytest.raises((KafkaError, OSError)):
        KafkaProducer(**using.kafka_options(lake, certificate=False), bootstrap_timeout_ms=5000).close()


def test_mongodb_keeps_a_document(lake):
    with using.mongodb(lake) as client:
        database = client[f"verify-{uuid.uuid4().hex}"]
        try:
            database.things.insert_one({"_id": 1, "text": "seen"})
            assert database.things.find_one({"_id": 1}) == {"_id": 1, "text": "seen"}
        finally:
            client.drop_database(database.name)


def test_mongodb_shows_nothing_without_a_password(lake):
    with (
        using.mongodb(lake, password=False) as client,
        pytest.raises(OperationFailure, match="authentication"),
    ):
        client.trendlake.tweets.find_one()


def test_mongodb_refuses_a_wrong_password(lake):
    wrong = lake.__class__(lake.name, lake.address, lake.folder, {"mongodb_admin_password": "wrong"})
    with using.mongodb(wrong) as client, pytest.raises(PyMongoError, match="Authentication failed"):
        client.trendlake.tweets.find_one()


def test_the_flow_runs(lake):
    status = using.nifi(lake, "flow/status").json()["controllerStatus"]
    assert status["runningCount"] > 0
    assert (status["stoppedCount"], status["invalidCount"]) == (0, 0)


def test_nifi_refuses_a_client_without_a_certificate(lake):
    try:
        answer = using.nifi(lake, "flow/status", certificate=False)
    except requests.exceptions.RequestException:
        return  # refused before there was anything to answer
    assert answer.status_code in (401, 403)


@pytest.mark.parametrize("check", ["zookeeper/healthy ruok imok", "kafka/healthy", "nifi/healthy"])
def test_nobody_waits_for_a_service_that_ended_while_it_started(host, check):
    nobody = f"sed -E 's/([0-9]+\\.){{3}}[0-9]+/127.0.0.2/g' /etc/{check.split()[0]} > /tmp/healthy"
    ended = "MAINPID=$(sleep 1 >/dev/null 2>&1 & echo $!)"
    said = host.run(f"{nobody}; {ended} timeout 30 python3 /tmp/healthy {' '.join(check.split()[1:])}")
    assert said.rc == 1
    assert "has ended" in said.stderr


def test_the_doctor_finds_everything_well(host):
    # What was just installed has to have collected something first.
    for _ in range(36):
        said = host.run("opslib doctor")
        if said.rc == 0:
            break
        time.sleep(5)
    assert said.rc == 0, said.stdout + said.stderr


def test_the_doctor_finds_a_unit_that_is_only_stopped(host):
    host.check_output("systemctl stop opslib-report.timer")
    try:
        said = host.run("opslib doctor --only units")
    finally:
        host.check_output("systemctl start opslib-report.timer")
    assert said.rc == 1
    assert "opslib-report.timer is stopped, though a boot starts it" in said.stdout


def test_word_counts_are_made_of_what_was_collected(lake):
    with using.mongodb(lake) as client:
        whole = {"unit": "minute", "keys": {"$elemMatch": {"woeid": None, "topic": None}}}
        minutes = list(client.trendlake.word_counts.find(whole, {"tweets": 1}))
        assert 0 < sum(minute["tweets"] for minute in minutes) <= client.trendlake.tweets.count_documents({})


def test_dead_letters_can_be_looked_through(host):
    said = host.run("opslib dlq list --format json")
    assert (said.rc, said.stdout) == (0, ""), said.stderr


def test_what_collecting_cost_is_told(host):
    # Trends are asked for each minute, on a day that has just begun as well; its posts may have come before.
    for _ in range(36):
        budget = json.loads(host.check_output("opslib stats --format json"))["budget"]
        if budget["kinds"].get("trend", {}).get("resources"):
            break
        time.sleep(5)
    assert budget["kinds"]["trend"]["resources"] > 0
    assert budget["month"]["usd"] >= budget["today"]["usd"] > 0
    assert budget["month"]["resources"] >= budget["today"]["resources"]


def test_clouds_of_what_is_trending_are_kept(host):
    # A snapshot's clouds come once its tweets have been collected and stored: when the next one came.
    for _ in range(36):
        kept = host.check_output("opslib report list --format json")
        if kept.strip() not in ("", "[]"):
            break
        time.sleep(5)
    assert '"words"' in kept
    picture = host.file("/var/lib/opslib/clouds/cloud.png")
    assert picture.size > 10_000
    assert picture.mode == 0o644


def test_statistics_are_recorded(host, lake):
    with using.mongodb(lake) as client:
        # The minute in which the first tweets came is written once it is over.
        for _ in range(30):
            if client.trendlake.ops_stats.find_one({"meta.kind": "tweets", "tweets": {"$gt": 0}}):
                break
            time.sleep(5)
    hour = json.loads(host.check_output("opslib stats --format json"))["spans"]["1h"]
    assert hour["tweets"] > 0
    assert hour["delay_collected"]["number"] > 0
    assert "tweets a minute" in host.check_output("opslib stats --last 30m")


@pytest.mark.parametrize(
    ("port", "metric"),
    [
        (9301, "znode_count"),
        (9302, "kafka_replicamanager_underreplicatedpartitions"),
        (9311, "trendlake_sink_messages_total"),
        (9330, "trendlake_stats_tweets_total"),
        (9350, "trendlake_search_messages_total"),
        (9360, "trendlake_wishes_build_info"),
    ],
)
def test_metrics_are_served_on_loopback(host, port, metric):
    address = f"http://127.0.0.1:{port}/metrics"
    code = f"from urllib.request import urlopen; print(urlopen('{address}', timeout=9).read().decode())"
    shown = host.check_output(f'python3 -c "{code}"').splitlines()
    assert [line for line in shown if line.startswith((f"{metric} ", f"{metric}{{"))], shown


def test_nifi_shows_metrics_to_who_may_see_its_flow(lake):
    assert "nifi_" in using.nifi(lake, "flow/metrics/prometheus").text


def test_the_token_of_the_flow_may_do_what_collecting_needs(host):
    said = host.run("opslib x check")
    assert said.rc == 0, said.stdout + said.stderr


def test_the_running_flow_is_the_deployed_one(host):
    assert host.run("opslib flow diff").rc == 0
    assert json.loads(host.run("opslib flow status --format json").stdout)["changed_by_hand"] is False
