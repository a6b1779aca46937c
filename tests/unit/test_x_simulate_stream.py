"""The local X API's filtered stream."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from local_x import Client, local_x, posts, serving

from opslib.simulate import NEW, OLD

if TYPE_CHECKING:
    from collections.abc import Iterator

STREAM = "/2/tweets/search/stream"


@pytest.fixture
def x() -> Iterator[Client]:
    with serving(local_x(keep_alive=0.1)) as client:
        client.add_rules("gol", "-samba gol")
        yield client


def test_a_post_comes_with_the_rules_that_it_matches(x: Client) -> None:
    with x.stream(expansions="author_id", **{"tweet.fields": "created_at"}) as messages:
        first, _, third = x.add("gol", "nada disso", "gol e samba")
        one, two = posts(messages, 2)
    assert [tag["tag"] for tag in one["matching_rules"]] == ["tag of gol", "tag of -samba gol"]
    assert [tag["tag"] for tag in two["matching_rules"]] == ["tag of gol"]
    assert (one["data"]["id"], two["data"]["id"]) == (first, third)
    assert set(one["data"]) == {"id", "text", "edit_history_post_ids", "author_id", "created_at"}
    assert [user["id"] for user in one["includes"]["users"]] == [one["data"]["author_id"]]
    ledger = x.ledger()
    assert ledger["streamed"] == {first: 1, third: 1}
    assert ledger["returned"] == {}
    assert (ledger["charged"]["posts"], ledger["charged"]["users"]) == (2, 2)


def test_more_posts_than_are_sent_at_once_all_come(x: Client) -> None:
    with x.stream() as messages:
        ids = x.add(*(f"gol {number}" for number in range(1201)))
        assert [message["data"]["id"] for message in posts(messages, 1201)] == ids


def test_what_was_written_before_is_not_sent(x: Client) -> None:
    x.add("gol antigo")
    with x.stream() as messages:
        (new,) = x.add("gol novo")
        assert posts(messages, 1)[0]["data"]["id"] == new


def test_a_quiet_stream_shows_that_it_is_alive(x: Client) -> None:
    with x.stream() as messages:
        assert [next(messages) for _ in range(4)] == [b""] * 4


def test_rules_change_while_it_is_connected(x: Client) -> None:
    with x.stream() as messages:
        x.add_rules("samba")
        x.add("só samba")
        assert posts(messages, 1)[0]["matching_rules"][0]["tag"] == "tag of samba"


def test_a_token_has_one_connection(x: Client) -> None:
    with x.stream() as messages:
        next(messages)
        second = x.call("GET", STREAM)
        assert second.status_code == 429
        assert second.json()["code"] == 429
        assert "maximum allowed connection limit" in second.json()["message"]
        x.send("POST", "/_control/stream/disconnect", {"type": "UpstreamOperationalDisconnect"})
        (last,) = [message for message in messages if isinstance(message, dict)]
    (problem,) = last["errors"]
    assert problem["title"] == "operational-disconnect"
    assert "UpstreamOperationalDisconnect" in problem["detail"]
    # The place is free again.
    with x.stream() as messages:
        x.add("gol")
        assert posts(messages, 1)


def test_a_stream_without_rules_is_refused() -> None:
    with serving(local_x()) as x:
        answer = x.call("GET", STREAM)
    assert answer.status_code == 409
    assert "There are no rules" in answer.json()["message"]


@pytest.mark.parametrize("contract", [OLD, NEW])
def test_the_stream_is_asked_by_the_old_names_and_answers_by_those_of_its_contract(contract: str) -> None:
    post = {"text": "gol", "note_tweet": {"text": "gol e mais gol"}, "paid_partnership": True}
    with serving(local_x(contract=contract)) as x:
        x.add_rules("gol")
        assert x.call("GET", f"{STREAM}?post.fields=note_post").status_code == 400
        with x.stream(**{"tweet.fields": "note_tweet,public_metrics"}) as messages:
            x.add(json.dumps(post))
            (sent,) = posts(messages, 1)
        refused = x.refuses(STREAM, **{"tweet.fields": "paid_partnership"})
    assert refused == (contract == OLD)
    new = contract == NEW
    assert ("note_post" in sent["data"], "note_tweet" in sent["data"]) == (new, not new)
    assert ("repost_count" in sent["data"]["public_metrics"]) == new


@pytest.mark.parametrize("parameter", ["backfill_minutes=9", "tweet.fields=colour", "query=gol"])
def test_wrong_parameters_are_refused(x: Client, parameter: str) -> None:
    assert x.call("GET", f"{STREAM}?{parameter}").status_code == 400


def test_the_end_of_the_server_ends_it() -> None:
    with serving(local_x()) as x:
        x.add_rules("gol")
        stream = x.stream()
        messages = stream.__enter__()
        next(messages)
    (last,) = [message for message in messages if isinstance(message, dict)]
    assert "ForceDisconnect" in last["errors"][0]["detail"]
