"""The speed layer without Kafka: windows, score, lateness, repeats, forgetting, its state after a kill."""

from __future__ import annotations

import copy
import datetime as dt
import json
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from confluent_kafka import KafkaError
from hypothesis import given, settings
from hypothesis import strategies as st
from pymongo.errors import AutoReconnect
from quixstreams.kafka.exceptions import KafkaProducerDeliveryError
from quixstreams.utils.json import dumps

sys.path.insert(0, str(Path(__file__).parents[1]))

from recount import Recount, differences

from opslib import message, metrics
from opslib.settings import Settings
from opslib.speed import pipeline as pipelines
from opslib.speed import publish, sightings
from opslib.speed.aggregator import Aggregator
from opslib.speed.pipeline import Pipeline
from opslib.speed.publish import document
from opslib.speed.score import Rules, scores
from opslib.store.unwanted import Origin, Policy

if TYPE_CHECKING:
    from opslib.speed.windows import Window

NOON = dt.datetime(2026, 3, 1, 12, tzinfo=dt.timezone.utc)
BEGIN = int(NOON.timestamp())
WORDS = ("festa", "Festa", "festas", "gol", "#carnaval", "#Carnaval", "samba", "bloco na rua")


def tweet(
    number: int,
    text: str,
    *,
    written: float = 0,
    delay: float = 1,
    author: str | None = "7",
    topic: str = "Rio",
    woeid: int | None = 1,
    **fields: Any,
) -> bytes:
    """Return a message of a tweet written some seconds past noon and collected *delay* seconds later."""
    at = NOON + dt.timedelta(seconds=written)
    data = {
        "id": str(1_800_000_000_000_000_000 + number),
        "text": text,
        "lang": "pt",
        "created_at": message.stamp(at),
        **fields,
    }
    if author:
        data["author_id"] = author
    collected_at = at + dt.timedelta(seconds=delay)
    return message.encode(message.tweet_message(data, None, topic, woeid, topic, collected_at))


class Store:
    """Stands for Quix Streams' state: values are JSON, and what was not committed is gone after a kill."""

    def __init__(self) -> None:
        self.kept: dict[str, str] = {}
        self.committed: dict[str, str] = {}

    def get(self, key: str, default: Any = None) -> Any:
        return json.loads(self.kept[key]) if key in self.kept else default

    def set(self, key: str, value: Any) -> None:
        self.kept[key] = dumps(value).decode()

    def delete(self, key: str) -> None:
        self.kept.pop(key, None)

    def commit(self) -> None:
        self.committed = dict(self.kept)

    def kill(self) -> None:
        self.kept = dict(self.committed)


@dataclass
class Speed:
    """The second step as the service drives it, with what it has written."""

    rules: Rules = field(default_factory=Rules)
    lateness: int = 900
    store: Store = field(default_factory=Store)
    trending: dict[str, dict[str, Any]] = field(default_factory=dict)
    away: bool = False
    writes: int = 0

    def __post_init__(self) -> None:
        self.start()

    def start(self) -> None:
        self.metrics = metrics.Speed()
        self.aggregator = Aggregator(self.rules, self.lateness, self.write, self.metrics)

    def write(self, windows: list[Window]) -> bool:
        if self.away:
            return False
        for window in windows:
            made = document(window, NOON)
            self.trending[made["_id"]] = made
            self.writes += 1
        return True

    def read(self, partition: int, value: bytes) -> None:
        sighting, collected = sightings.read(value, time.time())
        self.aggregator.open(self.store)
        self.aggregator.add(self.store, sighting, str(partition), collected)
        self.aggregator.close(self.store)

    def publish(
        self, at: float | None = None, tweets: tuple[int, ...] = (), authors: tuple[str, ...] = ()
    ) -> None:
        self.aggregator.open(self.store)
        if at is not None:
            self.aggregator.pass_time(BEGIN + at)
        self.aggregator.take_out(self.store, Policy(tweets, authors))
        self.aggregator.publish(self.store)
        self.aggregator.close(self.store)

    def publish_all(self, at: float) -> None:
        """Look at the windows again and again until the oldest that changed has had its turn."""
        for look in range(7):
            self.publish(at + 10 * look)

    def window(self, minutes: int, at: float, woeid: int | None = 1) -> dict[str, Any]:
        return self.trending[f"{woeid}:{minutes}:{message.stamp(NOON + dt.timedelta(seconds=at))}"]


def assert_same(speed: Speed, recount: Recount, *, at_least: int = 1) -> None:
    """Hold every window written of the recount's place against it."""
    written = [made for made in speed.trending.values() if made["woeid"] == recount.woeid]
    assert len(written) >= at_least
    said: list[str] = []
    for made in written:
        said += differences(made, recount.window(made["minutes"], made["ends_at"]))
    assert said == []


def recounted(speed: Speed, records: list[tuple[int, bytes]], **more: Any) -> Recount:
    rules = speed.rules
    return Recount(records, speed.lateness, rules.minimum, rules.baseline_minutes, rules.half_life, **more)


tweets = st.tuples(
    st.integers(0, 2),  # partition
    st.integers(0, 25),  # id: some come more than once
    st.lists(st.sampled_from(WORDS), min_size=1, max_size=3),
    st.integers(0, 400),  # seconds since the one before it
    st.integers(0, 200),  # delay
    st.sampled_from(["1", "2", "3", None]),
    st.sampled_from(["Rio", "Samba"]),
    st.sampled_from([1, 1, 2, None]),  # place
)


@pytest.mark.slow
@settings(max_examples=60)
@given(
    st.lists(tweets, min_size=1, max_size=40),
    st.sets(st.integers(0, 40), max_size=6),
    st.integers(1, 3),
    st.sampled_from([0, 60, 120]),
    st.sampled_from([0.1, 0.5]),
)
def test_windows_equal_a_recount_whatever_comes_and_whenever_it_is_killed(
    drawn: list[Any], looks: set[int], minimum: int, lateness: int, half_life: float
) -> None:
    speed = Speed(Rules(minimum, 10, half_life), lateness)
    records, ids, now = [], {}, 0
    for number, (partition, id_, words, gap, delay, author, topic, woeid) in enumerate(drawn):
        now += gap
        # A tweet's copies meet in one partition, and were written at one moment by one author.
        partition, text, written, author = ids.setdefault(
            id_, (partition, " ".join(words), now - delay, author)
        )
        value = tweet(
            id_, text, written=written, delay=now - written, author=author, topic=topic, woeid=woeid
        )
        records.append((partition, value))
        speed.read(partition, value)
        if number in looks:
            speed.publish()
            speed.store.commit()
        if number - 1 in looks:
            # Killed behind the commit: what was read since is read again.
            speed.store.kill()
            speed.start()
            speed.read(partition, value)
    speed.publish_all(now + 10)
    for woeid in {woeid for *_, woeid in drawn}:
        recount = recounted(speed, records, woeid=woeid)
        for minutes in (1, 5, 60) if recount.tweets else ():
            last = min(max(recount.by_pane) + 6 * minutes, int(BEGIN + now) // 10)
            there = {
                made["ends_at"].timestamp()
                for made in speed.trending.values()
                if (made["minutes"], made["woeid"]) == (minutes, woeid)
            }
            # Those without a tweet need not be.
            assert there >= {
                10 * end
                for end in range(recount.since + 1, last + 1)
                if any(end - minutes * 6 <= p < end for p in recount.by_pane)
            }
        assert_same(speed, recount, at_least=0)


def test_what_rises_at_one_place_does_not_at_another() -> None:
    speed = Speed(Rules(minimum=3))
    for number in range(60):  # Rio says one thing, and the other place says another
        woeid, text = (1, "gol") if number % 2 else (2, "festa")
        speed.read(0, tweet(number, text, written=number / 2, author=str(number), woeid=woeid, topic=text))
    speed.read(0, tweet(100, "gol festa", written=20, author="both", woeid=1, topic="gol"))
    speed.read(0, tweet(100, "gol festa", written=20, delay=15, author="both", woeid=2, topic="festa"))
    speed.publish_all(60)
    names = {woeid: {item["name"] for item in speed.window(1, 60, woeid)["items"]} for woeid in (1, 2)}
    assert names == {1: {"gol"}, 2: {"festa"}}
    assert [speed.window(1, 60, woeid)["authors"] for woeid in (1, 2)] == [31, 31]


def test_new_is_what_was_not_there_and_without_windows_before_nothing_is_said() -> None:
    speed = Speed(Rules(minimum=3))
    for minute in range(10):
        speed.read(0, tweet(minute, "festa", written=60 * minute, author=f"early {minute}"))
    for number in range(10, 22):
        text = "gol festa" if number % 2 else "gol"
        speed.read(0, tweet(number, text, written=605 + number / 2, author=str(number)))
    speed.publish_all(660)
    usual = {item["name"]: item["usual"] for item in speed.window(1, 660)["items"]}
    assert usual["gol"] == 0
    assert usual["festa"] == pytest.approx(1)
    # A place that begins has nothing that it could be compared with, whatever the others have.
    for number in range(30, 36):
        speed.read(0, tweet(number, "gol", written=670 + number, author=str(number), woeid=2))
    speed.publish_all(720)
    assert {item["usual"] for item in speed.window(1, 720, 2)["items"]} == {None}


def test_what_was_held_before_topics_had_a_place_is_no_places() -> None:
    speed = Speed(Rules(minimum=1))
    for number in range(30):
        speed.read(0, tweet(number, "gol", written=number, author=str(number)))
    for key, value in list(speed.store.kept.items()):
        kept = json.loads(value)
        if isinstance(kept, list):  # a sighting
            speed.store.kept[key] = json.dumps([*kept[:3], [topic[0] for topic in kept[3]]])
        elif key == "head":
            speed.store.kept[key] = json.dumps({k: v for k, v in kept.items() if k != "begun"})
    speed.start()
    for number in range(50, 53):
        speed.read(0, tweet(number, "festa", written=70, author=str(number)))
    speed.publish_all(120)
    assert speed.window(1, 60, None)["authors"] == 30
    assert [item["usual"] for item in speed.window(1, 120)["items"]] == [None, None]


def test_a_burst_scores_by_authors_and_not_by_tweets() -> None:
    speed = Speed(Rules(minimum=3))
    number = 0
    for minute in range(20):  # before: two authors a minute say each of the words
        for author in "ab":
            number += 1
            speed.read(0, tweet(number, "festa gol", written=60 * minute, author=author))
    for author in range(12):  # a burst of twelve authors
        number += 1
        speed.read(0, tweet(number, "gol", written=1205 + author, author=f"fan {author}"))
    for _ in range(40):  # one author, as often as it likes
        number += 1
        speed.read(0, tweet(number, "festa", written=1210, author="a"))
    speed.publish(1260)
    window = speed.window(1, 1260)
    (gol,) = [item for item in window["items"] if item["kind"] == "word"]
    assert (gol["name"], gol["authors"], gol["tweets"]) == ("gol", 12, 12)
    assert gol["expected"] == pytest.approx(2.0, abs=0.2)
    assert gol["score"] == pytest.approx((12 - gol["expected"]) ** 2 / gol["expected"])
    assert (window["tweets"], window["authors"]) == (52, 13)


def test_a_set_expression_is_a_word_and_no_pair_is() -> None:
    speed = Speed(Rules(minimum=3))
    texts = ["bom dia São Paulo", "sao paulo é Ana Maria", "São Paulo", "boa noite São Paulo", "São Paulo"]
    for number, text in enumerate(texts):
        speed.read(0, tweet(number, text, written=number, author=str(min(number, 3))))
    for number in range(5, 9):
        speed.read(0, tweet(number, "Ana Maria", written=number, author=str(number)))
    speed.publish(60)
    found = {
        item["name"]: (item["kind"], item["authors"], item["tweets"]) for item in speed.window(1, 60)["items"]
    }
    assert found.keys() == {"Rio", "São Paulo", "Ana", "Maria"}
    assert found["São Paulo"] == ("word", 4, 5)


def test_a_score_halves_and_is_forgotten_and_what_is_below_the_minimum_has_none() -> None:
    counts = np.zeros((2, 60), dtype=np.int32)
    counts[0, 40] = 9
    counts[1, 40] = 4
    rules = Rules(minimum=5, baseline_minutes=1, half_life=0.5)
    usual, score = scores(counts, 1000, 6, 60 - (rules.memory(6) - 6), np.zeros(2, dtype=np.int64), rules)
    assert usual[0, -20:].max() == 9  # what was there is expected to come again
    faded = score[0, -20:] / 64  # the last twenty: step 40 is their first
    assert faded[:12] == pytest.approx([0.5 ** (age / 3) if age < 10 else 0 for age in range(12)])
    assert score[1].max() == 0


def test_late_ones_revise_windows_and_later_ones_are_counted_and_not_used() -> None:
    speed = Speed(Rules(minimum=1), lateness=60)
    speed.read(0, tweet(1, "gol", written=5, author="a"))
    speed.publish(100)
    assert speed.window(1, 60)["authors"] == 1
    late = [(0, tweet(1, "gol", written=5, author="a"))]
    for number, delay in ((2, 64), (3, 66)):  # the pane ends at 10 and is open until 70
        late.append((0, tweet(number, "gol", written=5, delay=delay, author=str(number))))
        speed.read(*late[-1])
    speed.publish_all(110)
    assert speed.window(1, 60)["authors"] == 2
    assert speed.metrics.late._value.get() == 1
    recount = recounted(speed, late)
    assert recount.late == 1
    assert_same(speed, recount)


def test_the_same_again_writes_nothing_and_another_topic_is_added() -> None:
    speed = Speed(Rules(minimum=1))
    messages = [tweet(n, f"gol {'festa' * (n % 2)}", written=n, author=str(n)) for n in range(30)]
    for value in messages:
        speed.read(0, value)
    speed.publish_all(100)
    before, writes = copy.deepcopy(speed.trending), speed.writes
    for value in messages:
        speed.read(0, value)
    speed.publish(160)
    assert {key: speed.trending[key] for key in before} == before
    assert speed.writes - writes <= 3, "windows that had not changed were written again"
    assert speed.metrics.repeated._value.get() == 30
    for n in (3, 5, 7):
        speed.read(0, tweet(n, "gol festa", written=n, delay=90, author=str(n), topic="Maracanã"))
    speed.publish_all(170)
    assert ("topic", "Maracanã") in [(i["kind"], i["name"]) for i in speed.window(5, 60)["items"]]


def test_who_is_forgotten_leaves_open_and_closed_windows() -> None:
    speed = Speed(Rules(minimum=1))
    records = [(0, tweet(n, "gol #carnaval", written=5 * n, author=str(n % 4))) for n in range(200)]
    for record in records:
        speed.read(*record)
    speed.publish_all(1005)
    gone = 1_800_000_000_000_000_000 + 17
    speed.publish(1200, tweets=(gone, 5), authors=("2",))
    speed.publish_all(1210)
    assert_same(speed, recounted(speed, records, forgotten=frozenset({gone, "2"})), at_least=300)
    assert str(gone) not in json.dumps(speed.store.kept)


def retweets(first: int) -> list[tuple[int, bytes]]:
    """Return retweets of a tweet, of what one author wrote, and others that only name them."""

    def of(kind: str) -> dict[str, Any]:
        return {"referenced_tweets": [{"type": kind, "id": str(GONE)}]}

    def naming(at: int) -> dict[str, Any]:
        return {"entities": {"mentions": [{"start": at, "id": "2", "username": "b"}]}}

    some = [
        ("RT @a: gol", of("retweeted")),
        ("RT @b: samba", naming(3)),
        ("RT @c: bloco @b", naming(13)),
        ("festa", of("quoted")),
    ]
    return [
        (0, tweet(number, text, written=5 * number, author=f"fan {number}", **fields))
        for number, (text, fields) in enumerate(some * 3, start=first)
    ]


GONE = 1_800_000_000_000_000_000 + 17


@dataclass
class Noted:
    """Stands for the notes in MongoDB."""

    policy: Policy = field(default_factory=Policy)

    def since(self, _: object) -> Policy:
        return self.policy


@pytest.fixture
def pipeline(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return the two steps of the service as Kafka would join them, over the state of a test."""
    speed, noted, now = Speed(Rules(minimum=1)), Noted(), [float(BEGIN)]
    monkeypatch.setattr(Pipeline, "_made", lambda *_: None)
    monkeypatch.setattr(pipelines, "message_context", lambda: SimpleNamespace(partition=0))
    monkeypatch.setattr(pipelines, "time", SimpleNamespace(time=lambda: now[0], monotonic=lambda: now[0]))
    monkeypatch.setattr(publish, "Notes", lambda _: noted)
    steps: Any = Pipeline(Settings(), speed.aggregator, publish.Watch({}), speed.metrics, None)  # type: ignore[arg-type]

    def run(records: list[tuple[int, bytes]], seconds: float) -> None:
        for _, value in records:
            now[0] = BEGIN + seconds
            steps._aggregate(json.loads(dumps(steps._read(value))), speed.store)
        for look in range(1, 8):
            now[0] = BEGIN + seconds + 10 * look
            steps._aggregate({"tick": now[0]}, speed.store)

    return SimpleNamespace(run=run, speed=speed, noted=noted)


def test_what_is_unwanted_is_not_counted_nor_what_retweets_it(pipeline: Any) -> None:
    pipeline.run([], 0)
    pipeline.noted.policy = Policy({GONE}, {"2"})
    pipeline.run([], 100)
    records = [(0, tweet(n, "gol", written=5 * n, author=str(n % 4))) for n in range(100)] + retweets(100)
    pipeline.run(records, 600)
    assert_same(pipeline.speed, recounted(pipeline.speed, records, forgotten=frozenset({GONE, "2"})))
    assert pipeline.speed.metrics.forgotten._value.get() == 26 + 6
    assert "samba" not in json.dumps(pipeline.speed.store.kept)


def test_what_is_noted_later_leaves_the_windows_with_what_retweets_it(pipeline: Any) -> None:
    records = [(0, tweet(n, "gol", written=5 * n, author=str(n % 4))) for n in range(100)] + retweets(100)
    pipeline.run(records, 600)
    assert_same(pipeline.speed, recounted(pipeline.speed, records))
    pipeline.speed.aggregator._clear()  # what is known of retweets survives a kill
    pipeline.speed.aggregator._head.owner = "nobody"
    pipeline.noted.policy = Policy({GONE}, {"2"})
    pipeline.run([], 700)
    pipeline.run([], 800)
    assert_same(pipeline.speed, recounted(pipeline.speed, records, forgotten=frozenset({GONE, "2"})))
    assert "samba" not in json.dumps(pipeline.speed.store.kept)


def test_a_later_copy_may_tell_whose_text_it_is(pipeline: Any) -> None:
    pipeline.noted.policy = Policy(authors={"2"})
    names = {"mentions": [{"start": 3, "id": "2", "username": "b"}]}
    first, again = (
        (0, tweet(1, "RT @b: samba", written=5, author="9", **more)) for more in ({}, {"entities": names})
    )
    pipeline.run([first], 60)
    assert pipeline.speed.window(1, 60)["tweets"] == 1
    pipeline.run([again], 300)
    assert pipeline.speed.window(1, 60)["tweets"] == 0


def test_while_mongodb_is_away_nobody_new_is_known_and_nobody_is_forgotten_about(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    noted = Noted(Policy({3, 1, 2}, {"7"}, {"sete"}))
    monkeypatch.setattr(publish, "Notes", lambda _: noted)
    watch = publish.Watch({})  # type: ignore[arg-type]
    assert watch.look() == noted.policy
    assert not watch.look(), "what was known is no news"

    def away(_: object) -> Policy:
        raise AutoReconnect("gone")

    monkeypatch.setattr(noted, "since", away)
    assert not watch.look()
    assert [tweet in watch.policy.tweets for tweet in range(5)] == [False, True, True, True, False]
    assert watch.policy.holds(Origin(9, retweet_of=2))
    monkeypatch.setattr(noted, "since", lambda _: Policy({2, 4}, {"7", "8"}))
    assert watch.look() == Policy({4}, {"8"})
    assert list(watch.policy.tweets) == [1, 2, 3, 4]


@pytest.mark.slow
def test_while_mongodb_is_away_nothing_is_lost() -> None:
    speed = Speed(Rules(minimum=1, baseline_minutes=10), lateness=60)
    records = [(0, tweet(n, "gol festa", written=20 * n, author=str(n % 9))) for n in range(400)]
    for number, record in enumerate(records):
        speed.read(*record)
        speed.away = 100 < number < 300
        if number % 10 == 0:
            speed.publish()
    speed.publish_all(8030)
    assert_same(speed, recounted(speed, records), at_least=2000)


@pytest.mark.slow
def test_what_no_window_depends_on_any_more_is_dropped_and_changes_nothing() -> None:
    speed = Speed(Rules(minimum=2, baseline_minutes=5, half_life=0.1), lateness=60)
    records = [(n % 2, tweet(n, f"gol w{n % 50}", written=10 * n, author=str(n % 7))) for n in range(3000)]
    for number, record in enumerate(records):
        speed.read(*record)
        if number % 60 == 0:
            speed.publish()
    speed.publish_all(30_010)
    held = len(speed.aggregator)
    assert held < 1200
    assert len(speed.store.kept) < 2 * held + 100
    recount = recounted(speed, records)
    late = [made for made in speed.trending.values() if made["ends_at"] > NOON + dt.timedelta(seconds=29_000)]
    assert len(late) > 100
    assert [
        said for made in late for said in differences(made, recount.window(made["minutes"], made["ends_at"]))
    ] == []


def test_a_clock_that_is_wrong_pushes_nothing_into_the_future() -> None:
    ahead = dt.datetime.now(dt.timezone.utc) + dt.timedelta(days=900)
    value = message.encode(
        {"id": "1", "text": "gol", "created_at": message.stamp(ahead), "collected_at": message.stamp(ahead)}
    )
    now = time.time()
    sighting, collected = sightings.read(value, now)
    assert collected == now
    assert sighting.pane == int(now // 10)
    assert sighting.author == "tweet 1"


def test_another_instance_that_was_at_work_is_noticed() -> None:
    store = Store()
    first, second = Speed(Rules(minimum=1), store=store), Speed(Rules(minimum=1), store=store)
    records = [(0, tweet(n, "gol", written=n, author=str(n))) for n in range(30)]
    for number, record in enumerate(records):
        (first if number % 10 < 5 else second).read(*record)
    for speed in (first, second):
        speed.publish_all(100)
        assert_same(speed, recounted(speed, records))


def test_a_tick_that_is_not_delivered_ends_nothing(caplog: pytest.LogCaptureFixture) -> None:
    layer: Any = Pipeline.__new__(Pipeline)
    layer._stop = threading.Event()
    errors = [KafkaProducerDeliveryError(KafkaError(KafkaError._UNKNOWN_PARTITION)) for _ in range(2)]

    def send() -> None:
        if errors:
            raise errors.pop(0)
        layer._stop.set()

    layer._send_ticks = send
    layer._tick()
    assert layer._stop.is_set()
    assert caplog.text.count("a tick was not delivered: <KafkaProducerDeliveryError") == 2


def test_the_size_of_a_state_is_told_whose_files_go_meanwhile(tmp_path: Path) -> None:
    (tmp_path / "0").mkdir()
    (tmp_path / "0/7.sst").write_bytes(b"x" * 10)
    (tmp_path / "0/8.sst").symlink_to("gone")
    assert pipelines.state_bytes(tmp_path) == 10
    assert pipelines.state_bytes(tmp_path / "gone") == 0
