"""Ten questions of an analyst, on the deployed machine: each answered at most three pages from Now.

By mouse, on a phone, in the dark by keyboard alone, and without scripts. What the answer has to be is in its
words: how the numbers on it are counted has tests of its own on seeded data. bin/test asks each in two
of these ways, ``pytest tests/e2e/test_questions.py`` in all of them.
"""

from __future__ import annotations

import functools
import re
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Callable

import pytest
from axe_playwright_python.sync_playwright import Axe
from deployed import log_in, needs_machine, user
from playwright.sync_api import Browser, Locator, Page, expect

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = needs_machine

# The first cloud of a new machine, and what a loaded one adds.
PATIENCE_SECONDS = 900

DESKTOP = {"viewport": {"width": 1440, "height": 900}}
PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
WAYS: dict[str, dict[str, Any]] = {
    "mouse": DESKTOP,
    "phone": PHONE,
    "dark, by keyboard": {**DESKTOP, "color_scheme": "dark"},
    "without scripts": {**DESKTOP, "java_script_enabled": False},
}


@dataclass
class Analyst:
    """Somebody with a browser, who counts the pages that an answer takes."""

    tab: Page
    address: str
    keyboard: bool
    scripts: bool
    pages: int = 0

    def starts(self) -> None:
        self.tab.goto(self.address)
        self.pages = 0

    def _uses(self, control: Locator) -> None:
        if self.keyboard:
            control.focus()
            self.tab.keyboard.press("Enter")
        else:
            control.click()

    def turns_to(self, control: Locator) -> None:
        """Take a link or a button that leads to the next page."""
        self.pages += 1
        with self.tab.expect_navigation():
            self._uses(control)

    def opens(self, summary: Locator) -> None:
        """Open what a summary stands for; a wide window has opened some already."""
        if not summary.evaluate("summary => summary.parentElement.open"):
            self._uses(summary)

    def goes_to(self, section: str) -> None:
        self.turns_to(self.tab.get_by_role("navigation").first.get_by_role("link", name=section))

    def heading(self, text: str | re.Pattern[str]) -> Locator:
        return self.tab.get_by_role("heading", name=text)

    def takes_the_first_topic(self) -> str:
        self.goes_to("Topics")
        link = self.tab.locator(".topics a").first
        name = link.inner_text()
        self.turns_to(link)
        expect(self.tab.get_by_role("heading", level=1)).to_contain_text(name)
        return name

    def takes_the_first_word(self) -> tuple[str, int]:
        self.opens(self.tab.locator("details.counts summary"))
        row = self.tab.locator("details.counts tbody tr").first
        number = int(re.sub(r"\D", "", row.locator("td").inner_text()))
        name = row.locator("a").inner_text()
        self.turns_to(row.locator("a"))
        return name, number

    def searches(self, query: str) -> None:
        self.goes_to("Search")
        self.tab.get_by_label("What is looked for").fill(query)
        self.turns_to(self.tab.get_by_role("button", name="Search"))


@pytest.fixture(scope="module")
def analysts(browser: Browser, address: str) -> Iterator[Callable[[str], Analyst]]:
    """Return who asks in a way, logged in once for all questions."""
    with user() as (name, password):
        yield functools.cache(lambda way: begun(browser, address, way, name, password))


def begun(browser: Browser, address: str, way: str, name: str, password: str) -> Analyst:
    tab = browser.new_context(ignore_https_errors=True, **WAYS[way]).new_page()
    tab.goto(address)
    log_in(tab, name, password)
    expect(tab.get_by_role("heading", level=1)).to_be_visible()
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not tab.locator("figure.cloud").count() and time.monotonic() < deadline:
        time.sleep(2)
        tab.reload()
    return Analyst(tab, address, keyboard="keyboard" in way, scripts="scripts" not in way)


def what_is_talked_about_now(analyst: Analyst) -> None:
    expect(analyst.tab.locator("figure.cloud .picture:visible").first).to_be_visible()
    expect(analyst.tab.locator("figure.cloud figcaption")).to_contain_text("tweets")


def what_changed_since_yesterday(analyst: Analyst) -> None:
    name = analyst.takes_the_first_topic()
    analyst.turns_to(analyst.tab.get_by_role("link", name="Compare with the day before"))
    sides = [analyst.tab.locator(f"#{side}_topic") for side in "ab"]
    for side in sides:
        expect(side).to_have_value(name)
    days = [analyst.tab.locator(f"#{side}_day").input_value() for side in "ab"]
    assert days[0] != days[1]


def what_is_said_of_my_brand(analyst: Analyst) -> None:
    words = analyst.tab.request.get(f"{analyst.address}/api/words?limit=1").json()["words"]
    brand = words[0]["word"]
    analyst.searches(f'"{brand}"')
    expect(analyst.tab.locator(".lead")).to_contain_text(re.compile(r"\d"))
    expect(analyst.tab.locator(".tweet .text").first).to_contain_text(
        re.compile(re.escape(brand), re.IGNORECASE)
    )


def which_tweets_are_behind_this_word(analyst: Analyst) -> None:
    name, number = analyst.takes_the_first_word()
    expect(analyst.tab.get_by_role("heading", level=1)).to_contain_text(name)
    said = analyst.tab.locator(".lead").inner_text()
    assert int(re.findall(r"[\d,]+", said)[0].replace(",", "")) == number
    expect(analyst.tab.locator(".tweet .text").first).to_be_visible()


def how_do_two_topics_differ(analyst: Analyst) -> None:
    names = analyst.tab.locator(".chips a").all_inner_texts()[:2]
    analyst.goes_to("Compare")
    for side, name in zip("ab", names):
        analyst.tab.locator(f"#{side}_topic").fill(name)
    analyst.turns_to(analyst.tab.locator(".sides-form button"))
    for number, name in enumerate(names, start=1):
        expect(analyst.tab.locator(f"#more-{number}")).to_contain_text(name)
    expect(analyst.tab.locator("table.differences").first).to_be_visible()


def who_talks(analyst: Analyst) -> None:
    analyst.takes_the_first_topic()
    expect(analyst.heading("Who talks")).to_be_visible()


def what_is_stored_in_one_language(analyst: Analyst) -> None:
    analyst.searches("-nobodywrotethis")
    everything = analyst.tab.locator(".lead").inner_text()
    assert int(re.sub(r"\D", "", everything)) > 0
    analyst.turns_to(analyst.tab.locator("section[aria-labelledby=languages] a").first)
    assert "lang:" in analyst.tab.locator("#q").input_value()
    expect(analyst.tab.locator(".tweet").first).to_be_visible()


def what_was_said_when_it_peaked(analyst: Analyst) -> None:
    analyst.takes_the_first_topic()
    analyst.turns_to(analyst.tab.get_by_role("link", name="What was said then"))
    told = analyst.tab.locator(".lead").inner_text()
    assert int(re.sub(r"\D", "", told)) > 0
    expect(analyst.tab.locator(".tweet").first).to_be_visible()


def which_words_go_with_it(analyst: Analyst) -> None:
    analyst.takes_the_first_topic()
    word = analyst.tab.locator("section[aria-labelledby=words] tr a").first
    name = word.inner_text()
    analyst.turns_to(word)
    expect(analyst.tab.get_by_role("heading", level=1)).to_contain_text(name)
    expect(analyst.tab.locator(".tweet").first).to_be_visible()


def how_is_this_counted(analyst: Analyst) -> None:
    analyst.takes_the_first_word()
    analyst.opens(analyst.tab.locator("details.explained summary"))
    analyst.turns_to(analyst.tab.locator("details.explained a"))
    expect(analyst.tab.locator("#words")).to_be_visible()


QUESTIONS = [
    what_is_talked_about_now,
    what_changed_since_yesterday,
    what_is_said_of_my_brand,
    which_tweets_are_behind_this_word,
    how_do_two_topics_differ,
    who_talks,
    what_is_stored_in_one_language,
    what_was_said_when_it_peaked,
    which_words_go_with_it,
    how_is_this_counted,
]


# Every second of the pairs is what bin/test has.
PAIRS = [
    pytest.param(
        way, question, id=f"{way}-{question.__name__}", marks=[pytest.mark.long] * ((row + column) % 2)
    )
    for row, way in enumerate(WAYS)
    for column, question in enumerate(QUESTIONS)
]


@pytest.mark.parametrize(("way", "question"), PAIRS)
def test_it_is_answered_in_three_steps(
    analysts: Callable[[str], Analyst], way: str, question: Callable[[Analyst], None]
) -> None:
    analyst = analysts(way)
    analyst.starts()
    question(analyst)
    assert analyst.pages <= 3
    if analyst.scripts:
        found = Axe().run(analyst.tab)
        assert found.violations_count == 0, found.generate_report()
