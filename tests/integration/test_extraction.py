"""What the project's flow makes of X's answers in a real NiFi: of recorded ones, and within a budget."""

from __future__ import annotations

import html
import json
import sqlite3
import threading
from collections import defaultdict
from contextlib import closing, contextmanager
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import pytest
import services
from collection import X
from contract import X_API
from unit.spelled import renamed

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from collection import Collector
    from conftest import Lake

RECORDED = {
    f"#{path.stem.split('-')[0]}": json.loads(path.read_text())
    for path in (X_API / "recorded").glob("*.json")
}
DAY = 300


class Recorded(BaseHTTPRequestHandler):
    """Answers a search with what the real X once answered; the page after it holds nothing."""

    protocol_version = "HTTP/1.1"
    by_new_names = False

    def do_GET(self) -> None:
        path, asked = urlsplit(self.path).path, parse_qs(urlsplit(self.path).query)
        headers: dict[str, list[str]] = {"content-type": ["application/json; charset=utf-8"]}
        body: dict[str, Any] = {"meta": {"result_count": 0}}
        if path.startswith("/2/trends/by/woeid/"):
            body = {"data": [{"trend_name": name} for name in RECORDED]}
        elif path == "/2/usage/tweets":
            body = {"data": {"project_usage": 0}}
        elif "next_token" not in asked and "since_id" not in asked:
            answer = RECORDED[asked["query"][0]]
            headers, body = answer["headers"], answer["body"]
            body = renamed(body) if self.by_new_names else body
        content = json.dumps(body).encode()
        self.send_response(200)
        for name, values in headers.items():
            for value in values:
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def recorded_x(*, by_new_names: bool) -> Iterator[Any]:
    handler = type("Handler", (Recorded,), {"by_new_names": by_new_names})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield SimpleNamespace(url=f"http://127.0.0.1:{server.server_port}")
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.skipif(not RECORDED, reason="the recorded answers are not part of the project")
@pytest.mark.parametrize("by_new_names", [False, True])
def test_recorded_answers_of_the_real_x_become_the_documents_expected(
    collector: Collector, lake: Lake, tmp_path: Path, by_new_names: bool
) -> None:
    topics, texts = defaultdict(set), {}
    for query, answer in RECORDED.items():
        for tweet in answer["body"]["data"]:
            topics[int(tweet["id"])].add(query)
            texts[int(tweet["id"])] = html.unescape(tweet["text"])
    lake.start_sink()
    with recorded_x(by_new_names=by_new_names) as x:
        collector.deploy(x, tmp_path / "budget.sqlite", trends_interval="1 hour")

        def all_there() -> bool:
            found = {t["_id"]: {topic["name"] for topic in t["topics"]} for t in lake.database.tweets.find()}
            return found == topics

        services.wait_until(
            lambda: f"{len(lake.ids())} of {len(topics)} tweets are stored", all_there, pause=0.5
        )
    found = {tweet["_id"]: tweet for tweet in lake.database.tweets.find()}
    assert {number: tweet["text"] for number, tweet in found.items()} == texts
    assert lake.dead_letters() == []
    # One of them as a whole; when it was written its id tells, since these were recorded without fields.
    one = found[1578518584858357763]
    assert one.pop("collected_at") == one.pop("first_seen_at") == one["topics"][0].pop("first_at")
    assert one == {
        "_id": 1578518584858357763,
        "text": "2022-10-07 22:52:12.639455 tweepy",
        "lang": None,
        "author": None,
        "entities": None,
        "public_metrics": None,
        "referenced_tweets": [],
        "topics": [{"name": "#search_all_tweets", "woeid": 23424768}],
        "created_at": datetime(2022, 10, 7, 22, 52, 12, 744000),  # noqa: DTZ001 - as the driver returns UTC
        **{name: one[name] for name in one if name.startswith("words")},
    }
    trends = lake.database.trends.find_one()
    assert [topic["name"] for topic in trends["trends"]] == list(RECORDED)


def test_names_that_x_changes_under_a_running_flow_lose_nothing_and_are_paid_for_once(
    collector: Collector, lake: Lake, tmp_path: Path
) -> None:
    x = X(tmp_path, "--no-limits", "--rate", "0")
    lake.start_sink()
    written: set[int] = set()

    def write(part: str) -> None:
        written.update(map(int, x.add(*(f"{part} {n} #tema{n % 3}\n" for n in range(300)))))

    try:
        write("antes")
        collector.deploy(x, tmp_path / "budget.sqlite", trends_interval="3 sec")
        for contract in ("2.159", "2.167", "2.159"):
            services.wait_until(
                lambda: f"{len(lake.ids())} of {len(written)} tweets are stored",
                lambda: lake.ids() == written,
                120,
                pause=0.25,
            )
            x.speak(contract)
            write(contract)
        services.wait_until("all are stored", lambda: lake.ids() == written, 120, pause=0.25)
        ledger = x.ledger()
        assert set(ledger["returned"].values()) == {1}
        assert ledger["charged"]["posts"] == len(written)
        assert ledger["paid_again"] == {}
        stored = list(lake.database.tweets.find())
        assert all(tweet["author"]["id"] and "retweet_count" in tweet["public_metrics"] for tweet in stored)
        assert lake.dead_letters() == []
    finally:
        x.stop()


@pytest.mark.long
def test_a_budget_of_n_resources_collects_n_at_most_over_a_kill_and_at_days_change(
    collector: Collector, tmp_path: Path
) -> None:
    budget = tmp_path / "budget.sqlite"
    texts = [f"tweet {n} #tema{n % 5}\n" for n in range(2 * DAY)]
    (tmp_path / "tweets.txt").write_text("".join(texts))
    x = X(tmp_path, "--no-limits", "--tweets", str(tmp_path / "tweets.txt"))

    def charged() -> int:
        return sum(number for kind, number in x.ledger()["charged"].items() if kind != "usd")

    def collect(interval: str, least: int) -> None:
        """Start anew, which asks for trends at once, and wait until nothing is left to do."""
        collector.deploy(
            x, budget, trends_interval=interval, topics_per_place="5", tweets_per_page="20",
            x_budget_resources_day=str(DAY),
        )  # fmt: skip
        services.wait_until(
            lambda: f"{charged()} of {least} resources", lambda: charged() >= least, pause=0.2
        )

    def rest() -> None:
        services.wait_until("all is collected", lambda: collector.status()["queued"] == 0, 120, pause=1)

    try:
        # Each start has the rest of the day for its turn.
        collect("24 hours", DAY // 3)
        collector.nifi.kill()
        collector.nifi.start()
        rest()
        first = charged()
        assert DAY * 0.8 <= first <= DAY
        yesterday(budget)
        # X's own count has seen no midnight. That it cannot be asked for keeps nothing from coming.
        x.faults(by_route={"usage": {"503": 1.0}})
        x.add(*texts)
        collect("25 hours", first + DAY // 2)
        rest()
        assert first + DAY * 0.8 <= charged() <= 2 * DAY
    finally:
        x.stop()


def yesterday(budget: Path) -> None:
    """Make what *budget* has counted a day older, as if midnight had passed."""
    with closing(sqlite3.connect(budget)) as database, database:
        for table in ("spent", "reserved", "seen"):
            database.execute(f"UPDATE {table} SET day = date(day, '-1 day')")  # noqa: S608 - named above
