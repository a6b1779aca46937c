"""From X's filtered stream to MongoDB through a real NiFi, which is killed while it follows the topics."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest
import services
from collection import Following, X, collected

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from collection import Collector
    from conftest import Lake

TOPICS = 4
# Written each second, in bursts of a tenth of them.
RATE = 60


class Writer(threading.Thread):
    """Writes tweets about the topics until it is told to stop."""

    def __init__(self, x: X) -> None:
        super().__init__()
        self._x = x
        self._stop_asked = threading.Event()
        self.ids: list[str] = []

    def run(self) -> None:
        while not self._stop_asked.wait(0.1):
            number = len(self.ids)
            self.ids += self._x.add(
                *(f"tweet {n} sobre #tema{n % TOPICS}\n" for n in range(number, number + RATE // 10))
            )

    def end(self) -> None:
        self._stop_asked.set()
        self.join()


@pytest.fixture
def x(tmp_path: Path) -> Iterator[X]:
    x = X(tmp_path, "--no-limits", "--rate", "0")
    # Topics trend for what was written about them.
    x.add(*(f"antes {n} #tema{n % TOPICS}\n" for n in range(40)))
    yield x
    x.stop()


@pytest.mark.long
def test_what_a_kill_of_nifi_took_from_the_stream_is_searched_for(
    collector: Collector, lake: Lake, x: X, tmp_path: Path
) -> None:
    before = {int(tweet) for tweet in x.ledger()["offered"]}
    # A walk of searches is under way when the mode is changed: its page does not reach Kafka before that.
    nowhere = f"127.0.0.1:{services.free_port()}"
    collector.deploy(x, tmp_path / "budget.sqlite", mode="search", kafka_bootstrap_servers=nowhere)
    services.wait_until("a walk has begun", lambda: bool(x.ledger()["returned"]), pause=0.5)
    lake.start_sink()
    collector.deploy(
        x, tmp_path / "budget.sqlite", mode="stream", trends_interval="60 sec", topics_per_place=str(TOPICS)
    )
    searched = x.ledger()["returned"]
    probes: list[str] = []

    def streams() -> bool:
        probes.extend(x.add("está aí? #tema1"))
        return bool(x.ledger()["streamed"])

    services.wait_until(lambda: f"X streams, log:\n{collector.nifi.log()[-3000:]}", streams, 120)
    assert x.ledger()["returned"] == searched, "nothing is searched for in this mode"
    x.faults(
        by_route={"stream": {"duplicate": 0.05, "disorder": 0.05}},
        next=[{"route": "stream", "fault": "malformed"}],
    )
    writer = Writer(x)
    writer.start()
    try:
        services.wait_until("some have come", lambda: len(lake.ids()) > 3 * RATE, 60)
        collector.nifi.kill()
        collector.nifi.start()
        killed = len(writer.ids)
        services.wait_until(
            "it streams again", lambda: bool(set(writer.ids[killed:]) & set(x.ledger()["streamed"])), 120
        )
    finally:
        writer.end()
    wanted = {int(tweet) for tweet in writer.ids}
    services.wait_until(
        lambda: (
            f"MongoDB has {len(wanted & lake.ids())} of {len(wanted)} tweets, log:\n"
            f"{collector.nifi.log()[-3000:]}"
        ),
        lambda: wanted <= lake.ids(),
        120,
    )
    assert lake.ids() - wanted <= before | {int(probe) for probe in probes}
    ledger = x.ledger()
    assert ledger["returned"] != searched, "the gap was searched for"
    assert ledger["cut"], "no line was broken"
    stored = lake.database.tweets.find_one({"_id": max(wanted)})
    assert [topic["woeid"] for topic in stored["topics"]] == [23424768]
    assert lake.dead_letters() == []
    # The mode is a parameter: back to searching, which waits for no earlier walk, and the stream is left.
    collector.deploy(x, tmp_path / "budget.sqlite", mode="search", trends_interval="10 sec")
    again: list[str] = []

    def searches() -> bool:
        again.extend(x.add("de novo #tema1"))
        return bool(set(again) & set(x.ledger()["returned"]))

    services.wait_until(
        lambda: f"it searches again, log:\n{collector.nifi.log()[-3000:]}", searches, 120, pause=1
    )
    (later,) = x.add("depois #tema1")
    services.wait_until("it is found", lambda: int(later) in lake.ids(), 120)
    assert later not in x.ledger()["streamed"], "the stream is still connected"


def test_what_is_followed_streams_by_a_rule_of_its_own(
    collector: Collector, lake: Lake, x: X, tmp_path: Path
) -> None:
    following = Following(lake, x, tmp_path / "budget.sqlite")
    lake.start_sink()
    collector.deploy(
        x, tmp_path / "budget.sqlite", mode="stream", trends_interval="1 hour", topics_per_place="1"
    )
    following("follow", "add", "Pix", "pix", "--usd-day", "50", "--mode", "stream")

    def streamed(*texts: str) -> list[bool]:
        """Tell which of two new tweets come by the stream, the second of them being waited for."""
        tweets = x.add(*(f"{text}\n" for text in texts))
        try:
            services.wait_until("it streams", lambda: tweets[-1] in x.ledger()["streamed"], 2, pause=0.2)
        except TimeoutError:
            return []
        return [tweet in x.ledger()["streamed"] for tweet in tweets]

    try:
        services.wait_until("its rule is there", lambda: streamed("alguém diz pix") == [True], 120)
        (one,) = x.add("mais um pix\n")
        services.wait_until("it is stored", lambda: int(one) in collected(lake, "Pix"), 120)
        following("follow", "remove", "Pix")
        services.wait_until(
            "its rule has gone and the trend's has not",
            lambda: streamed("o pix de novo", "outro do #tema0") == [False, True],
            120,
        )
    finally:
        following.end(tmp_path)
