"""Looking back: killed anywhere it loses nothing and pays again for a page; it shows the whole span."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pytest
from flowfiles import Held, messages_in
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from opslib.message import encode, id_at, moment_of_id
from opslib.x.backfill import BadBackfill, new_backfill
from opslib.x.budget import Budget, Limits
from opslib.x.client import Refused, SearchPage
from opslib.x.follows import Follow
from opslib.x.turns import FOLLOWS
from opslib.x.turns.search import LOOKED_UP, SearchTurns
from opslib.x.walk import CollectionPolicy

if TYPE_CHECKING:
    from pathlib import Path

    from opslib.x.turns import Turn

NOW = datetime(2026, 1, 31, 12, tzinfo=timezone.utc)
FOLLOW = Follow("Pix", "pix", 0.01, paused=True)
SINCE, UNTIL = NOW - timedelta(days=30), NOW - timedelta(days=10)


class Archive:
    """The full archive over ids held in memory."""

    def __init__(self, ids: list[int], clock: list[datetime]) -> None:
        self.ids, self._clock = sorted(ids, reverse=True), clock
        self.spent_until = None
        self.given: Counter[int] = Counter()
        self.asked: list[tuple[datetime, int]] = []
        self.error: Exception | None = None

    def search_all(
        self, query: str, since_id: str, until_id: str, results: int, _expansions: tuple[str, ...]
    ) -> SearchPage:
        assert query == "pix"
        assert 10 <= results <= 500
        if self.error is not None:
            raise self.error
        self.asked.append((self._clock[0], results))
        found = [n for n in self.ids if int(since_id) < n < int(until_id)]
        page = found[:results]
        self.given.update(page)
        tweets = [{"id": str(n), "text": "t", "created_at": _text(n)} for n in page]
        return SearchPage(tweets, next_token="more" if len(found) > results else None)


def _text(tweet_id: int) -> str:
    moment = moment_of_id(tweet_id)
    assert moment is not None
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Killed(Exception):  # noqa: N818
    pass


class Nifi:
    def __init__(self, path: Path, ids: list[int], limits: Limits | None = None) -> None:
        self.clock = [NOW]
        self.x = Archive(ids, self.clock)
        self.budget = Budget(path / "budget.sqlite", limits or Limits(), {}, lambda: self.clock[0])
        self.state: dict[str, str] = {}
        self.kafka: list[int] = []
        self.said: list[str] = []
        self.kills: list[bool] = []
        self.number = 0

    def turn(self, flowfile: Held) -> Turn:
        policy = CollectionPolicy(interval=timedelta(hours=1))
        turns = SearchTurns(self.x, self.budget, policy, "search", lambda: self.clock[0])  # type: ignore[arg-type]
        self.clock[0] += timedelta(seconds=1)
        done = turns.turn(dict(self.state), flowfile)
        for _ in range(2):
            if self.kills and self.kills.pop(0):
                raise Killed
            self.state = self.state if done.state is None else done.state
        self.said += done.warnings
        return done

    def minute(self, *backfills: Any) -> None:
        """Let a list of what is followed come, and go round until there is nothing to do."""
        self.number += 1
        self.clock[0] += timedelta(minutes=1)
        records = [FOLLOW.to_record(), *(one.to_record() for one in backfills)]
        told = {"uuid": f"f{self.number}", FOLLOWS: "1"}
        flowfile = Held(b"\n".join(encode(record) for record in records), told)
        while True:
            try:
                done = self.turn(flowfile)
            except Killed:
                continue
            if done.relationship == "finished":
                return
            if done.relationship == "success":
                flowfile = flowfile.after(done)
                for message in messages_in(flowfile.held):
                    assert message["collected_for"] == [
                        {"kind": "follow", "name": "Pix", "woeid": None, "looked_up": True, "query": "pix"}
                    ]
                    self.kafka.append(int(message["id"]))


def some(number: int, since: datetime = SINCE, until: datetime = UNTIL) -> list[int]:
    return [id_at(since + (until - since) * n / number) + n % 7 for n in range(number)]


def wanted(usd: float, *, spread: bool = False) -> Any:
    return new_backfill(FOLLOW, SINCE, UNTIL, usd, spread=spread, now=NOW)


@pytest.mark.slow
@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(kills=st.lists(st.booleans(), max_size=40), number=st.integers(0, 1800), spread=st.booleans())
def test_killed_anywhere_it_brings_all_of_the_span_and_pays_again_for_a_page_a_kill_at_most(
    tmp_path_factory: pytest.TempPathFactory, kills: list[bool], number: int, spread: bool
) -> None:
    inside = some(number)
    around = [*some(50, SINCE - timedelta(days=1), SINCE), *some(50, UNTIL, NOW)]
    nifi = Nifi(tmp_path_factory.mktemp("backfill"), [*inside, *around])
    nifi.kills = list(kills)
    usd = 0.005 * number * 2 + 10
    for _ in range(3):
        nifi.minute(wanted(usd, spread=spread))
    assert set(nifi.kafka) == set(inside)
    again = sum(times - 1 for times in nifi.x.given.values())
    assert again <= 500 * sum(kills)
    assert nifi.budget.spent_today().usd <= 0.005 * (number + 500 * sum(kills)) + 1e-9


def test_it_asks_no_more_than_a_call_a_second_and_for_pages_of_500(tmp_path: Path) -> None:
    nifi = Nifi(tmp_path, some(1600))
    nifi.minute(wanted(100.0))
    times = [at for at, _ in nifi.x.asked]
    assert all(after - before >= timedelta(seconds=1) for before, after in zip(times, times[1:]))
    assert [results for _, results in nifi.x.asked] == [500, 500, 500, 500]


def test_the_newest_come_first_and_its_money_is_never_passed(tmp_path: Path) -> None:
    nifi = Nifi(tmp_path, some(3000))
    for _ in range(3):
        nifi.minute(wanted(3.14))
    assert len(nifi.kafka) == 628
    assert set(nifi.kafka) == set(sorted(some(3000))[-628:])
    name = wanted(3.14).account.name
    assert nifi.budget.spent_by(name)[1] <= 3.14
    assert "628 posts, ended: its money is used up" in str(nifi.budget.answer(name, timedelta(days=1)))


def test_spread_shows_the_whole_span_for_a_little_money(tmp_path: Path) -> None:
    nifi = Nifi(tmp_path, some(20_000))
    nifi.minute(wanted(1.0, spread=True))
    assert len(nifi.kafka) == 200
    days = Counter((moment_of_id(n) - SINCE).days for n in nifi.kafka)  # type: ignore[operator]
    assert set(days) == set(range(20)), "each day"
    assert set(days.values()) == {10}, "alike"


def test_what_a_quiet_part_leaves_is_the_others(tmp_path: Path) -> None:
    loud = some(2000, UNTIL - timedelta(days=10), UNTIL - timedelta(days=5))
    nifi = Nifi(tmp_path, loud)
    nifi.minute(wanted(1.0, spread=True))
    assert 190 < len(nifi.kafka) <= 200


def test_it_takes_no_more_of_a_day_than_follows_may_and_goes_on_the_next_day(tmp_path: Path) -> None:
    nifi = Nifi(tmp_path, some(1500), Limits(usd_day=4.0))
    for _ in range(3):
        nifi.minute(wanted(50.0))
    assert len(nifi.kafka) == 400, "half of 4 USD"
    for _ in range(5):
        nifi.clock[0] += timedelta(days=1)
        nifi.minute(wanted(50.0))
    assert sorted(nifi.kafka) == sorted(some(1500))


def test_another_one_takes_its_place_and_one_that_is_removed_ends(tmp_path: Path) -> None:
    nifi = Nifi(tmp_path, some(700), Limits(usd_day=4.0))
    nifi.minute(wanted(50.0))
    assert len(nifi.kafka) == 400
    nifi.clock[0] += timedelta(days=1)
    nifi.minute()
    assert len(nifi.kafka) == 400
    again = new_backfill(
        FOLLOW, UNTIL - timedelta(days=1), UNTIL, 5, spread=False, now=NOW + timedelta(days=1)
    )
    nifi.minute(again)
    assert len(nifi.kafka) == 400 + 35


def test_a_query_that_the_archive_refuses_ends_it_and_a_failure_is_tried_again_later(tmp_path: Path) -> None:
    nifi = Nifi(tmp_path, some(20))
    nifi.x.error = Refused(503, "later")
    nifi.minute(wanted(5))
    assert "is looked up later" in nifi.said[0]
    nifi.x.error = None
    nifi.minute(wanted(5))
    assert len(nifi.kafka) == 20
    other = Nifi(tmp_path / "..", some(20))
    other.x.error = Refused(400, "Ambiguous use of or")
    other.minute(wanted(5))
    other.minute(wanted(5))
    assert [line for line in other.said if "Ambiguous" in line] == other.said
    assert len(other.said) == 1


def test_what_cannot_be_looked_up_is_one_clear_line() -> None:
    with pytest.raises(BadBackfill, match="is before 2010-11-05"):
        new_backfill(FOLLOW, datetime(2009, 1, 1, tzinfo=timezone.utc), NOW, 1, spread=False)
    with pytest.raises(BadBackfill, match="the span is empty"):
        new_backfill(FOLLOW, NOW, NOW, 1, spread=False)


def test_a_page_of_another_flowfile_is_noted_by_nobody(tmp_path: Path) -> None:
    nifi = Nifi(tmp_path, some(20))
    stranger = Held(b"", {"uuid": "lost", LOOKED_UP: '{"name": "Pix"}'})
    assert nifi.turn(stranger).relationship == "finished"
    assert nifi.kafka == []
