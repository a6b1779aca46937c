"""What the page shows at a given moment, on a real MongoDB: the application in this process, with a clock."""

from __future__ import annotations

import re
import uuid
from datetime import datetime, timedelta, timezone
from html import unescape
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import argon2
import pytest
import seeded
import services
from bson.codec_options import CodecOptions
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from seeded import BRAZIL, RIO
from starlette.testclient import TestClient

from opslib import message
from opslib.store import rollups
from opslib.store.collections import initialise
from opslib.store.documents import complete
from opslib.store.reads import Lake
from opslib.web.accounts.users import Users
from opslib.web.answers.risings import Stretch, risings
from opslib.web.answers.said import Subject
from opslib.web.app import create

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from conftest import Servers

NOON = datetime(2026, 3, 4, 15, 7, 30, tzinfo=timezone.utc)  # 12:07:30 in São Paulo
SAO_PAULO = ZoneInfo("America/Sao_Paulo")
PASSWORD = "correct horse battery"


class Site:
    """A lake of its own, its page, and the clock that both go by."""

    def __init__(self, servers: Servers, folder: Path) -> None:
        self.mongo = services.mongodb_client(servers.mongodb.port, servers.authority.ca, services.ADMIN)
        self.database: Any = self.mongo.get_database(
            f"page-{uuid.uuid4().hex[:8]}", codec_options=CodecOptions(tz_aware=True)
        )
        initialise(self.database)
        self.now = NOON
        cheap = argon2.PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)
        self.users = Users(folder / "users.sqlite", 3600, hasher=cheap)
        self.users.add("ana", PASSWORD)
        self.token = self.users.log_in("ana", PASSWORD, "::1") or ""
        self.client = self.app()
        self._tweets = 0

    def app(self, zone: str = "America/Sao_Paulo", **options: Any) -> TestClient:
        """Return a client of a page of this lake that is logged in."""
        lake = Lake(self.database, {}, zone, 10_000)
        made = create(
            lake, self.users, b"a key", clock=lambda: self.now, recorder="trendlake-stats", **options
        )
        cookies = {"__Host-session": self.token, "__Host-form": "x"}
        return TestClient(made, base_url="https://page.test", follow_redirects=False, cookies=cookies)

    def get(self, path: str, status: int = 200, client: TestClient | None = None, **options: Any) -> Any:
        answer = (client or self.client).get(path, **options)
        assert answer.status_code == status, answer.text[:2000]
        return answer

    def read(self, path: str, **options: Any) -> str:
        """Return what can be read on a page, its words parted by single spaces."""
        html = self.get(path, **options).text
        html = re.sub(r"<(title|svg|style|noscript)\b.*?</\1>", " ", html, flags=re.DOTALL)
        return " ".join(unescape(re.sub(r"<[^>]*>", " ", html)).split())

    def tweet(
        self,
        text: str,
        written: datetime,
        collected: datetime | None = None,
        topic: str = "#festa",
        woeid: int = BRAZIL,
        **data: Any,
    ) -> None:
        """Store a tweet as the sink does."""
        self._tweets += 1
        sent = message.tweet_message(
            {"id": str(message.id_at(written) + self._tweets), "text": text, "author_id": "7", "lang": "pt",
             "created_at": message.stamp(written), **data},
            None, topic, woeid, topic, collected or written + timedelta(seconds=40),
        )  # fmt: skip
        document = complete(message.tweet_document(message.decode_tweet(message.encode(sent))))
        self.database.tweets.insert_one(document)
        rollups.mark(self.database.rollup_marks, {document["collected_at"]})

    def snapshot(self, at: datetime, *names: str, woeid: int = BRAZIL) -> None:
        trends = [
            {"name": name, "rank": rank, "tweet_count": 900} for rank, name in enumerate(names, start=1)
        ]
        place = seeded.PLACES[woeid][0]
        self.database.trends.insert_one(
            {"_id": f"{woeid}:{message.stamp(at)}", "woeid": woeid, "place": place, "collected_at": at,
             "trends": trends}
        )  # fmt: skip


@pytest.fixture
def site(servers: Servers, tmp_path: Path) -> Iterator[Site]:
    site = Site(servers, tmp_path)
    yield site
    site.mongo.drop_database(site.database.name)
    site.mongo.close()
    site.users.close()


def course_of(html: str) -> dict[str, str]:
    """Return the values of the course of a day, by their time."""
    table = html[html.index('class="values"') :]
    rows = re.findall(
        r"<tr><th scope=\"row\">([^<]*)</th><td>([^<]*)</td></tr>", table[: table.index("</table>")]
    )
    return dict(rows)


# ---- one moment


@pytest.mark.parametrize(
    "path", ["/", "/history", "/topics", "/operations", "/api/places", "{cloud}", "/word?name=x"]
)
def test_head_has_the_head_of_get(site: Site, path: str) -> None:
    site.snapshot(NOON - timedelta(minutes=5), "#festa")
    cloud = seeded.cloud(site.database, NOON - timedelta(minutes=4), {"#festa": 4, "samba": 2}, 4)
    path = path.format(cloud=f"/clouds/{cloud}/light.svg")
    answer, full = site.client.head(path), site.get(path)
    assert (answer.status_code, answer.content) == (200, b"")
    assert dict(answer.headers) == dict(full.headers)


def test_what_is_of_the_future_is_not_shown_before_its_time(site: Site) -> None:
    site.snapshot(NOON - timedelta(minutes=5), "#agora")
    seeded.cloud(site.database, NOON - timedelta(minutes=4), {"agora": 4}, 4)
    seeded.trending(site.database, NOON - timedelta(minutes=1), first="#agora")
    ahead = NOON + timedelta(hours=1)
    site.snapshot(ahead, "#depois")
    later = seeded.cloud(site.database, ahead, {"depois": 4}, 4)
    seeded.trending(site.database, ahead, first="#depois")
    span = "since=2026-03-04T00:00:00Z&until=2026-03-05T00:00:00Z"
    pages = ("/", "/?kind=topics", "/topics", "/history", "/history?day=2026-03-04")
    answers = ("topics?", "trending?", "clouds/newest?", f"clouds?{span}&")
    paths = (*pages, *(f"/api/{answer}woeid={BRAZIL}" for answer in answers))
    for path in paths:
        text = site.get(path).text
        assert "depois" not in text
        assert later not in text
    site.get(f"/clouds/{later}", 404)
    site.get(f"/clouds/{later}/light.svg", 404)
    site.now = ahead + timedelta(seconds=1)
    for path in paths[:2]:
        assert "depois" in site.get(path).text
    site.get(f"/clouds/{later}/light.svg")


# ---- the course of a topic


def test_the_course_of_a_topic_is_when_people_wrote(site: Site) -> None:
    begin = datetime(2026, 3, 4, 10, tzinfo=SAO_PAULO)
    for quarter in range(8):  # evenly, and all collected in one turn; one was collected again later
        for number in range(3):
            written = begin + timedelta(minutes=15 * quarter + number)
            site.tweet("festa", written, NOON - timedelta(minutes=2, seconds=-number))
    site.snapshot(NOON - timedelta(minutes=1), "#festa")
    rollups.refresh(site.database)
    html = site.get("/topic?name=%23festa").text
    assert "24 tweets collected on this day" in html
    course = course_of(html)
    written = {at: value for at, value in course.items() if value != "0"}
    assert written == {f"Mar 4, {10 + n // 4}:{15 * (n % 4):02}": "3" for n in range(8)}


def test_the_running_quarter_of_an_hour_is_left_out_until_it_is_over(site: Site) -> None:
    site.tweet("festa", datetime(2026, 3, 4, 12, 1, tzinfo=SAO_PAULO))
    site.snapshot(NOON - timedelta(minutes=1), "#festa")
    rollups.refresh(site.database)
    course = course_of(site.get("/topic?name=%23festa").text)
    assert list(course)[-1] == "Mar 4, 11:45"
    site.now = datetime(2026, 3, 4, 12, 15, tzinfo=SAO_PAULO).astimezone(timezone.utc)
    assert course_of(site.get("/topic?name=%23festa").text)["Mar 4, 12:00"] == "1"


@pytest.mark.parametrize(("day", "hours"), [("2026-03-08", 23), ("2026-11-01", 25), ("2026-03-09", 24)])
def test_a_day_has_as_many_hours_as_its_clock_gives_it(site: Site, day: str, hours: int) -> None:
    zone = ZoneInfo("America/New_York")
    begin = datetime.fromisoformat(day).replace(tzinfo=zone).astimezone(timezone.utc)
    site.now = begin + timedelta(days=3)
    for hour in range(hours):
        site.tweet("festa", begin + timedelta(hours=hour, minutes=50))
    site.snapshot(begin, "#festa")
    rollups.refresh(site.database)
    html = site.get(f"/topic?name=%23festa&day={day}", client=site.app("America/New_York")).text
    assert f"{hours} tweets collected on this day" in html
    table = html[html.index('class="values"') :]
    values = re.findall(r"<td>(\d+)</td>", table[: table.index("</table>")])
    assert len(values) == 4 * hours
    assert sum(map(int, values)) == hours


# ---- finding


@pytest.mark.parametrize(
    ("typed", "path"),
    [
        ("#Previsão", "/topic?name=%23Previs%C3%A3o"),
        ("previsao", "/topic?name=%23Previs%C3%A3o"),
        ("#PREVISAO", "/topic?name=%23Previs%C3%A3o"),
        ("TEMPORAL", "/word?name=temporal"),
        ("temporál", "/word?name=temporal"),
        (" Sertão ", "/word?name=Sert%C3%A3o"),
        ("sertao", "/word?name=Sert%C3%A3o"),
        ("cafedamanha", "/word?name=%23Caf%C3%A9DaManh%C3%A3"),
        ("nada disso", "/topic?name=nada+disso"),
    ],
)
def test_the_box_finds_any_word_in_any_case_with_or_without_accents(
    site: Site, typed: str, path: str
) -> None:
    at = NOON - timedelta(minutes=30)
    site.snapshot(at, "#festa", "#Previsão")
    site.tweet("o temporal no Sertão #CaféDaManhã", at, topic="#Previsão")
    rollups.refresh(site.database)
    answer = site.get("/find", 303, params={"name": typed, "place": BRAZIL})
    assert answer.headers["location"].startswith(path)
    page = site.read(answer.headers["location"])
    assert ("Nothing was collected" in page) == (typed == "nada disso")


def test_a_word_has_its_tweets_its_course_and_the_words_beside_it(site: Site) -> None:
    at = datetime(2026, 3, 4, 9, 20, tzinfo=SAO_PAULO)
    site.snapshot(at, "#festa")
    site.tweet("temporal forte no centro", at)
    site.tweet("Temporal derruba árvore", at + timedelta(minutes=1))
    site.tweet("sol forte", at)
    rollups.refresh(site.database)
    html = site.get(f"/word?name=TEMPORAL&place={BRAZIL}&day=2026-03-04").text
    assert "2 tweets with it collected on this day" in html
    assert course_of(html)["Mar 4, 09:15"] == "2"
    beside = html[html.index("Words beside it") :]
    assert re.search(rf'href="/tweets\?[^"]*name=forte&amp;[^"]*place={BRAZIL}[^"]*"', beside), beside
    assert "sol" not in re.findall(r"<bdi>([^<]*)</bdi>", beside)
    assert html.count('<article class="tweet card">') == 2


# ---- history


def test_history_shows_the_day_asked_for_or_says_that_there_is_none(site: Site) -> None:
    site.snapshot(NOON, "#festa")
    days = {}
    for day in (1, 3):
        until = datetime(2026, 3, day, 20, tzinfo=SAO_PAULO)
        days[day] = seeded.cloud(site.database, until, {"samba": 3}, 3)
        seeded.cloud(site.database, until - timedelta(hours=2), {"samba": 3}, 3)
    assert f'data-cloud="{days[1]}"' in site.get("/history?day=2026-03-01").text
    # The newest of the day at a time, or else its first.
    at = site.get("/history?day=2026-03-01&at=19:00").text
    early = site.get("/history?day=2026-03-01&at=06:00").text
    first = f"{BRAZIL}:{message.stamp(datetime(2026, 3, 1, 18, tzinfo=SAO_PAULO))}:words"
    assert all(f'data-cloud="{first}"' in html for html in (at, early))
    none = site.get("/history?day=2026-03-02").text
    assert "No cloud of March 2, 2026 is kept" in none
    assert "data-cloud" not in none
    assert f'rel="prev" href="/clouds/{days[1]}"' in none
    assert 'rel="next" href="/clouds/' in none
    assert 'value="2026-03-02"' in none
    assert "data-cloud" not in site.get("/history?day=2026-03-04").text  # today has none yet
    assert "data-cloud" not in site.get("/history?day=2025-12-31").text


# ---- rising


def test_rising_is_above_the_usual_and_of_its_place_and_new_is_what_was_not_there(site: Site) -> None:
    site.snapshot(NOON, "#festa")
    site.snapshot(NOON, "#festa", woeid=RIO)
    seeded.trending(site.database, NOON - timedelta(seconds=30), first="#EmSP", hostile=False)
    seeded.trending(site.database, NOON - timedelta(seconds=30), first="#NoRio", hostile=False, woeid=RIO)
    brazil, rio = (site.get(f"/?place={woeid}").text for woeid in (BRAZIL, RIO))
    assert "#EmSP" in brazil
    assert "#EmSP" not in rio
    assert "#NoRio" in rio
    assert "ontem" not in brazil  # it was above the usual, and is so no more
    rows = re.findall(r'<bdi>([^<]*)</bdi></a></span>.*?class="times">([^<]*)<', brazil, flags=re.DOTALL)
    assert [name for name, said in rows if said == "new"] == ["#CaféDaManhã", "#feriado", "ingresso"]
    assert dict(rows)["#EmSP"] == "63\u00d7 the usual"
    # Each is a link to the tweets of the window.
    assert re.search(rf'href="/rising\?name=temporal&amp;kind=word&amp;[^"]*place={BRAZIL}"', brazil)
    assert 'href="/rising?name=%23EmSP&amp;kind=topic&amp;' in brazil


RISING = [("topic", "#festa"), ("hashtag", "#festa"), ("word", "samba"), ("follow", "#festa")]
# Windows from 12:05 in São Paulo back: whether each is kept, and authors and the usual of what is in it.
WINDOWS = st.lists(
    st.tuples(
        st.booleans(),
        st.dictionaries(st.sampled_from(RISING), st.tuples(st.integers(1, 9), st.integers(1, 9))),
    ),
    max_size=30,
)


@given(windows=WINDOWS)
@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_a_topic_or_a_word_is_said_to_have_risen_when_rising_showed_it(
    site: Site, windows: list[tuple[bool, dict[tuple[str, str], tuple[int, int]]]]
) -> None:
    site.database.trending.delete_many({})
    lake, day = Lake(site.database), datetime(2026, 3, 4, tzinfo=SAO_PAULO)
    five = timedelta(minutes=5)
    newest = NOON.replace(minute=5, second=0)
    for number, (kept, found) in enumerate(windows):
        for woeid in (BRAZIL, None) if kept else ():
            items = [
                {"kind": kind, "name": name, "authors": authors, "tweets": authors, "usual": float(usual),
                 "expected": float(usual), "score": (authors - usual) ** 2 / usual}
                for (kind, name), (authors, usual) in found.items()
                if (kind == "follow") == (woeid is None)
            ]  # fmt: skip
            put_window(site.database, woeid, newest - number * five, items)
            put_window(site.database, woeid, newest - number * five - timedelta(seconds=10), [])
    for kind, name in RISING:
        entries = None if kind in ("topic", "follow") else (name,)
        subject = Subject(
            name, BRAZIL, day, day + timedelta(days=1), entries, "follow" if kind == "follow" else None
        )
        found_then = risings(lake, subject, NOON)
        shown = []
        for number in range(-1, 40):
            at = newest - number * five
            window = lake.window(None if kind == "follow" else BRAZIL, 5, at)
            if window and window["ends_at"] == at <= NOON:
                shown += [
                    (at, item) for item in window["items"] if (item["kind"], item["name"]) == (kind, name)
                ]
        stretches = found_then.stretches if found_then else []
        assert (found_then is None) == (not any(kept for kept, _ in windows))
        told = {at for at, _ in shown}
        if found_then and not found_then.more:
            assert {at for one in stretches for at in moments(one, five)} == told
        for one in stretches:
            within = [(at, item) for at, item in shown if at in moments(one, five)]
            assert len(within) == len(moments(one, five))
            assert (one.ends_at, one.item) in within
            assert one.item["score"] == max(item["score"] for _, item in within)
            assert one.until + five not in told
            assert one.since not in told


def moments(stretch: Stretch, step: timedelta) -> list[datetime]:
    number = (stretch.until - stretch.since) // step
    return [stretch.since + (one + 1) * step for one in range(number)]


def put_window(database: Any, woeid: int | None, ends_at: datetime, items: list[dict[str, Any]]) -> None:
    database.trending.insert_one(
        {"_id": f"{woeid}:5:{message.stamp(ends_at)}", "woeid": woeid, "minutes": 5, "ends_at": ends_at,
         "computed_at": ends_at, "tweets": 9, "authors": 9, "items": items}
    )  # fmt: skip


def test_the_page_of_a_topic_leads_to_each_time_at_which_rising_showed_it(site: Site) -> None:
    site.snapshot(NOON, "#festa")
    site.tweet("#festa", NOON - timedelta(minutes=20))
    said = "No window of this day is kept"
    assert said in site.read(f"/topic?name=%23festa&place={BRAZIL}")
    for minutes in (7.5, 12.5, 62.5):
        seeded.trending(site.database, NOON - timedelta(minutes=minutes), "#festa", hostile=False)
    html = site.get(f"/topic?name=%23festa&place={BRAZIL}").text
    assert said not in html
    found = re.findall(r'href="(/rising\?name=%23festa&amp;[^"]*minutes=5[^"]*)">([^<]*)<', html)
    assert [time for _, time in found] == ["11:00 to 11:05", "11:50 to 12:00"]
    for address, _ in found:
        assert "63 people" in site.read(unescape(address))
    site.tweet("#outro", NOON - timedelta(minutes=20), topic="#outro")
    assert "It was not among what rose on this day." in site.read(f"/topic?name=%23outro&place={BRAZIL}")


# ---- operations


def operations(site: Site) -> str:
    return site.get("/operations?hours=6").text


def test_what_waits_leaves_out_the_open_minute_of_the_recorder(site: Site) -> None:
    at = NOON - timedelta(minutes=2)
    groups = {"trendlake-sink": 3, "trendlake-speed": 2, "trendlake-stats": 7000}
    site.database.ops_stats.insert_one({"at": at, "meta": {"kind": "lag"}, "groups": groups})
    site.database.ops_stats.insert_one(
        {"at": at, "meta": {"kind": "tweets"}, "tweets": 5, "languages": {}, "dead_letters": 0}
    )
    html = operations(site)
    assert re.search(r"messages waiting</dt><dd>5</dd>", html)
    assert "7,000" not in html
    assert "trendlake-stats" not in html


def test_an_old_peak_keeps_its_height_while_time_goes_on(site: Site) -> None:
    peak = NOON.replace(second=0) - timedelta(hours=2)
    site.database.ops_stats.insert_many(
        [
            {"at": peak + timedelta(minutes=n), "meta": {"kind": "tweets"}, "languages": {},
             "tweets": 900 if n in (0, 1) else 10, "dead_letters": 7 if n in (0, 1) else 0}
            for n in range(-30, 30)
        ]
    )  # fmt: skip
    seen = set()
    for minute in range(12):
        site.now = NOON + timedelta(minutes=minute)
        tables = re.findall(r'<table class="values">.*?</table>', operations(site), flags=re.DOTALL)
        numbers = [re.findall(r"<td>([\d.,]+)</td>", table) for table in tables]
        seen.add(tuple(max(float(n.replace(",", "")) for n in found) for found in numbers if found))
    assert len(seen) == 1


# ---- what is said of numbers


def test_every_number_of_a_cloud_says_how_it_was_counted(site: Site) -> None:
    site.snapshot(NOON, "#festa")
    seeded.cloud(site.database, NOON - timedelta(minutes=4), {"#festa": 40, "samba": 2}, 50)
    words, topics = site.read("/"), site.read("/?kind=topics")
    assert "50 tweets collected" in words
    assert "number of texts that hold it; retweets are not counted again" in words
    assert "Words and the texts that hold them" in words
    assert "Each topic as large as its number of tweets on X, as X says" in topics
    assert "Topics and their tweets on X" in topics
    assert "tweets collected" not in topics
    for kind, told in (("words", "in 40 texts, retweets not counted"), ("topics", "17,240 tweets on X")):
        cloud = site.database.clouds.find_one({"kind": kind})
        svg = site.get(f"/clouds/{cloud['_id']}/light.svg?page=en").text
        if kind == "words":
            assert f"<title>#festa: {told}</title>" in svg
        else:
            assert "tweets on X</title>" in svg
        assert "<desc>" not in svg


def test_a_lake_fed_by_the_local_x_api_says_so_on_every_page(site: Site) -> None:
    site.snapshot(NOON, "#festa")
    made_up = site.app(made_up=True)
    told = "The tweets here are made up"
    for path in ("/", "/history", "/topics", "/topic?name=x", "/word?name=x", "/operations"):
        assert told in site.get(path, client=made_up).text
        assert told not in site.get(path).text
    assert told in made_up.get("/nothing").text
    made_up.cookies.clear()
    assert told in made_up.get("/login").text


# ---- languages


def test_portuguese_pages_carry_portuguese_pictures(site: Site) -> None:
    site.snapshot(NOON, "#festa")
    cloud = seeded.cloud(site.database, NOON - timedelta(minutes=4), {"#festa": 40, "samba": 2}, 50)
    html = site.get("/", headers={"Accept-Language": "pt-BR"}).text
    addresses = re.findall(r'<object[^>]*data="([^"]*)"', html)
    assert len(addresses) == 4
    for address in addresses:
        svg = site.get(unescape(address)).text
        assert "<title>samba: em 2 textos, sem contar retuítes</title>" in svg
        assert not re.search(r"tweets?\b|retweets?\b", re.sub(r'href="[^"]*"', "", svg))
        # Its head is the page's: two ways to write one time would stand on one card.
        assert "Brasil" not in svg
    assert "4 de mar. de 2026 12:03 UTC-3" in html.replace("\xa0", " ") or "12:03 UTC-3" in html
    assert cloud in html


def test_a_search_that_is_not_understood_is_told_in_the_readers_language(site: Site) -> None:
    spanish = {"Accept-Language": "es"}
    wrong = site.read("/search?q=%28rio", headers=spanish)
    assert "Esto no se entiende: este ( no se cierra: escribe un ) donde termina (en el carácter 1)" in wrong
    away = site.read("/search?q=rio", headers=spanish)
    assert "Aún no hay respuesta esta página no tiene índice de búsqueda" in away
    api = site.get("/api/search?q=%28rio", 422, headers=spanish).json()
    assert "this ( is never closed" in str(api)


def test_a_picture_for_dark_surroundings_is_made_of_the_tall_one(site: Site) -> None:
    from opslib.cloud.theme import DARK, LIGHT

    cloud = seeded.cloud(site.database, NOON - timedelta(minutes=4), {"#festa": 40, "samba": 2}, 50)
    light = site.get(f"/clouds/{cloud}/tall-light.svg?page=en").text
    dark = site.get(f"/clouds/{cloud}/tall-dark.svg?page=en").text
    for theme, svg in ((LIGHT, light), (DARK, dark)):
        fills = set(re.findall(r'fill="(#[0-9a-f]{6})"', svg))
        assert fills <= {theme.background, theme.tag, theme.own, *theme.words}
    # A cloud of before there were tall ones has its wide one there.
    site.database.clouds.update_many({}, {"$unset": {"svg_tall": 1}})
    assert site.get(f"/clouds/{cloud}/tall-light.svg").text == site.get(f"/clouds/{cloud}/light.svg").text
