"""The recorder of statistics on a real broker and MongoDB, killed while it works."""

from __future__ import annotations

import json
import random
import signal
import socket
import subprocess
import sys
from collections import Counter
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pytest
import services
from conftest import TOPICS, Lake, end, running
from kafka import KafkaProducer

from opslib import message
from opslib.settings import SettingsError
from opslib.stats.minutes import MINUTE, Minute, begin_of, minute_of
from opslib.stats.series import Series
from opslib.store.collections import initialise

if TYPE_CHECKING:
    from collections.abc import Iterator

MINUTES, A_MINUTE, MORE = 30, 40, 10
BUSY = 250  # so that a poll does not take all, and partitions are read apart
LANGUAGES = ("pt", "en", None)
SEED = 20_260_301
NUMBERS = iter(range(1, 10**9))


def tweet(at: datetime, lang: str | None = "pt", woeid: int | None = 1) -> bytes:
    data = {
        "id": str(next(NUMBERS)),
        "text": "um texto",
        "created_at": message.stamp(at - timedelta(seconds=9)),
    }
    if lang:
        data["lang"] = lang
    return message.encode(message.tweet_message(data, None, "tema", woeid, "q", at))


class Recorder:
    """A recorder on the lake's servers, which begins where this test began."""

    def __init__(self, lake: Lake) -> None:
        self.lake = lake
        lake.log_in("opslib-stats")
        self.port = services.free_port()
        self.settings = {
            "OPSLIB_STATS__GROUP_ID": f"{lake.name}-stats",
            "OPSLIB_STATS__GRACE_SECONDS": "1",
            "OPSLIB_STATS__METRICS_PORT": str(self.port),
        }
        self.first = minute_of(datetime.now(timezone.utc)) - MINUTES - 2
        aware = lake.database.codec_options.with_options(tz_aware=True)
        self.database = lake.database.with_options(codec_options=aware)
        begun = {**lake.begun, **lake.dead_before}
        nothing = {**Minute().figures(), "delay_stored": None}
        Series(self.database).record(self.first, nothing, {tuple(p): offset for p, offset in begun.items()})

    def start(self) -> subprocess.Popen[str]:
        return self.lake.start("stats", "stats", "record", **self.settings)

    def log(self) -> str:
        return (self.lake.folder / "stats.log").read_text()

    def minutes(self) -> dict[int, dict[str, Any]]:
        """Return what was recorded since, by minute; one that is there twice is an error."""
        found = list(self.lake.database.ops_stats.find({"meta.kind": "tweets"}))
        by_minute = {minute_of(one["at"].replace(tzinfo=timezone.utc)): one for one in found}
        assert len(by_minute) == len(found), "a minute was recorded twice"
        del by_minute[self.first]
        return by_minute

    def wait_for(self, number: int, seconds: float = 60) -> None:
        services.wait_until(
            lambda: f"{number} minutes are recorded, log:\n{self.log()}",
            lambda: len(self.minutes()) >= number,
            seconds,
        )

    def scraped(self) -> dict[str, float]:
        return services.scraped(self.port)


@pytest.fixture
def recorder(lake: Lake) -> Iterator[Recorder]:
    return Recorder(lake)


def send(lake: Lake, value: bytes, at: datetime, topic: str = message.TWEETS, **headers: str) -> None:
    """Put a message on a topic as if it had come at that moment."""
    lake.producer.send(
        topic,
        key=value[:20],  # any partition
        value=value,
        headers=[(name, text.encode()) for name, text in headers.items()],
        timestamp_ms=int(at.timestamp() * 1000),
    )


def test_a_killed_recorder_records_each_minute_once_and_as_it_was(lake: Lake, recorder: Recorder) -> None:
    chance = random.Random(SEED)  # noqa: S311 - the same figures each time
    tweets: dict[int, Counter[str | None]] = {}
    dead: Counter[int] = Counter()
    for minute in range(recorder.first + 1, recorder.first + 1 + MINUTES):
        moments = sorted(chance.uniform(0, MINUTE) for _ in range(chance.randrange(BUSY)))
        for second in moments:
            lang = chance.choice(LANGUAGES)
            at = begin_of(minute) + timedelta(seconds=second)
            send(lake, tweet(at, lang), at)
            tweets.setdefault(minute, Counter())[lang or "und"] += 1
        if chance.random() < 0.3:
            send(lake, b"{", begin_of(minute), message.DEAD_LETTERS)
            send(lake, b"", begin_of(minute), message.DEAD_LETTERS, replayed="0:1")
            dead[minute] += 1
    lake.producer.flush()
    for wanted in (3, 11, 20):
        process = recorder.start()
        recorder.wait_for(wanted)
        end(process, signal.SIGKILL)
    recorder.start()
    recorder.wait_for(MINUTES)
    recorded = recorder.minutes()
    assert sorted(recorded)[:MINUTES] == list(range(recorder.first + 1, recorder.first + 1 + MINUTES))
    for minute in range(recorder.first + 1, recorder.first + 1 + MINUTES):
        found, wanted = recorded[minute], tweets.get(minute, Counter())
        assert (found["tweets"], Counter(found["languages"])) == (sum(wanted.values()), wanted)
        assert found["sources"] == ({"1": sum(wanted.values())} if wanted else {})
        assert found["dead_letters"] == dead[minute]
        if wanted:
            assert found["delay_collected"]["p50"] == found["delay_collected"]["max"] == 9
    said = lake.opslib("stats", "--last", "2h", "--format", "json")
    assert said.returncode == 0, said.stderr
    total = json.loads(said.stdout)["spans"]["2h"]
    assert total["tweets"] == sum(sum(counts.values()) for counts in tweets.values())
    assert total["dead_letters"] == sum(dead.values())


def test_what_waits_costs_and_is_stored_is_told(lake: Lake, recorder: Recorder) -> None:
    begun = datetime.now(timezone.utc)
    process = recorder.start()
    recorder.wait_for(MINUTES)
    waiting = f"trendlake_stats_group_lag_messages group={lake.name} topic={message.TWEETS}"
    services.wait_until("the lag is told", lambda: recorder.scraped().get(waiting) == 0)
    budget = {"today.resources": "120", "today.usd": "0.600", "left.usd": "4.4"}
    for _ in range(A_MINUTE):
        now = datetime.now(timezone.utc)
        send(lake, tweet(now), now, **{f"x.budget.{name}": text for name, text in budget.items()})
    lake.producer.flush()
    services.wait_until("as many wait as were sent", lambda: recorder.scraped().get(waiting) == A_MINUTE)
    lake.log_in("opslib-sink")
    lake.start_sink()
    lake.wait_for_commit()
    services.wait_until("the sink's lag is gone", lambda: recorder.scraped().get(waiting) == 0)
    end(process, signal.SIGKILL)  # with all of them read and none of them recorded
    lake.log_in("opslib-stats")
    recorder.start()
    services.wait_until("it asks again", lambda: waiting in recorder.scraped())
    for _ in range(MORE):
        now = datetime.now(timezone.utc)
        send(lake, tweet(now), now)
    lake.producer.flush()
    minute = minute_of(datetime.now(timezone.utc))
    services.wait_until("the minute is recorded", lambda: minute in recorder.minutes(), 90)
    recorded = [one for at, one in recorder.minutes().items() if at >= minute_of(begun)]
    assert sum(one["tweets"] for one in recorded) == A_MINUTE + MORE
    assert sum(one["delay_stored"]["number"] for one in recorded if one["delay_stored"]) >= MORE
    figures = recorder.scraped()
    # The newest minute by then may be a later one.
    newest = int(figures["trendlake_stats_newest_minute_timestamp_seconds"]) // MINUTE
    assert figures["trendlake_stats_minute_tweets"] == recorder.minutes()[newest]["tweets"]
    assert newest >= minute
    assert figures["trendlake_stats_budget_usd figure=left"] == 4.4
    member = f"member=127.0.0.1:{lake.servers.mongodb.port}"
    assert figures[f"trendlake_stats_mongodb_up {member}"] == 1
    assert figures[f"trendlake_stats_mongodb_status figure=connections.current {member}"] > 0
    said = json.loads(lake.opslib("stats", "--format", "json", **recorder.settings).stdout)
    assert said["budget"]["today"] == {"resources": 120, "usd": 0.6}
    assert said["budget"]["left"] == {"usd": 4.4}
    # The recorder's own group waits for nothing but the end of the minute.
    assert said["lag"]["groups"] == {lake.name: 0}
    assert said["spans"]["1h"]["tweets"] == A_MINUTE + MORE
    table = lake.opslib("stats", **recorder.settings).stdout
    assert f"  {lake.name} " in table
    assert "today    120 resources, 0.6 USD" in table


def test_a_mongodb_that_is_away_when_it_starts_is_told(lake: Lake, recorder: Recorder) -> None:
    away = services.free_port()
    there = f"127.0.0.1:{lake.servers.mongodb.port}"
    process = lake.start(
        "stats", "stats", "record", **recorder.settings,
        OPSLIB_MONGODB__URI=f"mongodb://127.0.0.1:{away}/?replicaSet=trendlake&tls=true",
    )  # fmt: skip

    def told() -> float | None:
        found = recorder.scraped() if services.listening(recorder.port) else {}
        assert f"trendlake_stats_mongodb_up member={there}" not in found
        return found.get(f"trendlake_stats_mongodb_up member=127.0.0.1:{away}")

    services.wait_until(lambda: f"it tells, log:\n{recorder.log()}", lambda: told() == 0)
    assert end(process) == 0


def test_partitions_that_are_added_belong_to_the_minute_in_which_they_are(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    # On servers of its own: other tests know how many partitions there are.
    with running(tmp_path_factory.mktemp("more")) as servers:
        lake = Lake(servers, tmp_path_factory.mktemp("lake"))
        initialise(lake.database)
        recorder = Recorder(lake)
        recorder.start()
        recorder.wait_for(MINUTES)  # it has caught up
        added = TOPICS[message.TWEETS]
        lake.admin.create_partitions({message.TWEETS: added + 1})
        services.wait_until(
            "the partition is there",
            lambda: len(lake.admin.describe_topics([message.TWEETS])[0]["partitions"]) == added + 1,
        )
        at = datetime.now(timezone.utc)
        producer = KafkaProducer(**servers.operator, acks="all")
        for _ in range(A_MINUTE):
            when = int(at.timestamp() * 1000)
            producer.send(message.TWEETS, value=tweet(at), partition=added, timestamp_ms=when)
        producer.close()
        minute = minute_of(at)
        services.wait_until(
            lambda: f"{minute} is recorded, log:\n{recorder.log()}", lambda: minute in recorder.minutes(), 90
        )
        found = recorder.minutes()[minute]
        assert found["tweets"] == A_MINUTE
        assert {"topic": message.TWEETS, "partition": added, "offset": A_MINUTE} in found["next"]

        def lag() -> float | None:
            return recorder.scraped().get(
                f"trendlake_stats_group_lag_messages group={lake.name} topic=tweets.raw"
            )

        # The sink's group never was in that partition: all of it waits.
        services.wait_until("the partition's messages wait for the sink", lambda: lag() == A_MINUTE)
        lake.close()


def test_a_recorder_whose_observer_dies_of_a_surprise_ends_and_says_so(
    lake: Lake, recorder: Recorder
) -> None:
    surprised = (
        "from opslib.stats.observer import Observer; Observer._ask_lags = lambda self: {}['surprise'];"
        "from opslib.cli import main; main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", surprised, "stats", "record"],
        env=lake.environment(**recorder.settings), capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 1, done.stderr
    assert done.stderr.splitlines()[-1] == "Error: the thread observer died of KeyError: 'surprise'"


def test_zookeeper_and_kafka_show_metrics_on_loopback_alone(lake: Lake) -> None:
    lake.send(tweet(datetime.now(timezone.utc)))
    zookeeper, kafka = lake.servers.zookeeper, lake.servers.kafka
    assert services.scraped(zookeeper.metrics_port)["znode_count"] > 0
    found = services.scraped(kafka.metrics_port)
    assert found[f"kafka_topic_messagesinpersec_total topic={message.TWEETS}"] >= 1
    assert found["kafka_replicamanager_underreplicatedpartitions"] == 0
    assert found["kafka_kafkacontroller_activecontrollercount"] == 1
    assert found["kafka_request_milliseconds quantile=0.99 request=Produce"] > 0
    assert found["jvm_memory_used_bytes area=heap"] > 0
    assert len(found) < 1500
    for service in (zookeeper, kafka):
        with socket.socket() as other:
            # All of 127/8 is loopback: a server on 0.0.0.0 would answer here.
            assert other.connect_ex(("127.0.0.2", service.metrics_port)) != 0


def test_the_time_series_is_made_once_and_its_retention_kept(lake: Lake) -> None:
    lake.log_in("opslib-store")
    lake.mongo.drop_database(lake.name)

    def changed(**settings: str) -> list[str]:
        said = lake.opslib("store", "init", "--format", "json", **settings)
        assert said.returncode == 0, said.stderr
        found: list[str] = json.loads(said.stdout)["changed"]
        return [change for change in found if "ops_stats" in change]

    def seconds() -> int:
        (found,) = lake.database.list_collections(filter={"name": "ops_stats"})
        return int(found["options"].get("expireAfterSeconds", 0))

    assert changed() == ["time series ops_stats"]
    assert seconds() == 90 * 86_400
    assert changed() == []
    assert changed(OPSLIB_STORE__OPS_STATS_DAYS="30") == ["retention of ops_stats"]
    assert seconds() == 30 * 86_400


@pytest.mark.parametrize(
    ("minutes", "status", "code"), [(2, "ok", 0), (20, "failed", 1), (None, "skipped", 0)]
)
def test_the_doctor_wants_fresh_statistics(lake: Lake, minutes: int | None, status: str, code: int) -> None:
    if minutes is not None:
        at = datetime.now(timezone.utc) - timedelta(minutes=minutes)
        lake.database.ops_stats.insert_one({"at": at, "meta": {"kind": "tweets"}})
    lake.log_in("opslib-doctor")
    said = lake.opslib("doctor", "--only", "stats", "--format", "json")
    assert (said.returncode, json.loads(said.stdout)["findings"][0]["status"]) == (code, status), said.stdout


def test_a_minute_that_is_there_is_not_written_again(recorder: Recorder) -> None:
    series = Series(recorder.database)
    offsets = {("tweets.raw", 0): 5}
    for _ in range(2):  # the answer to the first one got lost
        series.record(recorder.first + 1, {"tweets": 1}, offsets)
    assert list(recorder.minutes()) == [recorder.first + 1]
    for minute in (recorder.first + 1, recorder.first):
        with pytest.raises(SettingsError, match="another recorder writes there"):
            series.record(minute, {"tweets": 2}, {("tweets.raw", 0): 6})
    assert series.newest() == (recorder.first + 1, offsets)
