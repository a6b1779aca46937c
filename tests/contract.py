"""X's published contract, read strictly: what every answer of the local X API is held against.

The contract alone accepts almost anything. Here a field that it does not know is wrong, a post has an id and
a text, a trend its name, usage its figures, an answer one of data, errors or meta, and a problem what its
type asks for. The contract is no part of the project, so it may be missing.
"""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import jsonschema_rs

X_API = Path(__file__).resolve().parents[2] / "shared" / "data" / "x-api"
CONTRACT = X_API / "openapi.json"
SEARCH = "Get2TweetsSearchRecentResponse"
STREAMED = "FilteredStreamingTweetResponse"
_REQUIRED = {
    "Tweet": ["id", "text"],
    "Trend": ["trend_name"],
    "Problem": ["title", "type"],
    "Usage": ["cap_reset_day", "project_cap", "project_id", "project_usage"],
    "Rule": ["id", "value"],
}
_ANSWERS = {
    "/2/tweets/search/recent": SEARCH,
    "/2/tweets/search/all": SEARCH,
    "/2/tweets/counts/recent": "Get2TweetsCountsRecentResponse",
    "/2/tweets/counts/all": "Get2TweetsCountsRecentResponse",
    "/2/tweets": "Get2TweetsResponse",
    "/2/usage/tweets": "Get2UsageTweetsResponse",
    "/2/trends/by/woeid": "Get2TrendsByWoeidWoeidResponse",
}

ValidationError = jsonschema_rs.ValidationError


class Contract:
    """X's contract, read strictly."""

    def __init__(self, contract: dict[str, Any]) -> None:
        self._schemas = copy.deepcopy(contract["components"]["schemas"])
        self._types = self._schemas["Problem"]["discriminator"]["mapping"]
        # What others extend must leave room for their fields.
        extended = {
            part["$ref"].rsplit("/", 1)[-1]
            for schema in self._schemas.values()
            for part in schema.get("allOf", [])
            if "$ref" in part
        }
        for name, schema in self._schemas.items():
            if name not in extended:
                _close(schema)
            schema["required"] = sorted({*schema.get("required", []), *_REQUIRED.get(name, [])})
        for name in [*_ANSWERS.values(), STREAMED]:
            self._schemas[name]["anyOf"] = [{"required": [key]} for key in ("data", "errors", "meta")]
        self._validators: dict[str, jsonschema_rs.Draft202012Validator] = {}

    @classmethod
    def read(cls) -> Contract | None:
        """Return the contract if it is there."""
        return cls(json.loads(CONTRACT.read_text())) if CONTRACT.is_file() else None

    def _validate(self, answer: Any, name: str) -> None:
        if name not in self._validators:
            schema = {"$ref": f"#/components/schemas/{name}", "components": {"schemas": self._schemas}}
            self._validators[name] = jsonschema_rs.Draft202012Validator(schema)
        self._validators[name].validate(answer)

    def check(self, answer: Any, name: str) -> None:
        """Raise ``ValidationError`` unless *answer* is what the schema *name* describes."""
        self._validate(answer, name)
        for problem in answer.get("errors", ()):
            self._check_problem(problem)

    def _check_problem(self, problem: dict[str, Any]) -> None:
        self._validate(problem, "Problem")
        self._validate(problem, self._types[problem["type"]].rsplit("/", 1)[-1])

    def check_answer(self, method: str, path: str, status: int, content_type: str, body: Any) -> None:
        """Raise ``ValidationError``, or say what else is wrong, unless this answers one of X's calls."""
        if status != 200:
            assert content_type.startswith("application/problem+json"), content_type
            self._check_problem(body)
        elif path.endswith("/rules"):
            self.check(body, "AddOrDeleteRulesResponse" if method == "POST" else "RulesLookupResponse")
        else:
            self.check(body, _ANSWERS[path.rpartition("/")[0] if "woeid" in path else path])


def _close(schema: Any, part_of_another: bool = False) -> None:
    """Forbid the fields that *schema* does not name; the parts of an ``allOf`` are closed as a whole."""
    if isinstance(schema, list):
        for part in schema:
            _close(part, part_of_another)
    elif isinstance(schema, dict):
        named = isinstance(schema.get("properties"), dict) or "allOf" in schema
        if named and not part_of_another and "additionalProperties" not in schema:
            schema["unevaluatedProperties"] = False
        for key, part in schema.items():
            if key != "example":
                _close(part, key == "allOf")
