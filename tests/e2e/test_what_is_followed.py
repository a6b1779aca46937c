"""What is followed, on the deployed machine: said there, collected by NiFi, shown, counted and forgotten.

Runs after everything that counts what was collected for trends. What is expected is counted here from the
file of tweets, without opslib.
"""

from __future__ import annotations

import html
import json
import re
import time
from typing import TYPE_CHECKING, Any, Callable

import pytest
from axe_playwright_python.sync_playwright import Axe
from deployed import TWEETS, in_mongodb, log_in, needs_machine, on_machine, opened, user
from playwright.sync_api import Browser, Page, expect

if TYPE_CHECKING:
    from collections.abc import Iterator

NAME = "Minha casa"
WORD = "casa"
OF_IT = {"$elemMatch": {"kind": "follow", "name": NAME}}
# A follow reaches NiFi within a minute, and statistics are of minutes that are over.
PATIENCE_SECONDS = 900

pytestmark = [
    pytest.mark.skipif(not TWEETS.is_file(), reason="the real tweets are not part of the project"),
    needs_machine,
]


def after_a_while(ask: Callable[[], Any], wanted: Callable[[Any], bool]) -> Any:
    """Return what *ask* says once it is *wanted*, or in the end."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not wanted(found := ask()) and time.monotonic() < deadline:
        time.sleep(2)
    return found


def stored() -> list[int]:
    """The ids of its tweets."""
    found: list[int] = in_mongodb(
        f"[d['_id'] for d in db.tweets.find({{'topics': {OF_IT!r}}}, {{'_id': 1}})]"
    )
    return found


def reported() -> int:
    found = json.loads(on_machine(f"opslib report --topic {NAME!r} --hours 1d --format json"))
    return int(found["tweets"])


@pytest.fixture(scope="module")
def number() -> Iterator[int]:
    """Follow it for a while; return how many of the tweets match."""
    lines = TWEETS.read_text(encoding="utf-8").splitlines()
    words = [re.findall(r"\w+", html.unescape(line).casefold()) for line in lines]
    # Of a cap each minute of the day has its share, which is to be enough for all of them at any hour.
    on_machine(f"opslib follow add {NAME!r} {WORD} --lang pt --usd-day 500")
    yield sum(WORD in line for line in words)
    on_machine(f"opslib follow remove {NAME!r}")


def test_an_analyst_follows_something_on_the_page_and_a_viewer_only_looks(
    browser: Browser, tab: Page, address: str
) -> None:
    # First of all: what is followed below may cost more than the page lets all of it cost.
    def followed() -> dict[str, Any]:
        return {one["name"]: one for one in json.loads(on_machine("opslib follow list --format json"))}

    tab.goto(f"{address}/follows")
    expect(tab.locator("main")).to_contain_text("Your role is viewer")
    assert tab.locator("main form").count() == 0
    with user("analyst") as (name, password):
        mine = opened(browser, address)
        log_in(mine, name, password)
        mine.goto(f"{address}/follows")
        mine.get_by_label("Query or account").fill("novela")
        mine.get_by_label("Name it is shown by").fill("As novelas")
        mine.get_by_label("At most USD a day").fill("0.5")
        mine.get_by_role("button", name="What would it cost?").click()
        expect(mine.get_by_role("heading", name="Follow As novelas?")).to_be_visible()
        assert "As novelas" not in followed()
        mine.get_by_role("button", name="Follow it").click()
        expect(mine.get_by_role("status")).to_be_visible()
        assert followed()["As novelas"]["usd_day"] == 0.5
        mine.get_by_role("button", name="Remove: As novelas").click()
        expect(mine.get_by_role("status")).to_be_visible()
        assert "As novelas" not in followed()


def test_its_tweets_are_collected_whether_they_trend_or_not(number: int) -> None:
    assert number > 10
    assert len(after_a_while(stored, lambda ids: len(ids) >= number)) == number
    # Numbers of a page and of reports are those of minutes that are over and counted.
    assert after_a_while(reported, lambda found: found == number) == number


def test_the_page_shows_it_as_it_shows_a_trend(number: int, tab: Page, address: str) -> None:
    for path in ("/", "/topics"):
        tab.goto(address + path)
        expect(tab.get_by_role("link", name=NAME).first).to_be_visible()
    tab.get_by_role("link", name=NAME).first.click()
    expect(tab.get_by_role("heading", level=1)).to_contain_text(NAME)
    expect(tab.locator(".plot-wide").first).to_be_visible()
    expect(tab.locator(".tweet").first).to_contain_text("View on X")
    found = Axe().run(tab)
    assert found.violations_count == 0, found.generate_report()
    words = f"/api/words?topic={NAME}&kind=follow&limit=5"
    counted = after_a_while(
        lambda: tab.evaluate("path => fetch(path).then((answer) => answer.json())", words),
        lambda answer: answer["tweets"] == number,
    )
    assert counted["tweets"] == number


def test_reports_and_statistics_have_it(number: int) -> None:
    assert reported() == number

    def counted() -> int:
        stats = json.loads(on_machine("opslib stats --last 1h --format json"))
        return int(stats["spans"]["1h"]["sources"].get(f"follow {NAME}", 0))

    assert after_a_while(counted, lambda found: found >= number) >= number


def test_a_tweet_of_it_can_be_forgotten(number: int, tab: Page, address: str) -> None:
    gone = stored()[0]
    on_machine(f"opslib forget {gone} --why 'a test' --yes")
    assert gone not in stored()
    # Word counts follow within seconds.
    assert after_a_while(reported, lambda found: found == number - 1) == number - 1
    tab.goto(f"{address}/follow?name={NAME}")
    assert str(gone) not in tab.content()
