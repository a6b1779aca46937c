"""The local X API's answers against X's published contract, read strictly.

The contract alone accepts almost anything. Here a field that it does not know is wrong, a post has an id and
a text, a trend its name, and an answer one of data, errors or meta.
"""

from __future__ import annotations

import copy
import json
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest
import requests

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]
CONTRACT = ROOT.parent / "shared" / "data" / "x-api" / "openapi.json"
REQUIRED = {"Tweet": ["id", "text"], "Trend": ["trend_name"], "Problem": ["title", "type"]}

pytestmark = pytest.mark.skipif(not CONTRACT.is_file(), reason="X's contract is not part of the project")


def strict(contract: dict[str, Any]) -> dict[str, Any]:
    """Return the contract's schemas, none of which takes a field that it does not name."""
    schemas = copy.deepcopy(contract["components"]["schemas"])
    # What others extend must leave room for their fields.
    extended = {
        part["$ref"].rsplit("/", 1)[-1]
        for s in schemas.values()
        for part in s.get("allOf", [])
        if "$ref" in part
    }
    for name, schema in schemas.items():
        if name not in extended:
            _close(schema)
        schema["required"] = sorted({*schema.get("required", []), *REQUIRED.get(name, [])})
    for name in ("Get2TweetsSearchRecentResponse", "Get2TrendsByWoeidWoeidResponse"):
        schemas[name]["anyOf"] = [{"required": [key]} for key in ("data", "errors", "meta")]
    return schemas


def _close(schema: Any) -> None:
    if isinstance(schema, list):
        for part in schema:
            _close(part)
    elif isinstance(schema, dict):
        if isinstance(schema.get("properties"), dict) and "additionalProperties" not in schema:
            schema["unevaluatedProperties"] = False
        for key, part in schema.items():
            if key != "example":
                _close(part)


@pytest.fixture(scope="module")
def validate() -> Any:
    schemas = strict(json.loads(CONTRACT.read_text()))

    def check(answer: Any, name: str) -> None:
        schema = {"$ref": f"#/components/schemas/{name}", "components": {"schemas": schemas}}
        jsonschema.Draft202012Validator(schema).validate(answer)

    return check


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "opslib", "x", "simulate", "--port", str(port), "--token", "right"]
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL) as process:
        url = f"http://127.0.0.1:{port}"
        for _ in range(200):
            try:
                requests.get(url, timeout=1)
                break
            except requests.ConnectionError:
                time.sleep(0.1)
        yield url
        process.terminate()


def get(server: str, path: str, token: str = "right", **parameters: Any) -> requests.Response:
    headers = {"Authorization": f"Bearer {token}"}
    return requests.get(server + path, params=parameters, headers=headers, timeout=10)


def test_the_validator_is_strict(validate: Any) -> None:
    validate(
        {"data": [{"id": "1", "text": "a", "edit_history_tweet_ids": ["1"]}]},
        "Get2TweetsSearchRecentResponse",
    )
    for wrong in ({"data": [{"id": "1"}]}, {"data": [{"id": "1", "text": "a", "color": "red"}]}, {}):
        with pytest.raises(jsonschema.ValidationError):
            validate(wrong, "Get2TweetsSearchRecentResponse")


def test_trends(server: str, validate: Any) -> None:
    answer = get(server, "/2/trends/by/woeid/23424768", max_trends=10).json()
    validate(answer, "Get2TrendsByWoeidWoeidResponse")
    assert len(answer["data"]) == 10


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {
            "tweet.fields": "created_at,lang,entities,public_metrics,author_id,referenced_tweets",
            "expansions": "author_id,referenced_tweets.id",
            "user.fields": "created_at,public_metrics,verified",
            "max_results": 100,
        },
    ],
)
def test_search_and_its_next_page(server: str, validate: Any, parameters: dict[str, Any]) -> None:
    first = get(server, "/2/tweets/search/recent", query="#Carnaval", **parameters).json()
    validate(first, "Get2TweetsSearchRecentResponse")
    assert first["data"]
    token = first["meta"]["next_token"]
    second = get(server, "/2/tweets/search/recent", query="#Carnaval", next_token=token, **parameters).json()
    validate(second, "Get2TweetsSearchRecentResponse")
    assert not {t["id"] for t in first["data"]} & {t["id"] for t in second["data"]}


def test_a_search_that_matches_nothing(server: str, validate: Any) -> None:
    answer = get(server, "/2/tweets/search/recent", query="zzzzunheardof").json()
    validate(answer, "Get2TweetsSearchRecentResponse")
    assert answer["meta"]["result_count"] == 0


@pytest.mark.parametrize(
    ("path", "parameters", "token", "status"),
    [
        ("/2/tweets/search/recent", {"query": "a"}, "wrong", 401),
        ("/2/tweets/search/recent", {}, "right", 400),
        ("/2/tweets/search/recent", {"query": "a", "max_results": 5}, "right", 400),
        ("/2/trends/by/woeid/23424768", {"max_trends": 51}, "right", 400),
    ],
)
def test_refusals_are_problems(
    server: str, validate: Any, path: str, parameters: dict[str, Any], token: str, status: int
) -> None:
    answer = get(server, path, token, **parameters)
    assert answer.status_code == status
    problem = {key: value for key, value in answer.json().items() if key != "errors"}
    validate(problem, "Problem")
