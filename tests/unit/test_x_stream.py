"""The filtered stream and what follows it, against the local X API and its faults."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections import Counter
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Callable

import pytest
from flowfiles import Held, messages_in, place, snapshots_of
from hypothesis import given
from hypothesis import strategies as st
from local_x import NOW, Client, Running, local_x, serving

from opslib.message import encode
from opslib.simulate.limits import RateLimits
from opslib.x.backoff import STREAM, Backoff
from opslib.x.budget import Budget, Limits
from opslib.x.client import Interrupted, RateLimited, Refused, Unavailable, XClient
from opslib.x.follows import Follow
from opslib.x.rules import MAX_RULES, RuleBook, shared_out, tag_of, topics_of
from opslib.x.stream import Stream
from opslib.x.streaming import Follower
from opslib.x.turns import FOLLOWS
from opslib.x.turns.stream import POSITION, StreamTurns
from opslib.x.walk import CollectionPolicy

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

STREAM_PATH = "/2/tweets/search/stream"


RUNNING = Running()


def forever() -> CollectionPolicy:
    """Return what is collected if a turn never ends."""
    return CollectionPolicy(100, 10, interval=timedelta(days=1))


@dataclass
class Lake:
    """A stream that is followed; its FlowFile goes round without NiFi."""

    x: Client
    budget: Budget
    policy: CollectionPolicy = field(default_factory=forever)
    margin: int = 0
    mode: str = "stream"
    keep_alive: float = 20
    unasked: float = 30
    clock: Callable[[], datetime] = RUNNING
    state: dict[str, str] = field(default_factory=dict)
    flowfile: Held | None = None  # the one that goes round
    kafka: list[dict[str, Any]] = field(default_factory=list)
    said: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.snapshots = 0
        self.start()

    def start(self) -> None:
        """Start the processor, with nothing but what is durable."""
        self.client = XClient(self.x.url, "right")
        each = self.policy.resources_a_post()
        self.stream = Stream(
            self.client, self.budget, each, self.policy.expansions, self.margin,
            self.keep_alive, self.unasked, self.clock,
        )  # fmt: skip
        rest = self.policy, self.margin, self.clock, self.mode
        follower = Follower(self.client, self.budget, self.stream, *rest)
        self.turns = StreamTurns(self.stream, follower, self.budget, self.mode, wait_seconds=0.1)

    def trends(self, *names: str, woeid: int = 1) -> bool:
        """Let a snapshot come; tell whether its FlowFile goes round from now on."""
        self.snapshots += 1
        return self.trigger(snapshots_of(f"snapshot {self.snapshots}", place(woeid, *names)))

    def follows(self, *follows: Follow) -> bool:
        """Let what is followed come; tell whether its FlowFile goes round from now on."""
        self.snapshots += 1
        lines = b"\n".join(encode(follow.to_record()) for follow in follows)
        told = {"uuid": f"follows {self.snapshots}", FOLLOWS: str(len(follows))}
        return self.trigger(Held(lines, told))

    def trigger(self, flowfile: Held, *, kill: bool = False) -> bool:
        """Trigger the processor for *flowfile*; tell whether that goes round.

        A *kill* comes when the state is kept and the FlowFile has not left.
        """
        done = self.turns.turn(dict(self.state), flowfile)
        assert done.state is not None
        self.state = done.state
        if kill or done.relationship == "finished":
            return False
        self.said += done.warnings
        self.kafka += messages_in(done.content)
        self.flowfile = flowfile.after(done)
        return True

    def turn(self, *, kill: bool = False) -> list[dict[str, Any]]:
        """Trigger the processor for what goes round, if anything does; return what that takes along."""
        before = len(self.kafka)
        if self.flowfile is not None:
            assert self.trigger(self.flowfile, kill=kill) != kill
        return self.kafka[before:]

    def turn_until(self, done: Callable[[], bool], seconds: float = 300) -> None:
        deadline = time.monotonic() + seconds
        while not done():
            assert time.monotonic() < deadline, f"not so: {self.said}, {self.state}"
            self.turn()

    def has(self, *ids: str) -> bool:
        return set(ids) <= set(self.ids())

    def ids(self) -> list[str]:
        return [message["id"] for message in self.kafka]

    def disconnected(self, *, cut: bool = False) -> list[str]:
        """Let X end the connection, within a post if it is *cut*, whose id is returned."""
        added: list[str] = []
        if cut:
            self.x.faults(next=[{"route": "stream", "fault": "disconnect"}])
            added = self.x.add("cut #a")
        else:
            self.x.send("POST", "/_control/stream/disconnect", {"type": "OperationalDisconnect"})
        self.wait_for_the_end()
        return added

    def flood(self) -> None:
        """Write thirteen tweets at a time, each when those before have come, until the stream is left."""
        while self.stream.connected:
            *_, last = self.x.add(*(f"{n} #a" for n in range(13)))
            self.turn_until(lambda last=last: self.has(last) or not self.stream.connected)  # type: ignore[misc]
        self.left()

    def left(self) -> None:
        """Wait until what X sent before it noticed that the stream was left is counted, and take it."""
        self.stream.leave()
        for _ in range(3):
            self.turn()

    def wait_for_the_end(self) -> None:
        deadline = time.monotonic() + 60
        while self.stream.connected:
            assert time.monotonic() < deadline, "it is still connected"
            time.sleep(0.02)

    def kill(self) -> None:
        """End the processor without a word, and start it again."""
        if self.stream._streaming is not None:
            self.stream._streaming.close()
        self.stream._backoff.failed(Refused(0, "dead"))
        self.start()


@contextmanager
def following(x: Client, tmp_path: Path, limits: Limits | None = None, **settings: Any) -> Iterator[Lake]:
    clock = settings.get("clock", RUNNING)
    lake = Lake(x, Budget(tmp_path / "budget.sqlite", limits or Limits(), clock=clock), **settings)
    try:
        yield lake
    finally:
        lake.stream.leave()


@pytest.fixture
def x() -> Iterator[Client]:
    with serving(local_x(clock=RUNNING, keep_alive=0.2)) as client:
        yield client


def test_tweets_come_with_the_topics_of_the_rules_they_match(x: Client, tmp_path: Path) -> None:
    with following(x, tmp_path) as lake:
        assert lake.trends("#gol", "samba de roda")
        lake.trends("#gol", woeid=2)
        lake.turn_until(lambda: lake.stream.connected)
        one, _, two = x.add("um #gol", "nada", "samba de roda e #gol")
        lake.turn_until(lambda: lake.has(one, two))
    assert lake.ids() == [one, two]
    gol = [{"name": "#gol", "woeid": woeid, "query": "#gol"} for woeid in (1, 2)]
    samba = {"name": "samba de roda", "woeid": 1, "query": '"samba de roda"'}
    assert lake.kafka[0]["collected_for"] == gol
    assert sorted(map(str, lake.kafka[1]["collected_for"])) == sorted(map(str, [samba, *gol]))
    assert lake.kafka[0]["text"] == "um #gol"
    assert lake.budget.spent_today().resources == x.ledger()["charged"]["posts"] == 2, "counted as charged"


def in_stream(name: str, query: str, usd_day: float = 50.0) -> Follow:
    return Follow(name, query, usd_day, mode="stream")


def test_what_is_followed_in_the_stream_comes_under_its_name_whatever_the_mode_of_trends(
    x: Client, tmp_path: Path
) -> None:
    with following(x, tmp_path, mode="search") as lake:
        assert not lake.trends("#gol"), "trends are searched for"
        assert not lake.follows(Follow("by search", "gol", 1.0))
        assert lake.follows(in_stream("Pix", "pix lento"))
        lake.turn_until(lambda: lake.stream.connected)
        x.add("um #gol")
        (one,) = x.add("esse pix está lento")
        lake.turn_until(lambda: lake.has(one))
        assert not lake.follows(), "another FlowFile goes round"
        lake.turn_until(lambda: not lake.stream.connected)
    assert lake.ids() == [one]
    follow = {"kind": "follow", "name": "Pix", "woeid": None, "query": "pix lento"}
    assert lake.kafka[0]["collected_for"] == [follow]
    assert lake.budget.spent_by("follow Pix") == (0.005, 0.005)


@pytest.mark.slow
def test_what_is_followed_goes_on_when_the_trends_share_has_come_and_ends_at_its_cap(
    x: Client, tmp_path: Path
) -> None:
    policy = CollectionPolicy(100, 10, interval=timedelta(hours=1))
    with following(x, tmp_path, Limits(resources_day=240), policy=policy, margin=2) as lake:
        lake.trends("#a")
        lake.follows(in_stream("Pix", "pix", 0.05))
        lake.turn_until(lambda: lake.stream.connected)
        *_, last = x.add(*(f"{n} #a" for n in range(30)))
        lake.turn_until(lambda: lake.has(last))
        lake.turn_until(lambda: [rule["value"] for rule in lake.client.rules()] == ["pix"])
        assert lake.stream.connected
        for n in range(8):
            (one,) = x.add(f"{n} pix")
            lake.turn_until(lambda one=one: lake.has(one))  # type: ignore[misc]
        lake.turn_until(lambda: not lake.client.rules() or not lake.stream.connected)
        assert lake.budget.spent_by("follow Pix")[0] <= 0.05
    assert sum("share of the budget" in line for line in lake.said) == 1


@given(st.integers(0, 1500), st.integers(0, 1500), st.integers(0, 50))
def test_rules_are_shared_out_and_what_found_no_room_is_known(follows: int, trends: int, both: int) -> None:
    of_follows = {f"f{n}": n for n in range(follows)}
    of_trends = {f"t{n}": n for n in range(trends)} | {f"f{n}": n for n in range(min(both, follows))}
    wanted, left_out = shared_out(of_follows, of_trends)
    assert len(wanted) == len(set(wanted)) == min(MAX_RULES, len({*of_follows, *of_trends}))
    assert sorted([*wanted, *left_out]) == sorted({*of_follows, *of_trends})
    some = sum(query in of_follows for query in wanted)
    assert some == follows or some >= MAX_RULES // 2
    assert len(wanted) - some == trends or len(wanted) - some >= MAX_RULES // 2


def test_rules_follow_the_topics_with_no_call_too_many(x: Client, tmp_path: Path) -> None:
    with following(x, tmp_path) as lake:
        calls = Counter[str]()
        call = lake.client.call

        def counted(method: str, route: str, *rest: Any) -> Any:
            calls[method] += 1
            return call(method, route, *rest)

        lake.client.call = counted  # type: ignore[method-assign]
        lake.trends("#a", "#b", "#c")
        lake.turn_until(lambda: lake.stream.connected)
        lake.turn()
        assert calls == {"GET": 1, "POST": 1}
        lake.trends("#b", "#c", "#d")
        lake.turn()
        lake.turn()
        assert calls == {"GET": 1, "POST": 3}
        values = [rule["value"] for rule in x.get(f"{STREAM_PATH}/rules")["data"]]
        assert sorted(values) == ["#b", "#c", "#d"]
        assert lake.stream.connected, "rules change while it is connected"
        lake.trends("#d", "#c", "#b")
        lake.turn()
        assert calls == {"GET": 1, "POST": 3}


def test_a_refused_rule_is_said_once_and_the_others_hold(x: Client) -> None:
    book = RuleBook(XClient(x.url, "right"))
    added, problems = book.bring({"#a": tag_of([]), "(": "[]"})
    assert added == ["#a"]
    assert len(problems) == 1
    assert book.bring({"#a": tag_of([]), "(": "[]"}) == ([], [])


def test_a_tag_tells_what_is_followed_beside_trends() -> None:
    topics = [{"kind": "follow", "name": "#gol", "woeid": None}, {"name": "#gol", "woeid": 1}]
    assert tag_of(topics) == tag_of(topics[::-1]) == '[[1,"#gol"],["follow","#gol"]]'
    assert topics_of(tag_of(topics)) == topics[::-1]


def test_a_tag_tells_its_topics() -> None:
    topics = [{"name": 'a "b", ç', "woeid": 2}, {"name": "#x", "woeid": 1}]
    assert topics_of(tag_of(topics)) == topics[::-1]
    assert tag_of(topics) == tag_of(topics[::-1])
    assert topics_of("somebody's own") == topics_of(None) == []


def waits(kind: Callable[[], Any], number: int) -> list[float]:
    now = RUNNING()
    backoff = Backoff(lambda: now, STREAM)
    found = []
    for _ in range(number):
        backoff.failed(kind())
        found.append(backoff.seconds())
    return found


def test_waits_are_those_that_x_asks_for() -> None:
    network = waits(lambda: Interrupted("", maybe_charged=True), 70)
    assert network[:4] == [0.25, 0.5, 0.75, 1]
    assert network[-1] == 16
    assert waits(lambda: Unavailable("", maybe_charged=False), 8) == [5, 10, 20, 40, 80, 160, 320, 320]
    assert waits(lambda: RateLimited(None), 3) == [60, 120, 240]
    reset = int(RUNNING().timestamp()) + 100
    assert waits(lambda: RateLimited(reset), 2)[1] == pytest.approx(101, abs=2)
    assert waits(lambda: Refused(403, ""), 8)[-1] == 3600


def test_a_second_connection_waits_a_minute_whatever_the_window_of_calls_says(tmp_path: Path) -> None:
    limits = RateLimits(lambda: RUNNING().timestamp())
    with serving(local_x(clock=RUNNING, limits=limits)) as x, following(x, tmp_path) as lake:
        lake.trends("#a")
        x.add_rules("#a")
        x.faults(next=[{"route": "connections", "fault": "503"}])
        with x.stream() as messages:
            next(messages)
            lake.turn_until(lambda: len(lake.said) > 1)
            assert "left behind cannot be ended: X failed: 503" in lake.said[0]
            assert "maximum allowed connection limit" in lake.said[1]
            assert lake.stream.closed_for() == pytest.approx(60, abs=2)


@pytest.mark.parametrize("limits", [None, RateLimits])
def test_a_connection_that_a_kill_left_behind_is_ended_before_it_times_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limits: Callable[[], RateLimits] | None
) -> None:
    monkeypatch.setattr("opslib.x.streaming._FOUND_AFTER", timedelta(0))
    x_with = local_x(clock=RUNNING, limits=limits() if limits else None)
    with serving(x_with) as x, following(x, tmp_path) as lake:
        x.faults(linger_seconds=600)
        lake.trends("#a")
        lake.turn_until(lambda: lake.stream.connected)
        before = x.add("antes #a")
        lake.turn_until(lambda: set(before) <= set(lake.ids()))
        with suppress(Exception):
            lake.stream._streaming.close()  # type: ignore[union-attr] - as a kill would
        lake.start()
        missed = x.add("perdido #a")
        lake.turn_until(lambda: lake.stream.connected)
        assert "X held a connection that was left behind: it is ended" in lake.said
        after = x.add("depois #a")
        lake.turn_until(lambda: {*missed, *after} <= set(lake.ids()))
        assert not any("asked again" in line for line in lake.said), "no wait was needed"


def test_two_lakes_with_one_token_do_not_throw_each_other_out_again_and_again(tmp_path: Path) -> None:
    with serving(local_x(clock=RUNNING)) as x, following(x, tmp_path) as lake:
        lake.trends("#a")
        x.add_rules("#a")
        with x.stream() as other:
            next(other)
            lake.turn_until(lambda: lake.stream.connected)
        x.send("POST", "/_control/stream/disconnect", {"type": "OperationalDisconnect"})
        lake.turn_until(lambda: not lake.stream.connected)
        with x.stream() as other:
            next(other)
            lake.turn_until(lambda: any("maximum allowed" in line for line in lake.said))
            assert x.x.streams.connected, "the other one is left alone this time"
            assert lake.stream.closed_for() > 50


@pytest.mark.parametrize(("fault", "seconds"), [("503", 5), ("429", 101)])
def test_a_connect_that_fails_is_said_and_tried_later(
    x: Client, tmp_path: Path, fault: str, seconds: float
) -> None:
    x.faults(next=[{"route": "stream", "fault": fault}], reset_seconds=100)
    with following(x, tmp_path) as lake:
        lake.trends("#a")
        lake.turn_until(lambda: bool(lake.said))
        assert lake.stream.closed_for() == pytest.approx(seconds, abs=2)
        lake.turn()
        assert len(lake.said) == 1, "it is not asked again meanwhile"


def test_a_refusal_is_no_storm(tmp_path: Path) -> None:
    with serving(local_x(clock=RUNNING, monthly_cap=0)) as x, following(x, tmp_path) as lake:
        lake.trends("#a")
        lake.turn_until(lambda: bool(lake.said))
        assert "usage" in lake.said[0].lower()
        assert lake.stream.closed_for() == pytest.approx(60, abs=2)


def gap_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The local X API finds a post as soon as it is written."""
    monkeypatch.setattr("opslib.x.streaming._FOUND_AFTER", timedelta(0))


@pytest.mark.parametrize("ending", ["operational-disconnect", "cut"])
def test_what_a_disconnect_has_missed_is_searched_for(
    x: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ending: str
) -> None:
    gap_at_once(monkeypatch)
    with following(x, tmp_path) as lake:
        lake.trends("#a", "#b")
        lake.turn_until(lambda: lake.stream.connected)
        first = x.add("antes #a")
        lake.turn_until(lambda: lake.has(*first))
        lake.turn()
        missed = lake.disconnected(cut=ending == "cut")
        missed += x.add(*(f"{n} #a" for n in range(25)), "um #b")
        lake.turn_until(lambda: lake.has(*missed))
        (later,) = x.add("depois #b")
        lake.turn_until(lambda: lake.has(later))
        lake.turn_until(lambda: "gap" not in lake.state["topics"])
        assert {int(i) for i in lake.ids()} == {int(i) for i in x.ledger()["offered"]}
        wanted = "disconnected" if ending == "operational-disconnect" else "cannot be read"
        assert any(wanted in text for text in lake.said), lake.said
        assert all(message["collected_for"] for message in lake.kafka)
    charged = x.ledger()["charged"]["posts"]
    # A post that came in part was charged, and which one it was is not to be known.
    assert charged <= lake.budget.spent_today().resources <= charged + (ending == "cut")


def test_a_silent_stream_is_left(x: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gap_at_once(monkeypatch)
    with following(x, tmp_path, keep_alive=0.5) as lake:
        lake.trends("#a")
        lake.turn_until(lambda: lake.stream.connected)
        x.faults(next=[{"route": "stream", "fault": "stall"}], stall_seconds=3)
        ids = x.add("um #a")
        lake.turn_until(lambda: any("broke" in text for text in lake.said))
        ids += x.add("dois #a")
        lake.turn_until(lambda: lake.has(*ids))


def test_a_line_that_cannot_be_read_is_counted_and_its_tweet_searched_for(
    x: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with following(x, tmp_path) as lake:
        lake.trends("#a")
        lake.turn_until(lambda: lake.stream.connected)
        x.faults(next=[{"route": "stream", "fault": "malformed"}])
        ids = x.add("um #a")
        lake.turn_until(lambda: bool(lake.said))
        assert "cannot be read" in lake.said[0]
        lake.stream.leave()
        assert lake.budget.spent_today().resources == x.ledger()["charged"]["posts"] == 1
    gap_at_once(monkeypatch)
    monkeypatch.setattr("opslib.x.streaming._LATE", timedelta(milliseconds=50))
    with following(x, tmp_path, state=lake.state, flowfile=lake.flowfile) as lake:
        lake.turn_until(lambda: lake.stream.connected and '"gap"' not in lake.state["topics"])
        time.sleep(0.2)  # it is not of the gap before the connect
        x.faults(next=[{"route": "stream", "fault": "malformed"}])
        ids += x.add("dois #a")
        lake.turn_until(lambda: lake.has(*ids))


@pytest.mark.slow
def test_faults_of_every_kind_lose_nothing(
    x: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gap_at_once(monkeypatch)
    rates = {"disconnect": 0.01, "malformed": 0.02, "duplicate": 0.1, "disorder": 0.1, "partial": 0.02}
    x.faults(seed=7, by_route={"stream": rates})
    with following(x, tmp_path) as lake:
        lake.trends("#a", "#b", "#c")
        lake.turn_until(lambda: lake.stream.connected)
        ids: list[str] = []
        for n in range(30):
            ids += x.add(*(f"{n}.{m} #{'abc'[m % 3]}" for m in range(10)))
            lake.turn()
        lake.turn_until(lambda: lake.has(*ids) and '"gap"' not in lake.state["topics"], 60)
        assert set(lake.ids()) == set(ids)
        ledger = x.ledger()
        assert ledger["cut"], "no fault befell it"
        assert max(ledger["streamed"].values()) > 1
        streamed_twice = {i for i, times in ledger["streamed"].items() if times > 1}
        assert streamed_twice
        assert lake.budget.spent_today().resources >= ledger["charged"]["posts"]


def test_a_post_sent_twice_is_given_out_once(x: Client, tmp_path: Path) -> None:
    with following(x, tmp_path) as lake:
        lake.trends("#a")
        lake.turn_until(lambda: lake.stream.connected)
        x.faults(next=[{"route": "stream", "fault": "duplicate", "times": 2}])
        ids = x.add("um #a", "dois #a")
        lake.turn_until(lambda: lake.has(*ids))
        lake.turn()
        assert lake.ids() == ids


@pytest.mark.parametrize("how", ["rolled back", "state not written"])
def test_what_a_turn_took_along_and_did_not_leave_is_searched_for(
    x: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    gap_at_once(monkeypatch)
    monkeypatch.setattr("opslib.x.streaming._LATE", timedelta(milliseconds=50))
    with following(x, tmp_path) as lake:
        lake.trends("#a")
        lake.turn_until(lambda: lake.stream.connected and '"gap"' not in lake.state["topics"])
        (lost,) = x.add("um #a")
        before = (lake.flowfile, dict(lake.state))
        while not lake.turn():
            pass
        assert lake.ids().pop() == lost
        lake.kafka.clear()
        lake.flowfile = before[0]
        if how == "state not written":
            lake.state = before[1]
        time.sleep(0.2)
        later = x.add("dois #a")
        lake.turn_until(lambda: lake.has(lost, *later))


def test_what_is_missing_of_a_topic_is_found_after_it_trends_no_more(
    x: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gap_at_once(monkeypatch)
    with following(x, tmp_path) as lake:
        lake.trends("#a", "#b")
        lake.turn_until(lambda: lake.stream.connected)
        first = x.add("antes #a")
        lake.turn_until(lambda: lake.has(*first))
        lake.turn()
        lake.kill()
        missed = x.add("fora #a")
        lake.trends("#b")
        lake.turn_until(lambda: lake.has(*missed))
        found = next(message for message in lake.kafka if message["id"] == missed[0])
        assert [topic["name"] for topic in found["collected_for"]] == ["#a"]
        lake.turn_until(lambda: '"gap"' not in lake.state["topics"])
        x.add("depois #a")
        returned = x.ledger()["returned"]
        # It trends again: what was written meanwhile was not wanted.
        lake.trends("#a", "#b")
        lake.turn()
        lake.turn()
        (later,) = x.add("de novo #a")
        lake.turn_until(lambda: lake.has(later))
        assert x.ledger()["returned"] == returned


@pytest.mark.parametrize("when", ["before the state", "after the state", "in Kafka"])
def test_what_a_kill_took_is_searched_for(
    x: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    gap_at_once(monkeypatch)
    # Else all that this test writes is within what is searched for again anyway.
    monkeypatch.setattr("opslib.x.streaming._LATE", timedelta(0))
    with following(x, tmp_path) as lake:
        lake.trends("#a")
        lake.turn_until(lambda: lake.stream.connected)
        ids = x.add(*(f"{n} #a" for n in range(12)))
        lake.turn_until(lambda: lake.has(*ids))
        more: list[str] = []
        for n in range(3):
            # Of several moments: those of one millisecond are searched for together.
            more += x.add(*(f"{n}.{m}! #a" for m in range(4)))
            time.sleep(0.005)
        if when == "after the state":
            lake.turn(kill=True)
        elif when == "in Kafka":
            lake.turn()
        lake.kill()
        while_away = x.add("fora #a")
        lake.turn_until(lambda: lake.has(*more, *while_away))
        assert set(lake.ids()) == {*ids, *more, *while_away}


@pytest.mark.parametrize("margin", [0, 20])
def test_the_budget_is_kept_with_its_margin(x: Client, tmp_path: Path, margin: int) -> None:
    with following(x, tmp_path, Limits(resources_day=60), margin=margin) as lake:
        lake.trends("#a")
        lake.turn_until(lambda: lake.stream.connected)
        lake.flood()
        spent, charged = lake.budget.spent_today().resources, x.ledger()["charged"]["posts"]
        assert spent == charged, "what was sent after the end is counted as well"
        assert len(set(lake.ids())) == charged, "and what was paid for is given out"
        assert 60 - margin <= charged
        assert (charged <= 60) == bool(margin), "what it is for"
        assert sum("pauses" in text for text in lake.said) == 1
        assert lake.stream.closed_for() > 0


def test_what_was_sent_before_x_noticed_is_counted_and_given_out(x: Client, tmp_path: Path) -> None:
    with following(x, tmp_path, Limits(resources_day=20)) as lake:
        lake.trends("#a")
        lake.turn_until(lambda: lake.stream.connected)
        ids = x.add(*(f"{n} #a" for n in range(300)))
        lake.turn_until(lambda: lake.has(*ids))
        lake.left()
        assert lake.budget.spent_today().resources == x.ledger()["charged"]["posts"] == 300


def test_a_pause_for_the_budget_is_no_gap_to_fill(
    x: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gap_at_once(monkeypatch)
    with following(x, tmp_path, Limits(resources_day=30), margin=20) as lake:
        lake.trends("#a")
        lake.turn_until(lambda: lake.stream.connected)
        x.add(*(f"{n} #a" for n in range(12)))
        lake.turn_until(lambda: any("pauses" in text for text in lake.said))
        x.add("na pausa #a")
        lake.kill()
        lake.budget = Budget(tmp_path / "budget.sqlite", Limits(resources_day=1000), clock=RUNNING)
        lake.start()
        lake.turn_until(lambda: lake.stream.connected)
        (later,) = x.add("depois #a")
        lake.turn_until(lambda: lake.has(later))
        for _ in range(5):
            lake.turn()
        assert x.ledger()["returned"] == {}, "nothing was searched for"


@pytest.mark.slow
def test_a_round_has_its_share_of_the_day(x: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gap_at_once(monkeypatch)
    policy = CollectionPolicy(100, 10, interval=timedelta(hours=6))
    with following(x, tmp_path, policy=policy, clock=lambda: NOW) as lake:
        # Noon: two rounds are left, and the second one's trend is kept.
        lake.budget = Budget(tmp_path / "noon.sqlite", Limits(resources_day=101), clock=lambda: NOW)
        lake.start()
        came = []
        for _ in range(2):
            lake.trends("#a")
            lake.turn_until(lambda: lake.stream.connected)
            before = len(lake.kafka)
            lake.flood()
            came.append(len(lake.kafka) - before)
        # A share is known to be used up when it has come, and thirteen more are written until the next turn.
        assert 50 <= came[0] < 50 + 2 * 13
        assert 0 < came[1] < 101 - came[0] + 2 * 13
        assert sum("share" in text for text in lake.said) >= 1
        assert x.ledger()["returned"] == {}, "a pause was taken for a gap"


def test_a_gap_ends_with_the_budget(x: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gap_at_once(monkeypatch)
    with following(x, tmp_path, Limits(resources_day=145), margin=5) as lake:
        lake.trends("#a")
        lake.turn_until(lambda: lake.stream.connected)
        first = x.add("antes #a")
        lake.turn_until(lambda: lake.has(*first))
        lake.disconnected()
        x.add(*(f"{n} #a" for n in range(200)))
        lake.turn_until(lambda: any("gaps" in text for text in lake.said))
        assert '"gap"' not in lake.state["topics"]
        assert x.ledger()["charged"]["posts"] <= 145


def test_a_gap_has_so_many_pages(x: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gap_at_once(monkeypatch)
    with following(x, tmp_path, policy=CollectionPolicy(2, 10)) as lake:
        lake.trends("#a")
        lake.turn_until(lambda: lake.stream.connected)
        first = x.add("antes #a")
        lake.turn_until(lambda: lake.has(*first))
        lake.disconnected()
        x.add(*(f"{n} #a" for n in range(50)))
        lake.turn_until(lambda: any("given up" in text for text in lake.said))
        assert len(x.ledger()["returned"]) == 20


def test_a_stream_that_nobody_takes_from_ends(x: Client, tmp_path: Path) -> None:
    with following(x, tmp_path, unasked=0.3) as lake:
        lake.trends("#a")
        lake.turn_until(lambda: lake.stream.connected)
        lake.wait_for_the_end()
        x.add("um #a")
        assert x.ledger()["streamed"] == {}
        lake.turn_until(lambda: lake.stream.connected)
        (two,) = x.add("dois #a")
        lake.turn_until(lambda: lake.has(two))


@pytest.mark.slow
def test_a_stream_is_left_even_if_x_does_not_notice(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def send_on() -> None:
            connection, _ = server.accept()
            with connection, suppress(OSError):
                connection.recv(65536)
                connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
                while True:
                    connection.sendall(b"2\r\n\r\n\r\n")
                    time.sleep(0.01)

        threading.Thread(target=send_on, daemon=True).start()
        client = XClient(f"http://127.0.0.1:{server.getsockname()[1]}", "right")
        stream = Stream(client, Budget(tmp_path / "budget.sqlite", Limits()), {"post": 1})
        while not stream.connected:
            stream.take(0.1)
        leaving = threading.Thread(target=stream.leave, daemon=True)
        leaving.start()
        leaving.join(60)
        assert not leaving.is_alive(), "it is still read"


def test_without_topics_nothing_is_asked_and_a_place_is_forgotten(x: Client, tmp_path: Path) -> None:
    now = [RUNNING()]
    policy = CollectionPolicy(interval=timedelta(minutes=30))
    with following(x, tmp_path, policy=policy, clock=lambda: now[0]) as lake:
        lake.turn()
        assert not lake.stream.connected
        lake.trends("#a")
        lake.turn_until(lambda: lake.stream.connected)
        now[0] += timedelta(hours=2)
        lake.turn()
        assert not lake.stream.connected
        assert x.get(f"{STREAM_PATH}/rules").get("data") is None


def test_one_flowfile_goes_round(x: Client, tmp_path: Path) -> None:
    now = [RUNNING()]
    with following(x, tmp_path, clock=lambda: now[0]) as lake:
        assert lake.trends("#a")
        one = lake.flowfile
        assert one is not None
        assert not lake.trends("#a")
        now[0] += timedelta(minutes=11)
        assert lake.trends("#a"), "the first has not been heard of"
        assert not lake.trigger(one), "another has taken over"
        position = json.dumps({"loop": one.attribute("uuid"), "newest": {}, "gap": None})
        assert not lake.trigger(replace(one, named={**one.named, POSITION: position}))
        lake.turn()
        assert lake.flowfile is not None
        assert lake.flowfile.attribute("uuid") == "snapshot 3"


def test_in_the_other_mode_what_was_followed_is_forgotten(x: Client, tmp_path: Path) -> None:
    with following(x, tmp_path) as lake:
        lake.trends("#a")
        lake.turn_until(lambda: lake.stream.connected)
        assert lake.flowfile is not None
        other = StreamTurns.of(lake.client, lake.client, lake.budget, lake.policy, 0, "search")
        done = other.turn(dict(lake.state), lake.flowfile)
        assert (done.relationship, done.content, done.state) == ("finished", b"", {})


def test_a_stream_whose_429_tells_a_time_that_is_past_here_is_no_storm(tmp_path: Path) -> None:
    """X's clock is an hour behind ours."""
    behind = Running(NOW - timedelta(hours=1))
    with serving(local_x(clock=behind)) as x, following(x, tmp_path) as lake:
        x.faults(next=[{"route": "stream", "fault": "429", "times": 1000}], reset_seconds=100)
        lake.trends("#a")
        lake.turn_until(lambda: bool(lake.said))
        for _ in range(5):
            lake.turn()
        assert lake.said == ["X's rate limit is reached (Too Many Requests); X is asked again in 60 s"]
