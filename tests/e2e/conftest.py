"""A browser at the page of the deployed machine."""

from __future__ import annotations

import re
import shutil
from typing import TYPE_CHECKING

import pytest
from deployed import SCENARIO, log_in, opened, user
from playwright.sync_api import Browser, Page, expect, sync_playwright

if TYPE_CHECKING:
    from collections.abc import Iterator

# Other tests keep the machine busy.
expect.set_options(timeout=180_000)


@pytest.fixture(scope="module")
def address() -> str:
    found = re.search(r"HostName (\S+)", (SCENARIO / "ssh_config").read_text())
    assert found
    return f"https://{found.group(1)}"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium") or "/usr/bin/chromium", args=["--no-sandbox"]
        )
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def tab(browser: Browser, address: str) -> Iterator[Page]:
    with user() as (name, password):
        tab = opened(browser, address)
        log_in(tab, name, password)
        yield tab
