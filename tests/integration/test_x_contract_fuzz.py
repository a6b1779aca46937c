"""The local X API against X's contract, by calls that schemathesis makes up.

Limits are off, and the stream is left out, since it never ends: ``tests/unit/test_x_simulate_stream.py``
holds it against the contract. Besides schemathesis' own checks, which read the contract as it is, all
answers are held against it read strictly.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import requests
import schemathesis
from collection import X
from contract import CONTRACT
from hypothesis import HealthCheck, settings
from schemathesis.specs.openapi.checks import (
    allow_header_conformance,
    content_type_conformance,
    ignored_auth,
    missing_required_header,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

PATHS = {
    "/2/trends/by/woeid/{woeid}",
    "/2/tweets/search/recent",
    "/2/tweets/counts/recent",
    "/2/tweets",
    "/2/tweets/counts/all",
    "/2/tweets/search/all",
    "/2/usage/tweets",
    "/2/compliance/jobs",
    "/2/connections",
    "/2/connections/all",
    "/2/tweets/search/stream/rules",
}
# All that schemathesis has, but those for a sequence of calls (use_after_free, ensure_resource_availability,
# object_level_authorization), and positive_data_acceptance: X itself refuses most texts as queries.
CHECKS = [
    schemathesis.checks.not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    missing_required_header,
    negative_data_rejection,
    ignored_auth,
    unsupported_method,
    allow_header_conformance,
]

pytestmark = pytest.mark.skipif(not CONTRACT.is_file(), reason="X's contract is not part of the project")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    x = X(tmp_path_factory.mktemp("x"), "--token", "right", "--no-limits")
    yield x.url
    report = x.stop()
    assert report["broken"] == 0


def schema() -> Any:
    """Return X's contract, of which the paths that are not the local X API's are left out."""
    contract = json.loads(CONTRACT.read_text()) if CONTRACT.is_file() else {"openapi": "3.0.0", "paths": {}}
    contract["paths"] = {path: item for path, item in contract["paths"].items() if path in PATHS}
    return schemathesis.openapi.from_dict(contract)


SCHEMA = schema()


@SCHEMA.auth()
class Token:
    """The token of every call that is not made without one on purpose."""

    def get(self, *_: Any) -> str:
        return "right"

    def set(self, case: Any, data: str, *_: Any) -> None:
        case.headers = {**(case.headers or {}), "Authorization": f"Bearer {data}"}


@SCHEMA.parametrize()
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
def test_calls_of_all_kinds_get_answers_of_the_contract(case: Any, server: str) -> None:
    case.call_and_validate(base_url=server, checks=CHECKS, timeout=300)


def test_the_server_is_still_there(server: str) -> None:
    answer = requests.get(
        f"{server}/2/tweets/search/recent?query=a", headers={"Authorization": "Bearer right"}, timeout=300
    )
    assert answer.status_code == 200
