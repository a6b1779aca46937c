"""The local X API's batch compliance with its storage, and the connections of a token."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
import requests
from local_x import Client, Clock, Running, Ten, local_x, posts, serving

from opslib.simulate import NEW, OLD
from opslib.simulate.limits import LIMITS, RateLimits
from opslib.simulate.state import put, taken

if TYPE_CHECKING:
    from collections.abc import Iterator

JOBS = "/2/compliance/jobs"


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def x(clock: Clock) -> Iterator[Client]:
    with serving(local_x(Ten(), clock, keep_alive=0.1)) as client:
        yield client


def results(job: dict[str, Any]) -> dict[str, str]:
    found = requests.get(job["download_url"], timeout=60)
    assert found.status_code == 200
    lines = [json.loads(line) for line in found.text.splitlines()]
    assert {line["action"] for line in lines} <= {"delete"}
    return {line["id"]: line["reason"] for line in lines}


def test_a_job_says_which_of_the_ids_are_gone_and_why(x: Client, clock: Clock) -> None:
    ids = x.ledger()["offered"]
    for path, number in (("delete", 0), ("protect", 1), ("suspend", 2)):
        x.send("POST", f"/_control/tweets/{path}", {"ids": [ids[number]]})
    job = x.send("POST", JOBS, {"type": "tweets", "name": "mine"})["data"]
    assert (job["status"], job["name"]) == ("created", "mine")
    assert requests.get(job["download_url"], timeout=60).status_code == 404, "nothing is there yet"
    put_ids = requests.put(job["upload_url"], "\n".join([*ids, "7"]).encode(), timeout=60)
    assert put_ids.status_code == 200, "the URL says who may: there is no token"
    one = f"{JOBS}/{job['id']}"
    assert x.get(one)["data"]["status"] == "in_progress"
    clock.now += timedelta(seconds=1)
    assert x.get(one)["data"]["status"] == "complete"
    assert results(job) == {ids[0]: "deleted", ids[1]: "protected", ids[2]: "suspended"}
    assert [found["id"] for found in x.get(JOBS, type="tweets")["data"]] == [job["id"]]
    assert x.get(JOBS, type="users") == {"meta": {"result_count": 0}}
    assert x.ledger()["charged"]["usd"] == 0


def test_one_job_of_a_type_runs_at_once_and_one_without_ids_expires(x: Client, clock: Clock) -> None:
    job = x.send("POST", JOBS, {"type": "tweets"})["data"]
    assert x.call("POST", JOBS, json={"type": "tweets"}).status_code == 409
    x.send("POST", JOBS, {"type": "users"})
    clock.now += timedelta(minutes=16)
    assert x.get(f"{JOBS}/{job['id']}")["data"]["status"] == "expired"
    assert requests.put(job["upload_url"], b"1", timeout=60).status_code == 403
    x.send("POST", JOBS, {"type": "tweets"})


def test_wrong_jobs_and_foreign_urls_are_refused(x: Client) -> None:
    bodies = (
        *({"type": "likes"}, {}, [], {"type": "tweets", "x": 1}),
        *({"type": "tweets", "name": ""}, {"type": "tweets", "name": None}),
        {"type": "tweets", "resumable": 1},
    )
    for body in bodies:
        assert x.call("POST", JOBS, json=body).status_code == 400
    assert x.call("GET", JOBS).status_code == 400
    assert x.call("GET", f"{JOBS}?type=tweets&status=done").status_code == 400
    assert x.call("GET", f"{JOBS}/7").status_code == 404
    job = x.send("POST", JOBS, {"type": "tweets"})["data"]
    stranger = job["upload_url"].replace("signature=", "signature=0")
    assert requests.put(stranger, b"1", timeout=60).status_code == 403


def test_a_token_that_may_not_is_told_so(x: Client) -> None:
    x.send("PUT", "/_control/compliance", {"allowed": False})
    assert x.call("POST", JOBS, json={"type": "tweets"}).status_code == 403
    assert x.call("GET", f"{JOBS}?type=tweets").status_code == 403


def test_jobs_survive_with_the_state(clock: Clock) -> None:
    one, other = local_x(Ten(), clock), local_x(Ten(), clock)
    with serving(one) as x:
        job = x.send("POST", JOBS, {"type": "tweets"})["data"]
        requests.put(job["upload_url"], b"20", timeout=60)
    put(other, json.loads(json.dumps(taken(one))))
    with serving(other) as x:
        assert x.get(f"{JOBS}/{job['id']}")["data"]["status"] == "in_progress"


def test_a_connection_is_listed_and_ended_by_its_token_alone() -> None:
    with serving(local_x(Ten(), Running(), token=None, keep_alive=0.1)) as x:
        x.add_rules("gol")
        other = Client(x.url, "another", x.x)
        assert x.get("/2/connections") == {"meta": {"result_count": 0}}
        with x.stream() as messages:
            next(messages)
            (mine,) = x.get("/2/connections")["data"]
            assert mine["endpoint_name"] == "filtered_stream"
            assert "data" not in other.get("/2/connections")
            kills = other.send("DELETE", "/2/connections", {"uuids": [mine["id"]]})["data"]
            assert (kills["successful_kills"], kills["failed_kills"]) == (0, 1)
            assert x.send("DELETE", "/2/connections/sample_stream", {})["data"]["successful_kills"] == 0
            kills = x.send("DELETE", "/2/connections", {"uuids": [mine["id"]]})["data"]
            assert (kills["successful_kills"], kills["results"][0]["uuid"]) == (1, mine["id"])
            (last,) = [message for message in messages if isinstance(message, dict)]
            assert "ForceDisconnect" in last["errors"][0]["detail"]
        (past,) = x.get("/2/connections", status="inactive")["data"]
        assert (past["id"], past["disconnect_reason"]) == (mine["id"], "killed")
        assert x.call("DELETE", "/2/connections", json={"uuids": []}).status_code == 400
        assert x.call("DELETE", "/2/connections/anywhere").status_code == 400


@pytest.mark.parametrize("path", ["/2/connections/all", "/2/connections/filtered_stream"])
def test_a_connection_whose_caller_is_gone_is_held_until_it_is_ended(x: Client, path: str) -> None:
    x.add_rules("gol")
    x.faults(linger_seconds=60)
    with x.stream() as messages:
        next(messages)
    assert x.call("GET", "/2/tweets/search/stream").status_code == 429
    assert x.send("DELETE", path, {})["data"]["successful_kills"] == 1
    with x.stream() as messages:
        x.add("gol")
        assert posts(messages, 1)


@pytest.mark.parametrize("contract", [NEW, OLD])
def test_their_calls_are_counted(contract: str) -> None:
    with serving(local_x(Ten(), limits=RateLimits(), contract=contract)) as x:
        for _ in range(LIMITS["connections"]):
            assert x.call("DELETE", "/2/connections/all").status_code == 200
        assert x.call("DELETE", "/2/connections/all").status_code == 429
        assert x.call("GET", f"{JOBS}?type=tweets").headers["x-rate-limit-limit"] == "150"
