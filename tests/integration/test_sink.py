"""The sink against real servers: nothing lost, nothing twice, whatever is killed or taken away."""

from __future__ import annotations

import datetime as dt
import re
import signal
import time
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
import services
from conftest import end
from kafka import TopicPartition
from pymongo.errors import AutoReconnect

from opslib import message
from opslib.sink import writer
from opslib.sink.batch import DeadLetter, read

if TYPE_CHECKING:
    from conftest import Lake

    from opslib.store.write import Outcome

FIRST_ID = 1_800_000_000_000_000_000
NOON = dt.datetime(2026, 3, 1, 12, tzinfo=dt.timezone.utc)


def tweet(number: int, *, topic: str = "Carnaval", minutes: int = 0, likes: int = 0) -> dict[str, Any]:
    """Return the message of one tweet, collected some minutes past noon."""
    data = {
        "id": str(FIRST_ID + number),
        "text": f"Que festa boa, tweet número {number} &amp; #carnaval",
        "author_id": "42",
        "created_at": "2026-03-01T11:00:00.000Z",
        "public_metrics": {"like_count": likes},
    }
    collected_at = NOON + dt.timedelta(minutes=minutes)
    return message.tweet_message(data, None, topic, 23424768, topic, collected_at)


def ids(numbers: range) -> set[int]:
    return {FIRST_ID + number for number in numbers}


def test_tweets_and_trends_arrive_once_each(lake: Lake) -> None:
    lake.start_sink()
    lake.send(*(tweet(n) for n in range(1500)))
    snapshot = message.trends_message(
        23424768, "Brazil", [{"trend_name": "Carnaval", "tweet_count": 7}], NOON
    )
    lake.send(snapshot, snapshot, topic=message.TRENDS)
    lake.wait_for_commit()

    assert lake.ids() == ids(range(1500))
    assert lake.database.tweets.count_documents({}) == 1500
    stored = lake.database.tweets.find_one({"_id": FIRST_ID + 7})
    assert stored["text"] == "Que festa boa, tweet número 7 & #carnaval"
    assert "#carnaval" in stored["words"]
    assert [(t["name"], t["woeid"]) for t in stored["topics"]] == [("Carnaval", 23424768)]
    (kept,) = lake.database.trends.find()
    assert (kept["place"], kept["trends"][0]["tweet_count"]) == ("Brazil", 7)
    assert lake.dead_letters() == []


def test_all_that_x_says_of_a_post_is_stored_where_a_reader_expects_it(lake: Lake) -> None:
    lake.start_sink()
    told = {
        "article": {"title": "Carnaval", "plain_text": "o texto de um artigo"},
        "attachments": {"media_keys": ["3_1"], "poll_ids": ["7"]},
        "community_id": "1500000000000000001",
        "context_annotations": [{"domain": {"id": "45", "name": "Brand"}, "entity": {"id": "10"}}],
        "geo": {"place_id": "68e019afec7d0ba5"},
        "paid_partnership": False,
        "withheld": {"copyright": False, "country_codes": ["DE"], "scope": "tweet"},
    }
    # The copy without comes later, and takes nothing away.
    lake.send({**tweet(1), **told}, tweet(1, minutes=5, likes=3))
    snapshot = message.trends_message(1, "World", [{"trend_name": f"#t{n}"} for n in range(50)], NOON, 10)
    lake.send(snapshot, topic=message.TRENDS)
    lake.wait_for_commit()
    stored = lake.database.tweets.find_one({"_id": FIRST_ID + 1})
    assert {name: stored[name] for name in told} == told
    assert stored["public_metrics"] == {"like_count": 3}
    assert "artigo" in stored["words"]
    kept = lake.database.trends.find_one({"woeid": 1})
    assert (len(kept["trends"]), kept["searched"]) == (50, 10)
    assert lake.dead_letters() == []


def test_the_same_again_changes_nothing(lake: Lake) -> None:
    lake.start_sink()
    messages = [tweet(n) for n in range(300)]
    lake.send(*messages)
    lake.wait_for_commit()
    before = list(lake.database.tweets.find().sort("_id"))
    writes = lake.mongo.admin.command("serverStatus")["opcounters"]

    lake.send(*messages)
    lake.wait_for_commit()

    assert list(lake.database.tweets.find().sort("_id")) == before
    after = lake.mongo.admin.command("serverStatus")["opcounters"]
    assert (after["insert"], after["update"]) == (writes["insert"], writes["update"]), "it wrote needlessly"


def test_a_newer_copy_wins_an_older_one_does_not_and_topics_add_up(lake: Lake) -> None:
    lake.start_sink()
    lake.send(tweet(1, minutes=10, likes=10))
    lake.wait_for_commit()
    lake.send(tweet(1, topic="Samba", minutes=20, likes=20))
    lake.wait_for_commit()
    lake.send(tweet(1, topic="Rio", minutes=5, likes=5))  # late, and older than what is stored
    lake.wait_for_commit()

    (stored,) = lake.database.tweets.find()
    assert stored["public_metrics"]["like_count"] == 20
    at = {topic["name"]: topic["first_at"].minute for topic in stored["topics"]}
    assert at == {"Carnaval": 10, "Samba": 20, "Rio": 5}
    assert (stored["first_seen_at"].minute, stored["collected_at"].minute) == (5, 20)


def test_broken_messages_go_to_the_dead_letters_with_their_origin(lake: Lake) -> None:
    broken = {
        b"\xff\xfe": "UTF-8",
        b"{": "JSON",
        b"[]": "object",
        b'{"id": "x", "text": "a", "collected_at": "2026-03-01T12:00:00.000Z"}': "numeric",
        message.encode({**tweet(1), "text": None, "entities": {"x": "y" * 900_000}}): "bytes",
    }
    lake.start_sink()
    lake.send(tweet(1), *broken, tweet(2))
    lake.wait_for_commit()

    assert lake.ids() == ids(range(1, 3))
    letters = {letter.value: dict(letter.headers) for letter in lake.dead_letters()}
    assert set(letters) == set(broken)
    for value, word in broken.items():
        headers = {name: text.decode() for name, text in letters[value].items()}
        assert word in headers["reason"]
        assert headers["topic"] == message.TWEETS
        assert headers["time"].startswith("20")
        origin = (message.TWEETS, int(headers["partition"]))
        assert int(headers["offset"]) >= lake.begun[origin]  # type: ignore[index]


def test_what_only_mongodb_can_refuse_becomes_a_dead_letter_too(lake: Lake) -> None:
    # A validator that a good message fails stands for whatever decoding does not see.
    lake.database.command("collMod", "tweets", validator={"public_metrics.like_count": {"$ne": 13}})
    lake.start_sink()
    lake.send(*(tweet(n, likes=13 if n == 5 else 0) for n in range(10)))
    lake.wait_for_commit()

    assert lake.ids() == ids(range(10)) - {FIRST_ID + 5}
    (letter,) = lake.dead_letters()
    assert letter.value == message.encode(tweet(5, likes=13))
    assert b"DocumentValidationFailure" in dict(letter.headers)["reason"]


@pytest.mark.parametrize("after", ["write_tweets", "write_once"])
def test_what_mongodb_refused_makes_one_dead_letter_though_the_attempt_fails_afterwards(
    lake: Lake, monkeypatch: pytest.MonkeyPatch, after: str
) -> None:
    lake.database.command("collMod", "tweets", validator={"public_metrics.like_count": {"$ne": 13}})
    faults = [AutoReconnect("gone"), AutoReconnect("gone again")]
    real = getattr(writer, after)

    def failing(*arguments: Any) -> Outcome:
        outcome: Outcome = real(*arguments)
        if faults:
            raise faults.pop()
        return outcome

    monkeypatch.setattr(writer, after, failing)
    snapshot = message.trends_message(23424768, "Brazil", [{"trend_name": "Carnaval"}], NOON)
    sent = {
        message.TWEETS: [message.encode(tweet(n, likes=13 if n == 5 else 0)) for n in range(10)],
        message.TRENDS: [message.encode(snapshot)],
    }
    records = {
        TopicPartition(topic, 0): [SimpleNamespace(value=value, offset=n) for n, value in enumerate(values)]
        for topic, values in sent.items()
    }
    letters: list[DeadLetter] = []
    writer.Writer(lake.database, letters.extend).write(read(records))
    assert faults == []
    assert [letter.record.offset for letter in letters] == [5]
    assert lake.ids() == ids(range(10)) - {FIRST_ID + 5}


def test_killed_in_the_middle_nothing_is_lost_and_nothing_twice(lake: Lake) -> None:
    lake.send(*(tweet(n) for n in range(6000)))
    for kills in (600, 2500):
        sink = lake.start_sink()
        services.wait_until(
            f"{kills} stored", lambda enough=kills: len(lake.ids()) >= enough and bool(lake.committed())
        )
        assert end(sink, signal.SIGKILL) == -signal.SIGKILL
    assert len(lake.ids()) < 6000, "it was killed too late to prove anything"
    lake.start_sink()
    lake.wait_for_commit()
    assert lake.ids() == ids(range(6000))


def test_offsets_wait_for_mongodb_and_sigkill_loses_nothing(lake: Lake) -> None:
    sink = lake.start_sink()
    lake.send(tweet(0))
    lake.wait_for_commit()
    before = lake.committed()
    with lake.servers.mongodb.frozen():
        lake.send(*(tweet(n) for n in range(1, 200)))
        # Long enough for a sink that does not wait to commit all of it.
        services.wait_until("fetched", lambda: lagging(lake))
        time.sleep(3)
        assert lake.committed() == before, "offsets were committed before MongoDB had the tweets"
        end(sink, signal.SIGKILL)
    lake.start_sink()
    lake.wait_for_commit()
    assert lake.ids() == ids(range(200))


def test_mongodb_away_for_a_while(lake: Lake) -> None:
    sink = lake.start_sink()
    lake.send(*(tweet(n) for n in range(100)))
    lake.wait_for_commit()
    assignments = lake.log().count(": reading ")
    with lake.servers.mongodb_away():
        lake.send(*(tweet(n) for n in range(100, 3000)))
        time.sleep(3)
        assert sink.poll() is None, lake.log()
        assert lagging(lake)
    lake.wait_for_commit()
    assert lake.ids() == ids(range(3000))
    assert sink.poll() is None
    assert lake.log().count(": reading ") == assignments, "it fell out of its group"


def test_kafka_away_for_a_while(lake: Lake) -> None:
    sink = lake.start_sink()
    lake.send(*(tweet(n) for n in range(100)))
    lake.wait_for_commit()
    with lake.kafka_away():
        time.sleep(1)
        assert sink.poll() is None, lake.log()
    lake.send(*(tweet(n) for n in range(100, 500)))
    lake.wait_for_commit(60)
    assert lake.ids() == ids(range(500))
    assert sink.poll() is None
    assert len(lake.log().splitlines()) < 40, "it fills the journal"


def test_sigterm_finishes_what_was_fetched(lake: Lake) -> None:
    sink = lake.start_sink()
    lake.send(*(tweet(n) for n in range(4000)))
    services.wait_until("it has begun", lambda: len(lake.ids()) > 0)
    assert end(sink) == 0
    assert "stopped" in lake.log()
    handled = sum(offset - lake.begun[partition] for partition, offset in lake.committed().items())
    assert handled == len(lake.ids()), "it left uncommitted what it had stored, or the other way round"


def test_two_sinks_share_the_work_and_one_takes_over(lake: Lake) -> None:
    first = lake.start_sink("1")
    services.wait_until("the first reads", lambda: "reading" in lake.log("1"))
    lake.start_sink("2")
    lake.send(*(tweet(n) for n in range(3000)))
    services.wait_until("the second reads", lambda: "reading" in lake.log("2"))
    lake.send(*(tweet(n) for n in range(3000, 4000)))
    lake.wait_for_commit()
    assert lake.ids() == ids(range(4000))
    assert first.poll() is None
    for sink in lake.started:
        assert end(sink) == 0
    done = re.findall(r"stored messages=(\d+)", lake.log("1") + lake.log("2"))
    assert sum(map(int, done)) == 4000, "work was done twice when the second joined"


def test_a_wrong_password_ends_with_2_and_one_line(lake: Lake) -> None:
    lake.put("mongodb_password", "wrong")
    done = lake.opslib("sink")
    assert done.returncode == 2
    assert "refuses this user" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_certificate_of_a_stranger_ends_with_2(lake: Lake) -> None:
    stranger = type(lake.servers.authority)(lake.folder / "other").certificate("opslib-sink")
    lake.put("kafka_cert", stranger.cert.read_text())
    lake.put("kafka_key", stranger.key.read_text())
    done = lake.opslib("sink")
    assert done.returncode == 2
    assert "TLS with Kafka" in done.stderr
    lake.put("ca", stranger.ca.read_text())
    done = lake.opslib("sink")
    assert done.returncode == 2
    assert "TLS with MongoDB" in done.stderr


def test_sinks_show_their_metrics_and_a_taken_port_is_one_line(lake: Lake) -> None:
    base = services.free_port() - 1
    port = {"OPSLIB_SINK__METRICS_PORT": str(base)}
    lake.start("sink-metrics", "sink", "--instance", "1", **port)
    lake.send(*(tweet(n) for n in range(7)), b"{")

    services.wait_until(
        "the sink tells what it did",
        lambda: services.scraped(base + 1).get("trendlake_sink_messages_total") == 8,
    )
    found = services.scraped(base + 1)
    assert found["trendlake_sink_documents_total outcome=inserted"] == 7
    assert found["trendlake_sink_dead_letters_total"] == 1
    assert found["trendlake_sink_batch_seconds_count"] >= 1
    assert {value for name, value in found.items() if name.startswith("trendlake_sink_lag_messages")} == {0}
    taken = lake.opslib("sink", "--instance", "1", **port)
    assert taken.returncode == 2
    assert taken.stderr.splitlines()[-1].startswith("Error: sink.metrics_port: metrics cannot be served on ")


def test_a_wrong_setting_ends_with_2(lake: Lake) -> None:
    done = lake.opslib("sink", OPSLIB_SINK__BATCH_SIZE="0")
    assert done.returncode == 2
    assert "sink.batch_size" in done.stderr


def test_store_init_changes_nothing_the_second_time_and_mends_what_differs(lake: Lake) -> None:
    lake.mongo.drop_database(lake.name)
    lake.log_in("opslib-store")
    assert "collection tweets" in lake.opslib("store", "init").stdout
    assert lake.opslib("store", "init", "--format", "json").stdout == '{"changed": []}\n'
    lake.database.command("collMod", "tweets", validator={})
    lake.database.trends.drop_indexes()
    again = lake.opslib("store", "init", "--format", "json").stdout
    assert again == '{"changed": ["validator of tweets", "index trends.woeid_1_collected_at_-1"]}\n'


def lagging(lake: Lake) -> bool:
    committed = lake.committed()
    return any(end > committed.get(partition, 0) for partition, end in lake.ends().items())
