"""The local X API's calls: ledger and prices, lookup, counts, usage, rules, limits."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
import requests
from local_x import NOW, Client, Clock, Ten, local_x, posts, serving

from opslib.simulate.limits import LIMITS, RateLimits

if TYPE_CHECKING:
    from collections.abc import Iterator

RULES = "/2/tweets/search/stream/rules"


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def x(clock: Clock) -> Iterator[Client]:
    with serving(local_x(Ten(), clock)) as client:
        yield client


def test_a_post_is_charged_once_a_day_and_again_on_the_next(x: Client, clock: Clock) -> None:
    first = [tweet["id"] for tweet in x.search()["data"]]
    x.search()
    ledger = x.ledger()
    assert set(ledger["offered"]) == set(first)
    assert ledger["returned"] == dict.fromkeys(first, 2)
    assert ledger["charged"] == {
        "posts": 10,
        "users": 0,
        "trends": 0,
        "counts": 0,
        "counts_all": 0,
        "media": 0,
        "usd": 0.05,
    }
    assert ledger["paid_again"] == {}
    clock.now += timedelta(days=1)
    x.search()
    ledger = x.ledger()
    assert ledger["charged"]["posts"] == 20
    assert ledger["paid_again"] == dict.fromkeys(first, 1)


def test_includes_are_charged_unless_they_are_said_to_be_free(x: Client) -> None:
    expansions = "author_id,referenced_posts"
    x.search(expansions=expansions)
    # The quoted post is on the same page: it is one and the same resource.
    assert x.ledger()["charged"] == {
        "posts": 10,
        "users": 3,
        "trends": 0,
        "counts": 0,
        "counts_all": 0,
        "media": 0,
        "usd": 0.08,
    }
    with serving(local_x(Ten(), includes_charged=False)) as free:
        free.search(expansions=expansions)
        assert free.ledger()["charged"]["users"] == 0


def test_search_and_counts_know_no_retweets_and_the_stream_does(x: Client) -> None:
    retweet = {"text": "RT @a: gol", "referenced_tweets": [{"type": "retweeted", "id": "20"}]}
    x.add_rules("gol")
    with x.stream() as messages:
        (added,) = x.add(json.dumps(retweet))
        assert posts(messages, 1)[0]["data"]["id"] == added
    assert added not in {post["id"] for post in x.search(max_results=100)["data"]}
    assert "data" not in x.search("gol is:retweet")
    assert x.get("/2/tweets/counts/recent", query="gol")["meta"]["total_post_count"] == 10
    assert x.get("/2/tweets", ids=added)["data"], "whoever knows its id may look it up"
    ledger = x.ledger()
    assert set(ledger["offered"]) - set(ledger["searchable"]) == {added}


@pytest.mark.parametrize(
    ("operator", "metric"),
    [("min_likes", "like_count"), ("min_replies", "reply_count"), ("min_reposts", "retweet_count")],
)
def test_a_search_asks_for_so_many_likes_replies_or_reposts(x: Client, operator: str, metric: str) -> None:
    none = {"like_count": 0, "reply_count": 0, "retweet_count": 0, "quote_count": 0, "bookmark_count": 0}
    few, many = x.add(
        *(
            json.dumps({"text": "zebra", "public_metrics": {**none, "impression_count": 0, metric: number}})
            for number in (4, 5)
        )
    )
    assert [post["id"] for post in x.search(f"zebra {operator}:5")["data"]] == [many]
    assert {post["id"] for post in x.search(f"zebra {operator}:4")["data"]} == {few, many}
    assert [post["id"] for post in x.search(f"zebra -{operator}:5")["data"]] == [few]
    assert many in {post["id"] for post in x.search(f"{operator}:5", max_results=100)["data"]}, (
        "alone as well"
    )
    assert x.call("GET", f"/2/tweets/search/recent?query={operator}:many").status_code == 400
    # What they are called on X's web page is none of the API's.
    assert x.call("GET", "/2/tweets/search/recent?query=zebra min_faves:5").status_code == 400


def test_trends_and_counts_are_charged_every_time(x: Client) -> None:
    for _ in range(2):
        assert x.get("/2/trends/by/woeid/1", **{"trend.fields": "trend_name,tweet_count"})["data"] == [
            {"trend_name": "#Gol", "tweet_count": 10}
        ]
        x.get("/2/tweets/counts/recent", query="gol")
    charged = x.ledger()["charged"]
    assert (charged["trends"], charged["counts"], charged["usd"]) == (2, 2, 0.03)


def test_no_trends_is_a_problem() -> None:
    with serving(local_x()) as x:
        assert x.get("/2/trends/by/woeid/1")["errors"][0]["title"] == "Not Found Error"


def test_usage_tells_what_was_charged(x: Client, clock: Clock) -> None:
    x.search()
    clock.now += timedelta(days=1)
    x.search()
    both = "daily_project_usage,daily_client_app_usage"
    usage = x.get("/2/usage/tweets", days=3, **{"usage.fields": both})["data"]
    assert (usage["project_usage"], usage["project_cap"], usage["cap_reset_day"]) == ("20", "3000000", 10)
    days = [(day["date"][:10], day["usage"]) for day in usage["daily_project_usage"]["usage"]]
    assert days == [("2026-11-19", "0"), ("2026-11-20", "10"), ("2026-11-21", "10")]
    assert set(x.get("/2/usage/tweets")["data"]) == {
        "project_usage",
        "project_cap",
        "cap_reset_day",
        "project_id",
    }


def test_the_month_s_posts_are_used_up(clock: Clock) -> None:
    with serving(local_x(Ten(), clock, monthly_cap=10)) as x:
        x.search()
        for path in ("/2/tweets/search/recent?query=gol", "/2/tweets?ids=1"):
            refused = x.call("GET", path)
            assert refused.status_code == 429
            assert "UsageCapExceeded" in refused.json()["message"]
        assert x.get("/2/usage/tweets")["data"]["project_cap"] == "10"
        clock.now += timedelta(days=11)
        assert x.get("/2/tweets", ids="1")


@pytest.mark.parametrize(("granularity", "buckets"), [("minute", 10), ("hour", 1), ("day", 1)])
def test_counts_add_up(x: Client, granularity: str, buckets: int) -> None:
    start = (NOW - timedelta(minutes=10)).strftime("%Y-%m-%dT%H:%M:%SZ")
    answer = x.get("/2/tweets/counts/recent", query="gol", granularity=granularity, start_time=start)
    assert answer["meta"]["total_post_count"] == 10
    assert [count["post_count"] for count in answer["data"]] == [10 // buckets] * buckets
    for earlier, later in zip(answer["data"], answer["data"][1:]):
        assert earlier["end"] == later["start"]


def test_counts_of_a_week_have_a_bucket_an_hour(x: Client) -> None:
    answer = x.get("/2/tweets/counts/recent", query="gol -número")
    assert answer["meta"]["total_post_count"] == 0
    assert len(answer["data"]) == 7 * 24


def test_what_is_gone_is_an_error_of_the_lookup(x: Client) -> None:
    kept, deleted, protected = (tweet["id"] for tweet in x.search()["data"][:3])
    assert x.send("POST", "/_control/tweets/delete", {"ids": [deleted, "7"]}) == {"deleted": 1}
    assert x.send("POST", "/_control/tweets/protect", {"ids": [protected]}) == {"protected": 1}
    answer = x.get("/2/tweets", ids=f"{kept},{deleted},{protected},7")
    assert [tweet["id"] for tweet in answer["data"]] == [kept]
    assert [(error["title"], error["resource_id"]) for error in answer["errors"]] == [
        ("Not Found Error", deleted),
        ("Authorization Error", protected),
        ("Not Found Error", "7"),
    ]
    assert x.ledger()["looked_up"] == {kept: 1}
    assert "data" not in x.get("/2/tweets", ids=deleted)
    assert {tweet["id"] for tweet in x.search()["data"]}.isdisjoint({deleted, protected})


def test_a_quote_of_what_is_gone_says_so(x: Client) -> None:
    oldest = x.search()["data"][-1]["id"]
    x.send("POST", "/_control/tweets/delete", {"ids": [oldest]})
    answer = x.search(expansions="referenced_posts")
    assert "includes" not in answer
    assert [error["resource_id"] for error in answer["errors"]] == [oldest]


def test_an_edit_is_a_new_version_with_a_new_id(x: Client) -> None:
    old = x.search()["data"][0]["id"]
    new = x.send("POST", "/_control/tweets/edit", {"id": old, "text": "gol anulado #Var"})["id"]
    newest = x.search()["data"][0]
    assert newest == {"id": new, "text": "gol anulado #Var", "edit_history_post_ids": [old, new]}
    assert x.get("/2/tweets", ids=old)["data"][0]["edit_history_post_ids"] == [old, new]
    assert old not in {tweet["id"] for tweet in x.search()["data"]}


def test_tweets_are_added_all_or_none(x: Client) -> None:
    (new,) = x.add('{"text": "mais um gol"}')
    assert x.search()["data"][0]["id"] == new
    answer = x.call("POST", "/_control/tweets", data=f'{{"text": "a"}}\n{{"text": "b", "id": "{new}"}}')
    assert answer.status_code == 400
    assert "line 2" in answer.json()["detail"]
    assert len(x.ledger()["offered"]) == 11


def test_rules_are_added_listed_and_deleted(x: Client) -> None:
    created = x.add_rules("gol", "#gol lang:pt")["data"]
    assert [(rule["value"], rule["tag"]) for rule in created] == [
        ("gol", "tag of gol"),
        ("#gol lang:pt", "tag of #gol lang:pt"),
    ]
    listed = x.get(RULES)
    assert listed["data"] == created
    assert listed["meta"]["result_count"] == 2
    assert x.get(RULES, ids=created[1]["id"])["data"] == created[1:]
    delete = {"delete": {"ids": [created[0]["id"], "1"], "values": ["#gol lang:pt"]}}
    answer = x.send("POST", RULES, delete)
    assert answer["meta"]["summary"] == {"deleted": 2, "not_deleted": 1}
    assert "data" not in x.get(RULES)


def test_rules_that_are_known_or_wrong_are_reported(x: Client) -> None:
    x.add_rules("gol")
    answer = x.send("POST", RULES, {"add": [{"value": "gol"}, {"value": "lang:pt"}, {"value": "samba"}]})
    assert answer["meta"]["summary"] == {"created": 1, "not_created": 2, "valid": 1, "invalid": 2}
    duplicate, invalid = answer["errors"]
    assert (duplicate["title"], duplicate["value"]) == ("DuplicateRule", "gol")
    assert invalid["title"] == "UnprocessableEntity"


def test_a_dry_run_changes_nothing(x: Client) -> None:
    assert x.send("POST", RULES, {"add": [{"value": "gol"}]}, dry_run="true")["data"]
    assert "data" not in x.get(RULES)


def test_there_are_no_more_than_a_thousand_rules(x: Client) -> None:
    x.send("POST", RULES, {"add": [{"value": f"gol{number}"} for number in range(999)]})
    answer = x.call("POST", RULES, json={"add": [{"value": "um"}, {"value": "dois"}]})
    assert answer.status_code == 422
    assert answer.json()["title"] == "RulesCapExceeded"
    page = x.get(RULES, max_results=998)
    rest = x.get(RULES, max_results=998, pagination_token=page["meta"]["next_token"])
    assert (len(page["data"]), len(rest["data"])) == (998, 1)


@pytest.mark.parametrize(
    "body", ["{", "[]", "{}", '{"add": {}}', '{"add": [{}]}', '{"delete": {"ids": ["a"]}}']
)
def test_a_wrong_change_of_rules_is_refused(x: Client, body: str) -> None:
    assert x.call("POST", RULES, data=body).status_code == 400


@pytest.mark.parametrize(
    ("kind", "method", "path"),
    [
        ("trends", "GET", "/2/trends/by/woeid/1"),
        ("search", "GET", "/2/tweets/search/recent?query=gol"),
        ("counts", "GET", "/2/tweets/counts/recent?query=gol"),
        ("lookup", "GET", "/2/tweets?ids=1"),
        ("usage", "GET", "/2/usage/tweets"),
        ("rules", "GET", RULES),
        ("rules:change", "POST", RULES),
    ],
)
def test_each_call_has_its_limit(kind: str, method: str, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(LIMITS, kind, 2)
    time = [1000.0]
    with serving(local_x(Ten(), limits=RateLimits(lambda: time[0]))) as x:
        body = '{"add": []}' if method == "POST" else None
        left = [x.call(method, path, data=body).headers["x-rate-limit-remaining"] for _ in range(2)]
        assert left == ["1", "0"]
        refused = x.call(method, path, data=body)
        assert (refused.status_code, refused.headers["x-rate-limit-reset"]) == (429, "1900")
        time[0] = 1900
        assert x.call(method, path, data=body).status_code == 200


def test_x_s_limits() -> None:
    assert LIMITS == {
        "trends": 75,
        "search": 450,
        "search_all": 300,
        "counts": 300,
        "counts_all": 300,
        "lookup": 3500,
        "usage": 50,
        "stream": 50,
        "rules": 450,
        "rules:change": 100,
        "compliance": 150,
        "connections": 25,
    }


def test_the_control_api_asks_for_the_token(x: Client) -> None:
    assert requests.get(f"{x.url}/_control/ledger", timeout=60).status_code == 401
    with serving(local_x(Ten(), token=None)) as open_to_all:
        assert requests.get(f"{open_to_all.url}/_control/ledger", timeout=60).status_code == 200
