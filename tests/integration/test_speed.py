"""The speed layer against real servers: whatever is killed, its windows equal a recount of the messages."""

from __future__ import annotations

import datetime as dt
import random
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import services
from conftest import end
from kafka import KafkaConsumer

sys.path.insert(0, str(Path(__file__).parents[1]))

from recount import Recount, differences

from opslib import message

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from conftest import Lake

FIRST_ID = 1_800_000_000_000_000_000
NOON = dt.datetime(2026, 3, 1, 12, tzinfo=dt.timezone.utc)
WORDS = ("festa", "gol", "samba", "bloco", "praia", "chuva", "#carnaval", "#Rio", "novela", "cantora")


def tweets(number: int, seed: int = 1) -> list[dict[str, Any]]:
    """Return messages of half an hour: some late, some twice, a burst in the middle."""
    draw = random.Random(seed)  # noqa: S311
    made = []
    for n in range(number):
        at = NOON + dt.timedelta(seconds=1800 * n / number)
        written = at - dt.timedelta(seconds=draw.choice((1, 5, 30, 200, 1200)))
        words = draw.choices(WORDS, k=3) + (["apagão"] if 900 < 1800 * n / number < 960 else [])
        data = {
            "id": str(FIRST_ID + n),
            "text": " ".join(words),
            "lang": "pt",
            "author_id": str(draw.randint(1, 300)),
            "created_at": message.stamp(written),
        }
        made.append(message.tweet_message(data, None, "Rio", 1, "Rio", at))
        if n % 20 == 7:
            made.append(message.tweet_message(data, None, "Samba", 1, "Samba", at))
    return made


@dataclass
class SpeedLayer:
    """The speed layer's processes on a lake, and what they should have made of what was sent."""

    lake: Lake
    processes: list[subprocess.Popen[str]] = field(default_factory=list)
    minimum: int = 3

    def __post_init__(self) -> None:
        self.group = f"{self.lake.name}-speed"
        begun = {p: o for p, o in self.lake.begun.items() if p.topic == message.TWEETS}
        from conftest import offset_at

        self.lake.admin.alter_group_offsets(self.group, {p: offset_at(o) for p, o in begun.items()})
        self.begun = begun
        self.lake.log_in("opslib-speed")

    def start(self, name: str = "1") -> subprocess.Popen[str]:
        with self.log_file(name).open("a") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "opslib", "speed", "--instance", f"{self.lake.name}-{name}"],
                env=self.lake.environment(**self.environment(name)), stderr=log, text=True,
            )  # fmt: skip
        self.processes.append(process)
        return process

    def started_again(self) -> None:
        """Start the last one again if Kafka ended it, as its unit does; nothing else may have."""
        ended = self.processes[-1].poll()
        if ended is not None:
            said = self.log_file().read_text().splitlines()[-1]
            assert ended == 1, said
            assert said.startswith("Error: Kafka: "), said
            self.start()

    def environment(self, name: str = "1") -> dict[str, str]:
        return {
            "OPSLIB_SPEED__GROUP_ID": self.group,
            "OPSLIB_SPEED__STATE_DIRECTORY": str(self.lake.folder / f"state-{name}"),
            "OPSLIB_SPEED__EVERY_SECONDS": "0.5",
            "OPSLIB_SPEED__MINIMUM_AUTHORS": str(self.minimum),
        }

    def log_file(self, name: str = "1") -> Path:
        return self.lake.folder / f"speed-{name}.log"

    def has_state(self, name: str) -> bool:
        return any((self.lake.folder / f"state-{name}").rglob("CURRENT"))

    def written(self) -> int:
        return int(self.lake.database.trending.count_documents({}))

    def records(self) -> list[tuple[int, bytes]]:
        """Return what is in Kafka since the test began, by itself and not from what the test remembers."""
        consumer = KafkaConsumer(**self.lake.servers.operator, consumer_timeout_ms=60_000)
        ends = self.lake.ends(message.TWEETS)
        consumer.assign(list(ends))
        for partition, offset in self.begun.items():
            consumer.seek(partition, offset)
        wanted = sum(ends.values()) - sum(self.begun.values())
        found = [next(consumer) for _ in range(wanted)]
        consumer.close()
        return [(record.partition, record.value) for record in found]

    def caught_up(self) -> bool:
        found = self.lake.admin.list_group_offsets({self.group: None})[self.group]
        done = {partition: at.offset for partition, at in found.items()}
        return all(done.get(partition, 0) >= at for partition, at in self.lake.ends(message.TWEETS).items())

    def assert_equals_recount(
        self, forgotten: frozenset[Any] = frozenset(), meanwhile: Callable[[], None] = lambda: None
    ) -> Recount:
        """Wait until every window that was closed is there and equals the recount."""
        recount = Recount(self.records(), minimum=self.minimum, forgotten=forgotten)
        last = max(recount.by_pane)
        wanted = {
            (minutes, step): recount.window(minutes, dt.datetime.fromtimestamp(step * 10, dt.timezone.utc))
            for minutes in (1, 5, 60)
            for step in range(recount.since + 1, last + minutes * 6 + 1, 1 if minutes == 1 else 7)
        }
        # Those without a tweet need not be there.
        wanted = {key: made for key, made in wanted.items() if made["tweets"]}
        said: list[str] = []

        def equal() -> bool:
            meanwhile()
            there = {
                made["_id"]: {**made, "ends_at": made["ends_at"].replace(tzinfo=dt.timezone.utc)}
                for made in self.lake.database.trending.find()
            }
            said[:] = [f"{made['_id']} is not there" for made in wanted.values() if made["_id"] not in there]
            for made in wanted.values():
                said.extend(differences(there[made["_id"]], made) if made["_id"] in there else [])
            return not said

        services.wait_until(
            lambda: f"{len(said)} differences: {said[:5]}, log:\n{self.log_file().read_text()[-3000:]}",
            equal,
            60,
        )
        return recount

    def close(self) -> None:
        for process in self.processes:
            if process.poll() is None:
                process.kill()
            process.wait()
        names = [name for name in self.lake.admin.list_topics() if self.group in name]
        self.lake.admin.delete_topics(names)


@pytest.fixture
def speed(lake: Lake) -> Iterator[SpeedLayer]:
    speed = SpeedLayer(lake)
    yield speed
    speed.close()


def test_killed_while_tweets_come_its_windows_equal_a_recount_and_a_replay_changes_nothing(
    speed: SpeedLayer,
) -> None:
    messages = tweets(3000)
    process = speed.start()
    for part in range(0, 3000, 600):
        before = speed.written()
        speed.lake.send(*messages[part : part + 600])
        services.wait_until(
            lambda: f"windows are written, log:\n{speed.log_file().read_text()[-3000:]}",
            lambda before=before: speed.written() > before,
        )
        if part in (600, 1800):
            assert end(process, signal.SIGKILL) == -signal.SIGKILL
            process = speed.start()
    speed.lake.send(*messages[3000:], b"{}")
    recount = speed.assert_equals_recount()
    assert recount.late > 100
    assert recount.repeated > 100
    (burst,) = speed.lake.database.trending.find({"minutes": 1, "ends_at": NOON + dt.timedelta(seconds=960)})
    assert burst["items"][0]["name"] == "apagão"

    # Everything once more, as if offsets had been lost: tweets that are known, or late by now.
    trending = {
        made["_id"]: made
        for made in speed.lake.database.trending.find({"ends_at": {"$lt": NOON + dt.timedelta(hours=2)}})
    }
    speed.lake.send(*messages)
    services.wait_until("it has read all", speed.caught_up)
    assert end(process) == 0, speed.log_file().read_text()[-3000:]
    speed.start()
    services.wait_until(
        "it writes again", lambda: "started" in speed.log_file().read_text().split("stopped")[-1]
    )
    speed.assert_equals_recount()
    again = {
        made["_id"]: made for made in speed.lake.database.trending.find({"_id": {"$in": list(trending)}})
    }
    assert {key: made["items"] for key, made in again.items()} == {
        key: made["items"] for key, made in trending.items()
    }


@pytest.mark.long
def test_two_share_the_work_and_the_other_goes_on_when_the_one_that_counts_is_killed(
    speed: SpeedLayer,
) -> None:
    messages = tweets(2000, seed=2)
    processes = {"1": speed.start("1")}
    speed.lake.send(*messages[:700])
    services.wait_until("the first writes", lambda: speed.written() > 100)
    processes["2"] = speed.start("2")
    services.wait_until("the second has joined", lambda: "started" in speed.log_file("2").read_text())
    speed.lake.send(*messages[700:1400])
    services.wait_until("both have read all", speed.caught_up)
    (counts,) = [name for name in processes if speed.has_state(name)]
    (other,) = set(processes) - {counts}
    assert end(processes[counts], signal.SIGKILL) == -signal.SIGKILL
    speed.lake.send(*messages[1400:])
    speed.assert_equals_recount()
    assert speed.has_state(other)


def test_mongodb_and_kafka_away_for_a_while(speed: SpeedLayer) -> None:
    messages = tweets(900, seed=4)
    speed.start()
    speed.lake.send(*messages[:300])
    services.wait_until("it writes", lambda: speed.written() > 10)
    with speed.lake.servers.mongodb_away():
        speed.lake.send(*messages[300:600])
        services.wait_until("it waits", lambda: "wait for MongoDB" in speed.log_file().read_text())
        speed.started_again()
    with speed.lake.kafka_away():
        time.sleep(3)
    speed.lake.send(*messages[600:])
    # Of what a broker says in its first seconds librdkafka takes some for fatal: it is to be made anew.
    speed.assert_equals_recount(meanwhile=speed.started_again)


def retweets(first: int, tweet: int, author: str) -> list[dict[str, Any]]:
    """Return messages that retweet *tweet*, or *author* who is @velho, a minute before the end."""
    at = NOON + dt.timedelta(seconds=1740)
    named = {"mentions": [{"start": 3, "end": 9, "id": author, "username": "velho"}]}
    some: list[dict[str, Any]] = [
        {"text": "RT @a: pedaço", "referenced_tweets": [{"type": "retweeted", "id": str(tweet)}]},
        {"text": "RT @velho: caso", "entities": named},
    ]
    made = []
    for n in range(40):
        data = {"id": str(FIRST_ID + first + n), "author_id": str(1000 + n), "created_at": message.stamp(at)}
        made.append(message.tweet_message({**data, **some[n % 2]}, None, "Rio", 1, "Rio", at))
    return made


def test_who_is_forgotten_leaves_the_windows_with_what_retweets_them(speed: SpeedLayer) -> None:
    gone, author, long_ago = FIRST_ID + 500, "17", FIRST_ID - 1
    before = dt.datetime.now(dt.timezone.utc) - dt.timedelta(days=400)
    speed.lake.database.forgotten.insert_one({"_id": long_ago, "at": before, "reason": "deleted"})
    speed.start()
    speed.lake.send(*tweets(600, seed=3), *retweets(2000, gone, author), *retweets(3000, long_ago, "none"))
    speed.assert_equals_recount(frozenset({long_ago}))
    now = dt.datetime.now(dt.timezone.utc)
    speed.lake.database.forgotten.insert_one({"_id": gone, "at": now, "reason": "asked"})
    speed.lake.database.forgotten_authors.insert_one({"_id": author, "at": now, "reason": "asked"})
    speed.assert_equals_recount(frozenset({gone, author, long_ago}))

    speed.lake.log_in("opslib-doctor")
    done = speed.lake.opslib("doctor", "--only", "speed", **speed.environment())
    assert done.returncode == 0, done.stdout
    assert f"{speed.group} is up to date" in done.stdout
    assert "the newest window ended" in done.stdout


def test_a_wrong_password_ends_with_2_and_one_line(speed: SpeedLayer) -> None:
    speed.lake.put("mongodb_password", "wrong")
    done = speed.lake.opslib("speed", **speed.environment())
    assert done.returncode == 2
    assert "refuses this user" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("mishap", "said"),
    [
        ("{}['surprise']", "Error: the thread ticks died of KeyError: 'surprise'"),
        ("__import__('time').sleep(300)", "Error: the thread ticks has been stuck for "),
    ],
)
def test_a_speed_layer_whose_other_thread_dies_or_is_stuck_ends_and_says_so(
    lake: Lake, mishap: str, said: str
) -> None:
    layer = SpeedLayer(lake)
    code = (
        "from opslib.speed import pipeline; pipeline._STUCK_SECONDS = 2;"
        f"pipeline.Pipeline._tick = lambda self: {mishap};"
        "from opslib.cli import main; main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "speed"],
        env=lake.environment(**layer.environment()), capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 1, done.stderr
    assert done.stderr.splitlines()[-1].startswith(said), done.stderr
