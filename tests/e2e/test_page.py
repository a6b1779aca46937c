"""The page of the deployed machine, over HTTPS through nginx, in Chromium: each page, live, as axe judges it.

Runs against the machine of Molecule's scenario `default`, after tweets have been collected there. What clouds
and the speed layer have written by then is not waited for: the page says so where there is nothing yet.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect, sync_playwright

if TYPE_CHECKING:
    from collections.abc import Iterator

SCENARIO = Path(__file__).parents[2] / "out" / "molecule" / "default"
MACHINE = os.environ.get("TRENDLAKE_TEST_MACHINE", "trendlake-test")

pytestmark = pytest.mark.skipif(
    not (SCENARIO / "ssh_config").is_file(), reason="no machine: `molecule converge`"
)


def on_machine(command: str) -> str:
    done = subprocess.run(
        ["ssh", "-F", SCENARIO / "ssh_config", MACHINE, command], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{command}: {done.stderr[-1500:]}"
    return done.stdout


@pytest.fixture(scope="module")
def address() -> str:
    found = re.search(r"HostName (\S+)", (SCENARIO / "ssh_config").read_text())
    assert found
    return f"https://{found.group(1)}"


@pytest.fixture(scope="module")
def tab(address: str) -> Iterator[Page]:
    name = f"verify-{uuid.uuid4().hex[:8]}"
    password = on_machine(f"opslib web user add {name} --random").strip()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium") or "/usr/bin/chromium", args=["--no-sandbox"]
        )
        # That the certificate is the authority's is a test of its own, by a client that can be told it.
        context = browser.new_context(ignore_https_errors=True)
        tab = context.new_page()
        tab.goto(address)
        tab.get_by_label("User name").fill(name)
        tab.get_by_label("Password").fill(password)
        tab.get_by_role("button", name="Log in").click()
        yield tab
        browser.close()
    on_machine(f"opslib web user disable {name}")


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
