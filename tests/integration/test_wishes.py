"""Following from the page: what an analyst clicks reaches a real Kafka, by a service that the page asks."""

from __future__ import annotations

import json
import re
import signal
from typing import TYPE_CHECKING, Any

import pytest
import services
from axe_playwright_python.sync_playwright import Axe
from collection import TOKEN, Following, X
from page import PASSWORD, Page
from playwright.sync_api import expect
from test_web_browser import DESKTOP, PHONE, browser, watched

from opslib.wishes.ask import Refused, ask

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator
    from pathlib import Path

    import requests
    from conftest import Lake
    from playwright.sync_api import Browser

__all__ = ["browser"]
QUERY = "pix OR boleto"


class Wishes:
    """The service, beside the page of the tests, with a local X."""

    def __init__(self, lake: Lake, page: Page, x: X, folder: Path) -> None:
        self._lake, self._page, self._folder = lake, page, folder
        self.url = page.url
        self.state = folder / "wishes"
        self.state.mkdir()
        lake.put("x_token", TOKEN)
        self.environment = {
            "OPSLIB_X__BASE_URL": x.url,
            "OPSLIB_WISHES__SOCKET": str(page.wishes),
            "OPSLIB_WISHES__STATE": str(self.state),
            "OPSLIB_WISHES__FOLLOW_USD_DAY": "5",
        }

    def start(self, **extra: str) -> subprocess.Popen[str]:
        before = self.log().count(": started")
        process = self._lake.start("wishes", "wishes", **{**self.environment, **extra})
        services.wait_until(
            lambda: f"the service has started:\n{self.log()}",
            lambda: self.log().count(": started") > before,
            60,
        )
        return process

    def log(self) -> str:
        path = self._lake.folder / "wishes.log"
        return path.read_text() if path.exists() else ""

    def noted(self) -> list[dict[str, Any]]:
        told = self._lake.opslib("wishes", "log", "--format", "json", **self.environment)
        return [json.loads(line) for line in told.stdout.splitlines()]

    def user(self, role: str) -> str:
        """Return a user of that role, made where there is none."""
        name = f"{role}-of-wishes"
        self._page.opslib(
            "web", "user", "add", name, "--role", role, "--password-stdin", stdin=f"{PASSWORD}\n"
        )
        return name

    def send(self, session: requests.Session, what: str, **data: str) -> requests.Response:
        found = re.search(
            r'name="form_token" value="(\w+)"', session.get(f"{self.url}/account", timeout=300).text
        )
        assert found
        form = {"form_token": found.group(1), **data}
        return session.post(f"{self.url}/follows/{what}", data=form, timeout=300, allow_redirects=False)


@pytest.fixture(scope="module")
def x(tmp_path_factory: pytest.TempPathFactory) -> Iterator[X]:
    x = X(tmp_path_factory.mktemp("x"), "--no-limits", "--rate", "0")
    x.add(*(f"alguém diz pix {n}\n" for n in range(150)))
    yield x
    x.stop()


@pytest.fixture
def following(lake: Lake, x: X, tmp_path: Path) -> Iterator[Following]:
    following = Following(lake, x, tmp_path / "budget.sqlite")
    yield following
    following.end(tmp_path)


@pytest.fixture
def wishes(lake: Lake, page: Page, x: X, tmp_path: Path) -> Wishes:
    return Wishes(lake, page, x, tmp_path)


def test_what_an_analyst_wishes_is_estimated_first_and_carried_out_once(
    wishes: Wishes, following: Following, page: Page
) -> None:
    process = wishes.start()
    session = page.session(wishes.user("analyst"))
    form = {"name": "Dinheiro", "query": QUERY, "lang": "", "usd_day": "2", "usd_total": ""}
    refused = wishes.send(session, "estimate", **{**form, "query": "pix ("})
    assert refused.status_code == 400
    assert "X does not take this query" in refused.text
    assert wishes.send(session, "add", **form).status_code == 409, "the estimate comes first"
    offer = wishes.send(session, "estimate", **form)
    assert offer.status_code == 200
    assert following.names() == []
    told = json.loads(following("x", "estimate", QUERY, "--format", "json"))
    assert f"About {round(told['posts_a_day'])} posts a day." in offer.text, "as the command says it"
    seal = re.search(r'name="seal" value="([^"]+)"', offer.text)
    assert seal
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert wishes.send(session, "add", **form, seal=seal[1]).status_code == 503
    process = wishes.start()
    assert wishes.send(session, "add", **form, seal=seal[1]).status_code == 409, "of one that was killed"
    seal = re.search(r'name="seal" value="([^"]+)"', wishes.send(session, "estimate", **form).text)
    assert seal
    for _ in range(2):
        assert wishes.send(session, "add", **form, seal=seal[1]).status_code == 303
    listed = json.loads(following("follow", "list", "--format", "json"))
    assert [(one["name"], one["query"], one["usd_day"], one["origin"]) for one in listed] == [
        ("Dinheiro", QUERY, 2.0, "command")
    ]
    assert wishes.send(session, "pause", name="Dinheiro").status_code == 303
    assert "paused" in following("follow", "show", "Dinheiro")
    following("follow", "resume", "Dinheiro")
    assert "active" in session.get(f"{page.url}/follows", timeout=300).text, "the page sees what others do"
    assert wishes.send(session, "remove", name="Dinheiro").status_code == 303
    assert following.names() == []
    noted = wishes.noted()
    assert [(one["what"], one["outcome"]) for one in noted] == [
        ("add", "done"), ("pause", "done"), ("remove", "done"),
    ]  # fmt: skip
    assert {one["user"] for one in noted} == {"analyst-of-wishes"}
    process.terminate()
    assert process.wait(60) == 0


def test_a_page_that_was_taken_over_spends_no_more_than_the_limits(
    wishes: Wishes, following: Following, page: Page
) -> None:
    wishes.start()
    theirs = {"what": "estimate", "user": "ana", "role": "operator"}
    with pytest.raises(Refused, match="more than the 5") as refused:
        ask(page.wishes, {**theirs, "follow": {"name": "Alles", "query": "a", "usd_day": 500}})
    assert refused.value.why == "limit"
    forged = {**theirs, "what": "add", "follow": {"name": "Alles", "query": "a", "usd_day": 5}, "seal": "9.x"}
    with pytest.raises(Refused) as refused:
        ask(page.wishes, forged)
    assert refused.value.why == "stale"
    with pytest.raises(Refused) as refused:
        ask(page.wishes, {**forged, "role": "viewer"})
    assert refused.value.why == "role"
    session = page.session(wishes.user("viewer"))
    for what in ("estimate", "add", "pause", "resume", "remove"):
        assert wishes.send(session, what, name="Alles", query="a", usd_day="1").status_code == 403
    assert following.names() == []
    assert wishes.noted() == []


def test_without_kafka_it_says_so_and_goes_on(wishes: Wishes, page: Page) -> None:
    closed = f'["127.0.0.1:{services.free_port()}"]'
    process = wishes.start(OPSLIB_KAFKA__BOOTSTRAP_SERVERS=closed)
    with pytest.raises(Refused, match="Kafka does not answer") as refused:
        ask(page.wishes, {"what": "list", "user": "ana"})
    assert refused.value.why == "away"
    assert process.poll() is None


@pytest.mark.parametrize(
    "options", [{**DESKTOP, "java_script_enabled": False}, {**PHONE, "color_scheme": "dark"}]
)
def test_an_analyst_follows_something_by_clicking_with_and_without_scripts(
    wishes: Wishes, following: Following, page: Page, browser: Browser, options: dict[str, Any]
) -> None:
    following("follow", "add", "prefeitura", "from:prefeitura", "--usd-day", "1", "--lang", "pt")
    wishes.start()
    context = browser.new_context(**options)
    tab = watched(context)
    tab.goto(f"{page.url}/follows")
    tab.get_by_label("User name").fill(wishes.user("analyst"))
    tab.get_by_label("Password").fill(PASSWORD)
    tab.get_by_role("button", name="Log in").click()
    expect(tab.get_by_role("heading", name="prefeitura")).to_be_visible()
    whole(tab, options)
    tab.get_by_label("Query or account").fill(QUERY)
    tab.get_by_label("Name it is shown by").fill("Dinheiro")
    tab.get_by_label("At most USD a day").fill("9")
    tab.get_by_role("button", name="What would it cost?").click()
    expect(tab.get_by_role("alert")).to_contain_text("more than the 5")
    expect(tab.get_by_label("Query or account")).to_have_value(QUERY)
    whole(tab, options)
    tab.get_by_label("At most USD a day").fill("0.5")
    tab.get_by_role("button", name="What would it cost?").click()
    expect(tab.get_by_role("heading", name="Follow Dinheiro?")).to_be_visible()
    whole(tab, options)
    assert following.names() == ["prefeitura"]
    tab.get_by_role("button", name="Follow it").click()
    expect(tab.get_by_role("status")).to_contain_text("It is followed")
    tab.get_by_role("button", name="Pause: Dinheiro").click()
    expect(tab.get_by_role("button", name="Resume: Dinheiro")).to_be_visible()
    tab.get_by_role("button", name="Remove: Dinheiro").click()
    expect(tab.get_by_role("status")).to_contain_text("followed no more")
    assert following.names() == ["prefeitura"]
    context.close()


def whole(tab: Any, options: dict[str, Any]) -> None:
    """Hold what is shown against axe, which needs scripts, and against the width of the screen."""
    if options.get("java_script_enabled", True):
        found = Axe().run(tab)
        assert found.violations_count == 0, found.generate_report()
        assert (
            tab.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") <= 0
        )
