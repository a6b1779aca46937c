"""X's names: found out by call and remembered, and answers by either spelling come in as one."""

from __future__ import annotations

import json
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from local_x import Client, Ten, local_x, serving
from spelled import FIELDS, POST_METRICS, USER_METRICS

from opslib.simulate import NEW, OLD
from opslib.simulate.limits import LIMITS, RateLimits
from opslib.x.budget import Budget, Limits
from opslib.x.client import Refused, XClient
from opslib.x.names import EXPAND_AUTHORS, EXPAND_REFERENCED, OF_CALLS, OF_THE_STREAM, normal
from opslib.x.search import resources_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def calling(x: Client) -> Iterator[XClient]:
    client = XClient(x.url, "right", timeout=10)
    yield client
    client.close()


def spent_calls(client: XClient) -> int:
    """Return how many calls of the last call's kind were used up in this window."""
    limit, left = client.limits
    assert limit is not None
    assert left is not None
    return limit - left


@pytest.mark.parametrize(("contract", "tries"), [(NEW, 1), (OLD, 4)])
def test_a_search_finds_out_the_names_once_and_remembers_them(contract: str, tries: int) -> None:
    with serving(local_x(Ten(), contract=contract, limits=RateLimits())) as x, calling(x) as client:
        page = client.search_recent("gol", max_results=10)
        assert spent_calls(client) == tries
        for number in range(1, 4):
            assert client.search_recent("gol", max_results=10) == page
            assert spent_calls(client) == tries + number
        assert x.ledger()["returned"] == {tweet["id"]: 4 for tweet in page.tweets}
        assert x.ledger()["charged"]["posts"] == 10, "a refusal is not charged"
    assert len(page.tweets) == 10
    assert all("author_id" in tweet and "retweet_count" in tweet["public_metrics"] for tweet in page.tweets)
    assert [tweet["referenced_tweets"][0]["type"] for tweet in page.tweets[:4]] == ["quoted"] * 4


def test_each_call_goes_by_its_own_names_and_back_when_x_does() -> None:
    expansions = (EXPAND_AUTHORS, EXPAND_REFERENCED)
    with serving(local_x(Ten(), limits=RateLimits())) as x, calling(x) as client:
        first = client.search_recent("gol", expansions=expansions)
        for contract, tries in ((OLD, 4), (OLD, 1), (NEW, 2), (NEW, 1)):
            x.send("PUT", "/_control/contract", {"contract": contract})
            before = spent_calls(client)
            page = client.search_recent("gol", expansions=expansions)
            assert spent_calls(client) - before == tries
            assert (page.tweets, page.includes) == (first.tweets, first.includes)
        looked_up = client.lookup([int(tweet["id"]) for tweet in first.tweets])
        assert spent_calls(client) == 1, "another call has another window, and its names were not changed"
        assert all(tweet["edit_history_tweet_ids"] == [tweet["id"]] for tweet in looked_up.tweets)
    assert {user["id"] for user in first.includes["users"]} >= {tweet["author_id"] for tweet in first.tweets}
    assert [tweet["id"] for tweet in first.includes["tweets"]] == [first.tweets[-1]["id"]]


def test_an_x_that_takes_relations_as_expansions_alone_is_asked_without_them(tmp_path: Path) -> None:
    budget = Budget(tmp_path / "b", Limits())
    with serving(local_x(Ten(), strict_fields=True)) as x, calling(x) as client:
        with budget.call({"post": 10}) as came:
            page = client.search_recent("gol", max_results=10)
            came(resources_of(page.tweets, page.includes))
        assert not any("author_id" in tweet for tweet in page.tweets)
        assert budget.spent_today().usd == x.ledger()["charged"]["usd"] == 0.05, "nobody asked for more"
        named = client.search_recent("gol", expansions=(EXPAND_AUTHORS, EXPAND_REFERENCED))
    assert all("author_id" in tweet for tweet in named.tweets)
    assert named.tweets[0]["referenced_tweets"][0]["type"] == "quoted"


def test_a_query_that_is_wrong_is_refused_at_once() -> None:
    with serving(local_x(Ten(), limits=RateLimits())) as x, calling(x) as client:
        client.search_recent("gol")
        before = spent_calls(client)
        with pytest.raises(Refused, match="clause is missing"):
            client.search_recent("gol OR")
        with pytest.raises(Refused):
            client.search_recent("gol", max_results=101)
        assert spent_calls(client) - before == 2


def test_whoever_refuses_all_names_has_said_no() -> None:
    tried = []

    def ask(parameters: dict[str, Any]) -> None:
        tried.append(parameters)
        raise Refused(400, "no", frozenset({"expansions"}))

    client = XClient("http://127.0.0.1:1", "right")
    with pytest.raises(Refused):
        client._named("/2/tweets", ("lang", "note_tweet"), (), OF_CALLS, ask)
    assert len(tried) == len(OF_CALLS)
    assert [next(iter(parameters)) for parameters in tried] == [names.parameter for names in OF_CALLS]
    assert tried[0]["post.fields"] == "lang,note_post"
    assert tried[-1]["tweet.fields"] == "lang,note_tweet"


@pytest.mark.parametrize("contract", [NEW, OLD])
def test_the_stream_keeps_the_old_names_and_comes_in_by_ours(contract: str) -> None:
    post = {"text": "gol", "note_tweet": {"text": "gol e mais"}, "withheld": None}
    post["withheld"] = {"copyright": False, "country_codes": ["DE"], "scope": "tweet"}  # type: ignore[assignment]
    with serving(local_x(contract=contract, keep_alive=0.1, limits=RateLimits())) as x, calling(x) as client:
        x.add_rules("gol")
        with client.stream((EXPAND_AUTHORS,), keep_alive=5) as streaming:
            assert spent_calls(client) == (1 if contract == NEW else 2)
            added = threading.Timer(0.1, x.add, (json.dumps(post),))
            added.start()
            received = b""
            for part in streaming:
                received += part
                if b"matching_rules" in received and received.endswith(b"\r\n"):
                    break
        added.join()
    (line,) = [line for line in received.split(b"\r\n") if line.strip()]
    message = normal(json.loads(line))
    assert message["data"]["note_tweet"] == {"text": "gol e mais"}
    assert message["data"]["withheld"]["scope"] == "tweet"
    assert "retweet_count" in message["data"]["public_metrics"]
    assert message["includes"]["users"][0]["id"] == message["data"]["author_id"]
    assert OF_THE_STREAM[0].parameter == "tweet.fields"
    assert LIMITS["stream"] == 50


# ---- mixed spellings

_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)
_OTHER = st.dictionaries(st.sampled_from(["id", "text", "lang", "entities", "geo", "article"]), _VALUES)


def _either(names: dict[str, str], values: Any = _VALUES) -> Any:
    """Return a strategy for objects by our names, and the same with each name in one of both spellings."""

    def spelled(pair: tuple[dict[str, Any], list[bool]]) -> tuple[dict[str, Any], dict[str, Any]]:
        ours, new = pair
        theirs = {
            names[name] if name in names and chosen else name: value
            for (name, value), chosen in zip(ours.items(), [*new, *[False] * len(ours)])
        }
        return ours, theirs

    given_names = st.dictionaries(st.sampled_from([*names, "reply_count"]), values, max_size=6)
    return st.tuples(given_names, st.lists(st.booleans(), min_size=6, max_size=6)).map(spelled)


@st.composite
def _posts(draw: st.DrawFn) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return a post by our names, and the same in spellings that are mixed."""
    ours, theirs = draw(_either(FIELDS))
    other = draw(_OTHER)
    metrics, spelled = draw(_either(POST_METRICS, st.integers(0, 9)))
    scope, told = draw(st.sampled_from([("tweet", "post"), ("tweet", "tweet"), ("user", "user")]))
    withheld = {"copyright": False, "country_codes": ["DE"]}
    return (
        {**other, **ours, "public_metrics": metrics, "withheld": {**withheld, "scope": scope}},
        {**other, **theirs, "public_metrics": spelled, "withheld": {**withheld, "scope": told}},
    )


@st.composite
def _users(draw: st.DrawFn) -> tuple[dict[str, Any], dict[str, Any]]:
    ours, theirs = draw(_either({"pinned_tweet_id": "pinned_post_id"}))
    metrics, spelled = draw(_either(USER_METRICS, st.integers(0, 9)))
    return {**ours, "public_metrics": metrics}, {**theirs, "public_metrics": spelled}


@pytest.mark.slow
@settings(max_examples=300)
@given(
    st.lists(_posts(), max_size=4), st.lists(_posts(), max_size=3), st.lists(_users(), max_size=3), st.data()
)
def test_whatever_spellings_are_mixed_no_field_is_lost(
    data: Any, referenced: Any, users: Any, chance: st.DataObject
) -> None:
    halves = [chance.draw(st.sampled_from(["posts", "tweets"])) for _ in referenced]
    theirs: dict[str, Any] = {"posts": [], "tweets": [], "users": [theirs for _, theirs in users]}
    for half, (_, post) in zip(halves, referenced):
        theirs[half].append(post)
    ours = [post for half in ("posts", "tweets") for h, (post, _) in zip(halves, referenced) if h == half]
    rest = {"meta": {"result_count": 3, "next_token": "a"}, "matching_rules": [{"id": "1", "tag": "a"}]}
    told = normal({"data": [theirs for _, theirs in data], "includes": theirs, **rest})
    assert told["data"] == [ours for ours, _ in data]
    assert told["includes"]["users"] == [ours for ours, _ in users]
    # Where both lists are there and one repeats the other, once is enough.
    assert all(post in told["includes"]["tweets"] for post in ours)
    assert {name: told[name] for name in rest} == rest
    assert normal(told) == told, "what has our names stays as it is"


def test_a_field_by_both_names_is_ours_unless_that_is_null() -> None:
    post = {"note_post": {"text": "new"}, "note_tweet": {"text": "old"}, "id": "1"}
    assert normal({"data": post})["data"] == {"note_tweet": {"text": "old"}, "id": "1"}
    post = {"note_tweet": None, "note_post": {"text": "new"}}
    assert normal({"data": post})["data"] == {"note_tweet": {"text": "new"}}
    assert normal({"data": dict(reversed(post.items()))})["data"] == {"note_tweet": {"text": "new"}}


def test_counts_come_in_by_one_name() -> None:
    told = {"data": [{"start": "a", "end": "b", "post_count": 3}], "meta": {"total_post_count": 3}}
    assert normal(told) == {
        "data": [{"start": "a", "end": "b", "tweet_count": 3}],
        "meta": {"total_tweet_count": 3},
    }
