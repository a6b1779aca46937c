"""Each of X's nine kinds of problems has its consequence; of posts that are gone test_forget has it."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import pytest
from flowfiles import place, snapshots_of

from opslib.x.budget import Budget, Limits
from opslib.x.client import Refused, Unavailable, XClient
from opslib.x.problems import said
from opslib.x.turns.search import SearchTurns
from opslib.x.walk import CollectionPolicy

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

BASE = "https://api.x.com/2/problems"
POST = {"id": "2000000000000000001", "text": "#a", "edit_history_post_ids": ["2000000000000000001"]}


def problem(kind: str, **more: str) -> dict[str, str]:
    return {"type": f"{BASE}/{kind}", "title": kind, "detail": f"said of {kind}", **more}


class X:
    """Answers each call with what is next, and tells what it was asked."""

    def __init__(self) -> None:
        self.answers: list[tuple[int, dict[str, Any]]] = []
        self.asked: list[dict[str, list[str]]] = []
        x = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                x.asked.append(parse_qs(urlsplit(self.path).query))
                status, content = x.answers.pop(0)
                self.send_response(status)
                self.end_headers()
                self.wfile.write(json.dumps(content).encode())

            def log_message(self, *_: Any) -> None:
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()
        self.client = XClient(f"http://127.0.0.1:{self.server.server_port}", "secret", timeout=5)

    def fields(self) -> set[str]:
        """Return the fields that the last call asked for."""
        return set(self.asked[-1]["post.fields"][0].split(","))


@pytest.fixture
def x() -> Iterator[X]:
    x = X()
    yield x
    x.client.close()
    x.server.shutdown()
    x.server.server_close()


def page(*errors: dict[str, str]) -> tuple[int, dict[str, Any]]:
    return 200, {"data": [POST], "errors": list(errors), "meta": {"result_count": 1, "newest_id": POST["id"]}}


@pytest.mark.parametrize("kind", ["not-authorized-for-field", "field-unauthorized"])
def test_a_field_that_the_token_does_not_get_is_not_asked_for_again(x: X, kind: str) -> None:
    x.answers = [page(problem(kind, field="note_post"), problem(kind, field="geo")), page()]
    first = x.client.search_recent("#a")
    assert {"note_post", "geo"} <= x.fields()
    assert first.tweets, "the post is kept without it"
    x.client.search_recent("#a")
    assert {"note_post", "geo"}.isdisjoint(x.fields())
    assert "lang" in x.fields()
    assert said(first.errors)[0] == (
        "posts came without note_post: this token does not get it, and it is not asked for any more"
    )


def test_a_field_that_x_could_not_fill_in_is_asked_for_again(x: X) -> None:
    x.answers = [page(*[problem("field-hydration-failure", field="geo")] * 20), page()]
    first = x.client.search_recent("#a")
    x.client.search_recent("#a")
    assert "geo" in x.fields()
    assert said(first.errors) == [
        "posts came without geo: X could not fill it in: it comes with the next copy of a post"
    ], "once, and not for each post"


def test_x_that_says_it_has_failed_is_asked_again_and_one_that_refuses_is_not(x: X) -> None:
    nothing = 200, {"errors": [problem("internal-error")]}
    x.answers = [nothing, nothing, nothing, (200, {"errors": [problem("resource-not-found")]})]
    for ask in (
        lambda: x.client.search_recent("#a"),
        lambda: x.client.lookup([1]),
        lambda: x.client.trends(1),
    ):
        with pytest.raises(Unavailable, match="said of internal-error") as failed:
            ask()
        # A request for trends was answered, and that is what X charges for.
        assert failed.value.maybe_charged == (len(x.asked) == 3)
    with pytest.raises(Refused):
        x.client.trends(1)


@pytest.mark.parametrize(
    "kind",
    [
        *("resource-not-found", "not-authorized-for-resource", "disallowed-resource"),
        *("resource-unavailable", "internal-error"),
    ],
)
def test_what_is_missing_of_a_page_is_said_and_the_page_is_kept(x: X, tmp_path: Path, kind: str) -> None:
    errors = [
        {**problem(kind, resource_id=str(n), resource_type="post"), "detail": f"no {n}"} for n in range(9)
    ]
    x.answers = [page(*errors)]
    turns = SearchTurns(x.client, Budget(tmp_path / "b", Limits()), CollectionPolicy())
    done = turns.turn({}, snapshots_of("1", place(1, "#a")))
    assert done.relationship == "success"
    assert POST["id"].encode() in (done.content or b"")
    left_out = [line for line in done.warnings if "X left something out of #a" in line]
    assert left_out[0].endswith("no 0")
    assert left_out[-1].endswith("and 4 more"), "a few lines, whatever is missing"


def test_an_invalid_request_is_about_the_topic_alone(x: X, tmp_path: Path) -> None:
    refused = 400, problem("invalid-request", parameter="query", value="#a")
    x.answers = [refused, page()]
    turns = SearchTurns(x.client, Budget(tmp_path / "b", Limits()), CollectionPolicy())
    done = turns.turn({}, snapshots_of("1", place(1, "#a", "#b")))
    assert done.relationship == "success", "the others go on"
    assert "#a is not searched for: X refused (400): said of invalid-request" in done.warnings
