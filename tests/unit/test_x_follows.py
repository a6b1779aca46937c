"""What is followed: what may be said of it, what it may cost, and its share beside trends."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from flowfiles import Held, messages_in, place, snapshots_of
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from opslib.message import encode
from opslib.x.budget import Account, Budget, CapReached, Limits
from opslib.x.client import SearchPage
from opslib.x.fair import MIN_RESULTS, claim, level, rounds_left
from opslib.x.follows import BadFollow, Follow, changed, follow_of, follows_in, text_of
from opslib.x.turns import FOLLOWS
from opslib.x.turns.search import SearchTurns
from opslib.x.walk import CollectionPolicy

if TYPE_CHECKING:
    from collections.abc import Callable

    from opslib.x.turns import Turn

MIDNIGHT = datetime(2026, 1, 31, tzinfo=timezone.utc)
NOON = MIDNIGHT + timedelta(hours=12)
EPOCH_MS = 1_288_834_974_657
HOUR = timedelta(hours=1)


def pix(**changes: Any) -> Follow:
    return Follow(**{"name": "Pix", "query": "pix", "usd_day": 1.0, **changes})


# ---- what may be said


def test_language_and_country_are_part_of_the_query_and_an_or_keeps_to_itself() -> None:
    assert pix().full_query == "pix"
    assert pix(lang="pt", country="BR").full_query == "pix lang:pt place_country:BR"
    assert pix(query="pix OR boleto", lang="pt").full_query == "(pix OR boleto) lang:pt"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"name": "a/b"}, "'a/b' is no name"),
        ({"name": ""}, "'' is no name"),
        ({"name": " a"}, "is no name"),
        ({"name": "a" * 61}, "60"),
        ({"name": "##a"}, "is no name"),
        ({"query": " "}, "its query is empty"),
        ({"query": "a" * 513}, "513 characters, and X takes 512 by search"),
        ({"query": "a" * 1025, "mode": "stream"}, "X takes 1024 by stream"),
        ({"usd_day": 0.0}, "more than 0 USD, not 0"),
        ({"usd_day": float("nan")}, "more than 0 USD"),
        ({"usd_total": -1.0}, "in all is more than 0 USD"),
        ({"lang": "português"}, "is no language"),
        ({"country": "Brazil"}, "is no country"),
        ({"mode": "poll"}, "neither search nor stream"),
        ({"until": "tomorrow"}, "until 'tomorrow' is no time"),
    ],
)
def test_what_cannot_be_is_one_clear_line(change: dict[str, Any], said: str) -> None:
    with pytest.raises(BadFollow, match=re.escape(said)) as wrong:
        pix(**change)
    assert "\n" not in str(wrong.value)


def test_a_follow_survives_its_journey_and_strange_ones_are_left_out() -> None:
    whole = pix(lang="pt", usd_total=9.5, until="2026-12-01T00:00:00.000Z", paused=True)
    assert follow_of(json.loads(json.dumps(whole.to_record()))) == whole
    text = json.dumps([whole.to_record(), {"name": "x"}, {**pix().to_record(), "new": 1}])
    assert follows_in(text) == [whole]
    assert follows_in(text_of([whole])) == [whole]
    assert follows_in("") == []


def test_a_follow_is_active_until_its_end_unless_it_is_paused() -> None:
    ends = pix(until="2026-01-31T12:00:00.000Z")
    assert ends.active(NOON - HOUR)
    assert not ends.active(NOON)
    assert not replace(ends, paused=True).active(NOON - HOUR)


def test_the_inventory_changes_its_own_and_leaves_those_of_the_command_alone() -> None:
    own, gone, theirs = pix(name="own", origin="inventory"), pix(name="gone", origin="inventory"), pix()
    known = {follow.name: follow for follow in (own, gone, theirs)}
    dearer = replace(own, usd_day=2.0)
    assert changed(known, [dearer, pix(name="new")]) == {
        "gone": None,
        "own": dearer,
        "new": pix(name="new", origin="inventory"),
    }
    assert changed(known, [own, gone]) == {}
    with pytest.raises(BadFollow, match="Pix: there is a follow of that name"):
        changed(known, [pix()])


# ---- shares


@given(st.integers(0, 5000), st.lists(st.integers(0, 2000), max_size=8))
def test_no_share_exceeds_its_claim_and_nobody_gets_more_than_whoever_wants_more(
    posts: int, claims: list[int]
) -> None:
    given_ = level(posts, claims)
    assert sum(given_) <= posts
    assert all(
        share <= claimed and (share == 0 or share >= MIN_RESULTS) for share, claimed in zip(given_, claims)
    )
    served = [(share, claimed) for share, claimed in zip(given_, claims) if share]
    for share, claimed in served:
        if share < claimed:
            assert all(other <= share + 1 for other, _ in served), (
                "who has less than it claims has as much as any"
            )
    wanting = sum(share < claimed for share, claimed in served)
    left_out = sum(share == 0 and claimed >= MIN_RESULTS for share, claimed in zip(given_, claims))
    assert not wanting or posts - sum(given_) < wanting, "what there is is given out"
    assert not left_out or posts - MIN_RESULTS * len(served) < MIN_RESULTS


@given(st.integers(0, 3000), st.integers(1, 48))
def test_a_cap_lasts_for_the_day_and_is_used_up_at_its_end(day: int, of: int) -> None:
    left = day
    for rounds in range(of, 0, -1):
        claimed = claim(left, day, rounds, of)
        assert claimed == 0 or MIN_RESULTS <= claimed <= left
        assert claimed <= max(MIN_RESULTS, -(-day // of) + MIN_RESULTS), "no round takes the day's"
        left -= claimed
    assert left < MIN_RESULTS or day < MIN_RESULTS


# ---- money


class Clock:
    def __init__(self, now: datetime = MIDNIGHT) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now


def test_an_account_is_never_passed_and_a_killed_call_counts(tmp_path: Path) -> None:
    clock = Clock(NOON)
    budget = Budget(tmp_path / "b.sqlite", Limits(), {}, clock)
    account = Account("follow Pix", 0.5, 0.8)
    assert budget.affordable({"post": 1}, account=account) == 100
    with budget.call({"post": 100}, account=account) as came:
        came({"post": [str(n) for n in range(40)]})
    budget.reserve({"post": 60}, account=account)  # of a process that was killed
    assert budget.spent_by("follow Pix") == (0.5, 0.5)
    with pytest.raises(CapReached, match=r"what follow Pix may cost a day .0.5 USD. is used up"):
        budget.reserve({"post": 1}, account=account)
    clock.now += timedelta(days=1)
    assert budget.affordable({"post": 1}, account=account) == 60, "in all"
    with budget.call({"post": 10}, account=account) as came:
        came({"post": [str(n) for n in range(10)]})
    with budget.call({"post": 10}, account=account) as came:
        came({"post": [str(n) for n in range(10)]})  # again on the same day: free
    assert budget.spent_by("follow Pix") == (0.05, 0.55)
    assert budget.spent_by("follow other") == (0.0, 0.0)


def test_an_account_cannot_exceed_the_budget_and_a_refused_call_costs_it_nothing(tmp_path: Path) -> None:
    budget = Budget(tmp_path / "b.sqlite", Limits(usd_day=0.1), {}, Clock(NOON))
    account = Account("follow Pix", 5.0)
    assert budget.affordable({"post": 1}, account=account) == 20

    class RefusedError(Exception):
        maybe_charged = False

    with pytest.raises(RefusedError), budget.call({"post": 20}, account=account):
        raise RefusedError
    assert budget.spent_by("follow Pix") == (0.0, 0.0)


# ---- days


class Killed(Exception):  # noqa: N818
    pass


class X:
    """Recent search where each query has so many posts a minute, newest first, a page at a time."""

    def __init__(self, clock: Clock, rates: dict[str, float]) -> None:
        self.clock, self.rates = clock, rates
        self.spent_until = None
        self.seen: dict[str, set[int]] = defaultdict(set)
        self.rest: dict[str, bool] = {}

    def search_recent(
        self, query: str, since_id: str | None, next_token: str | None, results: int, *_rest: Any
    ) -> SearchPage:
        begin = int((self.clock.now - MIDNIGHT).total_seconds() // 60)
        total = int(self.rates[query] * (begin + 7 * 24 * 60))
        first = (
            max(0, total - int(self.rates[query] * 7 * 24 * 60))
            if since_id is None
            else self._n(since_id) + 1
        )
        last = self._n(next_token) if next_token else total
        numbers = list(range(max(first, last - results), last))[::-1]
        self.rest[query] = bool(numbers) and numbers[-1] > first
        ids = [self._id(query, number) for number in numbers]
        self.seen[query].update(numbers)
        return SearchPage(
            [{"id": str(one), "text": "t"} for one in ids],
            newest_id=str(ids[0]) if ids else None,
            next_token=str(ids[-1]) if self.rest[query] else None,
        )

    def _id(self, query: str, number: int) -> int:
        """Return an id of the minute in which it was written, which no other query's post has."""
        minute = number / self.rates[query] if self.rates[query] else 0
        at = MIDNIGHT - timedelta(days=7) + timedelta(minutes=minute)
        return ((int(at.timestamp() * 1000) - EPOCH_MS) << 22) + number * 64 + sorted(self.rates).index(query)

    @staticmethod
    def _n(text: str) -> int:
        return (int(text) % (1 << 22)) // 64


class Nifi:
    """A NiFi that is killed now and then: state is kept at once, FlowFiles are committed afterwards."""

    def __init__(self, x: X, budget: Budget, policy: CollectionPolicy, kill: Callable[[], bool]) -> None:
        self.x, self.budget, self.policy, self._kill = x, budget, policy, kill
        self.state: dict[str, str] = {}
        self.collected: dict[str, list[str]] = defaultdict(list)
        self.said: list[str] = []

    def turn(self, flowfile: Held) -> Turn:
        turns = SearchTurns(self.x, self.budget, self.policy, "search", self.x.clock)  # type: ignore[arg-type]
        done = turns.turn(dict(self.state), flowfile)
        if self._kill():
            raise Killed
        if done.state is not None:
            self.state = done.state
        if self._kill():
            raise Killed
        self.said += done.warnings
        return done

    def run(self, flowfile: Held) -> None:
        while True:
            try:
                done = self.turn(flowfile)
            except Killed:
                continue
            assert done.relationship != "failure", done
            if done.relationship == "finished":
                return
            flowfile = flowfile.after(done)
            for message in messages_in(flowfile.held):
                for topic in message["collected_for"]:
                    self.collected[f"{topic.get('kind', 'trend')} {topic['name']}"].append(message["id"])


def told(follows: list[Follow], number: int) -> Held:
    lines = b"\n".join(encode(follow.to_record()) for follow in follows)
    return Held(lines, {"uuid": f"follows {number}", FOLLOWS: str(len(follows))})


def lake(tmp_path: Path, rates: dict[str, float], limits: Limits, **policy: Any) -> tuple[Clock, Nifi]:
    clock = Clock()
    budget = Budget(tmp_path / "budget.sqlite", limits, {}, clock)
    rules = CollectionPolicy(**{"interval": timedelta(hours=6), "max_pages": 1000, **policy})
    return clock, Nifi(X(clock, rates), budget, rules, lambda: False)


def test_a_follow_is_collected_under_its_name_beside_a_trend_of_the_same_name(tmp_path: Path) -> None:
    _, nifi = lake(tmp_path, {"pix": 0.002, "#Pix": 0.002}, Limits())
    nifi.run(told([pix(name="#Pix"[1:])], 1))
    nifi.run(snapshots_of("a", place(1, "#Pix")))
    assert set(nifi.collected) == {"follow Pix", "trend #Pix"}


def test_a_follow_that_is_added_between_two_rounds_is_searched_for_at_once_and_then_with_the_others(
    tmp_path: Path,
) -> None:
    clock, nifi = lake(tmp_path, {"pix": 0.02, "#a": 0.02}, Limits())
    nifi.run(snapshots_of("a", place(1, "#a")))
    clock.now += HOUR
    nifi.run(told([pix()], 1))
    first = len(nifi.collected["follow Pix"])
    assert first > 0
    clock.now += timedelta(minutes=1)
    nifi.run(told([pix()], 2))
    assert len(nifi.collected["follow Pix"]) == first, "it was searched for a minute ago"
    clock.now += 5 * HOUR
    nifi.run(snapshots_of("b", place(1, "#a")))
    second = len(nifi.collected["follow Pix"])
    assert second > first
    clock.now += 6.5 * HOUR
    nifi.run(told([pix()], 3))
    assert len(nifi.collected["follow Pix"]) == second, "the round of trends is to bring it along"
    clock.now += 1.5 * HOUR
    nifi.run(told([pix()], 4))
    assert len(nifi.collected["follow Pix"]) > second, "none has come"
    assert len(set(nifi.collected["follow Pix"])) == len(nifi.collected["follow Pix"])


def test_a_follow_that_is_removed_paused_or_over_is_asked_for_no_more_in_the_midst_of_a_walk(
    tmp_path: Path,
) -> None:
    _, nifi = lake(tmp_path, {"pix": 1.0}, Limits())
    flowfile = told([pix(usd_day=50.0)], 1)
    done = nifi.turn(flowfile)
    assert done.relationship == "success"
    nifi.run(told([pix(paused=True)], 2))
    assert nifi.turn(flowfile.after(done)).relationship == "finished"


def test_another_query_of_the_same_name_is_searched_for_from_its_beginning(tmp_path: Path) -> None:
    _, nifi = lake(tmp_path, {"pix": 0.002, "boleto": 0.002}, Limits())
    nifi.run(told([pix()], 1))
    before = len(nifi.collected["follow Pix"])
    nifi.run(told([pix(query="boleto")], 2))
    assert len(nifi.collected["follow Pix"]) == 2 * before


def test_in_the_streams_mode_what_is_followed_by_search_is_searched_for_and_trends_are_not(
    tmp_path: Path,
) -> None:
    clock, nifi = lake(tmp_path, {"pix": 0.002, "#a": 0.002}, Limits())

    def turn(flowfile: Held) -> Turn:
        turns = SearchTurns(nifi.x, nifi.budget, nifi.policy, "stream", clock)  # type: ignore[arg-type]
        done = turns.turn(nifi.state, flowfile)
        nifi.state = done.state or nifi.state
        return done

    assert turn(snapshots_of("a", place(1, "#a"))).relationship == "finished"
    flowfile = told([pix()], 1)
    done = turn(flowfile)
    assert done.relationship == "success"
    assert turn(snapshots_of("b", place(1, "#a"))).relationship == "finished"
    assert turn(flowfile.after(done)).relationship == "finished"
    assert turn(told([pix()], 2)).relationship == "finished", "it is not due"
    assert not [key for key in nifi.state if key.startswith("topic/")]


PLANS = {
    5: (0.16, 12, 0.0, (0.14,), 1),
    50: (1.66, 4, 0.2, (0.7, 0.35), 1),
}


@pytest.mark.parametrize("plan", PLANS)
def test_a_day_of_the_plans_of_the_page_brings_what_they_cap(tmp_path: Path, plan: int) -> None:
    usd_day, hours, kept, usd, topics = PLANS[plan]
    names = [f"t{n}" for n in range(topics)]
    follows = [Follow(f"f{n}", f"f{n}", cap) for n, cap in enumerate(usd)]
    rates = {f"#{name}": 5.0 for name in names} | {follow.query: 3.0 for follow in follows}
    rules = {"interval": timedelta(hours=hours), "kept_for_trends": kept, "max_pages": 10}
    clock, nifi = lake(tmp_path, rates, Limits(usd_day=usd_day), **rules)
    for number in range(24 // hours):
        clock.now = MIDNIGHT + number * timedelta(hours=hours)
        with nifi.budget.call({"trend": 1}) as came:
            came({"trend": ["Brazil"]})
        nifi.run(told(follows, number))
        nifi.run(snapshots_of(f"w{number}", place(1, *(f"#{name}" for name in names))))
    came_of = [len(set(nifi.collected[f"follow {follow.name}"])) for follow in follows]
    said = [round(cap / 0.005) for cap in usd]
    assert all(wanted - MIN_RESULTS < number <= wanted for number, wanted in zip(came_of, said)), came_of
    of_trends = round((usd_day - sum(usd) - 24 / hours * 0.01) / 0.005)
    found = sum(len(nifi.collected[f"trend #{name}"]) for name in names)
    assert abs(found - of_trends) <= MIN_RESULTS * (len(usd) + topics)
    page = " ".join((Path(__file__).resolve().parents[2] / "docs/collecting.md").read_text().split())
    for name, value in (
        ("budget_usd_day", f"{usd_day:.2f}"),
        ("trends_interval", f"{hours * 60} min"),
        ("trends_part", f"{kept:g}"),
        ("topics_per_place", topics),
    ):
        assert f"`nifi_flow_{name}: {value}`" in page


def test_where_pages_do_not_go_round_nobody_is_left_out_round_after_round(tmp_path: Path) -> None:
    follows = [Follow(f"f{n}", f"f{n}", 0.5) for n in range(4)]
    rates = {"#t": 0.5} | {follow.query: 0.5 for follow in follows}
    clock, nifi = lake(tmp_path, rates, Limits(usd_day=1.2), interval=timedelta(hours=2))
    for number in range(12):
        clock.now = MIDNIGHT + number * timedelta(hours=2)
        nifi.run(told(follows, number))
        nifi.run(snapshots_of(f"w{number}", place(1, "#t")))
    came = [len(set(nifi.collected[f"follow {follow.name}"])) for follow in follows]
    assert max(came) - min(came) <= 2 * MIN_RESULTS, came
    assert len(nifi.collected["trend #t"]) >= 100


caps = st.integers(5, 200).map(lambda n: n / 100)
names = st.sampled_from(["Pix", "Boleto", "Cartao"])
events = st.dictionaries(
    names,
    st.tuples(st.integers(0, 7), caps, st.none() | caps, st.sampled_from([0.0, 0.02, 0.3, 2.0])),
    max_size=3,
)


@settings(max_examples=12, suppress_health_check=list(HealthCheck))
@given(
    follows=events,
    trends=st.lists(st.sampled_from([0.0, 0.01, 0.2, 1.5]), min_size=1, max_size=3),
    usd_day=st.integers(20, 300).map(lambda n: n / 100),
    price=st.sampled_from([0.005, 0.003, 0.02]),
    removed=st.none() | names,
    kills=st.lists(st.booleans(), max_size=60),
    away=st.sets(st.integers(1, 6), max_size=2),
)
@pytest.mark.slow
def test_over_days_no_cap_and_no_budget_is_passed_trends_keep_their_share_and_little_is_left_at_midnight(
    tmp_path_factory: pytest.TempPathFactory,
    follows: dict[str, tuple[int, float, float | None, float]],
    trends: list[float],
    usd_day: float,
    price: float,
    removed: str | None,
    kills: list[bool],
    away: set[int],
) -> None:
    clock = Clock()
    rates = {f"#t{n}": rate for n, rate in enumerate(trends)}
    rates.update({name.lower(): rate for name, (_, _, _, rate) in follows.items()})
    path = tmp_path_factory.mktemp("days") / "budget.sqlite"
    budget = Budget(path, Limits(usd_day=usd_day), {"post": price}, clock)
    policy = CollectionPolicy(interval=timedelta(hours=6), max_pages=10_000)
    left = iter(kills)
    x = X(clock, rates)
    nifi = Nifi(x, budget, policy, lambda: next(left, False))
    for number in range(8):  # two days of four rounds
        known = [
            Follow(name, name.lower(), cap, total)
            for name, (since, cap, total, _) in follows.items()
            if since <= number and not (name == removed and number >= 6)
        ]
        day = budget.spent_by
        clock.now = MIDNIGHT + number * timedelta(hours=6)
        if number in away - {3, 7}:
            continue  # NiFi is down
        before = {follow.name: day(follow.account.name)[0] for follow in known}
        at_first = budget.spent_today().usd
        of_trends = len({i for n in range(len(trends)) for i in nifi.collected[f"trend #t{n}"]})
        x.rest.clear()
        nifi.run(told(known, number))
        nifi.run(snapshots_of(f"w{number}", place(1, *(f"#t{n}" for n in range(len(trends))))))
        assert budget.spent_today().usd <= usd_day + 1e-9
        for follow in known:
            today, total = day(follow.account.name)
            assert today <= follow.usd_day + 1e-9
            assert follow.usd_total is None or total <= follow.usd_total + 1e-9
        rounds = rounds_left(policy.interval, clock.now)
        share = (usd_day - at_first) / rounds * policy.kept_for_trends
        spent = budget.spent_today().usd - at_first
        of_follows = sum(day(follow.account.name)[0] - before[follow.name] for follow in known)
        hungry = [f"#t{n}" for n in range(len(trends)) if x.rest.get(f"#t{n}")]
        if hungry:
            assert spent - of_follows >= share - 2 * MIN_RESULTS * price * (len(rates) + 1), "trends starve"
        assert len({i for n in range(len(trends)) for i in nifi.collected[f"trend #t{n}"]}) >= of_trends
        if rounds == 1:
            page = MIN_RESULTS * price
            rest = usd_day - budget.spent_today().usd
            more = [follow for follow in known if x.rest.get(follow.query)]
            if hungry:
                assert rest < page * len([*hungry, *more]) + page
            for follow in more:
                today, total = day(follow.account.name)
                own = follow.usd_day - today
                if follow.usd_total is not None:
                    own = min(own, follow.usd_total - total)
                assert min(own, rest) < page * (len(hungry) + len(more) + 1)
    for name, collected in nifi.collected.items():
        assert len(set(collected)) >= len(collected) - sum(kills) * policy.page_size, name
