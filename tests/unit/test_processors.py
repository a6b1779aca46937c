"""What the search processor gives out and remembers when a turn goes wrong.

NiFi's own API is stubbed: these faults cannot be made at will in a real one.
"""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from opslib.x.client import RateLimited, SearchPage

PROCESSORS = Path(__file__).parents[2] / "flows" / "processors"
VALUES = {"X API URL": "u", "Bearer Token": "t", "Pages per Topic": "2", "Tweets per Page": "100"}


class _Holder:
    """Keeps what a class of NiFi's API is called with."""

    NON_EMPTY_VALIDATOR = POSITIVE_INTEGER_VALIDATOR = LOCAL = None

    def __init__(self, *positional: Any, **named: Any) -> None:
        self.__dict__.update(named, positional=positional)


@pytest.fixture
def module(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    names = {
        "nifiapi": (),
        "nifiapi.componentstate": ("Scope",),
        "nifiapi.flowfiletransform": ("FlowFileTransform", "FlowFileTransformResult"),
        "nifiapi.properties": ("PropertyDescriptor", "StandardValidators"),
    }
    for name, classes in names.items():
        stub = ModuleType(name)
        for kind in classes:
            setattr(stub, kind, type(kind, (_Holder,), {}))
        monkeypatch.setitem(sys.modules, name, stub)
    monkeypatch.syspath_prepend(str(PROCESSORS))
    monkeypatch.delitem(sys.modules, "SearchTweets", raising=False)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    return importlib.import_module("SearchTweets")


class Nifi:
    """One processor with its state, and X's answers in turn; an exception among them is raised."""

    def __init__(self, module: ModuleType, answers: list[SearchPage | Exception]) -> None:
        self.state: dict[str, str] = {}
        self.asked: list[tuple[str | None, str | None]] = []
        module.XClient = lambda *_: SimpleNamespace(close=lambda: None, search_recent=self._search)
        self._answers = answers
        self.processor = module.SearchTweets()
        self.processor.logger = SimpleNamespace(warn=lambda _: None, error=lambda _: None)

    def _search(self, _query: str, since_id: str | None, next_token: str | None, _results: int) -> SearchPage:
        self.asked.append((since_id, next_token))
        answer = self._answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def turn(self, uuid: str) -> list[str]:
        """Return the ids of the tweets that one trigger gives out."""
        manager = SimpleNamespace(
            getState=lambda _: SimpleNamespace(toMap=lambda: self.state),
            setState=lambda state, _: self.state.update(state),
        )
        context = SimpleNamespace(
            getProperty=lambda prop: SimpleNamespace(getValue=lambda: VALUES[prop.name]),
            getStateManager=lambda: manager,
        )
        snapshot = json.dumps({"woeid": 1, "trends": [{"name": "#a"}]}).encode()
        flowfile = SimpleNamespace(getAttribute=lambda _: uuid, getContentsAsBytes=lambda: snapshot)
        result = self.processor.transform(context, flowfile)
        return [json.loads(line)["id"] for line in result.contents.split(b"\n") if line]


def page(tweet_id: str, next_token: str | None = None) -> SearchPage:
    return SearchPage([{"id": tweet_id, "text": "one"}], {}, tweet_id, next_token)


def test_an_error_takes_no_earlier_page_along(module: ModuleType) -> None:
    nifi = Nifi(module, [page("1800000000000000002", "more"), RateLimited(1), page("1800000000000000001")])
    assert nifi.turn("a") == ["1800000000000000002"]
    assert nifi.turn("b") == ["1800000000000000001"]
    assert nifi.asked[-1][1] == "more"


def test_a_turn_that_nifi_took_back_is_searched_again(module: ModuleType) -> None:
    nifi = Nifi(module, [page("1800000000000000001"), page("1800000000000000001")])
    assert nifi.turn("a") == nifi.turn("a") == ["1800000000000000001"]
    assert nifi.state == {}


def test_progress_is_kept_only_when_the_turn_is_safe(module: ModuleType) -> None:
    nifi = Nifi(module, [page("1800000000000000001"), page("1800000000000000002")])
    nifi.turn("a")
    assert nifi.state == {}
    nifi.turn("b")
    assert json.loads(nifi.state["1/#a"]) == {"since_id": "1800000000000000001"}
