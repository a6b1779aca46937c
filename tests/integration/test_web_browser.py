"""The page in Debian's Chromium, as people use it: by mouse and keyboard, with and without scripts."""

from __future__ import annotations

import re
import shutil
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
import seeded
from axe_playwright_python.sync_playwright import Axe
from page import PASSWORD, USER, Page
from playwright.sync_api import Browser, BrowserContext, Frame, expect, sync_playwright
from playwright.sync_api import Page as Tab
from seeded import BRAZIL, HOSTILE, RIO, now

from opslib.cloud.theme import DARK, LIGHT, Theme

if TYPE_CHECKING:
    from collections.abc import Iterator

# What is waited for comes at once on a machine that has nothing else to do.
expect.set_options(timeout=60_000)
CHROMIUM = shutil.which("chromium") or "/usr/bin/chromium"
DESKTOP: dict[str, Any] = {"viewport": {"width": 1440, "height": 900}}
# A place of a word that no other word lies over: small ones stand between the letters of large ones. Nor
# within two pixels of it, as the pointer comes to stand between them.
FREE = """(text) => {
  const box = text.getBoundingClientRect();
  const near = [-2, 0, 2];
  const isText = (x, y) => document.elementFromPoint(box.x + x, box.y + y)?.closest('text') === text;
  for (let y = 3; y < box.height; y += 2) {
    for (let x = 3; x < box.width; x += 2) {
      if (near.every((across) => near.every((down) => isText(x + across, y + down)))) return { x, y };
    }
  }
}"""
PHONE: dict[str, Any] = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}


def paths(page: Page) -> dict[str, str]:
    topic = page.database.trends.find_one({"woeid": BRAZIL}, sort=[("collected_at", -1)])["trends"][0]["name"]
    return {
        "now": "/",
        "empty": f"/?place={RIO}",
        "history": "/history",
        "topics": "/topics",
        "topic": f"/topic?name={quote(topic)}",
        "hostile": f"/topic?place={BRAZIL}&name={quote(HOSTILE[0])}",
        "search": "/search?q=-naodita&order=reach",
        "search without": "/search?q=%28rio",
        "operations": "/operations",
        "tweets": f"/tweets?place={BRAZIL}&name={quote(topic)}&order=reach",
        "none": f"/tweets?place={BRAZIL}&name=nothing",
        "rising": f"/rising?place={BRAZIL}&kind=topic&minutes=60&name={quote(topic)}",
        "compare": f"/compare?a_place={BRAZIL}&b_place={BRAZIL}",
        "about": "/about",
        "hidden": "/hidden",
        "account": "/account",
        "follows": "/follows",
        "missing": "/nothing",
    }


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        # Its sandbox cannot be had by root, who the tests run as.
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def state(browser: Browser, page: Page) -> Any:
    """Log in once, by the form, and keep the cookies for the other tests."""
    context = browser.new_context(**DESKTOP)
    tab = context.new_page()
    tab.goto(page.url + "/operations")
    expect(tab.get_by_label("User name")).to_be_focused()
    tab.keyboard.type(USER)
    tab.keyboard.press("Tab")
    tab.keyboard.type(PASSWORD)
    tab.keyboard.press("Enter")
    expect(tab.get_by_role("heading", name="How it is running")).to_be_visible()
    state = context.storage_state()
    context.close()
    return state


@pytest.fixture
def tab(browser: Browser, state: Any) -> Iterator[Tab]:
    context = browser.new_context(**DESKTOP, storage_state=state)
    yield watched(context)
    context.close()


def watched(context: BrowserContext) -> Tab:
    """Return a tab in which a script that fails, or that the policy stops, fails the test."""
    tab = context.new_page()

    def fail(text: str) -> None:
        raise AssertionError(text)

    tab.on("pageerror", lambda error: fail(str(error)))
    tab.on("console", lambda said: fail(said.text) if "Content Security Policy" in said.text else None)
    return tab


@pytest.mark.parametrize(
    ("device", "scheme"),
    [
        ("desktop", "light"),
        ("phone", "dark"),
        pytest.param("desktop", "dark", marks=pytest.mark.long),
        pytest.param("phone", "light", marks=pytest.mark.long),
    ],
)
def test_axe_finds_nothing_and_nothing_is_wider_than_the_screen(
    browser: Browser, state: Any, page: Page, device: str, scheme: str
) -> None:
    options = DESKTOP if device == "desktop" else PHONE
    context = browser.new_context(**options, storage_state=state, color_scheme=scheme)
    tab = watched(context)
    for name, path in paths(page).items():
        tab.goto(page.url + path)
        tab.evaluate("document.querySelectorAll('details').forEach((details) => { details.open = true })")
        found = Axe().run(tab)
        assert found.violations_count == 0, f"{name}: {found.generate_report()}"
        wide = tab.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert wide <= 0, name
    context.close()
    context = browser.new_context(**options, color_scheme=scheme)
    tab = watched(context)
    tab.goto(page.url + "/login")
    assert Axe().run(tab).violations_count == 0
    context.close()


def test_now_follows_what_is_new_without_being_loaded_again(tab: Tab, page: Page) -> None:
    tab.clock.install()
    tab.goto(f"{page.url}/?place={BRAZIL}")
    expect(tab.locator(".live")).to_contain_text("Live")
    tab.evaluate("window.stillTheSame = true")
    tab.locator(".rising ol").get_by_role("link", name="#Carnaval").focus()
    tab.evaluate("document.querySelector('.picture object').untouched = true")
    chosen = "getSelection().toString()"
    tab.evaluate("getSelection().selectAllChildren(document.querySelector('.cloud figcaption strong'))")
    selected = tab.evaluate(chosen)
    later = now()
    seeded.trending(page.database, later, first="#Novidade")
    tab.clock.run_for(11_000)
    expect(tab.locator(".rising")).to_contain_text("#Novidade")
    # What has not changed is left alone: the picture does not blink, and what is selected stays so.
    assert tab.evaluate("document.querySelector('.picture object').untouched") is True
    assert tab.evaluate(chosen) == selected != ""
    cloud_id = seeded.cloud(page.database, later, {"#Novo": 9, "agora": 4}, 9)
    tab.clock.run_for(11_000)
    expect(tab.locator(f"[data-cloud='{cloud_id}']")).to_be_visible()
    expect(tab.locator(".rising")).to_contain_text("#Novidade")
    expect(tab.locator(".counts")).to_have_attribute("open", "")
    assert tab.evaluate("window.stillTheSame") is True
    assert tab.evaluate("document.activeElement.closest('.rising') !== null")
    page.database.clouds.delete_many({"until": later})
    page.database.trending.delete_many({"ends_at": {"$gt": page.until}})


def test_a_lost_connection_is_told_and_found_again(tab: Tab, page: Page) -> None:
    tab.clock.install()
    tab.goto(f"{page.url}/?place={BRAZIL}")
    expect(tab.locator(".live")).to_be_visible()  # the first answer has come, and the next turn is set
    expect(tab.locator(".live")).to_contain_text("Live")
    tab.context.set_offline(True)
    tab.clock.run_for(11_000)
    expect(tab.locator(".live")).to_contain_text("No connection")
    tab.context.set_offline(False)
    tab.clock.run_for(11_000)
    expect(tab.locator(".live")).to_contain_text("Live")


def test_the_slider_goes_through_the_day_by_keyboard(tab: Tab, page: Page) -> None:
    clouds = list(page.database.clouds.find({"woeid": BRAZIL, "kind": "words"}, {"until": 1}))
    newest = max(clouds, key=lambda cloud: cloud["until"])
    tab.goto(f"{page.url}/clouds/{newest['_id']}")
    before = tab.locator("a[rel=prev]").get_attribute("href")
    if int(tab.locator("#slider").get_attribute("max") or 0) == 0:
        tab.goto(page.url + str(before))  # shortly after midnight there is one of today
    shown = tab.locator(".cloud").get_attribute("data-cloud")
    slider = tab.get_by_role("slider", name="Time of day")
    slider.focus()
    tab.keyboard.press("ArrowLeft")
    expect(tab.locator(".cloud")).not_to_have_attribute("data-cloud", str(shown))
    now = tab.locator(".cloud").get_attribute("data-cloud")
    expect(tab.locator(".moments [aria-current]")).to_have_attribute("data-id", str(now))
    time = tab.locator(".moments [aria-current]").inner_text()
    expect(slider).to_have_attribute("aria-valuetext", time)
    assert tab.url.endswith(f"/clouds/{now}")
    tab.keyboard.press("End")
    expect(tab.locator(".cloud")).to_have_attribute("data-cloud", str(shown))
    tab.reload()
    expect(tab.locator(".cloud")).to_have_attribute("data-cloud", str(shown))


def test_the_language_and_the_colours_can_be_chosen(tab: Tab, page: Page) -> None:
    tab.goto(page.url + "/topics")
    tab.locator(".menu summary").click()
    tab.get_by_role("button", name="Português").click()
    expect(tab.get_by_role("heading", level=1)).to_contain_text("Assuntos do momento")
    assert tab.locator("html").get_attribute("lang") == "pt-BR"
    light = tab.evaluate("getComputedStyle(document.body).backgroundColor")
    tab.locator(".menu summary").click()
    tab.get_by_role("button", name="Escuro").click()
    expect(tab.locator("html")).to_have_attribute("data-theme", "dark")
    assert tab.evaluate("getComputedStyle(document.body).backgroundColor") != light
    tab.goto(page.url + "/")
    assert str(tab.locator(".cloud .wide object").get_attribute("data")).endswith("/dark.svg?page=pt")


def picture(tab: Tab) -> Frame:
    """Return the document of the picture that can be seen."""
    shown = tab.locator(".cloud object:visible")
    expect(shown).to_have_count(1)
    address = str(shown.get_attribute("data"))
    frame = next(frame for frame in tab.frames if frame.url.endswith(address))
    frame.wait_for_selector("g > text")
    return frame


@pytest.mark.parametrize("scripts", [True, False])
@pytest.mark.parametrize(("scheme", "theme"), [("light", LIGHT), ("dark", DARK)])
def test_pointing_at_a_word_of_the_page_tells_its_count(
    browser: Browser, state: Any, page: Page, scheme: Any, theme: Theme, scripts: bool
) -> None:
    context = browser.new_context(
        **DESKTOP, storage_state=state, color_scheme=scheme, java_script_enabled=scripts
    )
    tab = watched(context)
    tab.goto(page.url + "/")
    shown = picture(tab)
    assert shown.url.endswith(f"/{theme.name}.svg?page=en")
    assert shown.locator("rect").first.get_attribute("fill") == theme.background
    newest = page.database.clouds.find_one({"kind": "words"}, sort=[("until", -1)])
    for number in (0, len(newest["words"]) - 1):
        word = newest["words"][number]
        text = shown.locator("g > text").nth(number)
        # Playwright takes what lies under a link in a text of SVG for what is hit; the browser does not.
        text.hover(position=text.evaluate(FREE), force=True)
        told = shown.locator("g > text:hover > title").text_content()
        texts = f"{word['tweets']:,} text{'s' * (word['tweets'] != 1)}"
        assert told == f"{word['word']}: in {texts}, retweets not counted"
    context.close()


def test_the_picture_fills_its_frame_and_the_keyboard_passes_it_by(tab: Tab, page: Page) -> None:
    for size in (DESKTOP, PHONE):
        tab.set_viewport_size(size["viewport"])
        tab.goto(page.url + "/")
        shown = picture(tab)
        assert shown.evaluate("innerWidth") == shown.evaluate(
            "Math.round(document.documentElement.getBoundingClientRect().width)"
        )
        assert shown.evaluate(
            "[scrollX, scrollY].join() === '0,0' && document.documentElement.scrollHeight <= innerHeight"
        )
    tab.locator(".controls a").last.focus()
    tab.keyboard.press("Tab")
    expect(tab.get_by_role("link", name="Permanent link")).to_be_focused()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_shows_words_that_can_be_read(browser: Browser, state: Any, page: Page, scheme: Any) -> None:
    context = browser.new_context(**PHONE, storage_state=state, color_scheme=scheme)
    tab = watched(context)
    tab.goto(f"{page.url}/?place={BRAZIL}")
    shown = picture(tab)
    assert shown.url.endswith(f"/tall-{scheme}.svg?page=en")
    sizes = shown.evaluate(
        "[...document.querySelectorAll('g > text')].map("
        "(word) => parseFloat(getComputedStyle(word).fontSize) * word.getScreenCTM().a)"
    )
    assert len(sizes) >= 10
    assert min(abs(size) for size in sizes if size) >= 9
    context.close()


def test_words_in_tables_and_rising_lead_to_what_is_said_with_them(tab: Tab, page: Page) -> None:
    tab.goto(f"{page.url}/?place={BRAZIL}")
    for part in (".counts", ".rising"):
        assert tab.locator(f"{part} bdi").count() == tab.locator(f"{part} a bdi").count() > 0
    word = tab.locator(".counts a bdi").first
    name = word.inner_text()
    word.click()
    expect(tab.get_by_role("heading", level=1)).to_contain_text(name)
    expect(tab.locator(".lead")).to_contain_text("Counted in")
    assert tab.locator("article.tweet").count() > 0
    tab.get_by_role("link", name=f"All about {name} on this day").click()
    expect(tab.locator(".lead")).to_contain_text("collected on this day")


@pytest.mark.parametrize("scripts", [True, False])
@pytest.mark.parametrize("device", ["desktop", "phone"])
def test_a_word_of_the_picture_leads_to_its_tweets(
    browser: Browser, state: Any, page: Page, device: str, scripts: bool
) -> None:
    options = DESKTOP if device == "desktop" else PHONE
    context = browser.new_context(**options, storage_state=state, java_script_enabled=scripts)
    tab = watched(context)
    tab.goto(f"{page.url}/?place={BRAZIL}")
    text = picture(tab).locator("g > text").first
    name = str(text.locator("a").text_content())
    if device == "phone":
        text.tap(position=text.evaluate(FREE), force=True)
    else:
        text.click(position=text.evaluate(FREE), force=True)
    tab.wait_for_url("**/tweets?**")
    expect(tab.get_by_role("heading", level=1)).to_contain_text(name)
    expect(tab.locator(".lead")).to_contain_text("Counted in")
    context.close()


def test_a_bar_of_a_search_narrows_it_by_pointer_and_by_keyboard(tab: Tab, page: Page) -> None:
    address = f"{page.url}/search?q=lang%3Apt&place={BRAZIL}"
    tab.goto(address)
    bar = tab.locator("svg.plot-wide a").first
    number = (bar.get_attribute("aria-label") or "").rpartition(": ")[2]
    found = re.compile(rf"^{number} tweets?$")
    bar.locator(".bar").click(force=True)
    expect(tab.locator("p.lead")).to_have_text(found)
    tab.goto(address)
    tab.locator(".plot-figure summary").focus()
    tab.keyboard.press("Enter")
    expect(tab.locator(".plot-figure tbody a").first).to_be_visible()
    # Over the region that the table can be scrolled in, to its first row.
    tab.keyboard.press("Tab")
    tab.keyboard.press("Tab")
    tab.keyboard.press("Enter")
    expect(tab.locator("p.lead")).to_have_text(found)


def test_the_keyboard_gets_from_a_cloud_to_the_tweets_of_a_word(tab: Tab, page: Page) -> None:
    tab.goto(f"{page.url}/?place={BRAZIL}")
    tab.locator(".counts tbody a").first.focus()
    tab.keyboard.press("Enter")
    expect(tab.locator(".lead")).to_contain_text("Counted in")
    tab.get_by_text("How is this counted?").first.focus()
    tab.keyboard.press("Enter")
    expect(tab.get_by_text("Spellings:")).to_be_visible()


@pytest.mark.parametrize("device", ["desktop", "phone"])
def test_two_clouds_have_each_word_in_the_same_place(
    browser: Browser, state: Any, page: Page, device: str
) -> None:
    context = browser.new_context(**(DESKTOP if device == "desktop" else PHONE), storage_state=state)
    tab = watched(context)
    tab.goto(page.url + paths(page)["compare"])
    places = tab.evaluate(
        """[...document.querySelectorAll('.both-clouds')].map((cloud) => {
          const whole = cloud.getBoundingClientRect();
          return Object.fromEntries([...cloud.children].map((item) => {
            const box = item.getBoundingClientRect();
            const colour = item.querySelector('a')?.className.match(/tone-\\w+/)[0];
            return [item.dataset.word, [box.x - whole.x, box.y - whole.y, box.width, colour]];
          }));
        })"""
    )
    assert len(places) == 2
    assert len(places[0]) > 10
    for word, (x, y, width, colour) in places[0].items():
        other = places[1][word]
        assert max(abs(x - other[0]), abs(y - other[1]), abs(width - other[2])) < 1, word
        assert None in (colour, other[3]) or colour == other[3], word
    context.close()


def test_a_browser_that_shows_no_objects_has_the_picture_with_its_text(tab: Tab, page: Page) -> None:
    tab.route("**/light.svg?page=en", lambda route: route.fulfill(status=404))
    tab.goto(page.url + "/")
    image = tab.locator(".cloud .wide").get_by_role("img", name="Word cloud of Brasil").locator("img")
    expect(image).to_be_visible()
    expect(image).to_have_js_property("naturalWidth", 800)


def test_everything_needed_is_there_without_scripts(browser: Browser, page: Page) -> None:
    context = browser.new_context(**PHONE, java_script_enabled=False)
    tab = context.new_page()
    tab.goto(page.url + "/")
    tab.get_by_label("User name").fill(USER)
    tab.get_by_label("Password").fill(PASSWORD)
    tab.get_by_role("button", name="Log in").click()
    expect(tab.get_by_role("link", name="Refresh")).to_be_visible()
    tab.get_by_label("Place").select_option(label="Rio de Janeiro")
    tab.get_by_role("button", name="Show").click()
    expect(tab.locator("main")).to_contain_text("There is no cloud yet")
    tab.get_by_role("link", name="History").click()
    expect(tab.get_by_role("slider")).to_be_hidden()
    tab.locator(".moments a").first.click()
    expect(tab.locator(".cloud")).to_be_visible()
    tab.locator(".menu summary").click()
    tab.get_by_role("button", name="Log out").click()
    expect(tab.get_by_role("button", name="Log in")).to_be_visible()
    context.close()


def test_tweets_and_topics_cannot_run_anything(tab: Tab, page: Page) -> None:
    asked: list[str] = []
    tab.on("request", lambda request: asked.append(request.url))
    tab.on("dialog", lambda dialog: pytest.fail(dialog.message))
    for path in (paths(page)["hostile"], f"/?place={BRAZIL}", f"/topics?place={BRAZIL}"):
        tab.goto(page.url + path)
        assert "owned" not in tab.title() or "<script>" in tab.title()
        assert (
            tab.evaluate("document.querySelectorAll('main script, main [onerror], img[src=x]').length") == 0
        )
    expect(tab.locator(".topics").first).to_be_visible()
    # Each tweet has its links, and none that is not one of X's or the web's.
    tab.goto(page.url + paths(page)["hostile"])
    links = tab.locator(".tweet a").evaluate_all("(links) => links.map((link) => link.protocol)")
    assert set(links) == {"https:"}
    assert all(url.startswith(page.url) for url in asked)


@pytest.mark.parametrize("alone", [True, False])
def test_a_picture_runs_and_fetches_nothing_in_the_page_or_by_itself(
    tab: Tab, page: Page, alone: bool
) -> None:
    cloud = page.database.clouds.find_one({"kind": "words"}, sort=[("until", -1)])
    harmful = (
        cloud["svg"]
        .replace(
            b"<g ",
            b"<script>document.documentElement.id='owned'; top.document.title='owned'</script>"
            b"<image href='https://x.invalid/i.png' onerror=\"document.documentElement.id='owned'\"/>"
            b"<style>@import url(https://x.invalid/s.css); g { filter: url(https://x.invalid/b#f) }</style>"
            b"<g ",
        )
        .replace(
            b"</g>",
            b"<a href='https://x.invalid/' target='_top'><text x='600' y='40' id='away'>away</text></a></g>",
        )
    )
    page.database.clouds.update_one({"_id": cloud["_id"]}, {"$set": {"svg": harmful, "rendered_at": now()}})
    tab, asked = tab.context.new_page(), []  # one in which what the policy stops is no failure
    tab.on("requestfinished", lambda request: asked.append(request.url))
    tab.goto(f"{page.url}/clouds/{cloud['_id']}" + ("/light.svg" if alone else ""))
    shown = tab.main_frame if alone else picture(tab)
    assert shown.locator("g > text title").first.text_content()
    assert shown.evaluate("document.documentElement.id") != "owned"
    assert "owned" not in tab.title()
    if not alone:
        shown.locator("#away").click(no_wait_after=True)
        expect(tab.get_by_role("heading", level=1)).to_be_visible()
        assert tab.url == f"{page.url}/clouds/{cloud['_id']}"
    assert [url for url in asked if not url.startswith(page.url)] == []
    page.database.clouds.replace_one({"_id": cloud["_id"]}, cloud)


def test_guessing_a_password_is_limited(browser: Browser, page: Page) -> None:
    page.opslib("web", "user", "add", "eva", "--password-stdin", stdin=f"{PASSWORD}\n")
    context = browser.new_context(**DESKTOP, locale="pt-BR")
    tab = watched(context)
    tab.goto(page.url + "/login")
    for number in range(11):
        tab.get_by_label("Usuário").fill("eva")
        tab.get_by_label("Senha").fill("wrong password" if number < 10 else PASSWORD)
        tab.get_by_role("button", name="Entrar").click()
        problem = "Usuário ou senha incorretos." if number < 10 else "Muitas tentativas."
        expect(tab.get_by_role("alert")).to_contain_text(problem)
    context.close()
