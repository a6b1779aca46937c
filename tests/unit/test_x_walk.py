"""A walk through the topics: killed at any moment, it loses no tweet and asks again for a page at most."""

from __future__ import annotations

import json
from collections import Counter
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opslib.x.budget import Budget, Exhausted, Limits
from opslib.x.client import EXPAND_AUTHORS, EXPAND_REFERENCED, SearchPage
from opslib.x.search import Progress
from opslib.x.walk import MIN_RESULTS, Busy, CollectionPolicy, Position, Walker, allowance, end, shares

if TYPE_CHECKING:
    from pathlib import Path

NOW = datetime(2026, 1, 31, 12, tzinfo=timezone.utc)
EPOCH_MS = 1_288_834_974_657


def id_at(moment: datetime, n: int) -> int:
    return ((int(moment.timestamp() * 1000) - EPOCH_MS) << 22) + n


class X:
    """Recent search over tweets held in memory, newest first, a page at a time."""

    def __init__(self, tweets: dict[str, list[int]]) -> None:
        self.tweets = tweets
        self.given: Counter[int] = Counter()
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
        self.asked.append((query, since_id, results))
        page = [self._next - n for n in range(next(self._sizes, 0))]
        self._next -= len(page)
        self.given.update(page)
        newest = str(page[0]) if page else None
        return SearchPage([{"id": str(n), "text": "t"} for n in page], {}, newest, f"after {len(self.asked)}")


class Killed(Exception):  # noqa: N818
    pass


class Nifi:
    """What NiFi does for a walk: FlowFiles are committed after a trigger, state at once."""

    def __init__(self, x: X, budget: Budget, rules: CollectionPolicy) -> None:
        self.x, self.budget, self.rules = x, budget, rules
        self.state: dict[str, str] = {}
        self.kafka: list[int] = []
        self.clock = NOW
        self.kills: list[str] = []

    def walker(self) -> Walker:
        return Walker(self.x, self.budget, self.rules, lambda: self.clock)  # type: ignore[arg-type]

    def _kill(self, where: str) -> None:
        if self.kills and self.kills[0] == where:
            self.kills.pop(0)
            raise Killed

    def trigger(self, walk: str, flowfile: dict[str, Any]) -> dict[str, Any] | None:
        """One trigger on a FlowFile; returns the one that goes round, or nothing at the end."""
        walker, state = self.walker(), dict(self.state)
        if "position" in flowfile:
            position = walker.arrived(state, Position.from_text(flowfile["position"]))
            if position is None:
                return None
        else:
            position = walker.begin(state, walk, flowfile["snapshots"])
        self._kill("before the state")
        self.state = state
        self._kill("after the state")
        search = walker.search(state, position)
        if search is None:
            walker.finish(state, walk)
            self.state = state
            return None
        messages, position, _ = walker.page(search, position)
        self._kill("after the page")
        return {"position": position.to_text(), "ids": [int(message["id"]) for message in messages]}

    def run(self, walk: str, *topics: str) -> None:
        trends = [{"name": topic, "tweet_count": None} for topic in topics]
        flowfile: dict[str, Any] | None = {"snapshots": [{"woeid": 1, "trends": trends}]}
        while flowfile is not None:
            try:
                flowfile = self.trigger(walk, flowfile)
            except Killed:
                continue
            if flowfile is not None:
                self.kafka += flowfile["ids"]


@pytest.fixture
def budget(tmp_path: Path) -> Budget:
    return Budget(tmp_path / "budget.sqlite", Limits(), {}, lambda: NOW)


def nifi(budget: Budget, tweets: dict[str, list[int]], **rules: Any) -> Nifi:
    return Nifi(X(tweets), budget, CollectionPolicy(**{"page_size": 10, **rules}))


def some(number: int, first: int = 0) -> list[int]:
    return [id_at(NOW - timedelta(hours=1), n) for n in range(first, first + number)]


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.integers(0, 45), min_size=1, max_size=4),
    st.lists(st.sampled_from(["before the state", "after the state", "after the page"]), max_size=6),
)
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
    died_with_a_page = kills[: len(kills) - len(lake.kills)].count("after the page")
    assert repeated <= 10 * died_with_a_page
    assert budget.spent_today().resources == len(wanted), "the same day, a second reading is free"


def test_the_next_walk_asks_for_newer_tweets_alone(budget: Budget) -> None:
    lake = nifi(budget, {"#a": some(25)})
    lake.run("w1", "#a")
    lake.x.tweets["#a"] += some(3, 100)
    lake.run("w2", "#a")
    assert Counter(lake.kafka) == Counter(lake.x.tweets["#a"])
    assert max(lake.x.given.values()) == 1


def test_one_walk_at_a_time_and_a_silent_one_is_given_up(budget: Budget) -> None:
    lake = nifi(budget, {"#a": some(25)})
    snapshot = {"snapshots": [{"woeid": 1, "trends": [{"name": "#a"}]}]}
    page = lake.trigger("w1", snapshot)
    assert page
    with pytest.raises(Busy):
        lake.trigger("w2", snapshot)
    lake.clock += timedelta(minutes=11)
    assert lake.trigger("w2", snapshot)
    assert lake.trigger("w1", page) is None, "it has lost its turn"


def test_a_walk_that_was_ended_keeps_no_other_waiting(budget: Budget) -> None:
    lake = nifi(budget, {"#a": some(25)})
    snapshot = {"snapshots": [{"woeid": 1, "trends": [{"name": "#a"}]}]}
    first = lake.trigger("w1", snapshot)
    assert first
    second = lake.trigger("w1", first)
    assert second
    assert end(lake.state)
    assert not end(lake.state), "none is under way"
    assert lake.trigger("w1", second) is None, "it is over"
    lake.run("w2", "#a")
    assert {*first["ids"], *lake.kafka} == set(some(25)), "the topic goes on from where it was"
    assert not set(first["ids"]) & set(lake.kafka)


def test_topics_of_several_places_are_searched_once_for_all(budget: Budget) -> None:
    lake = nifi(budget, {"#a": some(5), "#b": []})
    snapshots = [
        {"woeid": 1, "trends": [{"name": "#a"}]},
        {"woeid": 2, "trends": [{"name": "#a"}, {"name": "#b"}, {"name": "\u201c\u201d"}]},
    ]
    state: dict[str, str] = {}
    walker = lake.walker()
    position = walker.begin(state, "w", snapshots)
    search = walker.search(state, position)
    assert search is not None
    messages, position, _ = walker.page(search, position)
    wanted = [{"name": "#a", "woeid": 1, "query": "#a"}, {"name": "#a", "woeid": 2, "query": "#a"}]
    assert [message["collected_for"] for message in messages] == [wanted] * 5
    following = walker.arrived(state, position)
    assert following
    after = walker.search(state, following)
    assert after is not None
    assert after.query == "#b"
    assert walker.search(state, walker.skip(state, following)) is None


def test_the_newest_come_first_and_what_is_too_much_is_given_up(budget: Budget) -> None:
    ids = some(95)
    lake = nifi(budget, {"#a": ids}, max_pages=3)
    lake.run("w1", "#a")
    assert sorted(lake.kafka) == ids[-30:]
    lake.run("w2", "#a")
    assert sorted(lake.kafka) == ids[-30:]


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 5), st.lists(st.integers(0, 12), max_size=12))
def test_a_walk_asks_so_many_pages_at_most_empty_ones_too(
    tmp_path_factory: pytest.TempPathFactory, most: int, sizes: list[int]
) -> None:
    """X sends pages of any size, none of them the last one."""
    budget = Budget(tmp_path_factory.mktemp("walk") / "b.sqlite", Limits(), {}, lambda: NOW)
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
    assert set(lake.state) == {"topic/#b"}


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
            try:
                lake.run(f"w{day}{restart}", *ids)
            except Exhausted:
                continue
        assert sum(x.given.values()) <= 50 * day
        assert budget.spent_today().resources <= 50
        clock += timedelta(days=1)
    assert sum(x.given.values()) > 100


def test_a_turn_gets_its_share_of_the_day(tmp_path: Path) -> None:
    budget = Budget(tmp_path / "b.sqlite", Limits(resources_day=1000), {}, lambda: NOW)
    lake = nifi(budget, {"#a": some(900)}, page_size=100, interval=timedelta(hours=2))
    lake.run("w1", "#a")
    # Twelve hours are left of the day, which are six turns; the five to come take a trend each.
    assert len(lake.kafka) == (1000 - 5) // 6


def test_a_part_of_a_turn_before_midnight_counts_as_one(tmp_path: Path) -> None:
    policy = CollectionPolicy(interval=timedelta(hours=2))
    budget = Budget(tmp_path / "b.sqlite", Limits(resources_day=1000), {}, lambda: NOW)
    # Eleven and a half hours are left: five whole turns and one of an hour and a half.
    moment = NOW + timedelta(minutes=30)
    assert allowance(budget, policy, 0, moment) == 1000 // 6
    assert allowance(budget, policy, 1, moment) == (1000 - 5) // 6
    # The whole of the day's last hour is one turn: what is left is for it.
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
