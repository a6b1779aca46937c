"""The page Search and /api/search on a seeded lake."""

from __future__ import annotations

import html
import re
from collections import Counter
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit
from zoneinfo import ZoneInfo

import pytest
from seeded import BRAZIL, FOLLOWED

from opslib.search.tokens import words
from opslib.words import merge

if TYPE_CHECKING:
    import requests
    from page import Page


@pytest.fixture(scope="module")
def session(page: Page) -> requests.Session:
    return page.session()


@pytest.fixture(scope="module")
def tag(page: Page) -> str:
    """Return a hashtag that more than a page of tweets hold."""
    counted: dict[str, int] = {}
    for tweet in page.database.tweets.find({}):
        for word in {word for word in words(tweet["text"]) if word[0] == "#"}:
            counted[word] = counted.get(word, 0) + 1
    return max(counted, key=lambda word: counted[word])


def stored(page: Page, tag: str) -> list[int]:
    return sorted((t["_id"] for t in page.database.tweets.find({}) if tag in words(t["text"])), reverse=True)


def get(
    page: Page, session: requests.Session, path: str, status: int = 200, **query: Any
) -> requests.Response:
    answer = session.get(page.url + path, params=query, timeout=300)
    assert answer.status_code == status, answer.text
    return answer


def listed(text: str) -> list[int]:
    """Return the ids of the tweets that a page shows, in their order."""
    return list(dict.fromkeys(int(found) for found in re.findall(r"/status/(\d+)", text)))


def test_search_lists_what_is_found_and_leads_on_to_the_last(
    page: Page, session: requests.Session, tag: str
) -> None:
    wanted = stored(page, tag)
    assert len(wanted) > 50
    text = get(page, session, "/search", q=tag).text
    assert f'value="{html.escape(tag)}"' in text
    ids = listed(text)
    while following := re.search(r'rel="next" href="([^"]+)"', text):
        text = get(page, session, html.unescape(following[1])).text
        ids += listed(text)
    assert ids == wanted


def test_the_peak_of_a_topic_leads_to_all_that_was_written_then(
    page: Page, session: requests.Session
) -> None:
    snapshot = page.database.trends.find_one({"woeid": BRAZIL}, sort=[("collected_at", -1)])
    topics = [(trend["name"], "/topic") for trend in snapshot["trends"]] + [(FOLLOWED, "/follow")]
    # A trend and a follow may have one name, and are two: some tweets were collected for both.
    assert (FOLLOWED, "/topic") in topics
    # Of the day at a place there are twelve hours at least, whatever the clock says.
    day = (page.until - timedelta(hours=12)).astimezone(ZoneInfo("America/Sao_Paulo")).date()
    led = []
    for name, path in topics:
        text = get(page, session, path, place=BRAZIL, name=name, day=day).text
        peak = re.search(r'\(([\d,]+)[^)]*\)\. <a href="(/search\?[^"]*)">What was said then', text)
        if peak:
            found = get(page, session, html.unescape(peak[2])).text
            assert re.findall(r'<p class="lead">([\d,]+) tweet', found) == [peak[1]], (name, path)
            led.append((name, path))
    assert {(FOLLOWED, "/topic"), (FOLLOWED, "/follow")} <= set(led)


def test_what_stands_beside_narrows_the_search(page: Page, session: requests.Session, tag: str) -> None:
    text = get(page, session, "/search", q=f"{tag} OR naodita").text
    links = [
        html.unescape(found) for found in re.findall(r'<th scope="row"><a href="(/search\?[^"]+)"', text)
    ]
    queries = [parse_qs(urlsplit(link).query)["q"][0] for link in links]
    assert any("lang:" in query for query in queries)
    assert any("from:" in query for query in queries)
    assert all(query.startswith(f"({tag} OR naodita) ") for query in queries)
    for link, query in zip(links, queries):
        assert listed(get(page, session, link).text), query


def test_each_bar_leads_to_the_tweets_that_it_counts(page: Page, session: requests.Session, tag: str) -> None:
    text = get(page, session, "/search", q=f"{tag} OR naodita").text
    bars = re.findall(r'<a href="(/search\?[^"]+)" tabindex="-1" aria-label="[^"]*: (\d+)">', text)
    # The same for the keyboard, in the table of values: each bar is drawn for wide and for narrow screens.
    rows = re.findall(r'<th scope="row"><a href="(/search\?q=[^"]+)">[^<]*</a></th><td>(\d+)</td>', text)
    assert len(rows) > 3
    assert sorted(bars) == sorted(rows * 2)
    assert sum(int(number) for _, number in rows) == len(stored(page, tag))
    for link, number in rows[:5]:
        query = parse_qs(urlsplit(html.unescape(link)).query)["q"][0]
        assert query.startswith(f"({tag} OR naodita) since:")
        told = get(page, session, "/api/search", q=query).json()
        assert told["count"] == int(number), query


def test_the_cloud_of_a_result_has_its_words_and_each_narrows(
    page: Page, session: requests.Session, tag: str
) -> None:
    text = get(page, session, "/search", q=tag).text
    cloud = re.search(r'<ul class="both-clouds">(.*?)</ul>', text, flags=re.DOTALL)
    assert cloud
    words_of = re.findall(r'href="([^"]+)" title="in (\d+) texts?[^"]*"><bdi>([^<]+)</bdi>', cloud[1])
    assert len(words_of) > 10
    assert tag not in [word for _, _, word in words_of]
    # By hand: what is retweeted counts once, and no tweet holds a word twice.
    texts = {
        int(t.get("retweet_of", t["_id"])): t["words"]
        for t in page.database.tweets.find({"_id": {"$in": stored(page, tag)[:500]}})
    }
    counted = merge(Counter(entry for entries in texts.values() for entry in entries))
    for _, number, word in words_of:
        assert counted[html.unescape(word)] == int(number), word
    for link, _, _ in words_of[:6]:
        found = listed(get(page, session, html.unescape(link)).text)
        assert found
        assert set(found) <= set(stored(page, tag))
    told = get(page, session, "/api/search", q=tag).json()
    assert (told["beside"], told["words_of"]) == (len(stored(page, tag)), min(500, len(stored(page, tag))))
    assert {one["name"]: one["tweets"] for one in told["words"]}.items() <= counted.items()


def test_reach_goes_before_age_where_it_is_asked_for(page: Page, session: requests.Session, tag: str) -> None:
    found = {tweet["_id"]: tweet.get("public_metrics") or {} for tweet in page.database.tweets.find({})}
    ids = listed(get(page, session, "/search", q=tag, order="reach").text)
    names = [f"{name}_count" for name in ("like", "retweet", "quote", "reply")]
    reach = [sum(found[key].get(name, 0) for name in names) for key in ids]
    assert reach == sorted(reach, reverse=True)


def test_programs_get_the_same_as_the_page(page: Page, session: requests.Session, tag: str) -> None:
    wanted = stored(page, tag)
    told = get(page, session, "/api/search", q=tag, limit=20).json()
    assert told["count"] == len(wanted)
    assert [int(tweet["id"]) for tweet in told["tweets"]] == wanted[:20]
    assert sum(span["tweets"] for span in told["course"]) == len(wanted)
    then = get(page, session, "/api/search", q=tag, limit=20, after=told["after"]).json()
    assert [int(tweet["id"]) for tweet in then["tweets"]] == wanted[20:40]


def test_what_is_forgotten_this_moment_is_not_shown(page: Page, session: requests.Session, tag: str) -> None:
    newest = stored(page, tag)[0]
    tweet = page.database.tweets.find_one_and_delete({"_id": newest})
    try:
        assert newest not in listed(get(page, session, "/search", q=tag).text)
        told = get(page, session, "/api/search", q=tag).json()
        assert str(newest) not in [tweet["id"] for tweet in told["tweets"]]
    finally:
        page.database.tweets.insert_one(tweet)


def test_a_query_that_is_none_is_explained_where_it_was_written(
    page: Page, session: requests.Session
) -> None:
    text = get(page, session, "/search", q="(rio").text
    assert "this ( is never closed: write a ) where it ends (at character 1)" in html.unescape(text)
    assert 'aria-invalid="true"' in text
    refused = get(page, session, "/api/search", 422, q="(rio").json()
    assert refused["detail"][0]["loc"] == ["query", "q"]
    get(page, session, "/search", 404, q="rio", after="x")
    get(page, session, "/api/search", 404, q="rio", after="9" * 30, order="reach")


def test_without_a_query_the_page_says_how_one_is_written(page: Page, session: requests.Session) -> None:
    text = get(page, session, "/search").text
    for href in re.findall(r'<dt><a href="([^"]+)"', text):
        get(page, session, html.unescape(href))
    assert "since:2026-03-01" in html.unescape(text)
    nothing = get(page, session, "/search", q="naodita123").text
    assert "carna*" in nothing


def test_a_page_without_an_index_says_so(page: Page, session: requests.Session) -> None:
    link = page.folder / "search" / "current"
    target = link.readlink() if hasattr(link, "readlink") else None
    assert target
    link.unlink()
    try:
        assert "opslib doctor --only search" in get(page, session, "/search", q="rio").text
        assert "being made" in get(page, session, "/api/search", 503, q="rio").json()["detail"]
    finally:
        link.symlink_to(target)


def test_a_search_is_saved_under_a_name_and_removed_again(page: Page, tag: str) -> None:
    made = page.opslib("web", "user", "add", "rui", "--password-stdin", stdin="the password of rui\n")
    assert made.returncode == 0, made.stderr
    try:
        session, other = page.session("rui", "the password of rui"), page.session()
        form = get(page, session, "/search", q=tag, order="reach").text
        token = re.search(r'name="form_token" value="(\w+)"', form)
        assert token
        data = {"title": "<b>mine</b>", "q": tag, "order": "reach", "form_token": token[1]}
        saved = session.post(f"{page.url}/search/saved", data=data, timeout=300)
        assert parse_qs(urlsplit(saved.url).query) == {"q": [tag], "order": ["reach"]}
        text = get(page, session, "/search").text
        link = re.search(r'<li><a href="([^"]+)"><bdi>&lt;b&gt;mine&lt;/b&gt;</bdi>', text)
        assert link
        assert listed(get(page, session, html.unescape(link[1])).text)
        assert "mine" not in get(page, other, "/search").text
        data = {"title": "<b>mine</b>", "form_token": token[1]}
        removed = session.post(f"{page.url}/search/saved/remove", data=data, timeout=300)
        assert removed.status_code == 200
        assert "mine" not in get(page, session, "/search").text
    finally:
        page.opslib("web", "user", "remove", "rui")


def test_somebody_who_is_not_logged_in_searches_nothing(page: Page) -> None:
    import requests as plain

    assert plain.get(f"{page.url}/api/search", params={"q": "rio"}, timeout=300).status_code == 401
