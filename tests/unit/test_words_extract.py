"""The extractor against the conformance suite of twitter-text."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from opslib.words import extract

SUITE = Path(__file__).resolve().parents[3] / "shared/data/twitter-text/extract.yml"
# The cases that this extractor answers otherwise, each with the reason.
KNOWN = {
    "Extract non-ASCII host name URLs with protocol, but ignore host names bigger than 63 characters. "
    "Also handle exceptions for non-ASCII hostnames longer than 256 characters": "lengths are not looked at",
    "DO NOT extract invalid URL": "whether Punycode is right is not looked at",
}
KINDS = {
    "hashtags": extract.hashtags,
    "hashtags_from_astral": extract.hashtags,
    "mentions": extract.mentions,
    "cashtags": extract.cashtags,
    "urls": extract.links,
}

pytestmark = pytest.mark.skipif(
    not SUITE.is_file(), reason="twitter-text's suite is not beside this checkout"
)


def cases() -> list[Any]:
    if not SUITE.is_file():
        return []
    tests = yaml.safe_load(SUITE.read_text(encoding="utf-8"))["tests"]
    return [pytest.param(kind, case, id=case["description"]) for kind in KINDS for case in tests[kind]]


@pytest.mark.parametrize(("kind", "case"), cases())
def test_the_suite(kind: str, case: dict[str, Any]) -> None:
    found = [part.text for part in KINDS[kind](case["text"])]
    if case["description"] in KNOWN:
        assert found != case["expected"], "it passes: take it off the list"
    else:
        assert found == case["expected"]


def placed() -> list[Any]:
    if not SUITE.is_file():
        return []
    tests = yaml.safe_load(SUITE.read_text(encoding="utf-8"))["tests"]
    kinds = [kind for kind in KINDS if f"{kind}_with_indices" in tests]
    return [
        pytest.param(kind, case, id=case["description"])
        for kind in kinds
        for case in tests[f"{kind}_with_indices"]
    ]


@pytest.mark.parametrize(("kind", "case"), placed())
def test_the_places_of_the_suite(kind: str, case: dict[str, Any]) -> None:
    found = [[part.start, part.end] for part in KINDS[kind](case["text"])]
    assert found == [part["indices"] for part in case["expected"]]


def test_few_cases_are_answered_otherwise() -> None:
    assert len(cases()) == 190
    assert len(placed()) > 15
    assert len(KNOWN) <= 5
