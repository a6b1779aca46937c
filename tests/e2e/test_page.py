"""The page of the deployed machine, over HTTPS through nginx, in Chromium: each page, live, as axe judges it.

Runs against the machine of Molecule's scenario `default`, after tweets have been collected there. What the
speed layer has written by then is not waited for: the page says so where there is nothing yet. Clouds are
waited for: each snapshot of trends brings a new one, a minute apart.
"""

from __future__ import annotations

import pytest
from axe_playwright_python.sync_playwright import Axe
from deployed import log_in, needs_machine, opened, user
from playwright.sync_api import Browser, Page, expect

# Two snapshots of trends, the picture of each, and what a loaded machine adds.
PATIENCE_MILLISECONDS = 600_000

pytestmark = needs_machine


@pytest.mark.parametrize("path", ["/", "/history", "/topics", "/operations"])
def test_each_page_is_there_and_usable_by_everybody(tab: Page, address: str, path: str) -> None:
    said = []
    tab.on("console", lambda message: said.append(message.text) if message.type == "error" else None)
    answer = tab.goto(address + path)
    assert answer is not None
    assert answer.status == 200
    expect(tab.get_by_role("heading", level=1)).to_be_visible()
    found = Axe().run(tab)
    assert found.violations_count == 0, found.generate_report()
    assert said == []


def test_a_topic_that_was_collected_has_its_words_and_tweets(tab: Page, address: str) -> None:
    tab.goto(f"{address}/topics")
    tab.locator(".topics a").first.click()
    expect(tab.locator(".plot-wide").first).to_be_visible()
    expect(tab.locator(".tweet").first).to_contain_text("View on X")


def test_now_is_live_through_nginx(tab: Page, address: str) -> None:
    tab.goto(address)
    expect(tab.locator(".live")).to_contain_text("Live")
    status = tab.evaluate("fetch(document.querySelector('[data-live]').dataset.live).then((a) => a.status)")
    assert status == 200


def test_now_shows_the_next_cloud_by_itself(tab: Page, address: str) -> None:
    tab.goto(address)
    expect(tab.locator(".live")).to_contain_text("Live")
    cloud = tab.locator(".cloud")
    shown = str(cloud.get_attribute("data-cloud", timeout=PATIENCE_MILLISECONDS))
    tab.evaluate("window.stillTheSame = true")
    expect(cloud).not_to_have_attribute("data-cloud", shown, timeout=PATIENCE_MILLISECONDS)
    assert tab.evaluate("window.stillTheSame") is True


def test_the_slider_goes_back_to_a_cloud_that_was_kept(tab: Page, address: str) -> None:
    tab.goto(f"{address}/history")
    slider, shown = tab.get_by_role("slider", name="Time of day"), tab.locator(".cloud")
    if int(slider.get_attribute("max") or 0) == 0:
        tab.locator("a[rel=prev]").click()  # shortly after midnight there is one of today
    newest = str(shown.get_attribute("data-cloud"))
    slider.focus()
    tab.keyboard.press("ArrowLeft")
    expect(shown).not_to_have_attribute("data-cloud", newest)
    earlier = str(shown.get_attribute("data-cloud"))
    assert tab.url == f"{address}/clouds/{earlier}"
    tab.reload()
    expect(shown).to_have_attribute("data-cloud", earlier)


def test_the_language_can_be_chosen(tab: Page, address: str) -> None:
    tab.goto(address)
    for button, lang, history in (("Português", "pt-BR", "Histórico"), ("English", "en", "History")):
        tab.locator(".menu summary").click()
        tab.get_by_role("button", name=button).click()
        expect(tab.locator("html")).to_have_attribute("lang", lang)
        expect(tab.get_by_role("link", name=history)).to_be_visible()


def test_guessing_a_password_is_limited(browser: Browser, address: str) -> None:
    with user() as (name, password):
        tab = opened(browser, address)
        for number in range(11):
            # The last one is right, and is not looked at any more.
            log_in(tab, name, "wrong password" if number < 10 else password)
            problem = "Too many attempts" if number == 10 else "is wrong"
            expect(tab.get_by_role("alert")).to_contain_text(problem)
        tab.context.close()
