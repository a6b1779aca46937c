"""The page behind nginx, configured as the role web does it: its names and its limits."""

from __future__ import annotations

import http.client
import json
import re
import ssl
from contextlib import ExitStack
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import pytest
from nginx import in_front
from page import PASSWORD, USER, Page

from opslib.web.access import FORM
from opslib.web.accounts.devices import DEVICE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LONG = "a-name-that-is-longer-than.any-table-of-nginx-has.room-for.example.net"
TYPE = "application/x-www-form-urlencoded"


class Browser:
    """Asks nginx from an address of loopback, under a name, and keeps its cookies."""

    def __init__(self, page: Page, port: int, address: str = "127.0.0.1", host: str = "lake") -> None:
        self.context = ssl.create_default_context(cafile=str(page.servers.authority.ca))
        self.context.check_hostname = False  # the name asked for is what is varied here
        self.port, self.address, self.host = port, address, host
        self.cookies: dict[str, str] = {}

    def ask(self, method: str, path: str, body: str = "") -> http.client.HTTPResponse:
        connection = http.client.HTTPSConnection(
            "127.0.0.1", self.port, timeout=300, context=self.context, source_address=(self.address, 0)
        )
        cookies = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        connection.request(
            method,
            path,
            body or None,
            {"Host": self.host, "Content-Type": TYPE, "Cookie": cookies, "X-Forwarded-For": "198.51.100.1"},
        )
        answer = connection.getresponse()
        self.text = answer.read().decode()
        for cookie in answer.headers.get_all("Set-Cookie", []):
            name, _, value = cookie.partition(";")[0].partition("=")
            self.cookies[name] = value
        connection.close()
        return answer

    def log_in(self, name: str, password: str) -> http.client.HTTPResponse:
        if FORM not in self.cookies:
            assert self.ask("GET", "/login").status == 200
            self.token = re.findall(r'name="form_token" value="(\w+)"', self.text)[0]
        return self.ask(
            "POST", "/login", urlencode({"name": name, "password": password, "form_token": self.token})
        )


@pytest.fixture(scope="module")
def front(page: Page, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    folder: Path = tmp_path_factory.mktemp("nginx")
    with ExitStack() as running:
        socket = running.enter_context(page.serving("--socket", str(folder / "socket")))
        yield running.enter_context(
            in_front(
                folder, page.servers.authority, socket, inventory_hostname="lake1",
                web_names=["trends.example.net", LONG],
                ansible_facts={"hostname": "lake", "fqdn": "lake.example.org",
                               "all_ipv4_addresses": ["203.0.113.9"], "all_ipv6_addresses": []},
            )
        )  # fmt: skip


def test_it_answers_by_its_names_and_addresses_alone(page: Page, front: int) -> None:
    for host in ("lake1", "lake", "lake.example.org", "LAKE.example.org", "203.0.113.9", "127.0.0.1", "[::1]",
                 "localhost", f"localhost:{front}", "trends.example.net",
                 LONG):  # fmt: skip
        assert Browser(page, front, host=host).ask("GET", "/login").status == 200, host
    for host in ("evil.example", "lake.evil.example", "lakexexample.org", "203.0.113.90", "x203.0.113.9"):
        browser = Browser(page, front, host=host)
        answer = browser.ask("GET", "/static/page.css/")
        assert answer.status == 421, host
        assert host not in f"{answer.headers}{browser.text}"


def test_a_flood_of_attempts_from_an_address_is_answered_by_nginx(page: Page, front: int) -> None:
    flood = Browser(page, front, "127.0.0.2")
    answers = [flood.log_in("nobody", "wrong password") for _ in range(60)]
    # The page limits such attempts itself; what nginx answers has no policy of the page.
    limited = [a for a in answers if a.status == 429 and "Content-Security-Policy" not in a.headers]
    assert len(limited) > 25
    assert all(answer.headers["Retry-After"] == "10" for answer in limited)
    assert all("max-age" in answer.headers["Strict-Transport-Security"] for answer in limited)
    # Whoever only looks, from there too, is not limited.
    assert all(flood.ask("GET", "/login").status == 200 for _ in range(30))


def test_a_flood_from_many_addresses_keeps_no_known_browser_out(page: Page, front: int) -> None:
    own = Browser(page, front, "127.0.0.3")
    assert own.log_in(USER, PASSWORD).status == 303
    assert DEVICE in own.cookies
    known = {DEVICE: own.cookies[DEVICE]}
    flood = [Browser(page, front, f"127.0.1.{number}") for number in range(1, 90)]
    for browser in flood:
        browser.ask("GET", "/login")
        browser.token, browser.cookies[FORM] = "0" * 64, "x"
    statuses = [browser.log_in("nobody", "wrong password").status for browser in flood]
    assert 429 in statuses
    stranger = Browser(page, front, "127.0.0.4")
    stranger.ask("GET", "/login")
    own = Browser(page, front, "127.0.0.5")
    own.cookies.update(known)
    assert own.log_in(USER, PASSWORD).status == 303


def test_what_is_larger_than_any_form_is_refused(page: Page, front: int) -> None:
    browser = Browser(page, front, "127.0.0.6")
    assert browser.ask("POST", "/login", "x" * 100_000).status == 413


def test_the_address_of_whoever_logs_in_is_kept_and_not_what_they_claim(page: Page, front: int) -> None:
    browser = Browser(page, front, "127.0.0.7")
    assert browser.log_in(USER, "wrong password").status == 401
    listed = page.opslib("web", "user", "log", USER, "--format", "json").stdout
    last = json.loads(listed.splitlines()[-1])
    assert (last["what"], last["place"]) == ("refused", "127.0.0.7")
