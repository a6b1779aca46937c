"""A walk over every route of the page and of /api, with a word and an author hidden: neither is shown."""

from __future__ import annotations

import re
from collections import Counter, deque
from dataclasses import dataclass, field
from datetime import timedelta
from html import unescape
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import argon2
import pytest
import seeded
from bson.codec_options import CodecOptions
from fastapi.routing import APIRoute
from seeded import BRAZIL
from starlette.testclient import TestClient

from opslib.store.hidden import Hidden
from opslib.store.reads import Lake
from opslib.web.accounts.users import Users
from opslib.web.answers.said import Subject, people
from opslib.web.app import create
from opslib.words import fold

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from page import Page

# A topic of both places, a hashtag that rises, what is followed, and a word of tweets and clouds.
WORD = "carnaval"
# No route of tweets and their words; the last lists what is hidden.
NOT_WALKED = {"/health", "/robots.txt", "/static/{name}", "/login", "/hidden"}
EACH = 2  # addresses of one route with the same parameters
BEGIN = (
    *("/", "/history", "/topics", "/compare", "/operations", "/about"),
    f"/search?q=de&place={BRAZIL}",
    *(f"/search?q=lang%3Apt&order={order}&place={BRAZIL}" for order in ("newest", "reach")),
    f"/live/now?place={BRAZIL}",
    "/live/operations",
    "/find?name=chuva",
    "/follow?name=chuva",
    "/api/places",
    f"/api/clouds?woeid={BRAZIL}",
    *(f"/api/clouds/newest?woeid={BRAZIL}&kind={kind}" for kind in ("words", "topics")),
    *(f"/api/trending?woeid={BRAZIL}&minutes={minutes}" for minutes in (1, 60)),
    f"/api/topics?woeid={BRAZIL}",
    "/api/words?limit=10000",
    f"/api/words?woeid={BRAZIL}",
    "/api/compare?limit=10000",
    "/api/search?q=de&limit=200",
    *(f"/api/search?q=lang%3Apt&order={order}" for order in ("newest", "reach")),
    "/api/stats",
)


@dataclass
class Walk:
    """What was asked for, and where a word or an author was shown, by route."""

    asked: Counter[str] = field(default_factory=Counter)
    words: dict[str, str] = field(default_factory=dict)  # the address and what stands around it
    authors: dict[str, str] = field(default_factory=dict)


@pytest.fixture(scope="module")
def author(page: Page) -> str:
    """Return who wrote one of the newest tweets without the word, of those whom no other tweet names."""
    tweets = list(page.database.tweets.find({"lang": "pt"}, sort=[("_id", -1)]))
    texts = [tweet["text"].casefold() for tweet in tweets]
    for tweet in [one for one in tweets[:50] if not Hidden({WORD: ""}).holds(one["text"])]:
        name: str = tweet["author"]["username"]
        if name != "someone" and not any(f"@{name.casefold()}" in text for text in texts):
            return name
    raise AssertionError("everybody is named by somebody")


def reading(page: Page, folder: Path, hidden: Hidden) -> TestClient:
    """Return somebody who is logged in to a page of the same lake on which something is hidden."""
    lake = Lake(
        page.reader().with_options(codec_options=CodecOptions(tz_aware=True)),
        {woeid: zone for woeid, (_, zone) in seeded.PLACES.items()}, milliseconds=10_000, hidden=hidden,
    )  # fmt: skip
    folder.mkdir()
    users = Users(folder / "users.sqlite", hasher=argon2.PasswordHasher(time_cost=1, memory_cost=64))
    users.add("ana", "correct horse battery")
    cookies = {
        "__Host-session": users.log_in("ana", "correct horse battery", "::1") or "",
        "__Host-form": "x",
    }
    app = create(lake, users, b"a key", clock=lambda: page.until, index=page.folder / "search")
    return TestClient(app, base_url="https://page.test", follow_redirects=False, cookies=cookies)


def walk(client: TestClient, author: str) -> Walk:
    """Follow every link from the first pages on, some of each kind."""
    app: Any = client.app
    found, seen, kinds = Walk(), set(BEGIN), Counter[Any]()
    waiting = deque(BEGIN)
    while waiting:
        address = waiting.popleft()
        route = route_of(app, address)
        kind = route, frozenset(parse_qs(urlsplit(address).query))
        if route is None or route in NOT_WALKED or kinds[kind] == EACH:
            continue
        kinds[kind] += 1
        answer = client.get(address)
        assert answer.status_code in (200, 303), (address, answer.text[:500])
        found.asked[route] += 1
        text = "" if answer.headers.get("content-type", "").startswith("image/png") else unescape(answer.text)
        # The page's own examples of a query are nothing that it has found.
        text = re.sub(r'<dl class="search-help">.*?</dl>', "", text, flags=re.DOTALL)
        for name, shown, content in (
            (WORD, found.words, fold(f" {text}")),
            (author, found.authors, f" {text}".casefold()),
        ):
            seen_there = re.search(rf".{{,60}}(?<!\w){name}(?!\w).{{,60}}", content)
            if seen_there:
                shown.setdefault(route, f"{address}: {seen_there[0]}")
        for link in re.findall(r'(?:href|data|src)="(/[^"]*)"', answer.text) + re.findall(
            r'"url":"(/[^"]*)"', text
        ):
            link = unescape(link).partition("#")[0]
            if link not in seen:
                seen.add(link)
                waiting.append(link)
        waiting.extend(more for more in of_programs(address) if more not in seen)
        seen.update(of_programs(address))
    return found


def of_programs(address: str) -> list[str]:
    """Return where programs ask for what a page's address shows."""
    parts = urlsplit(address)
    asked = {name: values[0] for name, values in parse_qs(parts.query).items()}
    if parts.path == "/tweets" and "cloud" in asked:
        return [f"/api/tweets?cloud={asked['cloud']}&word={parts.query.split('name=')[1].split('&')[0]}"]
    if parts.path.startswith("/clouds/") and parts.path.count("/") == 2:
        return [f"/api{parts.path}", f"/live{parts.path}"]
    return []


def flat(routes: Any) -> Iterator[APIRoute]:
    """Yield all routes that GET asks, those of routers that are included too."""
    for route in routes:
        included = getattr(route, "original_router", None)
        if included is not None:
            yield from flat(included.routes)
        elif isinstance(route, APIRoute) and "GET" in route.methods:
            yield route


def route_of(app: Any, address: str) -> str | None:
    path = urlsplit(address).path
    return next((route.path for route in flat(app.routes) if route.path_regex.match(path)), None)


def test_no_route_shows_a_hidden_word_or_author(page: Page, author: str, tmp_path: Path) -> None:
    shown = walk(reading(page, tmp_path / "shown", Hidden()), author)
    hiding = Hidden({WORD: "a test"}, {author: "a test"})
    hidden = walk(reading(page, tmp_path / "hidden", hiding), author)
    # The walk comes everywhere, and without the policy it meets both.
    every = {route.path for route in flat(create(Lake(page.database), None, b"").routes)}  # type: ignore[arg-type]
    assert every - set(hidden.asked) == NOT_WALKED
    assert {"/", "/live/now", "/topics", "/api/topics", "/api/trending"} <= set(shown.words)
    assert {"/compare", "/api/words", "/api/compare", "/api/stats"} <= set(shown.words)
    assert {"/search", "/api/search"} <= set(shown.authors)
    assert hidden.words == {}
    assert hidden.authors == {}


def test_a_list_says_how_many_it_leaves_out_and_numbers_stay(page: Page, author: str, tmp_path: Path) -> None:
    all_of_it = reading(page, tmp_path / "shown", Hidden())
    some = reading(page, tmp_path / "hidden", Hidden({WORD: "a test"}, {author: "a test"}))
    left_out = 0
    for word in all_of_it.get("/api/words?limit=40").json()["words"]:
        if fold(word["word"].lstrip("#")) == WORD:
            continue
        asked = {"word": word["word"], "limit": "500"}
        every, shown = (one.get("/api/tweets", params=asked).json() for one in (all_of_it, some))
        assert (shown["number"], shown["tweets"]) == (every["number"], every["tweets"])
        assert len(shown["texts"]) + shown["hidden"] == len(every["texts"])
        left_out += shown["hidden"]
    assert left_out > 0
    for query in ("lang:pt", f"#{WORD}"):
        every, shown = (
            one.get("/api/search", params={"q": query, "limit": "200"}).json() for one in (all_of_it, some)
        )
        assert shown["count"] == every["count"]
        assert len(shown["tweets"]) + shown["hidden"] == len(every["tweets"])
    assert every["tweets"]
    assert not shown["tweets"]
    text = some.get("/search", params={"q": f"#{WORD}"}).text
    assert re.search(r"\d+ more tweets of this list are hidden", text)


def test_what_is_hidden_has_no_page_and_is_listed_with_its_reason_in_one_place(
    page: Page, tmp_path: Path
) -> None:
    client = reading(page, tmp_path / "hidden", Hidden({WORD: "it is <b>loud</b>"}, {"ana": "she asked"}))
    asked = [(path, "name") for path in ("/topic", "/word", "/follow", "/find", "/tweets", "/rising")]
    asked += [("/tweets?name=x", "beside"), ("/compare", "b_topic"), ("/api/tweets", "word")]
    asked += [("/api/words", "topic"), ("/api/compare", "a_topic")]
    for path, name in asked:
        answer = client.get(path, params={name: "#Carnaval"})
        assert (answer.status_code, "/hidden" in answer.text) == (404, True), path
    text = client.get("/hidden").text
    for told in (WORD, "it is &lt;b&gt;loud&lt;/b&gt;", "ana", "she asked"):
        assert told in text
    assert "Nothing is hidden" in reading(page, tmp_path / "shown", Hidden()).get("/hidden").text


def test_who_talks_is_told_without_hidden_authors_and_counts_them(page: Page) -> None:
    database = page.reader().with_options(codec_options=CodecOptions(tz_aware=True))
    subject = Subject("#Carnaval", BRAZIL, page.until - timedelta(hours=20), page.until)
    every = people(Lake(database), subject, 10)
    first, second = every.most[:2]
    # One by name, one by id.
    some = people(Lake(database, hidden=Hidden({}, {f"@{first[1]}": "a", second[0]: "b"})), subject, 8)
    assert some.most == every.most[2:10]
    assert (some.authors, some.tweets) == (every.authors, every.tweets)
