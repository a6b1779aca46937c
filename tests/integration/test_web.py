"""The page on a real MongoDB, served by itself as its user would start it, and read as its account may."""

from __future__ import annotations

import io
import json
import math
import re
import subprocess
from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote
from zoneinfo import ZoneInfo

import pytest
import requests  # noqa: TC002 - fixtures
import schemathesis
import seeded
from hypothesis import HealthCheck, settings
from page import PASSWORD, Page
from PIL import Image, ImageChops
from pymongo.errors import OperationFailure
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)
from seeded import BRAZIL, FOLLOWED, HOSTILE, RIO

from opslib import message, web
from opslib.store import rollups
from opslib.words import merge

if TYPE_CHECKING:
    from collections.abc import Iterator

CHECKS = [
    schemathesis.checks.not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    negative_data_rejection,
    unsupported_method,
]


@pytest.fixture(scope="module")
def session(page: Page) -> Iterator[requests.Session]:
    session = page.session()
    yield session
    session.close()


def get(page: Page, session: requests.Session, path: str, status: int = 200, **options: Any) -> Any:
    answer = session.get(page.url + path, timeout=300, **options)
    assert answer.status_code == status, answer.text[:2000]
    return answer


# ---- pages


def test_now_shows_the_newest_cloud_and_what_is_rising(page: Page, session: requests.Session) -> None:
    newest = page.database.clouds.find_one({"woeid": BRAZIL, "kind": "words"}, sort=[("until", -1)])
    html = get(page, session, f"/?place={BRAZIL}").text
    assert f"/clouds/{newest['_id']}/light.svg" in html
    assert f"{newest['tweets']:,} tweets" in html
    assert newest["words"][0]["word"] in html
    assert "#Carnaval" in html
    assert "63 people" in html
    html = get(page, session, f"/?place={BRAZIL}&minutes=60&kind=topics").text
    assert f"/clouds/{newest['_id'].replace(':words', ':topics')}/light.svg" in html
    assert "723 people" in html


def test_pages_are_in_the_readers_language_and_the_places_time(page: Page, session: requests.Session) -> None:
    portuguese = {"Accept-Language": "pt-BR"}
    newest = page.database.clouds.find_one({"woeid": BRAZIL, "kind": "words"}, sort=[("until", -1)])
    local = newest["until"] - timedelta(hours=3)  # São Paulo has had no summer time since 2019
    html = get(page, session, f"/?place={BRAZIL}", headers=portuguese).text
    assert "O que dizem agora" in html
    assert f"{local:%H:%M} UTC-3" in html


def test_places_without_a_cloud_say_what_to_do(page: Page, session: requests.Session) -> None:
    html = get(page, session, f"/?place={RIO}").text
    assert "There is no cloud yet" in html
    assert "opslib doctor" in html
    get(page, session, "/?place=1", 404)


def test_history_has_every_cloud_of_a_day_without_any_script(page: Page, session: requests.Session) -> None:
    chosen = {"woeid": BRAZIL, "kind": "words"}
    clouds = list(page.database.clouds.find(chosen, {"until": 1}, sort=[("until", 1)]))
    seen = set()
    path = f"/clouds/{clouds[-1]['_id']}"
    for _ in range(len(clouds)):
        html = get(page, session, path).text
        seen |= set(re.findall(r'data-id="([^"]+)"', html))
        before = re.search(r'rel="prev" href="([^"]+)"', html)
        if before is None:
            break
        path = before.group(1)
    assert seen == {cloud["_id"] for cloud in clouds}


def test_history_finds_the_cloud_that_was_there_at_a_time(page: Page, session: requests.Session) -> None:
    clouds = list(page.database.clouds.find({"woeid": BRAZIL, "kind": "words"}, {"until": 1}))
    wanted = sorted(clouds, key=lambda cloud: cloud["until"])[-2]
    local = wanted["until"] - timedelta(hours=3) + timedelta(minutes=5)
    html = get(page, session, f"/history?place={BRAZIL}&day={local:%Y-%m-%d}&at={local:%H:%M}").text
    assert f'data-cloud="{wanted["_id"]}"' in html
    for wrong in ("day=2026-02-30", "day=x", "day=9999-12-31", "at=25:00", "day=2026-01-01&at=x"):
        get(page, session, f"/history?{wrong}", 404)


def test_a_topic_has_its_words_course_languages_and_tweets(page: Page, session: requests.Session) -> None:
    since, until = page.day_begins(), page.day_begins() + timedelta(days=1)
    on_this_day = {"$gte": since, "$lt": until}
    name = page.database.tweets.find_one(
        {"topics.woeid": BRAZIL, "collected_at": on_this_day, "topics.name": re.compile("^#")}
    )["topics"][0]["name"]
    counts = rollups.counts(page.database, since, until, woeid=BRAZIL, topic=name)
    assert counts.tweets
    html = get(page, session, "/topic", params={"name": name, "place": BRAZIL, "day": page.day()}).text
    assert f"{counts.tweets} tweet" in html
    word = next(iter(merge(counts.words)))
    assert word in html
    assert 'class="area series-0"' in html
    assert "Portuguese" in html
    about = {"collected_at": on_this_day, "topics": {"$elemMatch": {"name": name, "woeid": BRAZIL}},
             "referenced_tweets.type": {"$ne": "retweeted"}}  # fmt: skip
    newest = page.database.tweets.find_one(about, sort=[("collected_at", -1)])
    assert f"https://x.com/{newest['author']['username']}/status/{newest['_id']}" in html
    assert "View on X" in html
    nothing = get(page, session, "/topic", params={"name": "#Nobody", "place": BRAZIL}).text
    assert "Nothing was collected about this" in nothing


def test_topics_are_listed_by_rank(page: Page, session: requests.Session) -> None:
    snapshot = page.database.trends.find_one({"woeid": RIO}, sort=[("collected_at", -1)])
    html = get(page, session, f"/topics?place={RIO}").text
    places = [html.index(f"<bdi>{trend['name']}</bdi>") for trend in snapshot["trends"]]
    assert places == sorted(places)


def test_operations_show_figures_plots_and_the_budget(page: Page, session: requests.Session) -> None:
    for hours in (1, 6, 24, 168):
        html = get(page, session, f"/operations?hours={hours}").text
        assert html.count('class="plot plot-wide"') == 5
        assert "US$ 2.31, US$ 2.69 left" in html
        assert "trendlake-speed" in html
    get(page, session, "/operations?hours=2", 400)


# ---- pictures and /api


def test_head_is_answered_by_the_server_without_a_body(page: Page, session: requests.Session) -> None:
    cloud = page.database.clouds.find_one({"kind": "words"})
    for path in ("/", "/operations", "/api/places", "/health", f"/clouds/{cloud['_id']}/light.svg"):
        answer = session.head(page.url + path, timeout=300)
        full = get(page, session, path)  # on the same connection, which a body would have spoilt
        assert (answer.status_code, answer.content) == (200, b"")
        assert answer.headers["Content-Type"] == full.headers["Content-Type"]


def test_pictures_are_kept_by_browsers_and_run_nothing(page: Page, session: requests.Session) -> None:
    cloud = page.database.clouds.find_one({"kind": "words"})
    variants = {
        "light.svg": ("svg", "image/svg+xml"),
        "dark.svg": ("svg_dark", "image/svg+xml"),
        "picture.png": ("png", "image/png"),
    }
    for name, (field, kind) in variants.items():
        path = f"/clouds/{cloud['_id']}/{name}"
        answer = get(page, session, path)
        assert answer.content == cloud[field]
        assert answer.headers["Content-Type"] == kind
        policy = set(answer.headers["Content-Security-Policy"].split("; "))
        assert {"default-src 'none'", "sandbox", "frame-ancestors 'self'"} <= policy
        assert not {part for part in policy if part.startswith(("script-src", "img-src", "connect-src"))}
        again = get(page, session, path, 304, headers={"If-None-Match": answer.headers["ETag"]})
        assert again.content == b""
    get(page, session, f"/clouds/{cloud['_id']}/other.svg", 404)
    get(page, session, "/clouds/nothing/light.svg", 404)


def test_a_png_for_a_page_in_portuguese_is_the_picture_that_is_shown_there(
    page: Page, session: requests.Session
) -> None:
    cloud = page.database.clouds.find_one({"kind": "words"})
    whole = Image.open(io.BytesIO(cloud["png"])).convert("RGB")
    there = get(page, session, f"/clouds/{cloud['_id']}", headers={"Accept-Language": "pt-BR"}).text
    (path,) = re.findall(r'href="([^"]*picture\.png[^"]*)"', there)
    kept = Image.open(io.BytesIO(get(page, session, path).content)).convert("RGB")
    shown = re.search(
        r'viewBox="0 (\d+) (\d+) (\d+)"', get(page, session, path.replace("picture.png", "light.svg")).text
    )
    assert shown
    above, width, height = (int(number) for number in shown.groups())
    assert kept.size == (width, height)
    # The words are as they were drawn, and above them is nothing but ground.
    words = re.search(r'<g transform="translate\(\d+ (\d+)\)">', cloud["svg"].decode())
    assert words
    top = int(words[1])
    assert (
        ImageChops.difference(
            kept.crop((0, top - above, width, height)), whole.crop((0, top, width, whole.height))
        ).getbbox()
        is None
    )
    assert len(kept.crop((0, 0, width, top - above)).getcolors() or ()) == 1
    # In English it is as it was drawn, with its head.
    there = get(page, session, f"/clouds/{cloud['_id']}", headers={"Accept-Language": "en"}).text
    (path,) = re.findall(r'href="([^"]*picture\.png[^"]*)"', there)
    assert get(page, session, path).content == cloud["png"]


def test_a_picture_that_was_drawn_anew_is_sent_again(page: Page, session: requests.Session) -> None:
    cloud = page.database.clouds.find_one({"kind": "topics"})
    path = f"/clouds/{cloud['_id']}/light.svg"
    tag = get(page, session, path).headers["ETag"]
    again = {"$set": {"rendered_at": cloud["rendered_at"] + timedelta(minutes=1), "svg": b"<svg/>"}}
    page.database.clouds.update_one({"_id": cloud["_id"]}, again)
    assert get(page, session, path, headers={"If-None-Match": tag}).content == b"<svg/>"


def test_the_api_says_what_the_lake_holds(page: Page, session: requests.Session) -> None:
    places = get(page, session, "/api/places").json()
    assert places == [
        {"woeid": BRAZIL, "name": "Brasil", "timezone": "America/Sao_Paulo"},
        {"woeid": RIO, "name": "Rio de Janeiro", "timezone": "America/Sao_Paulo"},
    ]
    newest = get(page, session, f"/api/clouds/newest?woeid={BRAZIL}").json()
    stored = page.database.clouds.find_one({"_id": newest["id"]})
    assert newest["words"] == stored["words"]
    assert get(page, session, newest["pictures"]["light"]).content == stored["svg"]
    assert get(page, session, newest["url"])
    assert get(page, session, f"/api/clouds/{newest['id']}").json() == newest
    listed = get(
        page, session, f"/api/clouds?woeid={BRAZIL}&since={message.stamp(page.until - timedelta(hours=9))}"
    )
    assert newest["id"] in [cloud["id"] for cloud in listed.json()]
    window = get(page, session, f"/api/trending?woeid={BRAZIL}&minutes=5").json()
    assert window["items"][0] == {"kind": "topic", "name": "#Carnaval", "authors": 63, "tweets": 65,
                                  "usual": 1.0, "expected": 1.0, "score": 3844.0}  # fmt: skip
    topics = get(page, session, f"/api/topics?woeid={BRAZIL}").json()
    assert [topic["rank"] for topic in topics["topics"]] == list(range(1, len(topics["topics"]) + 1))
    since, until = page.until - timedelta(hours=5), page.until
    words = get(page, session, "/api/words", params={
        "since": message.stamp(since), "until": message.stamp(until), "woeid": BRAZIL, "limit": 5,
    }).json()  # fmt: skip
    counts = rollups.counts(page.database, since, until, woeid=BRAZIL)
    assert words["tweets"] == counts.tweets
    assert [(w["word"], w["tweets"]) for w in words["words"]] == list(merge(counts.words).items())[:5]
    records = get(page, session, "/api/stats?kind=lag").json()["records"]
    assert set(records[0]) == {"at", "groups"}
    get(page, session, "/api/stats?since=2026-01-01T00:00:00Z", 422)
    get(page, session, "/api/clouds/none", 404)


def test_the_api_keeps_to_its_description(page: Page, session: requests.Session) -> None:
    cookie = "; ".join(f"{name}={value}" for name, value in session.cookies.items())
    headers = {"Cookie": cookie}
    schema = schemathesis.openapi.from_url(f"{page.url}/api/openapi.json", headers=headers)
    operations = [found.ok() for found in schema.get_all_operations()]
    assert len(operations) == 11
    for operation in operations:

        @settings(max_examples=25, deadline=None, derandomize=True, database=None,
                  suppress_health_check=list(HealthCheck))  # fmt: skip
        def check(case: Any) -> None:
            case.call_and_validate(base_url=page.url, headers=headers, checks=CHECKS)

        operation_check = schema_given(operation)(check)
        operation_check()


def schema_given(operation: Any) -> Any:
    from hypothesis import given

    return given(case=operation.as_strategy())


# ---- hostile strings, rights, and MongoDB away


@pytest.mark.parametrize("number", range(len(HOSTILE)))
def test_strings_from_tweets_stay_strings(page: Page, session: requests.Session, number: int) -> None:
    params = {"name": HOSTILE[number][:500], "place": BRAZIL}
    for path, options in (("/", {}), ("/topics", {}), ("/topic", {"params": params}),
                          ("/topic", {"params": {"name": HOSTILE[0], "place": BRAZIL}})):  # fmt: skip
        html = get(page, session, path, **options).text
        assert "<script>document" not in html
        assert not re.search(r"<img[^>]*onerror", html)
        assert 'href="javascript:' not in html
        # Whole in tweets, which are not to be changed, and nowhere else where it can be read.
        read = re.sub(r'<p class="text".*?</p>|<[^>]*>', "", html, flags=re.DOTALL)
        assert "\u202e" not in read


def test_the_pages_account_can_only_read(page: Page) -> None:
    reader = page.reader()
    assert reader.clouds.find_one({})
    assert reader.ops_stats.find_one({})
    for name in ("clouds", "tweets", "trending", "users"):
        with pytest.raises(OperationFailure, match="not authorized"):
            reader[name].insert_one({"_id": "x"})
    with pytest.raises(OperationFailure, match="not authorized"):
        reader.rollup_marks.find_one({})
    reader.client.close()


def test_without_mongodb_the_page_says_so_and_goes_on_when_it_is_back(
    page: Page, session: requests.Session
) -> None:
    with page.servers.mongodb_away():
        answer = session.get(f"{page.url}/", timeout=300)
        assert answer.status_code == 503
        assert "The lake does not answer" in answer.text
        assert session.get(f"{page.url}/api/trending?woeid=1", timeout=300).json() == {
            "detail": "MongoDB does not answer"
        }
        assert session.get(f"{page.url}/health", timeout=300).status_code == 503
        assert session.get(f"{page.url}/login", timeout=300, allow_redirects=False).status_code == 303
    get(page, session, "/")
    assert get(page, session, "/health").json() == {"status": "ok"}


# ---- users


def test_users_are_managed_while_the_page_runs(page: Page) -> None:
    made = page.opslib("web", "user", "add", "rita", "--random")
    assert made.returncode == 0
    password = made.stdout.strip()
    session = page.session("rita", password)
    get(page, session, "/")
    listed = json.loads(page.opslib("web", "user", "list", "--format", "json").stdout)
    assert {user["name"]: user["sessions"] for user in listed}["rita"] == 1
    assert page.opslib("web", "user", "disable", "rita").returncode == 0
    assert session.get(f"{page.url}/", timeout=300, allow_redirects=False).status_code == 303
    changed = page.opslib("web", "user", "password", "rita", "--password-stdin", stdin="another password\n")
    assert changed.returncode == 0
    get(page, page.session("rita", "another password"), "/")
    wrong = (("add", "rita", "--random"), ("disable", "nobody"), ("add", "x", "--random", "--password-stdin"))
    for arguments in wrong:
        failed = page.opslib("web", "user", *arguments)
        assert (failed.returncode, failed.stderr.count("Traceback")) == (2, 0)


def test_it_serves_on_a_socket_that_its_group_may_use(page: Page) -> None:
    path = page.folder / "socket"
    with page.serving("--socket", str(path)):
        mode = path.stat().st_mode & 0o777
        command = [
            "curl",
            "-s",
            "--unix-socket",
            str(path),
            "-H",
            "X-Forwarded-For: 1.2.3.4",
            "http://x/health",
        ]
        answer = subprocess.run(command, capture_output=True, text=True, check=True)
    assert json.loads(answer.stdout) == {"status": "ok"}
    assert mode == 0o660


def test_it_is_not_served_to_the_network_without_tls(page: Page) -> None:
    failed = page.opslib("web", "--host", "192.0.2.1", "--port", "0")
    assert failed.returncode == 2
    assert "loopback" in failed.stderr


def test_the_right_password_is_limited_after_many_wrong_ones(page: Page) -> None:
    page.opslib("web", "user", "add", "lia", "--password-stdin", stdin=f"{PASSWORD}\n")
    statuses = {page.log_in("lia", "wrong password").status_code for _ in range(10)}
    assert statuses == {401}
    assert page.log_in("lia", PASSWORD).status_code == 429
    page.opslib("web", "user", "password", "lia", "--password-stdin", stdin="another password\n")
    assert page.log_in("lia", "another password").status_code == 303


def test_a_new_cloud_is_seen_at_once(page: Page, session: requests.Session) -> None:
    newer = page.until + timedelta(milliseconds=1)  # what is of the future is not shown yet
    cloud_id = seeded.cloud(page.database, newer, {"#Novo": 9, "agora": 4}, 9)
    html = get(page, session, f"/live/now?place={BRAZIL}").text
    assert f'data-cloud="{cloud_id}"' in html
    page.database.clouds.delete_many({"until": newer})


def test_what_is_followed_has_a_page_of_its_own_beside_a_trend_of_the_same_name(
    page: Page, session: requests.Session
) -> None:
    begin, day = page.day_begins(), page.day()
    end = begin + timedelta(days=1)
    on_this_day = {"$gte": begin, "$lt": end}
    follow = {"kind": "follow", "name": FOLLOWED, "woeid": None, "first_at": on_this_day}
    tweets = page.database.tweets.count_documents({"topics": {"$elemMatch": follow}})
    trend = {"woeid": BRAZIL, "name": FOLLOWED, "first_at": on_this_day}
    of_trend = page.database.tweets.count_documents({"topics": {"$elemMatch": trend}})
    assert 0 < tweets != of_trend
    name = FOLLOWED.replace("#", "%23")
    html = get(page, session, f"/follow?name={name}&place={BRAZIL}&day={day}").text
    assert f"{tweets:,} tweet" in html
    assert "<article" in html, "some tweets"
    assert f"{of_trend:,} tweet" in get(page, session, f"/topic?name={name}&place={BRAZIL}&day={day}").text
    for path in (f"/?place={BRAZIL}", f"/topics?place={BRAZIL}"):
        html = get(page, session, path).text
        assert "What is followed" in html
        assert f"/follow?name={name}&amp;place={BRAZIL}" in html
    since, until = (one.isoformat().replace("+00:00", "Z") for one in (begin, end))
    query = f"/api/words?topic={name}&since={since}&until={until}"
    assert get(page, session, f"{query}&kind=follow").json()["tweets"] == tweets
    assert get(page, session, f"{query}&kind=trend&woeid={BRAZIL}").json()["tweets"] == of_trend


# ---- from a number to its tweets


def test_the_number_of_a_word_leads_to_its_tweets(page: Page, session: requests.Session) -> None:
    day = page.day()
    for asked in ({"woeid": BRAZIL}, {"topic": FOLLOWED, "kind": "follow"}, {}):
        since, until = (page.until - timedelta(hours=9)).isoformat(), page.until.isoformat()
        span = {"since": since, "until": until, **asked}
        words = get(page, session, "/api/words", params={**span, "limit": 20}).json()["words"]
        assert words
        for word in words:
            found = get(page, session, "/api/tweets", params={**span, "word": word["word"], "limit": 500})
            listed = found.json()
            assert listed["number"] == word["tweets"] == len(listed["texts"]), word
            assert listed["tweets"] == sum(text["tweets"] for text in listed["texts"])
    html = get(page, session, f"/topic?place={BRAZIL}&name=%23Enem&day={day}").text
    links = re.findall(r'href="(/tweets\?[^"]*)"><bdi>[^<]*</bdi></a>.*?<td>([\d,]+)</td>', html)
    assert links
    for link, number in links[:5]:
        html = get(page, session, link.replace("&amp;", "&")).text
        assert f"Counted in {number} text" in html


def test_a_list_leads_to_the_day_of_its_newest_tweet(page: Page, session: requests.Session) -> None:
    begin, end = page.day_begins(), page.day_begins() + timedelta(days=1, seconds=1)
    span = {"since": begin.isoformat(), "until": end.isoformat(), "woeid": BRAZIL}
    words = get(page, session, "/api/words", params={**span, "limit": 1}).json()["words"]
    asked = {"since": span["since"], "until": span["until"], "place": BRAZIL, "name": words[0]["word"]}
    html = get(page, session, "/tweets", params=asked).text
    assert re.search(rf'href="/word\?[^"]*day={page.day()}"', html)


def test_a_cloud_and_the_lists_of_its_words_agree(page: Page, session: requests.Session) -> None:
    from opslib.cloud.kept import timed
    from opslib.cloud.report import at_moment
    from opslib.store.reads import Place

    kept = page.database.clouds.find_one({"kind": "words", "woeid": BRAZIL}, sort=[("until", -1)])
    snapshot = {"trends": [{"name": topic["name"], "rank": topic["rank"]} for topic in kept["topics"]]}
    place = Place(BRAZIL, kept["place"])
    report = at_moment(timed(page.database), place, snapshot, kept["until"], 3)["words"]
    assert report.words
    for word, number in list(report.words.items())[:15]:
        listed = get(page, session, "/api/tweets", params={"cloud": kept["_id"], "word": word}).json()
        assert listed["number"] == number, word
    word = next(iter(report.words))
    html = get(page, session, "/tweets", params={"cloud": kept["_id"], "name": word, "order": "reach"}).text
    assert "How is this counted?" in html
    assert html.count('<article class="tweet') == min(50, report.words[word])
    assert "/clouds/" in html
    get(page, session, "/tweets", params={"cloud": "none", "name": word}, status=404)
    html = get(page, session, "/tweets", params={"cloud": kept["_id"], "name": "nothing"}).text
    assert "No tweet was counted for this" in html


def test_a_word_of_the_picture_leads_to_its_tweets(page: Page, session: requests.Session) -> None:
    kept = page.database.clouds.find_one({"kind": "words", "woeid": BRAZIL}, sort=[("until", -1)])
    svg = get(page, session, f"/clouds/{kept['_id']}/light.svg?page=en")
    assert svg.headers["Content-Security-Policy"].endswith("allow-top-navigation-by-user-activation")
    links = re.findall(r'<a href="(/tweets\?[^"]*)" target="_top"', svg.text)
    assert len(links) == len(kept["words"])
    assert get(page, session, links[0].replace("&amp;", "&"))
    assert "<a " not in get(page, session, f"/clouds/{kept['_id']}/light.svg").text
    topics = page.database.clouds.find_one({"kind": "topics", "woeid": BRAZIL}, sort=[("until", 1)])
    svg = get(page, session, f"/clouds/{topics['_id']}/light.svg?page=en").text
    link = re.findall(r'<a href="(/find\?[^"]*)"', svg)[0]
    assert "#" in get(page, session, link.replace("&amp;", "&")).text


def test_what_rises_leads_to_the_tweets_of_its_window(page: Page, session: requests.Session) -> None:
    html = get(page, session, f"/?place={BRAZIL}").text
    link = re.findall(r'href="(/rising\?[^"]*)"', html)[0].replace("&amp;", "&")
    assert get(page, session, link)
    tweet = page.database.tweets.find_one({"words": {"$ne": []}}, sort=[("collected_at", -1)])
    name = tweet["topics"][0]["name"]
    ends = (tweet["created_at"] + timedelta(seconds=30)).isoformat()
    asked = {"place": BRAZIL, "kind": "topic", "name": name, "minutes": "60", "ends": ends}
    html = get(page, session, "/rising", params=asked).text
    assert '<article class="tweet' in html or "No tweet was counted" in html


def test_two_sides_are_compared_as_an_independent_computation_has_it(
    page: Page, session: requests.Session
) -> None:
    """From the words of each side and of all, by the formulas of the paper alone."""
    until = page.until.replace(minute=0)
    spans = [(until - timedelta(hours=12), until - timedelta(hours=6)), (until - timedelta(hours=6), until)]
    times = {f"{side}_{name}": at.isoformat() for side, span in zip("ab", spans)
             for name, at in zip(("since", "until"), span)}  # fmt: skip
    sides = {"a_woeid": BRAZIL, "b_woeid": RIO}
    found = get(page, session, "/api/compare", params={**times, **sides, "limit": 10_000}).json()
    spellings = [
        rollups.counts(page.database, *span, woeid=woeid).words for span, woeid in zip(spans, (BRAZIL, RIO))
    ]
    together = merge(spellings[0] + spellings[1])
    assert {one["word"]: one["a"] + one["b"] for one in found["words"]} == together
    said = sum((rollups.counts(page.database, *span).words for span in spans), Counter())
    # One spelling and one key, and no expression: these are what they are without any grouping.
    plain = [word for word in together if word.startswith("#")]
    assert len(plain) > 5
    totals = [found[side]["words"] for side in "ab"]
    assert totals == [sum(one[side] for one in found["words"]) for side in "ab"]
    grouped = merge(said)
    said_in_all = sum(grouped.get(word, number) for word, number in together.items())
    for one in found["words"]:
        if one["word"] not in plain:
            continue
        word = one["word"]
        numbers = [counts[word] for counts in spellings]
        assert [one["a"], one["b"]] == numbers
        assert one["a_share"] == pytest.approx(numbers[0] / totals[0])
        alpha = 500 * said[word] / said_in_all
        parts = [(n + alpha, total + 500 - n - alpha) for n, total in zip(numbers, totals)]
        odds = [math.log(pro / contra) for pro, contra in parts]
        z = (odds[1] - odds[0]) / math.sqrt(sum(1 / pro + 1 / contra for pro, contra in parts))
        # What is grouped otherwise when all of the lake is merged weighs next to nothing.
        assert one["score"] == pytest.approx(z, rel=0.02, abs=0.02), word
    get(page, session, "/api/compare", 422, params={"a_since": "2026-01-01T00:00:00Z", "b_since": "2009"})


def test_the_page_compares_yesterday_and_today_and_lists_both(page: Page, session: requests.Session) -> None:
    html = get(page, session, f"/compare?b_place={BRAZIL}&a_place={BRAZIL}").text
    clouds = [
        re.findall(r'data-word="([^"]*)"', part)
        for part in re.findall(r'<ul class="both-clouds".*?</ul>', html, re.DOTALL)
    ]
    assert len(clouds) == 2
    assert clouds[0] == clouds[1] != []
    assert html.count('class="plot-figure') == 1
    links = re.findall(r'<a href="(/compare/tweets\?[^"]*)" aria-label="[^"]*">([\d,]+)</a>', html)
    for link, number in links[:6]:
        listed = get(page, session, link.replace("&amp;", "&")).text
        assert f"Counted in {number} text" in listed
    tones = dict.fromkeys(re.findall(r'class="size-\d+ (tone-\w+)" href="[^"]*name=([^&"]*)', html))
    assert len({name for _, name in tones}) == len(tones), "a word has one colour in both"
    topic = quote(FOLLOWED)
    html = get(page, session, f"/compare?a_topic={topic}&b_topic={topic}&b_kind=follow").text
    assert html.count("tweets collected") == 2
    get(page, session, "/compare?a_day=nonsense", status=404)
    get(page, session, "/compare?a_day=2006-01-02&a_last=2026-01-02", status=404)
    get(page, session, "/compare?b_day=0001-01-01", status=404)
    html = get(page, session, "/compare?a_day=2007-01-02&b_day=2007-01-03").text
    assert "Nothing was counted on either side" in html


def test_two_clouds_are_compared(page: Page, session: requests.Session) -> None:
    html = get(page, session, f"/history?place={BRAZIL}").text
    shown = re.findall(r'name="b_cloud" value="([^"]*)"', html)
    other = re.findall(r'<option value="(\d+:[^"]*:words)"', html)
    assert shown
    assert other
    html = get(page, session, "/compare", params={"a_cloud": other[0], "b_cloud": shown[0]}).text
    assert html.count('<ul class="both-clouds"') == 2
    links = re.findall(r'<a class="size-[^"]*" href="(/compare/tweets\?[^"]*)" title="in ([\d,]+) text', html)
    for link, number in links[:4]:
        listed = get(page, session, link.replace("&amp;", "&")).text
        assert f"Counted in {number} text" in listed
    get(page, session, "/compare?a_cloud=none", status=404)


def test_the_page_of_a_topic_says_who_talks_and_what_goes_with_it(
    page: Page, session: requests.Session
) -> None:
    since, until = page.day_begins(), page.day_begins() + timedelta(days=1)
    chosen = {"topics.woeid": BRAZIL, "topics.first_at": {"$gte": since, "$lt": until}}
    name = "#CaféDaManhã"
    meant = [
        tweet
        for tweet in page.database.tweets.find({**chosen, "topics.name": name})
        if since <= min(t["first_at"] for t in tweet["topics"] if t["name"] == name) < until
    ]
    assert meant
    day = f"{since.astimezone(ZoneInfo('America/Sao_Paulo')):%Y-%m-%d}"
    html = get(page, session, "/topic", params={"place": BRAZIL, "name": name, "day": day}).text
    people = Counter(tweet["author"]["id"] for tweet in meant if tweet.get("author"))
    assert f"{len(people)} people" in html
    # Of several that wrote as much, those of the smaller ids are named.
    top = min(people, key=lambda author: (-people[author], author))
    assert f"@{next(t['author']['username'] for t in meant if t['author']['id'] == top)}" in html
    assert 'class="marked"' in html
    reach = get(page, session, "/topic", params={"place": BRAZIL, "name": name, "day": day, "order": "reach"})
    originals = [
        t for t in meant if not any(r["type"] == "retweeted" for r in t.get("referenced_tweets", ()))
    ]
    names = ("retweet_count", "quote_count", "reply_count", "like_count")
    best = max(originals, key=lambda t: (sum(t["public_metrics"].get(n, 0) for n in names), t["_id"]))
    first = re.findall(r'<a class="mark" href="https://x.com/\w+/status/(\d+)"', reach.text)[0]
    assert first == str(best["_id"])


def test_every_number_is_explained(page: Page, session: requests.Session) -> None:
    html = get(page, session, "/about").text
    known = set(re.findall(r'<dt id="(\w+)"', html))
    linked: set[str] = set()
    for template in (Path(web.__file__).parent / "templates").glob("*.html"):
        linked |= set(re.findall(r"/about#(\w+)", template.read_text()))
    assert linked
    assert linked <= known


EXPLAINED = {
    "now": {"cloud", "words", "rising", "follow"},
    "now of topics": {"cloud", "trend", "rising", "follow"},
    "history": {"cloud", "words"},
    "topics": {"trend", "follow"},
    "topic": {"collected", "course", "rank", "rising", "words", "people", "languages"},
    "follow": {"collected", "course", "rising", "words", "people", "languages"},
    "word": {"collected", "course", "rising", "words", "people", "languages"},
    "search": {"search", "course", "words"},
    "operations": {"rates", "delays", "lag", "letters", "languages", "budget"},
    "tweets": {"words"},
    "rising": {"rising"},
    "compare": {"compare", "course"},
}


@pytest.mark.parametrize("name", EXPLAINED)
def test_numbers_say_in_a_sentence_how_they_are_counted_and_lead_to_the_rule(
    page: Page, session: requests.Session, name: str
) -> None:
    topic = page.database.trends.find_one({"woeid": BRAZIL}, sort=[("collected_at", -1)])["trends"][0]["name"]
    day = page.day()
    named = f"name={quote(topic)}&place={BRAZIL}&day={day}"
    path = {
        "now": "/",
        "now of topics": "/?kind=topics",
        "topic": f"/topic?{named}",
        "follow": f"/follow?name={quote(FOLLOWED)}&day={day}",
        "word": f"/word?{named}",
        "search": "/search?q=-naodita",
        "tweets": f"/tweets?{named}",
        "rising": f"/rising?{named}&kind=topic&minutes=60",
        "compare": f"/compare?a_place={BRAZIL}&b_place={BRAZIL}&b_day={day}",
    }.get(name, f"/{name}")
    main = get(page, session, path).text.partition("<main")[2].partition("</main>")[0]
    assert set(re.findall(r'href="/about#(\w+)"', main)) == EXPLAINED[name]
    # What a plot shows, and a table, stands below a sentence of its own.
    for figure in re.findall(r'<figure class="plot-figure.*?</figure>', main, flags=re.DOTALL):
        assert re.search(r'<p class="small">[^<]{20,} <a href="/about#', figure)
    for section in re.findall(r"<section(?:(?!<section).)*?<table.*?</section>", main, flags=re.DOTALL):
        assert "/about#" in section or name in ("search", "compare")  # said once above all of them


@pytest.mark.parametrize("language", ["en", "pt", "es"])
def test_there_is_a_glossary_in_each_language(page: Page, session: requests.Session, language: str) -> None:
    html = get(page, session, "/about", headers={"Accept-Language": language}).text
    terms = re.findall(r'<dt id="(\w+)">([^<]+)</dt>\s*<dd>([^<]+)</dd>', html)
    assert {term for of_page in EXPLAINED.values() for term in of_page} <= {term for term, _, _ in terms}
    english = get(page, session, "/about", headers={"Accept-Language": "en"}).text
    for _, _, meaning in terms:
        assert (meaning in english) == (language == "en")
