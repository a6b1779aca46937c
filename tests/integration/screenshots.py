"""The pictures of the page in ``docs/``: ``pytest tests/integration/screenshots.py`` takes them anew.

Not among the tests: it looks at nothing, somebody must. The lake is the one that the tests of the page have,
without what tries to be more than text.
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
from page import Page, served
from seeded import BRAZIL, trending
from test_web_browser import CHROMIUM, DESKTOP, PHONE, browser, paths, picture, state

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conftest import Servers
    from playwright.sync_api import Browser

__all__ = ["browser", "state"]
DOCS = Path(__file__).resolve().parents[2] / "docs"


@pytest.fixture(scope="module")
def page(servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    with served(servers, tmp_path_factory.mktemp("page"), hostile=False) as page:
        for minutes in (60, 65, 150):
            trending(
                page.database, page.day_begins() + timedelta(minutes=minutes), first(page), hostile=False
            )
        yield page


@pytest.mark.parametrize(
    ("name", "shown", "options"),
    [
        ("page-now", "now", DESKTOP),
        ("page-dark", "topic", {**DESKTOP, "color_scheme": "dark"}),
        ("page-operations", "operations", DESKTOP),
        ("page-compare", "compare", DESKTOP),
        ("page-tweets", "tweets", DESKTOP),
        ("page-search", "search", DESKTOP),
    ],
)
def test_desktop(
    browser: Browser, state: Any, page: Page, name: str, shown: str, options: dict[str, Any]
) -> None:
    take(browser, page, name, shown, storage_state=state, **options)


def test_phone(browser: Browser, state: Any, page: Page) -> None:
    # The density is the browser's: an emulated one does not reach the picture, whose document is sandboxed.
    phone = browser.browser_type.launch(
        executable_path=CHROMIUM,
        args=["--no-sandbox", "--force-device-scale-factor=2"],
    )
    take(
        phone, page, "page-phone", "history", PHONE["viewport"],
        no_viewport=True, storage_state=state, locale="pt-BR",
    )  # fmt: skip
    phone.close()


def first(page: Page, number: int = 0) -> str:
    """Return a topic that is trending."""
    snapshot = page.database.trends.find_one({"woeid": BRAZIL}, sort=[("collected_at", -1)])
    return str(snapshot["trends"][number]["name"])


def shown_at(page: Page) -> dict[str, str]:
    """Return where pages are, those of a day of a day that has begun some hours ago at least."""
    day = page.day()
    one, other = quote(first(page)), quote(first(page, 1))
    sides = f"a_topic={one}&a_day={day}&b_topic={other}&b_day={day}"
    return {
        **paths(page),
        "history": f"/history?day={day}",
        "topic": f"/topic?name={one}&day={day}",
        "tweets": f"/tweets?place={BRAZIL}&name={one}&day={day}&order=reach",
        "compare": f"/compare?{sides}&a_place={BRAZIL}&b_place={BRAZIL}",
        "search": f"/search?q={quote('possível OR final')}",
    }


def take(
    browser: Browser, page: Page, name: str, shown: str, size: dict[str, int] | None = None, **options: Any
) -> None:
    """Take a picture of all of the page, or of what a screen of this *size* shows first."""
    context = browser.new_context(**options)
    tab = context.new_page()
    if size is not None:
        # Windows are not made as narrow as this.
        narrow = {**size, "deviceScaleFactor": 0, "mobile": True}
        context.new_cdp_session(tab).send("Emulation.setDeviceMetricsOverride", narrow)
    tab.goto(page.url + shown_at(page)[shown])
    if shown in ("now", "history"):
        picture(tab)
    tab.wait_for_load_state("networkidle")
    tab.screenshot(path=DOCS / f"{name}.png", full_page=size is None)
    context.close()
