"""The turns of collecting trends and of publishing, as NiFi triggers them, against an X that fails."""

from __future__ import annotations

import json
from collections import Counter, deque
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pytest
from flowfiles import Held, messages_in
from hypothesis import given, settings
from hypothesis import strategies as st
from kafka.errors import KafkaTimeoutError  # type: ignore[import-untyped]
from local_x import Client, Clock, Ten, local_x, serving

from opslib.message import searched_in
from opslib.simulate.limits import LIMITS, RateLimits
from opslib.x.budget import Account, Budget, Limits
from opslib.x.client import Interrupted, RateLimited, Refused, Unavailable, XClient, XError
from opslib.x.parameters import limits_in, places_in, prices_in
from opslib.x.turns import told_of
from opslib.x.turns.publish import PublishTurns
from opslib.x.turns.trends import TrendsTurns

if TYPE_CHECKING:
    from pathlib import Path

    from opslib.x.turns import Turn

NOW = datetime(2026, 1, 31, 12, tzinfo=timezone.utc)
HOUR = timedelta(hours=1)
WAKE = timedelta(seconds=2)
PLACES = {1: "World", 23424768: "Brazil", 455825: "Rio"}


class X:
    """Trends of places; what is in *failures* of a place, or of the usage call (0), comes first."""

    def __init__(self, clock: Clock, slow: timedelta = timedelta()) -> None:
        self.clock, self.slow = clock, slow
        self.failures: dict[int, deque[XError]] = {}
        self.asked: list[tuple[datetime, int]] = []
        self.spent_until: int | None = None

    def fails(self, woeid: int, *errors: XError) -> None:
        self.failures[woeid] = deque(errors)

    def _ask(self, woeid: int) -> None:
        self.asked.append((self.clock.now, woeid))
        self.clock.now += self.slow
        if self.failures.get(woeid):
            raise self.failures[woeid].popleft()

    def trends(self, woeid: int) -> list[dict[str, Any]]:
        self._ask(woeid)
        return [{"trend_name": f"#t{woeid}.{n}", "tweet_count": None} for n in range(50)]

    def usage(self) -> dict[str, int]:
        self._ask(0)
        return {}

    def asked_at(self, woeid: int) -> list[float]:
        """Return the seconds after noon at which it was asked."""
        return [(at - NOW).total_seconds() for at, asked in self.asked if asked == woeid]


class Lake:
    """The processor, which wakes every two seconds."""

    def __init__(self, path: Path, limits: Limits | None = None, slow: timedelta = timedelta()) -> None:
        self.clock = Clock(NOW)
        self.x = X(self.clock, slow)
        self.budget = Budget(path / "budget.sqlite", limits or Limits(), {}, self.clock)
        self.came: list[tuple[float, list[str]]] = []
        self.said: list[str] = []
        self.start()

    def start(self, places: dict[int, str] = PLACES) -> None:
        x: Any = self.x
        self.turns = TrendsTurns(x, self.budget, places, 2, HOUR, self.clock)

    def wake(self, span: timedelta = timedelta()) -> None:
        """Wake it, and again and again for a *span* of time."""
        end = self.clock.now + span
        while True:
            at = (self.clock.now - NOW).total_seconds()
            done = self.turns.turn()
            assert done.state is None, "nothing of it is to be kept"
            self.said += done.warnings + done.errors
            if done.relationship:
                assert done.relationship == "success"
                self.came.append((at, [message["place"] for message in messages_in(done.content)]))
            if self.clock.now + WAKE > end:
                return
            self.clock.now += WAKE


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(tmp_path)


def unavailable() -> XError:
    return Unavailable("X failed: 503", maybe_charged=False)


def test_the_places_of_an_interval_come_in_one_flowfile_and_each_interval_once(lake: Lake) -> None:
    lake.wake(3 * HOUR - WAKE)
    assert lake.came == [(seconds, ["World", "Brazil", "Rio"]) for seconds in (0, 3600, 7200)]
    assert lake.x.asked_at(0) == [0, 3600, 7200], "X's own count is asked for each hour"
    assert lake.said == []
    assert lake.budget.spent_today().resources == 3 * 3, "a request each, however many trends it brings"


def test_the_flowfile_says_what_it_holds_and_how_the_budget_is(tmp_path: Path) -> None:
    lake = Lake(tmp_path, Limits(usd_day=1))
    done: Turn = lake.turns.turn()
    assert done.attributes == {
        "mime.type": "application/x-ndjson",
        "trends.places": "3",
        "x.budget.today.resources": "3",
        "x.budget.today.usd": "0.030",
        "x.budget.left.usd": "0.97",
    }
    with lake.budget.call({"post": 10}, account=Account("follow Pão", 1)) as came:
        came({"post": [str(number) for number in range(5)]})
    assert json.loads(told_of(lake.budget)["x.budget.follows"]) == {"Pão": [0.025, 0.025]}
    world = messages_in(done.content)[0]
    assert (world["woeid"], world["place"], world["collected_at"]) == (1, "World", "2026-01-31T12:00:00.000Z")
    assert [trend["name"] for trend in world["trends"]] == [f"#t1.{n}" for n in range(50)], "all are kept"
    assert [trend["name"] for trend in searched_in(world)] == ["#t1.0", "#t1.1"], "two are searched"


@pytest.mark.parametrize("failing", [0, 1, 23424768, 455825])
@pytest.mark.parametrize(
    "error",
    [
        unavailable(),
        Interrupted("no answer", maybe_charged=False),
        Refused(401, "token"),
        Refused(404, "no such place"),
        Refused(200, "no such place"),
    ],
)
def test_one_failed_call_costs_its_place_one_retry_and_nobody_else_anything(
    lake: Lake, failing: int, error: XError
) -> None:
    lake.x.fails(failing, error)
    lake.wake(HOUR - WAKE)
    delay = 60 if isinstance(error, Refused) else 6  # the next wake after five seconds
    others = [name for woeid, name in PLACES.items() if woeid != failing]
    late = [(float(delay), [PLACES[failing]])] if failing else []
    assert lake.came == [(0, others), *late]
    assert lake.x.asked_at(failing) == [0, delay]
    assert len(lake.said) == 1
    assert str(error) in lake.said[0]
    lake.wake(WAKE)
    lake.wake()
    assert lake.came[-1] == (3600, list(PLACES.values())), "all are asked together again"


def test_a_place_that_x_refuses_for_good_is_asked_each_hour_and_the_others_come(lake: Lake) -> None:
    lake.x.fails(1, *[Refused(404, "no such place")] * 1000)
    lake.wake(24 * HOUR - WAKE)
    assert lake.came == [(n * 3600, ["Brazil", "Rio"]) for n in range(24)]
    minutes = [seconds / 60 for seconds in lake.x.asked_at(1)]
    assert minutes[:7] == [0, 1, 3, 7, 15, 31, 63]
    assert len(minutes) <= 7 + 23
    assert len(lake.said) == len(minutes), "each is said, and none twice"
    assert "trends of World (1): X refused (404): no such place; X is asked again in 60 s" in lake.said


def test_x_that_fails_for_a_while_is_asked_ever_less_often(lake: Lake) -> None:
    for woeid in (0, *PLACES):
        lake.x.fails(woeid, *[unavailable()] * 5)
    lake.wake(HOUR - WAKE)
    gaps = [after - before for before, after in zip(lake.x.asked_at(1), lake.x.asked_at(1)[1:])]
    assert gaps == [6, 10, 20, 40, 80]
    assert lake.came == [(156, list(PLACES.values()))]


def test_no_more_calls_in_this_window_holds_for_all_places(lake: Lake) -> None:
    reset = int((NOW + timedelta(minutes=7)).timestamp())
    lake.x.fails(23424768, RateLimited(reset))
    lake.wake(HOUR - WAKE)
    assert lake.came == [(0, ["World"]), (422, ["Brazil", "Rio"])]
    assert lake.x.asked_at(23424768) == [0, 422]
    assert lake.said == [
        "trends of Brazil (23424768): X's rate limit is reached; X is asked again at 12:07:01 UTC"
    ]


def test_the_last_call_of_a_window_is_known_and_no_429_is_needed(lake: Lake) -> None:
    lake.x.spent_until = int((NOW + timedelta(minutes=3)).timestamp())
    lake.wake(timedelta(minutes=2))
    lake.x.spent_until = None
    lake.wake(HOUR / 2)
    assert lake.came == [(0, ["World"]), (182, ["Brazil", "Rio"])]
    assert lake.said == ["X has no more calls for trends after World: the rest waits its turn"]


def test_a_reset_that_is_past_here_is_no_storm_of_calls(lake: Lake) -> None:
    for woeid in PLACES:
        lake.x.fails(woeid, *[RateLimited(int(NOW.timestamp()) - 3600)] * 1000)
    lake.wake(HOUR)
    assert lake.x.asked_at(1) == [0, 60, 180, 420, 900, 1800, 2700, 3600]
    assert lake.x.asked_at(23424768) == [], "the calls are counted for all places"


def test_a_used_up_budget_is_said_once_an_interval_and_asked_again_when_there_is_more(tmp_path: Path) -> None:
    lake = Lake(tmp_path, Limits(resources_day=2))
    lake.clock.now = NOW + timedelta(hours=9, minutes=30)
    lake.start()
    lake.wake(timedelta(hours=3))
    midnight, half = 12 * 3600.0, 9.5 * 3600
    assert lake.came[:2] == [(half, ["World", "Brazil"]), (midnight, ["World", "Brazil"])]
    assert lake.said.count("the budget of resources for a day (2) is used up: collection pauses until "
                           "2026-02-01 00:00 UTC") == 3  # fmt: skip
    assert len(lake.x.asked_at(1)) + len(lake.x.asked_at(23424768)) + len(lake.x.asked_at(455825)) == 4


def test_a_clock_that_is_set_back_stops_no_collecting(lake: Lake) -> None:
    lake.wake()
    lake.clock.now -= timedelta(days=1)
    lake.wake(2 * HOUR - WAKE)
    day = 24 * 3600
    assert [at + day for at, _ in lake.came[1:]] == [0, 3600]
    assert all(names == list(PLACES.values()) for _, names in lake.came)


def test_where_x_does_not_answer_a_turn_ends_before_all_places_were_tried(tmp_path: Path) -> None:
    lake = Lake(tmp_path, slow=timedelta(seconds=20))
    places = {n: str(n) for n in range(1, 7)}
    for woeid in places:
        lake.x.fails(woeid, *[Interrupted("no answer", maybe_charged=False)] * 1000)
    lake.start(places)
    lake.wake()
    assert 2 <= len([woeid for _, woeid in lake.x.asked if woeid]) <= 3
    lake.wake(timedelta(minutes=4))
    tried = Counter(woeid for _, woeid in lake.x.asked if woeid)
    assert set(tried) == set(places), "who has waited longest comes first"


@settings(max_examples=50)
@given(
    st.dictionaries(
        st.sampled_from([0, *PLACES]),
        st.lists(
            st.sampled_from(
                [
                    unavailable(),
                    Refused(403, "no"),
                    RateLimited(None),
                    RateLimited(0),
                    RateLimited(2**62),
                    RateLimited(int(NOW.timestamp()) + 300),
                ]
            ),
            max_size=4,
        ),
    )
)
@pytest.mark.slow
def test_whatever_fails_all_places_come_and_no_call_is_made_twice_at_once(
    tmp_path_factory: pytest.TempPathFactory, failures: dict[int, list[XError]]
) -> None:
    lake = Lake(tmp_path_factory.mktemp("trends"))
    for woeid, errors in failures.items():
        lake.x.fails(woeid, *errors)
    # Sixteen failures at the most, one after the other, and none waits longer than a quarter of an hour.
    lake.wake(timedelta(hours=4) - WAKE)
    assert {name for _, names in lake.came for name in names} == set(PLACES.values())
    for woeid in PLACES:
        times = lake.x.asked_at(woeid)
        assert all(after - before >= 5 for before, after in zip(times, times[1:]))


@pytest.mark.slow
def test_trends_of_the_local_x_become_snapshots_until_its_window_is_used_up(tmp_path: Path) -> None:
    clock = Clock()
    limits = RateLimits(lambda: clock().timestamp())
    with serving(local_x(Ten(), clock, limits=limits)) as x:
        client = XClient(Client(x.url).url, "right")
        budget = Budget(tmp_path / "budget.sqlite", Limits(), {}, clock)
        places = {n: str(n) for n in range(1, LIMITS["trends"] + 6)}
        turns = TrendsTurns(client, budget, places, 1, HOUR, clock)
        first = turns.turn()
        assert first.attributes["trends.places"] == str(LIMITS["trends"])
        assert len(first.warnings) == 1
        assert turns.turn().relationship == ""
        clock.now += timedelta(minutes=16)
        second = turns.turn()
        assert second.attributes["trends.places"] == "5"
        assert second.errors == second.warnings == []
        client.close()


# ---- publishing


class Kafka:
    """What a producer is asked to do; *fails* says at which message it does not confirm."""

    def __init__(self, fails: int | None = None) -> None:
        self.fails = fails
        self.sent: list[tuple[str, bytes, bytes, list[tuple[str, bytes]]]] = []
        self.flushed = self.closed = 0

    def send(self, topic: str, value: bytes, key: bytes, headers: list[tuple[str, bytes]]) -> Kafka:
        self.sent.append((topic, value, key, headers))
        return self

    def flush(self, seconds: float) -> None:
        assert seconds
        self.flushed += 1

    def get(self, timeout: float) -> None:
        assert timeout
        if self.fails is not None:
            raise TimeoutError("not in all replicas")

    def close(self, timeout: float) -> None:
        assert timeout
        self.closed += 1


PAGE = Held(
    b'{"id":"7","text":"a"}\n\n{"woeid":1,"trends":[]}',
    {"uuid": "u", "filename": "f", "x.budget.left.usd": "3", "x.budget.follows": "{}", "search.query": "#a"},
)


def test_each_line_is_one_message_with_its_key_and_what_the_budget_was() -> None:
    kafka = Kafka()
    done = PublishTurns(lambda: kafka, "tweets.raw").turn(PAGE)
    told = [("x.budget.left.usd", b"3")]
    assert kafka.sent == [
        ("tweets.raw", b'{"id":"7","text":"a"}', b"7", [*told, ("x.budget.follows", b"{}")]),
        ("tweets.raw", b'{"woeid":1,"trends":[]}', b"1", told),
    ]
    assert (done.relationship, done.content) == ("success", None)
    assert done.attributes == {"kafka.topic": "tweets.raw", "kafka.count": "2"}
    assert PAGE.after(done).held == PAGE.held, "it comes back as it is"
    assert kafka.flushed == 1


def test_what_is_not_confirmed_is_tried_again_with_a_new_connection() -> None:
    broken, whole = Kafka(fails=1), Kafka()
    producers = iter([broken, whole])
    turns = PublishTurns(lambda: next(producers), "tweets.raw")
    done = turns.turn(PAGE)
    assert done.relationship == "failure"
    assert done.errors == ["2 messages for tweets.raw are not confirmed: TimeoutError('not in all replicas')"]
    assert broken.closed == 1
    assert turns.turn(PAGE.after(done)).relationship == "success"
    turns.turn(PAGE)
    assert len(whole.sent) == 4
    turns.close()
    turns.close()
    assert whole.closed == 1


def test_a_producer_that_cannot_be_closed_is_let_go_of_all_the_same() -> None:
    class Stuck(Kafka):
        def close(self, timeout: float) -> None:
            super().close(timeout)
            raise KafkaTimeoutError("Timeout waiting for future")

    stuck, whole = Stuck(fails=1), Kafka()
    producers = iter([stuck, whole])
    turns = PublishTurns(lambda: next(producers), "trends.raw")
    assert turns.turn(PAGE).errors == [
        "2 messages for trends.raw are not confirmed: TimeoutError('not in all replicas')"
    ]
    assert turns.turn(PAGE).relationship == "success"
    assert (stuck.closed, len(whole.sent)) == (1, 2)


def test_brokers_that_are_away_and_a_line_that_is_no_message_are_said() -> None:
    def away() -> Any:
        raise ConnectionError("no brokers")

    assert "no brokers" in PublishTurns(away, "t").turn(PAGE).errors[0]
    assert PublishTurns(Kafka, "t").turn(Held(b"no JSON")).relationship == "failure"


# ---- parameters


def test_parameters_are_read_as_they_are_written() -> None:
    assert places_in("23424768:Brazil, 1:World,44418:") == {23424768: "Brazil", 1: "World", 44418: "44418"}
    assert prices_in("post:0.005, user:0.010,") == {"post": 0.005, "user": 0.01}
    assert limits_in({"usd_day": "20", "usd_month": " ", "resources_day": "1000"}) == Limits(1000, None, 20.0)


@pytest.mark.parametrize(
    ("read", "text", "said"),
    [
        (places_in, "", "no place is named"),
        (places_in, "Brazil", "'Brazil' is no place"),
        (places_in, "1:World,x:Y", "'x:Y' is no place"),
        (prices_in, "tweet:1", "'tweet:1' is no price"),
        (prices_in, "post:dear", "'dear' is no number for the price of a post"),
        (prices_in, "post:-1", "'-1' is no number"),
        (prices_in, "post:nan", "'nan' is no number"),
        (lambda text: limits_in({"usd_day": text}), "a lot", "'a lot' is no number for usd_day"),
    ],
)
def test_a_wrong_parameter_is_one_clear_line(read: Any, text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        read(text)
