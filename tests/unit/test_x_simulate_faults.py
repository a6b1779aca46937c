"""What goes wrong with the local X API, on request and by chance."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import requests
from local_x import Client, Ten, local_x, posts, serving

from opslib.simulate.faults import REFUSALS, BadFaults, Faults

if TYPE_CHECKING:
    from collections.abc import Iterator

SEARCH = "/2/tweets/search/recent?query=gol&expansions=author_id,referenced_posts"
ROUTES = [
    ("trends", "/2/trends/by/woeid/1"),
    ("search", SEARCH),
    ("counts", "/2/tweets/counts/recent?query=gol"),
    ("lookup", "/2/tweets?ids=1"),
    ("usage", "/2/usage/tweets"),
    ("rules", "/2/tweets/search/stream/rules"),
]


@pytest.fixture
def x() -> Iterator[Client]:
    with serving(local_x(Ten(), keep_alive=0.1)) as client:
        yield client


@pytest.mark.slow
@pytest.mark.parametrize(("route", "path"), ROUTES)
@pytest.mark.parametrize("fault", REFUSALS)
def test_a_refusal_gives_nothing_and_costs_nothing(x: Client, route: str, path: str, fault: str) -> None:
    before = x.ledger()
    x.faults(next=[{"route": route, "fault": fault, "times": 2}])
    refusals = [x.call("GET", path) for _ in range(2)]
    assert [refused.status_code for refused in refusals] == [int(fault)] * 2
    assert x.ledger() == before
    assert x.call("GET", path).status_code == 200
    if fault == "429":
        assert refusals[0].headers["x-rate-limit-remaining"] == "0"
        assert int(refusals[0].headers["x-rate-limit-reset"]) > 0
    assert ("CreditsDepleted" in refusals[0].text) == (fault == "402")


@pytest.mark.parametrize(("route", "path"), ROUTES)
def test_a_disconnect_ends_in_the_middle_of_the_body(x: Client, route: str, path: str) -> None:
    x.faults(next=[{"route": route, "fault": "disconnect"}])
    with pytest.raises(requests.exceptions.RequestException):
        x.call("GET", path)
    assert x.call("GET", path).status_code == 200


@pytest.mark.parametrize(("route", "path"), ROUTES)
def test_a_malformed_body_is_no_json(x: Client, route: str, path: str) -> None:
    for seed in range(4):
        x.faults(seed=seed, next=[{"route": route, "fault": "malformed"}])
        with pytest.raises(requests.exceptions.JSONDecodeError):
            x.call("GET", path, broken=True).json()


def test_what_was_cut_is_charged_but_not_returned(x: Client) -> None:
    x.faults(next=[{"route": "search", "fault": "disconnect"}, {"route": "search", "fault": "malformed"}])
    with pytest.raises(requests.exceptions.RequestException):
        x.call("GET", SEARCH)
    x.call("GET", SEARCH, broken=True)
    ledger = x.ledger()
    assert set(ledger["cut"].values()) == {2}
    assert set(ledger["cut"]) == set(ledger["offered"])
    assert ledger["returned"] == {}
    assert ledger["charged"]["posts"] == 10


def test_a_partial_answer_has_all_that_was_asked_for_but_not_what_it_includes(x: Client) -> None:
    whole = x.call("GET", SEARCH).json()
    x.faults(next=[{"route": "search", "fault": "partial"}])
    part = x.call("GET", SEARCH).json()
    assert part["data"] == whole["data"]
    assert "posts" in whole["includes"]
    assert "posts" not in part["includes"]
    assert part["errors"][0]["resource_id"] == whole["includes"]["posts"][0]["id"]


@pytest.mark.parametrize(("route", "path"), ROUTES[:5])
def test_every_partial_answer_is_one_of_x_s(x: Client, route: str, path: str) -> None:
    x.faults(next=[{"route": route, "fault": "partial"}])
    assert x.call("GET", path).json()["errors"]


def test_a_stalled_answer_comes_late_and_is_not_counted_if_nobody_waits(x: Client) -> None:
    x.faults(next=[{"route": "search", "fault": "stall", "times": 2}], stall_seconds=0.5)
    with pytest.raises(requests.exceptions.ReadTimeout):
        requests.get(x.url + SEARCH, headers={"Authorization": "Bearer right"}, timeout=0.1)
    assert x.call("GET", SEARCH).status_code == 200
    assert set(x.ledger()["returned"].values()) == {1}


def streamed(x: Client, fault: str, texts: int = 3) -> tuple[list[str], list[Any]]:
    """Return the ids of the posts written, and what the stream sent: the first post meets the fault."""
    x.add_rules("gol")
    x.faults(next=[{"route": "stream", "fault": fault}], stall_seconds=0.3)
    found: list[Any] = []
    with x.stream(expansions="author_id") as messages:
        ids = x.add(*(f"gol {number}" for number in range(texts)))
        wanted = texts + (fault == "duplicate")
        try:
            while len(found) < wanted:
                found += [message for message in [next(messages)] if message]
        except (StopIteration, requests.exceptions.ChunkedEncodingError):
            found.append("cut")
    return ids, found


def test_a_stream_is_cut(x: Client) -> None:
    ids, found = streamed(x, "disconnect")
    assert found == ["cut"]
    assert x.ledger()["cut"] == {ids[0]: 1}


def test_a_stream_sends_a_part_of_a_post(x: Client) -> None:
    ids, (broken, *whole) = streamed(x, "malformed")
    assert isinstance(broken, bytes)
    assert [message["data"]["id"] for message in whole] == ids[1:]
    ledger = x.ledger()
    assert (ledger["cut"], ledger["streamed"]) == ({ids[0]: 1}, {ids[1]: 1, ids[2]: 1})


def test_a_stream_repeats_a_post(x: Client) -> None:
    ids, found = streamed(x, "duplicate")
    assert [message["data"]["id"] for message in found] == [ids[0], *ids]
    assert x.ledger()["streamed"] == {ids[0]: 2, ids[1]: 1, ids[2]: 1}


def test_a_stream_sends_posts_in_another_order(x: Client) -> None:
    ids, found = streamed(x, "disorder")
    order = [message["data"]["id"] for message in found]
    assert order != ids
    assert set(order) == set(ids)


def test_a_stream_stalls_and_goes_on(x: Client) -> None:
    ids, found = streamed(x, "stall")
    assert [message["data"]["id"] for message in found] == ids


def test_a_stream_is_refused(x: Client) -> None:
    x.add_rules("gol")
    x.faults(next=[{"route": "stream", "fault": "503"}])
    assert x.call("GET", "/2/tweets/search/stream").status_code == 503
    with x.stream() as messages:
        x.add("gol")
        assert posts(messages, 1)


def test_chance_is_the_same_from_the_same_seed() -> None:
    def drawn(seed: int, between: int = 0) -> list[str | None]:
        faults = Faults()
        faults.set({"seed": seed, "rates": {"503": 0.2, "stall": 0.1}, "by_route": {"usage": {"503": 0}}})
        found = []
        for _ in range(1000):
            found.append(faults.draw("search"))
            # Calls elsewhere change nothing.
            for _ in range(between):
                faults.draw("trends")
        assert {faults.draw("usage") for _ in range(1000)} == {None, "stall"}
        return found

    assert drawn(7) == drawn(7, between=2) != drawn(8)
    assert 150 < drawn(7).count("503") < 250
    assert 70 < drawn(7).count("stall") < 130


def test_what_is_ordered_is_used_up_before_chance(x: Client) -> None:
    ordered = [{"route": "search", "fault": "503", "times": 3}, {"route": "*", "fault": "429", "times": 1}]
    x.faults(seed=7, rates={"503": 0}, next=ordered)
    assert [x.call("GET", SEARCH).status_code for _ in range(5)] == [503, 503, 503, 429, 200]
    assert x.get("/_control/faults")["next"] == []


@pytest.mark.parametrize(
    "wrong",
    [
        [],
        {"colour": 1},
        {"seed": "a"},
        {"rates": {"404": 1}},
        {"rates": {"503": 2}},
        {"rates": {"503": 0.6, "429": 0.6}},
        {"by_route": {"home": {}}},
        {"next": {}},
        {"next": [{"route": "home", "fault": "503"}]},
        {"next": [{"fault": "duplicate", "route": "search"}]},
        {"next": [{"fault": "503", "times": 0}]},
        {"stall_seconds": -1},
    ],
)
def test_wrong_faults_are_refused_and_change_nothing(x: Client, wrong: Any) -> None:
    with pytest.raises(BadFaults):
        Faults().set(wrong)
    before = x.get("/_control/faults")
    assert x.call("PUT", "/_control/faults", data=json.dumps(wrong)).status_code == 400
    assert x.get("/_control/faults") == before
