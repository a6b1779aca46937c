"""Batches that are small in Kafka and large when unpacked, and some that cannot be, before every reader."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import services
from confluent_kafka import Producer
from conftest import running
from kafka import TopicPartition
from test_sink import ids, tweet
from test_speed import SpeedLayer, tweets
from test_stats import Recorder

sys.path.insert(0, str(Path(__file__).parents[1]))

import bombs

from opslib import message
from opslib.reading import end_of_batch

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator

    from conftest import Lake, Servers

GIBIBYTE = 1 << 30
ROOM = 450  # MiB, a reader's libraries included


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    """Leave no bombs to the tests of others: a broker unpacks what it looks for a moment in."""
    with running(tmp_path_factory.mktemp("bombed")) as servers:
        yield servers


def most_memory(process: subprocess.Popen[str]) -> int:
    """Return how many MiB a process has held at most."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    (line,) = (line for line in status.splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) // 1024


def sent(lake: Lake, value: bytes, codec: str, key: bytes = b"") -> Any:
    """Send one message as another client packs it, and return where it is."""
    options = lake.servers.operator
    found: list[Any] = []
    producer = Producer(
        {
            "bootstrap.servers": ",".join(options["bootstrap_servers"]),
            "security.protocol": "ssl",
            "ssl.ca.location": options["ssl_cafile"],
            "ssl.certificate.location": options["ssl_certfile"],
            "ssl.key.location": options["ssl_keyfile"],
            "compression.type": codec,
            "message.max.bytes": 100_000_000,
        }
    )
    producer.produce(
        message.TWEETS, value, key, partition=0, on_delivery=lambda error, at: found.append(error or at)
    )
    producer.flush(30)
    return found[0]


@pytest.mark.parametrize(
    ("codec", "size"), [("zstd", GIBIBYTE), pytest.param("gzip", GIBIBYTE // 4, marks=pytest.mark.long)]
)
def test_a_bomb_is_a_dead_letter_and_the_sink_goes_on(lake: Lake, codec: str, size: int) -> None:
    process = lake.start_sink()
    lake.send(tweet(1))
    beside = (message.encode(tweet(2)), message.encode(tweet(3)))
    where = bombs.send(lake.servers.operator, message.TWEETS, size, codec=codec, before=beside)
    lake.send(*(tweet(number) for number in range(4, 20)))
    lake.wait_for_commit()

    # With what was whole in its batch.
    assert lake.ids() == ids(range(1, 20))
    (letter,) = lake.dead_letters()
    headers = {name: value.decode() for name, value in letter.headers}
    assert letter.value == b""
    assert headers["reason"] == "its batch is more than 32 MiB when unpacked"
    assert (headers["topic"], int(headers["partition"])) == (message.TWEETS, where.partition)
    assert int(headers["offset"]) == where.offset
    assert headers["left-out"] == "bytes that were not read"
    assert most_memory(process) < ROOM
    place = f"{letter.partition}:{letter.offset}"
    (listed,) = (
        json.loads(line) for line in lake.opslib("dlq", "list", place, "--format", "json").stdout.splitlines()
    )
    assert listed["left_out"]
    again = lake.opslib("dlq", "replay", place)
    assert f"its bytes are in {message.TWEETS} at {where.partition}:{where.offset}" in again.stderr
    # The broker cannot say which message is younger than five minutes: it would have to unpack the bomb.
    lake.log_in("opslib-doctor")
    well = lake.opslib("doctor", "--only", "sink")
    assert (well.returncode, "is up to date, 0 messages wait" in well.stdout) == (0, True), well.stdout


@pytest.mark.parametrize("codec", ["lz4", "snappy"])
def test_what_is_packed_as_nobody_here_reads_is_a_dead_letter(lake: Lake, codec: str) -> None:
    lake.start_sink()
    where = sent(lake, message.encode(tweet(1)) + b" " * 1000, codec)
    lake.send(tweet(2))
    lake.wait_for_commit()
    assert lake.ids() == ids(range(2, 3))
    (letter,) = lake.dead_letters()
    headers = {name: value.decode() for name, value in letter.headers}
    assert codec in headers["reason"]
    assert int(headers["offset"]) == where.offset()


def test_a_key_larger_than_the_dead_letters_take_stops_nobody(lake: Lake) -> None:
    lake.start_sink()
    sent(lake, b"{}", "zstd", key=bytes(6_000_000))
    lake.send(tweet(1))
    lake.wait_for_commit()
    assert lake.ids() == ids(range(1, 2))
    (letter,) = lake.dead_letters()
    assert len(letter.key) == 1000
    assert "missing" in dict(letter.headers)["reason"].decode()


def test_the_end_of_a_batch_is_found_without_unpacking_it(lake: Lake) -> None:
    where = bombs.send(lake.servers.operator, message.TWEETS, GIBIBYTE, before=(b"one", b"two"))
    partition = TopicPartition(message.TWEETS, where.partition)
    for offset in range(where.offset - 2, where.offset + 1):
        assert end_of_batch(lake.servers.operator, partition, offset) == where.offset + 1


@pytest.fixture
def speed(lake: Lake) -> Iterator[SpeedLayer]:
    speed = SpeedLayer(lake)
    yield speed
    speed.close()


def test_the_speed_layer_goes_on_behind_a_bomb(speed: SpeedLayer) -> None:
    process = speed.start()
    where = bombs.send(speed.lake.servers.operator, message.TWEETS, GIBIBYTE)
    speed.lake.send(*tweets(600))
    services.wait_until(
        lambda: f"it has read all, log:\n{speed.log_file().read_text()[-3000:]}", speed.caught_up
    )
    services.wait_until("windows are written", lambda: speed.written() > 0)
    log = speed.log_file().read_text()
    assert log.count(f"skipped {message.TWEETS}-{where.partition} from {where.offset} to {where.offset}") == 1
    assert process.poll() is None
    assert most_memory(process) < ROOM


def test_the_recorder_counts_a_bomb_as_unreadable(lake: Lake) -> None:
    recorder = Recorder(lake)
    bombs.send(lake.servers.operator, message.TWEETS, GIBIBYTE)
    process = recorder.start()
    services.wait_until(
        lambda: f"its minute is recorded, log:\n{recorder.log()}",
        lambda: sum(minute["unreadable"] for minute in recorder.minutes().values()) == 1,
        150,
    )
    assert most_memory(process) < ROOM


def test_a_bomb_among_the_dead_letters_is_listed(lake: Lake) -> None:
    where = bombs.send(lake.servers.operator, message.DEAD_LETTERS, GIBIBYTE)
    try:
        place = f"{where.partition}:{where.offset}"
        listed = lake.opslib("dlq", "list", place)
        assert listed.returncode == 0, listed.stderr
        assert "more than 32 MiB when unpacked" in listed.stdout
        assert lake.opslib("dlq", "show", place).returncode == 0
    finally:
        lake.admin.delete_records({TopicPartition(message.DEAD_LETTERS, where.partition): where.offset + 1})
