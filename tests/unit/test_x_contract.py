"""The local X API's answers against X's published contract, read strictly, and against recorded ones.

``local_x`` holds every answer of the other tests of the local X API against the contract as well.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from contract import CONTRACT, SEARCH, X_API, Contract, ValidationError
from local_x import NOW, Client, Clock, local_x, serving

from opslib.simulate.generator import Generator
from opslib.simulate.limits import RateLimits
from opslib.x.client import TWEET_FIELDS, USER_FIELDS
from opslib.x.names import EXPAND_AUTHORS, EXPAND_REFERENCED

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.skipif(not CONTRACT.is_file(), reason="X's contract is not part of the project")

RECORDED = sorted((X_API / "recorded").glob("*.json"))


@pytest.fixture(scope="module")
def x() -> Iterator[Client]:
    with serving(local_x(Generator(1, 2, NOW), Clock())) as client:
        yield client


def recorded(name: str) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads((X_API / "recorded" / name).read_text())
    return answer


def shape(value: Any) -> Any:
    """Return the fields and types of *value*: of a list, those that all its items have."""
    if isinstance(value, dict):
        return {name: shape(part) for name, part in value.items()}
    if isinstance(value, list):
        shapes = [shape(item) for item in value]
        assert all(item == shapes[0] for item in shapes)
        return shapes[:1]
    return type(value).__name__


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"data": [{"id": "1"}]},
        {"data": [{"id": "1", "text": "a", "color": "red"}]},
        {"data": [{"id": "1", "text": "a", "entities": {"hashtags": [{"tag": "a", "text": "a"}]}}]},
        {"data": [], "errors": [{"title": "a"}]},
        {"errors": [{"title": "a", "type": "about:blank", "resource_id": "1"}]},
        {"errors": [{"title": "a", "type": "https://api.twitter.com/2/problems/resource-not-found"}]},
    ],
)
def test_the_validator_is_strict(wrong: dict[str, Any]) -> None:
    strict = Contract.read()
    assert strict is not None
    strict.check({"data": [{"id": "1", "text": "a", "edit_history_tweet_ids": ["1"]}]}, SEARCH)
    with pytest.raises(ValidationError):
        strict.check(wrong, SEARCH)


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.stem)
def test_recorded_answers_pass_the_validator(path: Any) -> None:
    strict = Contract.read()
    assert strict is not None
    strict.check(recorded(path.name)["body"], SEARCH)


def test_a_search_has_the_shape_of_a_recorded_one(x: Client) -> None:
    answer = recorded("search_all_tweets-0.json")
    ours = x.call("GET", "/2/tweets/search/recent?query=%23Carnaval")
    assert shape(ours.json()) == shape(answer["body"])
    limits = {name for name in answer["headers"] if name.startswith("x-rate-limit-")}
    assert answer["headers"]["content-type"] == [ours.headers["content-type"]]
    with serving(local_x(Generator(1, 2, NOW), Clock(), limits=RateLimits())) as limited:
        headers = limited.call("GET", "/2/tweets/search/recent?query=a").headers
    assert {name for name in headers if name.startswith("x-rate-limit-")} == limits


def test_a_lookup_has_the_shape_of_a_recorded_one(x: Client) -> None:
    ids = ",".join(tweet["id"] for tweet in x.search("#Carnaval")["data"][:2])
    assert shape(x.get("/2/tweets", ids=ids)) == shape(recorded("get_tweets-0.json")["body"])


def test_trends(x: Client) -> None:
    answer = x.get("/2/trends/by/woeid/23424768", max_trends=10)
    assert len(answer["data"]) == 10


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {
            "tweet.fields": ",".join(name for name in TWEET_FIELDS if name != "paid_partnership"),
            "expansions": f"{EXPAND_AUTHORS},{EXPAND_REFERENCED}",
            "user.fields": ",".join(USER_FIELDS),
            "max_results": 100,
        },
    ],
)
def test_search_and_its_next_page(x: Client, parameters: dict[str, Any]) -> None:
    first = x.search("#Carnaval", **parameters)
    second = x.search("#Carnaval", next_token=first["meta"]["next_token"], **parameters)
    assert first["data"]
    assert not {t["id"] for t in first["data"]} & {t["id"] for t in second["data"]}


def test_a_search_that_matches_nothing(x: Client) -> None:
    assert x.search("zzzzunheardof") == {"meta": {"result_count": 0}}


@pytest.mark.parametrize(
    ("path", "token", "status"),
    [
        ("/2/tweets/search/recent?query=a", "wrong", 401),
        ("/2/tweets/search/recent", "right", 400),
        ("/2/tweets/search/recent?query=a&max_results=5", "right", 400),
        ("/2/tweets/search/recent?query=a&media.fields=colour", "right", 400),
        ("/2/tweets/search/recent?query=a&next_token=a", "right", 400),
        ("/2/tweets/search/recent?query=a&start_time=0001-01-01T00:00:00%2B10:00", "right", 400),
        ("/2/tweets/search/recent?query=" + "(" * 200 + "a" + ")" * 200, "right", 400),
        ("/2/trends/by/woeid/23424768?max_trends=51", "right", 400),
        ("/2/tweets", "right", 400),
        ("/2/tweets?ids=" + ",".join(map(str, range(101))), "right", 400),
        ("/2/usage/tweets?days=91", "right", 400),
        ("/2/tweets/counts/recent?query=a&granularity=week", "right", 400),
        ("/2/elsewhere", "right", 404),
    ],
)
def test_refusals_are_problems(x: Client, path: str, token: str, status: int) -> None:
    assert Client(x.url, token).call("GET", path).status_code == status
