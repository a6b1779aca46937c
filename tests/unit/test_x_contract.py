"""The local X API's answers against both of X's published contracts, read strictly, and recorded ones.

``local_x`` holds every answer of the other tests of the local X API against its contract as well.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from contract import CONTRACT, SEARCH, X_API, Contract, ValidationError
from local_x import NOW, Client, Clock, local_x, serving
from spelled import renamed

from opslib.message import decode_tweet, encode, tweet_document
from opslib.simulate import CONTRACTS, NEW, OLD
from opslib.simulate.generator import Generator
from opslib.simulate.limits import RateLimits
from opslib.x.client import SearchPage
from opslib.x.names import normal
from opslib.x.search import messages_of

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.skipif(not CONTRACT.is_file(), reason="X's contract is not part of the project")

RECORDED = sorted((X_API / "recorded").glob("*.json"))
EVERYTHING = {
    NEW: {
        "post.fields": "article,attachments,community_id,context_annotations,conversation_id,created_at,"
        "entities,geo,lang,note_post,paid_partnership,possibly_sensitive,public_metrics,withheld",
        "expansions": "author_id,referenced_posts,in_reply_to_user_id,edit_history_post_ids,geo.place_id",
        "user.fields": "id,name,username,public_metrics,created_at,protected,verified",
    },
    OLD: {
        "tweet.fields": "article,attachments,author_id,community_id,context_annotations,conversation_id,"
        "created_at,entities,geo,lang,note_tweet,possibly_sensitive,public_metrics,referenced_tweets,withheld",
        "expansions": "author_id,referenced_tweets.id",
        "user.fields": "id,name,username,public_metrics,created_at,protected,verified",
    },
}
# A post with all that may be asked for.
WHOLE = {
    "text": "#Carnaval inteiro",
    "note_tweet": {"text": "#Carnaval inteiro, e mais longo"},
    "article": {"title": "Carnaval", "plain_text": "Um artigo inteiro"},
    "attachments": {"media_keys": ["3_1"], "poll_ids": ["7"], "media_source_tweet_id": ["20"]},
    "community_id": "1500000000000000001",
    "context_annotations": [
        {"domain": {"id": "45", "name": "Brand"}, "entity": {"id": "10", "name": "Carnaval"}}
    ],
    "geo": {"place_id": "68e019afec7d0ba5", "coordinates": {"type": "Point", "coordinates": [-46.6, -23.5]}},
    "paid_partnership": True,
    "withheld": {"copyright": False, "country_codes": ["DE", "FR"], "scope": "tweet"},
    "referenced_tweets": [{"type": "quoted", "id": "20"}],
    "in_reply_to_user_id": "5",
}


@pytest.fixture(scope="module", params=CONTRACTS)
def contract(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def x(contract: str) -> Iterator[Client]:
    with serving(local_x(Generator(1, 2, NOW), Clock(), contract=contract)) as client:
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
        {"errors": [{"title": "a", "detail": "a", "type": "https://api.x.com/2/problems/usage-capped"}]},
    ],
)
def test_the_validator_is_strict(contract: str, wrong: dict[str, Any]) -> None:
    strict = Contract.read(contract)
    assert strict is not None
    history = {NEW: "edit_history_post_ids", OLD: "edit_history_tweet_ids"}
    strict.check({"data": [{"id": "1", "text": "a", history[contract]: ["1"]}]}, SEARCH[contract])
    with pytest.raises((ValidationError, AssertionError, KeyError)):
        strict.check(wrong, SEARCH[contract])
    (other,) = {NEW, OLD} - {contract}
    with pytest.raises(ValidationError):
        strict.check({"data": [{"id": "1", "text": "a", history[other]: ["1"]}]}, SEARCH[contract])


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.stem)
def test_recorded_answers_pass_the_validator_as_they_are_and_renamed(path: Any) -> None:
    old, new = Contract.read(OLD), Contract.read(NEW)
    assert old is not None
    assert new is not None
    answer = recorded(path.name)["body"]
    old.check(answer, SEARCH[OLD])
    new.check(renamed(answer), SEARCH[NEW])


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.stem)
def test_recorded_answers_give_the_same_documents_by_the_new_names(path: Any) -> None:
    answer = recorded(path.name)["body"]

    def documents(body: dict[str, Any]) -> list[dict[str, Any]]:
        told = normal(body)
        page = SearchPage(told.get("data") or [], told.get("includes") or {})
        messages = messages_of(page, "#A", [{"name": "#A", "woeid": 1}], NOW)
        return [tweet_document(decode_tweet(encode(message))) for message in messages]

    assert documents(renamed(answer)) == documents(answer) != []


@pytest.mark.slow
def test_a_search_has_the_shape_of_a_recorded_one(x: Client, contract: str) -> None:
    answer = recorded("search_all_tweets-0.json")
    ours = x.call("GET", "/2/tweets/search/recent?query=%23Carnaval")
    body = answer["body"] if contract == OLD else renamed(answer["body"])
    assert shape(ours.json()) == shape(body)
    limits = {name for name in answer["headers"] if name.startswith("x-rate-limit-")}
    assert answer["headers"]["content-type"] == [ours.headers["content-type"]]
    with serving(local_x(Generator(1, 2, NOW), Clock(), limits=RateLimits())) as limited:
        headers = limited.call("GET", "/2/tweets/search/recent?query=a").headers
    assert {name for name in headers if name.startswith("x-rate-limit-")} == limits


@pytest.mark.slow
def test_a_lookup_has_the_shape_of_a_recorded_one(x: Client, contract: str) -> None:
    answer = recorded("get_tweets-0.json")["body"]
    ids = ",".join(tweet["id"] for tweet in x.search("#Carnaval")["data"][:2])
    assert shape(x.get("/2/tweets", ids=ids)) == shape(answer if contract == OLD else renamed(answer))


def test_trends(x: Client) -> None:
    answer = x.get("/2/trends/by/woeid/23424768", max_trends=10)
    assert len(answer["data"]) == 10


@pytest.mark.parametrize("everything", [False, True])
def test_search_and_its_next_page(x: Client, contract: str, everything: bool) -> None:
    parameters: dict[str, Any] = {**EVERYTHING[contract], "max_results": 100} if everything else {}
    first = x.search("#Carnaval", **parameters)
    second = x.search("#Carnaval", next_token=first["meta"]["next_token"], **parameters)
    assert first["data"]
    assert not {t["id"] for t in first["data"]} & {t["id"] for t in second["data"]}


def test_a_post_with_all_its_fields_passes_and_is_lost_nothing_of(contract: str) -> None:
    with serving(local_x(contract=contract)) as x:
        (added,) = x.add(json.dumps(WHOLE))
        answer = x.get("/2/tweets", ids=added, **EVERYTHING[contract])
    (post,) = normal(answer)["data"]
    # What the older contract has no place for it cannot tell.
    missing = {"article", "paid_partnership"} if contract == OLD else set()
    asked = {name for name in WHOLE if name != "in_reply_to_user_id" or contract == NEW}
    assert {name: post.get(name) for name in asked - missing} == {n: WHOLE[n] for n in asked - missing}
    assert missing.isdisjoint(post)


def test_usage_counts_and_rules(x: Client) -> None:
    assert x.get("/2/usage/tweets", **{"usage.fields": "daily_project_usage,daily_client_app_usage"})["data"]
    assert x.get("/2/tweets/counts/recent", query="#Carnaval")["data"]
    x.add_rules("gol", "lang:pt", "gol")
    assert x.get("/2/tweets/search/stream/rules")["data"]


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
def test_refusals_are_of_the_contract(x: Client, path: str, token: str, status: int) -> None:
    assert Client(x.url, token, x.x).call("GET", path).status_code == status


@pytest.mark.parametrize(
    ("of", "parameters"),
    [
        (NEW, {"tweet.fields": "lang"}),
        (NEW, {"post.fields": "note_tweet"}),
        (NEW, {"expansions": "referenced_tweets.id"}),
        (OLD, {"post.fields": "lang"}),
        (OLD, {"tweet.fields": "paid_partnership"}),
        (OLD, {"expansions": "referenced_posts"}),
    ],
)
def test_each_contract_refuses_the_names_of_the_other_and_says_which(
    of: str, parameters: dict[str, str]
) -> None:
    with serving(local_x(contract=of)) as x:
        refused = x.call("GET", "/2/tweets/search/recent", params={"query": "gol", **parameters})
    assert refused.status_code == 400
    (name,) = parameters
    assert name in json.dumps(refused.json())


def test_relations_are_fields_only_where_the_contract_is_not_strict() -> None:
    with serving(local_x()) as x:
        (added,) = x.add("gol")
        asked = {"ids": added, "post.fields": "author_id,referenced_posts"}
        assert x.get("/2/tweets", **asked)["data"][0]["author_id"]
        x.send("PUT", "/_control/contract", {"strict_fields": True})
        assert x.call("GET", "/2/tweets", params=asked).status_code == 400
        assert x.get("/2/tweets", ids=added, expansions="author_id")["includes"]["users"]
