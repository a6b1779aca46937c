"""A walk through the topics: killed at any moment, it loses no tweet and asks again for a page at most."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pytest
from flowfiles import Held, messages_in, place, snapshots_of
from hypothesis import given, settings
from hypothesis import strategies as st

from opslib.x.budget import Budget, Limits
from opslib.x.client import RateLimited, Refused, SearchPage, Unavailable, XError
from opslib.x.fair import MIN_RESULTS
from opslib.x.names import EXPAND_AUTHORS, EXPAND_REFERENCED
from opslib.x.search import Progress
from opslib.x.turns.search import SearchTurns
from opslib.x.walk import CollectionPolicy, Position, allowance, shares

if TYPE_CHECKING:
    from pathlib import Path

    from opslib.x.turns import Turn

NOW = datetime(2026, 1, 31, 12, tzinfo=timezone.utc)
EPOCH_MS = 1_288_834_974_657


def id_at(moment: datetime, n: int) -> int:
    return ((int(moment.timestamp() * 1000) - EPOCH_MS) << 22) + n


class X:
    """Recent search over tweets held in memory, newest first, a page at a time."""

    def __init__(self, tweets: dict[str, list[int]]) -> None:
        self.tweets = tweets
        self.given: Counter[int] = Counter()
        self.spent_until = None
        self.asked: list[tuple[str, str | None, int]] = []

    def search_recent(
        self, query: str, since_id: str | None, next_token: str | None, results: int, *_rest: Any
    ) -> SearchPage:
        self.asked.append((query, since_id, results))
        known = sorted((n for n in self.tweets[query] if n > int(since_id or 0)), reverse=True)
        if next_token:
            known = [n for n in known if n < int(next_token)]
        page, rest = known[:results], known[results:]
        self.given.update(page)
        return SearchPage(
            tweets=[{"id": str(n), "text": "t"} for n in page],
            newest_id=str(page[0]) if page else None,
            next_token=str(page[-1]) if rest else None,
        )


class Endless(X):
    """A search that has one more page after each; those behind *sizes* are empty."""

    def __init__(self, sizes: list[int]) -> None:
        super().__init__({})
        self._sizes = iter(sizes)
        self._next = id_at(NOW, 0)

    def search_recent(
        self, query: str, since_id: str | None, _token: str | None, results: int, *_rest: Any
    ) -> SearchPage:
        assert len(self.asked) < 15, "it asks on and on"
        self.asked.append((query, since_id, results))
        page = [self._next - n for n in range(next(self._sizes, 0))]
        self._next -= len(page)
        self.given.update(page)
        newest = str(page[0]) if page else None
        return SearchPage([{"id": str(n), "text": "t"} for n in page], {}, newest, f"after {len(self.asked)}")


class Killed(Exception):  # noqa: N818
    pass


class Nifi:
    """What NiFi does for a walk: state is kept at once, FlowFiles are committed afterwards."""

    def __init__(self, x: X, budget: Budget, policy: CollectionPolicy) -> None:
        self.x, self.budget, self.policy = x, budget, policy
        self.state: dict[str, str] = {}
        self.kafka: list[int] = []
        self.clock = NOW
        self.kills: list[str] = []
        self.killed_with_a_page = 0
        self.warned: list[str] = []

    def turn(self, flowfile: Held, mode: str = "search") -> Turn:
        """One trigger of a processor that was started just now: it has nothing but what is kept."""
        turns = SearchTurns(self.x, self.budget, self.policy, mode, lambda: self.clock)  # type: ignore[arg-type]
        done = turns.turn(dict(self.state), flowfile)
        self._kill("before the state", done)
        if done.state is not None:
            self.state = done.state
        self._kill("after the state", done)
        self.warned += done.warnings
        return done

    def _kill(self, where: str, done: Turn) -> None:
        if self.kills and self.kills[0] == where:
            self.kills.pop(0)
            self.killed_with_a_page += done.relationship == "success"
            raise Killed

    def run(self, walk: str, *topics: str) -> None:
        flowfile = snapshots_of(walk, place(1, *topics))
        while True:
            try:
                done = self.turn(flowfile)
            except Killed:
                continue
            if done.relationship == "finished":
                return
            flowfile = flowfile.after(done)
            if done.relationship == "success":
                self.kafka += ids_in(flowfile)


def ids_in(flowfile: Held) -> list[int]:
    return [int(message["id"]) for message in messages_in(flowfile.held)]


@pytest.fixture
def budget(tmp_path: Path) -> Budget:
    return Budget(tmp_path / "budget.sqlite", Limits(), {}, lambda: NOW)


def nifi(budget: Budget, tweets: dict[str, list[int]], **rules: Any) -> Nifi:
    return Nifi(X(tweets), budget, CollectionPolicy(**{"page_size": 10, **rules}))


def some(number: int, first: int = 0) -> list[int]:
    return [id_at(NOW - timedelta(hours=1), n) for n in range(first, first + number)]


@settings(max_examples=40)
@given(
    st.lists(st.integers(0, 45), min_size=1, max_size=4),
    st.lists(st.sampled_from(["before the state", "after the state"]), max_size=6),
)
@pytest.mark.slow
def test_killed_anywhere_it_loses_nothing_and_repeats_a_page_at_most(
    tmp_path_factory: pytest.TempPathFactory, sizes: list[int], kills: list[str]
) -> None:
    budget = Budget(tmp_path_factory.mktemp("walk") / "b.sqlite", Limits(), {}, lambda: NOW)
    topics = {f"#t{i}": some(size, i * 1000) for i, size in enumerate(sizes)}
    lake = nifi(budget, topics)
    lake.kills = list(kills)
    lake.run("w1", *topics)
    wanted = Counter({n: 1 for ids in topics.values() for n in ids})
    assert Counter(lake.kafka) == wanted, "each tweet reaches Kafka once: a killed page never got there"
    repeated = sum(lake.x.given.values()) - len(wanted)
    assert repeated <= 10 * lake.killed_with_a_page
    assert budget.spent_today().resources == len(wanted), "the same day, a second reading is free"


def test_the_next_walk_asks_for_newer_tweets_alone(budget: Budget) -> None:
    lake = nifi(budget, {"#a": some(25)})
    lake.run("w1", "#a")
    lake.x.tweets["#a"] += some(3, 100)
    lake.run("w2", "#a")
    assert Counter(lake.kafka) == Counter(lake.x.tweets["#a"])
    assert max(lake.x.given.values()) == 1


@pytest.mark.slow
@settings(max_examples=40)
@given(
    st.lists(st.tuples(st.integers(0, 25), st.integers(0, 25), st.integers(0, 25)), min_size=1, max_size=3),
    st.integers(0, 12),
)
def test_a_state_of_a_backup_pays_for_nothing_that_came_since(
    tmp_path_factory: pytest.TempPathFactory, sizes: list[tuple[int, int, int]], killed_after: int
) -> None:
    budget = Budget(tmp_path_factory.mktemp("walk") / "b.sqlite", Limits(), {}, lambda: NOW)
    before, since, later = (
        {f"#t{i}": some(three[n], i * 1000 + n * 100) for i, three in enumerate(sizes)} for n in range(3)
    )
    lake = nifi(budget, before)
    lake.run("w1", *before)
    backup = dict(lake.state)
    # The host dies in the midst of a walk: what of it came is on Kafka.
    lake.x.tweets = {query: before[query] + since[query] for query in before}
    flowfile, newest = (
        snapshots_of("w2", place(1, *before)),
        {query: max(ids) for query, ids in before.items() if ids},
    )
    for _ in range(killed_after):
        done = lake.turn(flowfile)
        if done.relationship == "finished":
            break
        flowfile = flowfile.after(done)
        lake.kafka += ids_in(flowfile)
        for message in messages_in(flowfile.held):
            query = message["collected_for"][0]["query"]
            newest[query] = max(int(message["id"]), newest.get(query, 0))
    lake.state = backup
    budget.note_collected(newest)
    lake.x.tweets = {query: lake.x.tweets[query] + later[query] for query in before}
    lake.clock += timedelta(minutes=30)
    lake.run("w3", *before)
    assert set(lake.x.given.values()) <= {1}
    assert {n for ids in later.values() for n in ids} <= {*lake.kafka}
    assert Counter(lake.kafka) == Counter({*lake.kafka})


def test_one_walk_at_a_time_and_a_silent_one_is_given_up(budget: Budget) -> None:
    lake = nifi(budget, {"#a": some(25)})
    first, second = (snapshots_of(walk, place(1, "#a")) for walk in ("w1", "w2"))
    page = first.after(lake.turn(first))
    before = dict(lake.state)
    waits = lake.turn(second)
    assert (waits.relationship, waits.rest) == ("failure", False)
    assert lake.state == before
    lake.clock += timedelta(minutes=11)
    assert lake.turn(second).relationship == "success"
    lost = lake.turn(page)
    assert lost.relationship == "finished"
    assert lost.warnings == ["another walk has taken over: this one ends"]


def test_a_walk_that_was_ended_keeps_no_other_waiting(budget: Budget) -> None:
    lake = nifi(budget, {"#a": some(25)})
    snapshots = snapshots_of("w1", place(1, "#a"))
    first = snapshots.after(lake.turn(snapshots))
    second = first.after(lake.turn(first))
    # The mode is changed: the page that is under way ends at the processor, and asks X nothing.
    calls = len(lake.x.asked)
    for _ in range(2):
        ended = lake.turn(second, mode="stream")
        assert (ended.relationship, ended.content) == ("finished", b"")
    assert lake.turn(second).relationship == "finished", "it is over"
    assert len(lake.x.asked) == calls
    lake.run("w2", "#a")
    assert {*ids_in(first), *lake.kafka} == set(some(25)), "the topic goes on from where it was"
    assert not set(ids_in(first)) & set(lake.kafka)


def test_topics_of_several_places_are_searched_once_for_all(budget: Budget) -> None:
    lake = nifi(budget, {"#a": some(5), "#b": []})
    snapshots = snapshots_of("w", place(1, "#a"), place(2, "#a", "#b", "\u201c\u201d"))
    first = snapshots.after(lake.turn(snapshots))
    wanted = [{"name": "#a", "woeid": 1, "query": "#a"}, {"name": "#a", "woeid": 2, "query": "#a"}]
    assert [message["collected_for"] for message in messages_in(first.held)] == [wanted] * 5
    second = first.after(lake.turn(first))
    assert (second.attribute("search.query"), second.held) == ("#b", b"")
    assert lake.turn(second).relationship == "finished"
    assert [query for query, _, _ in lake.x.asked] == ["#a", "#b"]
    assert "walk" not in lake.state


class Failing(X):
    """A search that fails so often before it answers."""

    def __init__(self, tweets: dict[str, list[int]], *failures: XError) -> None:
        super().__init__(tweets)
        self.failures = list(failures)

    def search_recent(self, query: str, *rest: Any) -> SearchPage:
        if self.failures:
            raise self.failures.pop(0)
        return super().search_recent(query, *rest)


def test_a_page_that_fails_is_asked_for_again_after_its_delay_and_nothing_meanwhile(budget: Budget) -> None:
    lake = nifi(budget, {})
    lake.x = Failing({"#a": some(5)}, Unavailable("503", maybe_charged=False), RateLimited(0))
    turns = SearchTurns(lake.x, budget, lake.policy, clock=lambda: lake.clock)  # type: ignore[arg-type]
    flowfile, state = snapshots_of("w", place(1, "#a")), {}
    done = turns.turn(state, flowfile)
    assert (done.relationship, done.rest) == ("failure", True)
    assert done.errors == ["503; X is asked again in 5 s"]
    assert "walk" in (done.state or {}), "no other walk begins meanwhile"
    for seconds, what in ((4, "failure"), (1, "failure"), (59, "failure"), (1, "success")):
        lake.clock += timedelta(seconds=seconds)
        done = turns.turn(state, flowfile)
        assert done.relationship == what
    assert len(messages_in(done.content)) == 5
    assert budget.spent_today().resources == 5


def test_a_topic_that_x_refuses_is_left_out_and_said_and_the_others_go_on(budget: Budget) -> None:
    lake = nifi(budget, {})
    lake.x = Failing({"#b": some(5)}, Refused(400, "query"))
    lake.run("w", "#a", "#b")
    assert sorted(lake.kafka) == some(5)
    assert lake.warned == ["#a is not searched for: X refused (400): query"]


def test_what_x_leaves_out_is_said_with_what_came(budget: Budget) -> None:
    class Partly(X):
        def search_recent(self, query: str, *rest: Any) -> SearchPage:
            page = super().search_recent(query, *rest)
            return replace(page, errors=[{"detail": "one is protected"}])

    lake = nifi(budget, {})
    lake.x = Partly({"#a": some(5)})
    lake.run("w", "#a")
    assert sorted(lake.kafka) == some(5)
    assert lake.warned == ["X left something out of #a: one is protected"]


def test_the_newest_come_first_and_what_is_too_much_is_given_up(budget: Budget) -> None:
    ids = some(95)
    lake = nifi(budget, {"#a": ids}, max_pages=3)
    lake.run("w1", "#a")
    assert sorted(lake.kafka) == ids[-30:]
    lake.run("w2", "#a")
    assert sorted(lake.kafka) == ids[-30:]


@pytest.mark.parametrize("most", [1, 4])
@pytest.mark.parametrize("sizes", [[], [0, 3, 0, 9, 0, 0, 4], [9] * 20], ids=str)
def test_a_walk_asks_so_many_pages_at_most_empty_ones_too(
    budget: Budget, most: int, sizes: list[int]
) -> None:
    """X sends pages of any size, none of them the last one."""
    lake = nifi(budget, {"#a": []}, max_pages=most, page_size=100)
    lake.x = Endless(sizes)
    lake.run("w1", "#a")
    assert len(lake.x.asked) == most
    assert Counter(lake.kafka) == lake.x.given
    lake.run("w2", "#a")
    assert len(lake.x.asked) == 2 * most


def test_topics_that_trend_no_more_are_forgotten_after_a_day(budget: Budget) -> None:
    lake = nifi(budget, {"#a": some(5), "#b": some(5, 100)})
    lake.run("w1", "#a")
    lake.clock += timedelta(hours=23)
    lake.run("w2", "#b")
    assert "topic/#a" in lake.state
    lake.clock += timedelta(hours=2)
    lake.run("w3", "#b")
    assert {key for key in lake.state if key.startswith("topic/")} == {"topic/#b"}


def test_a_place_that_x_would_refuse_for_its_age_is_forgotten(budget: Budget) -> None:
    lake = nifi(budget, {"#a": some(5)})
    lake.run("w1", "#a")
    lake.clock += timedelta(days=8)
    lake.run("w2", "#a")
    assert [since for _, since, _ in lake.x.asked] == [None, None]


def test_a_budget_of_n_collects_n_at_most_over_restarts_and_days(tmp_path: Path) -> None:
    clock = NOW
    ids = {f"#t{i}": some(60, i * 1000) for i in range(4)}
    x = X(ids)
    for day in range(1, 4):
        for restart in range(5):
            budget = Budget(tmp_path / "b.sqlite", Limits(resources_day=50), {}, lambda now=clock: now)  # type: ignore[misc]
            lake = Nifi(x, budget, CollectionPolicy(page_size=20, interval=timedelta(hours=12)))
            lake.clock = clock
            lake.run(f"w{day}{restart}", *ids)
        assert sum(x.given.values()) <= 50 * day
        assert budget.spent_today().resources <= 50
        clock += timedelta(days=1)
    assert sum(x.given.values()) > 100


def test_a_round_gets_its_share_of_the_day(tmp_path: Path) -> None:
    budget = Budget(tmp_path / "b.sqlite", Limits(resources_day=1000), {}, lambda: NOW)
    lake = nifi(budget, {"#a": some(900)}, page_size=100, interval=timedelta(hours=2))
    lake.run("w1", "#a")
    # Twelve hours are left of the day, which are six rounds; the five to come take a trend each.
    assert len(lake.kafka) == (1000 - 5) // 6


def test_a_part_of_a_round_before_midnight_counts_as_one(tmp_path: Path) -> None:
    policy = CollectionPolicy(interval=timedelta(hours=2))
    budget = Budget(tmp_path / "b.sqlite", Limits(resources_day=1000), {}, lambda: NOW)
    # Eleven and a half hours are left: five whole rounds and one of an hour and a half.
    moment = NOW + timedelta(minutes=30)
    assert allowance(budget, policy, 0, moment) == 1000 // 6
    assert allowance(budget, policy, 1, moment) == (1000 - 5) // 6
    # The whole of the day's last hour is one round: what is left is for it.
    assert allowance(budget, policy, 1, NOW + timedelta(hours=11)) == 1000


def test_expansions_have_their_price_reserved() -> None:
    assert CollectionPolicy(expansions=(EXPAND_AUTHORS, EXPAND_REFERENCED)).resources_a_post() == {
        "post": 3,
        "user": 1,
    }
    assert CollectionPolicy().resources_a_post() == {"post": 1}


@given(st.lists(st.integers(0, 10**6), max_size=50), st.integers(0, 5000), st.integers(10, 1000))
def test_shares_are_within_what_there_is(sizes: list[int], posts: int, most: int) -> None:
    given_ = shares(sizes, posts, most)
    assert len(given_) == len(sizes)
    assert sum(given_) <= posts
    assert all(share == 0 or MIN_RESULTS <= share <= most for share in given_)


def test_a_larger_topic_gets_more_and_a_small_one_is_not_forgotten() -> None:
    assert shares([1000, 500, 0], 1000, 10_000) == [495, 252, 252]
    assert shares([1, 1, 1], 25, 100) == [12, 12, 0]


def test_a_position_survives_its_journey_as_text() -> None:
    position = Position("w", 3, 40, Progress("5", "token", "9"))
    assert Position.from_text(position.to_text()) == position
    assert json.loads(position.to_text())["search"] == 3
