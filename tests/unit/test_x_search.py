from __future__ import annotations

import threading
from datetime import datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING, Any

import pytest

from opslib.x.client import RateLimited, Refused, SearchPage, Unavailable, XClient
from opslib.x.search import Progress, messages_of, search_page

if TYPE_CHECKING:
    from collections.abc import Iterator

NOW = datetime(2026, 3, 1, tzinfo=timezone.utc)


def id_at(moment: datetime) -> str:
    epoch = datetime(2010, 11, 4, 1, 42, 54, 657000, tzinfo=timezone.utc)
    return str(int((moment - epoch).total_seconds() * 1000) << 22)


class Pages:
    """A client that answers with what it was given."""

    def __init__(self, *answers: SearchPage | Exception) -> None:
        self.answers = list(answers)
        self.calls: list[tuple[str | None, str | None]] = []

    def search_recent(
        self, query: str, since_id: str | None, next_token: str | None, *rest: Any
    ) -> SearchPage:
        del query, rest
        self.calls.append((since_id, next_token))
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def test_since_id_moves_only_after_the_last_page() -> None:
    start = id_at(NOW - timedelta(hours=2))
    client: Any = Pages(
        SearchPage(newest_id="9", next_token="b"),
        SearchPage(newest_id="6", next_token="c"),
        SearchPage(newest_id="3"),
    )
    seen = [Progress(since_id=start)]
    while len(seen) == 1 or seen[-1].next_token:
        seen.append(search_page(client, "q", seen[-1], now=NOW)[1])
    seen = seen[1:]
    assert seen == [Progress(start, "b", "9"), Progress(start, "c", "9"), Progress("9")]
    assert client.calls == [(start, None), (start, "b"), (start, "c")]
    assert Progress.from_state(seen[0].to_state()) == seen[0]


def test_a_search_that_was_cut_short_goes_on_where_it_was() -> None:
    client: Any = Pages(SearchPage(newest_id="9", next_token="b"), SearchPage(newest_id="6"))
    _, progress = search_page(client, "q", Progress())
    assert progress.ended() == Progress("9"), "given up, it begins with what is newer"
    assert search_page(client, "q", progress)[1] == Progress("9")


def test_nothing_new_keeps_the_place() -> None:
    start = id_at(NOW - timedelta(days=1))
    client: Any = Pages(SearchPage())
    assert search_page(client, "q", Progress(start), now=NOW)[1] == Progress(start)


def test_a_since_id_that_x_would_refuse_is_left_out() -> None:
    client: Any = Pages(SearchPage(), SearchPage())
    old, young = id_at(NOW - timedelta(days=7)), id_at(NOW - timedelta(days=6, hours=22))
    search_page(client, "q", Progress(old), now=NOW)
    search_page(client, "q", Progress(young), now=NOW)
    assert client.calls == [(None, None), (young, None)]


def test_an_expired_page_token_starts_the_search_again() -> None:
    start = id_at(NOW - timedelta(days=1))
    client: Any = Pages(Refused(400, "next_token"), SearchPage(newest_id="9"))
    assert search_page(client, "q", Progress(start, "old", "8"), now=NOW)[1] == Progress("9")
    assert client.calls == [(start, "old"), (start, None)], "it is the same search: nothing older is paid for"
    client = Pages(Refused(400, "next_token"), SearchPage(newest_id="9", next_token="b"))
    assert search_page(client, "q", Progress(start, "old", "8"), now=NOW)[1] == Progress(start, "b", "9")
    with pytest.raises(Refused):
        search_page(Pages(Refused(401, "token")), "q", Progress(None, "old", "8"))  # type: ignore[arg-type]


def test_messages_carry_what_they_were_collected_for() -> None:
    page = SearchPage(tweets=[{"id": "1", "text": "a", "author_id": "5"}], includes={"users": [{"id": "5"}]})
    (message,) = messages_of(page, "#A", [{"name": "#A", "woeid": 1}], NOW)
    assert message["author"] == {"id": "5"}
    assert message["collected_for"] == [{"name": "#A", "woeid": 1, "query": "#A"}]


class Answers(BaseHTTPRequestHandler):
    answer: tuple[int, dict[str, str], str] = (200, {}, "{}")
    asked: tuple[str, str | None] = ("", None)

    def do_GET(self) -> None:
        type(self).asked = (self.path, self.headers["Authorization"])
        status, headers, body = self.answer
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def client() -> Iterator[XClient]:
    server = HTTPServer(("127.0.0.1", 0), Answers)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    client = XClient(f"http://127.0.0.1:{server.server_port}", "secret", timeout=5)
    yield client
    client.close()
    server.shutdown()
    server.server_close()


def test_calls_reach_the_host_that_was_named(client: XClient) -> None:
    Answers.answer = (200, {}, '{"data": [{"trend_name": "#A", "tweet_count": 3}]}')
    assert client.trends(23424768, 5) == [{"trend_name": "#A", "tweet_count": 3}]
    path, token = Answers.asked
    assert path.startswith("/2/trends/by/woeid/23424768?max_trends=5")
    assert token == "Bearer secret"
    Answers.answer = (200, {}, '{"data": [{"id": "1"}], "meta": {"newest_id": "1", "next_token": "n"}}')
    assert client.search_recent("#A", since_id="5") == SearchPage([{"id": "1"}], {}, "1", "n")
    assert "since_id=5" in Answers.asked[0]


def test_the_last_call_of_a_window_is_known(client: XClient) -> None:
    told = {"x-rate-limit-limit": "450", "x-rate-limit-remaining": "1", "x-rate-limit-reset": "1700000000"}
    Answers.answer = (200, told, '{"meta": {"result_count": 0}}')
    client.search_recent("#A")
    assert (client.limits, client.spent_until) == ((450, 1), None)
    Answers.answer = (200, {**told, "x-rate-limit-remaining": "0"}, '{"meta": {"result_count": 0}}')
    client.search_recent("#A")
    assert (client.limits, client.spent_until) == ((450, 0), 1700000000)


def test_errors_are_told_apart_by_what_one_can_do(client: XClient) -> None:
    Answers.answer = (429, {"x-rate-limit-reset": "1700000000"}, "{}")
    with pytest.raises(RateLimited) as limited:
        client.trends(1)
    assert limited.value.reset_at == 1700000000
    Answers.answer = (400, {}, '{"title": "Invalid Request", "errors": [{"message": "bad query"}]}')
    with pytest.raises(Refused, match=r"\(400\): bad query"):
        client.search_recent("(")
    Answers.answer = (402, {}, '{"title": "CreditsDepleted", "detail": "no credits"}')
    with pytest.raises(Refused, match=r"\(402\): no credits"):
        client.search_recent("a")
    Answers.answer = (200, {}, '{"errors": [{"title": "Not Found Error", "detail": "no such place"}]}')
    with pytest.raises(Refused, match="no such place"):
        client.trends(1)
    for answer in (
        (503, {}, "{}"),
        (200, {}, "<html>"),
        (200, {}, "[]"),
        (302, {"Location": "http://x/"}, ""),
    ):
        Answers.answer = answer
        with pytest.raises(Unavailable):
            client.trends(1)


@pytest.mark.parametrize("told", ["", "soon", "-5", "1e9", "\u00b2", "9" * 30, "9" * 5000])
def test_a_reset_that_is_no_moment_is_none(client: XClient, told: str) -> None:
    header = {"x-rate-limit-reset": told.encode().decode("latin-1"), "x-rate-limit-remaining": "0"}
    Answers.answer = (429, header, "{}")
    with pytest.raises(RateLimited) as limited:
        client.trends(1)
    assert limited.value.reset_at is None
    with pytest.raises(RateLimited) as limited, client.stream():
        pass
    assert limited.value.reset_at is None
    Answers.answer = (200, header, '{"meta": {"result_count": 0}}')
    client.search_recent("#A")
    assert client.spent_until is None


def test_nobody_there_is_unavailable() -> None:
    with pytest.raises(Unavailable):
        XClient("http://127.0.0.1:9", "t").trends(1)
