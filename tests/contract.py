"""X's published contract, read strictly: what every answer of the local X API is held against.

The contract alone accepts almost anything. Here a field that it does not know is wrong, a post has an id and
a text, a trend its name, usage its figures, an answer one of data, errors or meta, and a problem what its
type asks for. The contract is no part of the project, so it may be missing.
"""

from __future__ import annotations

import copy
import json
import re
from pathlib import Path
from typing import Any

import jsonschema_rs

X_API = Path(__file__).resolve().parents[2] / "shared" / "data" / "x-api"
CONTRACTS = {"2.159": X_API / "openapi.json", "2.167": X_API / "openapi-2.167.json"}
CONTRACT = CONTRACTS["2.167"]
SEARCH = {"2.159": "Get2TweetsSearchRecentResponse", "2.167": "SearchPostsRecentResponse"}
_STREAM = "/2/tweets/search/stream"
_REQUIRED = {
    "Tweet": ["id", "text"],
    "Post": ["id", "text"],
    "Trend": ["trend_name"],
    "Problem": ["title", "type"],
    "Usage": ["cap_reset_day", "project_cap", "project_id", "project_usage"],
    "Rule": ["id", "value"],
    "GetRulesResponseData": ["id", "value"],
    "UpdateRulesResponseData": ["id", "value"],
    "ComplianceJob": ["id", "type", "status"],
    "Connection": ["id"],
}
_PROBLEM_TYPES = {
    "2.159": "https://api.twitter.com/2/problems/",
    "2.167": "https://api.x.com/2/problems/",
}

ValidationError = jsonschema_rs.ValidationError


class Contract:
    """X's contract, read strictly."""

    def __init__(self, contract: dict[str, Any]) -> None:
        self.version = contract["info"]["version"]
        self._schemas = copy.deepcopy(contract["components"]["schemas"])
        self._types = self._schemas["Problem"]["discriminator"]["mapping"]
        self._operations = _operations(contract)
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
        for _, _, name in self._operations:
            properties = self._schemas[name].get("properties", {})
            if "data" in properties:
                told = [key for key in ("data", "errors", "meta") if key in properties]
                self._schemas[name]["anyOf"] = [{"required": [key]} for key in told]
        self._validators: dict[str, jsonschema_rs.Draft202012Validator] = {}

    @classmethod
    def read(cls, version: str = "2.167") -> Contract | None:
        """Return the contract of that *version* if it is there."""
        path = CONTRACTS[version]
        return cls(json.loads(path.read_text())) if path.is_file() else None

    def _validate(self, answer: Any, name: str) -> None:
        if name not in self._validators:
            schema = {"$ref": f"#/components/schemas/{name}", "components": {"schemas": self._schemas}}
            self._validators[name] = jsonschema_rs.Draft202012Validator(schema)
        self._validators[name].validate(answer)

    def knows(self, method: str, path: str) -> bool:
        """Tell whether the contract has such a call."""
        return self._schema_of(method, path) is not None

    def _schema_of(self, method: str, path: str) -> str | None:
        return next((name for m, p, name in self._operations if m == method and p.fullmatch(path)), None)

    def check(self, answer: Any, name: str) -> None:
        """Raise ``ValidationError`` unless *answer* is what the schema *name* describes."""
        self._validate(answer, name)
        for problem in answer.get("errors", ()):
            self._check_problem(problem)

    def check_streamed(self, message: Any) -> None:
        """Raise ``ValidationError`` unless *message* is one of the filtered stream."""
        self.check(message, str(self._schema_of("GET", _STREAM)))

    def _check_problem(self, problem: dict[str, Any]) -> None:
        if problem["type"] != "about:blank":
            assert problem["type"].startswith(_PROBLEM_TYPES[self.version]), problem["type"]
        self._validate(problem, "Problem")
        self._validate(problem, self._types[problem["type"]].rsplit("/", 1)[-1])

    def check_answer(self, method: str, path: str, status: int, content_type: str, body: Any) -> None:
        """Raise ``ValidationError``, or say what else is wrong, unless this answers one of X's calls."""
        if status == 200:
            name = self._schema_of(method, path)
            assert name is not None, f"the contract {self.version} has no {method} {path}"
            self.check(body, name)
        elif self.version == "2.167" and content_type.startswith("application/json"):
            # What has no kind of problem there.
            self._validate(body, "Error")
        else:
            assert content_type.startswith("application/problem+json"), content_type
            self._check_problem(body)


class Contracts:
    """Both contracts, as far as they are there."""

    def __init__(self) -> None:
        self._of = {version: Contract.read(version) for version in CONTRACTS}

    def __getitem__(self, version: str) -> Contract | None:
        return self._of[version]


def _operations(contract: dict[str, Any]) -> list[tuple[str, re.Pattern[str], str]]:
    """Return method, path and name of the schema of the answer of each call."""
    found = []
    for path, operations in contract["paths"].items():
        pattern = re.compile(re.sub(r"\{[a-z_]+\}", "[^/]+", path))
        for method, operation in operations.items():
            answer = operation.get("responses", {}).get("200") if isinstance(operation, dict) else None
            if answer is not None:
                schema = next(iter(answer["content"].values()))["schema"]["$ref"]
                found.append((method.upper(), pattern, schema.rsplit("/", 1)[-1]))
    # A path with a name in its place would match those without one.
    return sorted(found, key=lambda one: "[^/]+" in one[1].pattern)


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
