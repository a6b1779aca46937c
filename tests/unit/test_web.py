"""The page without its server: messages, moments, plots, tweets, users, and what the gate lets through."""

from __future__ import annotations

import ipaddress
import json
import re
import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from xml.etree import ElementTree as ET
from zoneinfo import ZoneInfo

import argon2
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from starlette.testclient import TestClient

from opslib.cli import main
from opslib.metrics import Web
from opslib.web.access import FORM, SESSION
from opslib.web.accounts.devices import DEVICE, KEPT_SECONDS, Devices
from opslib.web.accounts.hashing import PLACES_OF_KNOWN, PLACES_OF_STRANGERS, TooBusy
from opslib.web.accounts.users import (
    ATTEMPT_SECONDS,
    ATTEMPTS_OF_NETWORK,
    ATTEMPTS_OF_STRANGERS,
    ATTEMPTS_OF_USER,
    EVENT_SECONDS,
    BadUser,
    NotSaved,
    Search,
    TooManyAttempts,
    Users,
    network_of,
)
from opslib.web.answers.tweets import parts, shown
from opslib.web.app import create
from opslib.web.plots import Plot, Series, binned, nice_ceiling, nice_duration, time_ticks
from opslib.web.render import plain, rise
from opslib.web.viewer import Viewer

if TYPE_CHECKING:
    from collections.abc import Iterator

WEB = Path(__file__).resolve().parents[2] / "opslib" / "web"
SAO_PAULO = ZoneInfo("America/Sao_Paulo")
NOON = datetime(2026, 3, 1, 15, 0, tzinfo=timezone.utc)
PASSWORD = "correct horse battery"
COLLECTED = ("{n} tweet collected", "{n} tweets collected")


# ---- messages and moments


@pytest.mark.parametrize(
    ("cookies", "header", "language"),
    [
        ({}, "", "en"),
        ({}, "pt-BR,pt;q=0.9,en;q=0.8", "pt"),
        ({}, "fr, en;q=0.5, pt;q=0.9", "pt"),
        ({}, "es-MX,es;q=0.9,en;q=0.8", "es"),
        ({}, "de", "en"),
        ({}, "pt;q=nonsense,;;", "pt"),
        ({"language": "en"}, "pt-BR", "en"),
        ({"language": "<b>"}, "pt", "pt"),
    ],
)
def test_the_language_is_the_chosen_one_or_the_browsers(
    cookies: dict[str, str], header: str, language: str
) -> None:
    assert Viewer.of(cookies, header, NOON).language == language


def test_numbers_and_moments_are_written_for_the_reader() -> None:
    english, portuguese = Viewer("en", "auto", NOON), Viewer("pt", "auto", NOON)
    assert english.number(1234567) == "1,234,567"
    assert portuguese.number(1234567) == "1.234.567"
    assert portuguese.number(16.5) == "16,5"
    assert english.ngettext(*COLLECTED, 1) == "1 tweet collected"
    assert portuguese.ngettext(*COLLECTED, 2000) == "2.000 tuítes coletados"
    assert portuguese.ago(NOON - timedelta(minutes=3)) == "há 3 minutos"
    assert english.ago(NOON + timedelta(minutes=3)) == "1 second ago"  # another host's clock is ahead
    assert [english.duration(s) for s in (0.42, 90, 7200, 200_000)] == ["0.4 s", "1.5 min", "2 h", "2.3 d"]
    assert portuguese.money(2.5) == "US$ 2,50"


def test_dates_are_written_as_each_language_writes_them() -> None:
    english, portuguese = Viewer("en", "auto", NOON), Viewer("pt", "auto", NOON)
    later = NOON + timedelta(hours=1)
    assert english.moment(NOON, SAO_PAULO) == "Mar 1, 2026, 12:00"
    assert portuguese.moment(NOON, SAO_PAULO) == "1 de mar. de 2026 12:00"
    assert english.span(NOON, later, SAO_PAULO) == "Mar 1, 2026, 12:00 to 13:00 UTC-3"
    assert portuguese.span(NOON, later, SAO_PAULO) == "1 de mar. de 2026 12:00 a 13:00 UTC-3"
    assert portuguese.day(NOON, SAO_PAULO) == "1 de março de 2026"
    assert portuguese.written(NOON, SAO_PAULO, "EHm") == "dom., 12:00"


def test_a_span_over_a_change_of_the_clock_names_both_zones() -> None:
    new_york = ZoneInfo("America/New_York")
    since = datetime(2026, 3, 8, 6, tzinfo=timezone.utc)  # one o'clock; an hour later it is three
    told = Viewer("en", "auto", NOON).span(since, since + timedelta(hours=2), new_york)
    assert told == "Mar 8, 2026, 01:00 UTC-5 to 04:00 UTC-4"


@pytest.mark.parametrize(
    ("code", "name"), [("pt", "Portuguese"), ("in", "Indonesian"), ("und", "unknown"), ("qme", "unknown")]
)
def test_languages_have_names(code: str, name: str) -> None:
    assert Viewer("en", "auto", NOON).language_name(code) == name


def test_a_language_that_nobody_knows_is_shown_as_it_is() -> None:
    assert Viewer("en", "auto", NOON).language_name("<script>") == "<script>"


@pytest.mark.parametrize(
    ("usual", "expected", "told"),
    [
        (0, 1.0, "new"),
        (None, 4.0, "3\u00d7 the usual"),  # there was no window before it, so nobody knows what is new
        (8.0, 8.0, "1.5\u00d7 the usual"),
        (0.1, 1.0, "over 100\u00d7 the usual"),
    ],
)
def test_new_is_what_was_not_there_and_not_what_nobody_looked_for(
    usual: float | None, expected: float, told: str
) -> None:
    assert rise(Viewer("en", "auto", NOON), {"authors": 12, "usual": usual, "expected": expected}) == told


def test_names_do_not_turn_what_is_read() -> None:
    assert plain("\u202emoc.elgoog\u2066") == "moc.elgoog"
    assert plain("שלום עالم") == "שלום عالم"[0:5] + "עالم"


# ---- plots


def drawn(*series: Series, **options: Any) -> str:
    plot = Plot(
        "a <title> & more", series, NOON, NOON + timedelta(hours=6), SAO_PAULO, str, lambda at: f"{at:%H:%M}",
        **options,
    )  # fmt: skip
    return str(plot.svg("wide"))


def test_a_plot_is_xml_with_its_line_broken_where_nothing_is_known() -> None:
    at = [NOON + timedelta(hours=n) for n in range(6)]
    svg = drawn(Series("x", list(zip(at, [1.0, 2.0, None, 3.0, 4.0, None]))))
    root = ET.fromstring(svg)  # noqa: S314
    assert root.get("aria-label") == "a <title> & more"
    assert [path.get("class") for path in root.iter("path")] == ["line series-0", "line series-0"]


def test_small_ranks_are_at_the_top() -> None:
    at = [NOON, NOON + timedelta(hours=1)]
    root = ET.fromstring(drawn(Series("rank", list(zip(at, [1.0, 8.0]))), upside_down=True))  # noqa: S314
    (path,) = root.iter("path")
    first, second = [float(pair.split(" ")[1]) for pair in path.get("d", "")[1:].split("L")]
    assert first < second


def test_bars_of_nothing_are_not_drawn() -> None:
    at = [NOON, NOON + timedelta(hours=1), NOON + timedelta(hours=2)]
    root = ET.fromstring(drawn(Series("n", list(zip(at, [0.0, 5.0, None]))), style="bars"))  # noqa: S314
    assert len(list(root.iter("rect"))) == 1


def test_bars_that_lead_somewhere_are_links() -> None:
    at = [NOON, NOON + timedelta(hours=1), NOON + timedelta(hours=2)]
    leads = {at[0]: "/search?q=a&place=1", at[2]: "/nowhere"}
    series = Series("n", list(zip(at, [3.0, 5.0, 0.0])))
    root = ET.fromstring(drawn(series, style="bars", leads=leads))  # noqa: S314
    (link,) = root.iter("a")
    assert link.get("href") == "/search?q=a&place=1"
    assert link.get("aria-label") == "15:00: 3.0"
    # The keyboard has them in the table of values.
    assert link.get("tabindex") == "-1"
    # What is called an image has nothing in it that could be followed.
    assert root.get("role") == "group"


def test_values_are_put_together_by_time() -> None:
    points = [(NOON, 1.0), (NOON + timedelta(minutes=4), 2.0), (NOON + timedelta(minutes=11), 5.0)]
    end = NOON + timedelta(minutes=15)
    assert binned(points, NOON, end, timedelta(minutes=5)) == [
        (NOON, 3.0),
        (NOON + timedelta(minutes=5), None),
        (NOON + timedelta(minutes=10), 5.0),
    ]


def test_axes_end_at_round_values() -> None:
    assert [nice_ceiling(v) for v in (0, 0.3, 1, 7, 12, 130, 2001)] == [1, 0.5, 1, 10, 20, 200, 2500]
    assert [nice_duration(v) for v in (0.3, 3, 50, 84, 4000)] == [0.5, 4, 60, 120, 7200]


def test_ticks_are_round_hours_of_the_place_even_when_its_clock_changes() -> None:
    new_york = ZoneInfo("America/New_York")
    since = datetime(2026, 3, 8, 5, tzinfo=timezone.utc)  # midnight; at two it is three
    ticks = time_ticks(since, since + timedelta(hours=23), new_york, 8)
    assert [at.astimezone(new_york).hour for at in ticks] == [0, 3, 6, 9, 12, 15, 18, 21, 0]


# ---- tweets


def test_a_tweet_links_to_x_and_its_text_is_all_there() -> None:
    text = "RT? não, @ana viu #Enem & $TEST em https://t.co/abc hoje <3"
    tweet = shown(
        {
            "_id": 1900000000000000001,
            "text": text,
            "author": {"id": "7", "username": "bruna", "name": "Bruna"},
            "entities": {"urls": [{"url": "https://t.co/abc", "display_url": "x.com/a"}]},
        }
    )
    assert tweet.href == "https://x.com/bruna/status/1900000000000000001"
    assert tweet.author_href == "https://x.com/bruna"
    links = {part.text: part.href for part in tweet.parts if part.href}
    assert links == {
        "@ana": "https://x.com/ana",
        "#Enem": "https://x.com/hashtag/Enem",
        "$TEST": "https://x.com/search?q=%24TEST",
        "x.com/a": "https://t.co/abc",
    }
    assert "".join(part.text for part in tweet.parts) == text.replace("https://t.co/abc", "x.com/a")


@pytest.mark.parametrize("username", ["a/../b", "javascript:1", '"><b>', "a" * 21, None, 5])
def test_a_username_that_is_none_leads_nowhere_else(username: Any) -> None:
    tweet = shown({"_id": 12, "text": "x", "author": {"id": "7", "username": username}})
    assert tweet.href == "https://x.com/i/status/12"
    assert tweet.author_href == "https://x.com/i/user/7"


def test_only_web_addresses_become_links() -> None:
    text = "javascript:alert(1) data:text/html,x \u202ehttps://evil.example"
    assert all(part.href is None or part.href.startswith("https://") for part in parts(text, None))
    entities = {"urls": [{"url": "javascript:alert(1)", "display_url": "x"}, "no", {"url": 5}]}
    assert "".join(part.text for part in parts(text, entities)) == text


# ---- users


class Clock:
    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def users(tmp_path: Path, clock: Clock) -> Iterator[Users]:
    cheap = argon2.PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)
    users = Users(tmp_path / "users.sqlite", 3600, clock, cheap)
    yield users
    users.close()


def test_only_the_right_password_of_an_enabled_user_begins_a_session(users: Users) -> None:
    users.add("ana", PASSWORD)
    assert users.log_in("ana", "wrong password", "1.2.3.4") is None
    assert users.log_in("bob", PASSWORD, "1.2.3.4") is None
    token = users.log_in("ana", PASSWORD, "1.2.3.4")
    assert token
    assert users.user_of(token) == "ana"
    assert users.user_of(token + "x") is None
    users.log_out(token)
    assert users.user_of(token) is None
    with pytest.raises(BadUser, match="already"):
        users.add("ana", PASSWORD)


def test_the_file_has_neither_password_nor_token_and_is_the_services_alone(
    users: Users, tmp_path: Path
) -> None:
    users.add("ana", PASSWORD)
    token = users.log_in("ana", PASSWORD, "1.2.3.4")
    assert token
    content = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert PASSWORD.encode() not in content
    assert token.encode() not in content
    assert (tmp_path / "users.sqlite").stat().st_mode & 0o077 == 0


def test_sessions_end_unused_and_when_user_or_password_change(users: Users, clock: Clock) -> None:
    users.add("ana", PASSWORD)
    first = users.log_in("ana", PASSWORD, "a") or ""
    for _ in range(4):
        clock.now += 3000  # looked at often enough
        assert users.user_of(first) == "ana"
    clock.now += 3601
    assert users.user_of(first) is None
    second = users.log_in("ana", PASSWORD, "a") or ""
    users.set_password("ana", "another password")
    assert users.user_of(second) is None
    third = users.log_in("ana", "another password", "a") or ""
    users.disable("ana")
    assert users.user_of(third) is None
    assert users.log_in("ana", "another password", "a") is None
    users.set_password("ana", PASSWORD)
    assert users.log_in("ana", PASSWORD, "a")


def test_a_session_that_is_always_used_ends_after_two_weeks(users: Users, clock: Clock) -> None:
    users.add("ana", PASSWORD)
    token = users.log_in("ana", PASSWORD, "a") or ""
    for _ in range(14 * 24 * 2 - 1):
        clock.now += 1800
        assert users.user_of(token) == "ana"
    clock.now += 1801
    assert users.user_of(token) is None


def test_attempts_are_limited_by_name_and_network(users: Users, clock: Clock) -> None:
    users.add("ana", PASSWORD)
    for number in range(ATTEMPTS_OF_USER):
        assert users.log_in("ana", "wrong password", f"2001:db8:0:1{number:02x}::{number}") is None
    with pytest.raises(TooManyAttempts) as limited:
        users.log_in("ana", PASSWORD, "2001:db8:0:1ff::1")
    assert 0 < limited.value.seconds <= ATTEMPT_SECONDS + 1
    # From elsewhere she can, and there she is not locked out by others.
    assert users.log_in("ana", PASSWORD, "2001:db8:0:200::1")
    assert users.log_in("ana", PASSWORD, "10.0.0.1")
    clock.now += limited.value.seconds
    assert users.log_in("ana", PASSWORD, "2001:db8:0:1ff::1")


def test_attempts_are_limited_by_network_whatever_the_name(users: Users) -> None:
    users.add("ana", PASSWORD)
    for number in range(ATTEMPTS_OF_NETWORK):
        assert users.log_in(f"user{number}", "wrong password", "10.0.0.1") is None
    with pytest.raises(TooManyAttempts):
        users.log_in("ana", PASSWORD, "10.0.0.1")
    assert users.log_in("ana", PASSWORD, "10.0.0.2")


def test_many_networks_together_guess_no_more_than_a_bound_and_lock_no_known_browser_out(
    users: Users,
) -> None:
    users.add("ana", PASSWORD)
    for number in range(ATTEMPTS_OF_STRANGERS):
        assert users.log_in("ana", "wrong password", f"10.0.{number}.1") is None
    with pytest.raises(TooManyAttempts):
        users.log_in("ana", PASSWORD, "10.1.0.1")
    assert users.log_in("ana", PASSWORD, "10.1.0.1", "her browser")


def test_a_known_browser_from_which_somebody_guesses_is_a_strangers(users: Users) -> None:
    users.add("ana", PASSWORD)
    for _ in range(ATTEMPTS_OF_USER):
        assert users.log_in("ana", "wrong password", "10.0.0.1", "stolen") is None
    with pytest.raises(TooManyAttempts):
        users.log_in("ana", PASSWORD, "10.0.0.1", "stolen")
    assert users.log_in("ana", PASSWORD, "10.0.0.1", "her browser")


@given(st.ip_addresses(v=6), st.integers(0, 2**72 - 1))
def test_a_network_of_ipv6_is_counted_as_one_by_its_56_bits(
    address: ipaddress.IPv6Address, rest: int
) -> None:
    if address.ipv4_mapped:
        return
    neighbour = ipaddress.IPv6Address((int(address) >> 72 << 72) | rest)
    other = ipaddress.IPv6Address(int(address) ^ (1 << 72))
    assert neighbour.ipv4_mapped or network_of(str(neighbour)) == network_of(str(address))
    assert other.ipv4_mapped or network_of(str(other)) != network_of(str(address))


def test_an_address_of_ipv4_is_itself_however_it_is_written() -> None:
    assert network_of("203.0.113.9") == network_of("::ffff:203.0.113.9") == "203.0.113.9"
    assert network_of("x" * 500) == "x" * 64


def test_a_cookie_of_a_browser_is_for_its_user_and_for_a_year() -> None:
    devices = Devices(b"a key of the tests")
    cookie = devices.cookie("ana", 1000.0)
    identity = devices.known(cookie, "ana", 1000.0)
    assert identity
    assert devices.known(cookie, "ana", 1000.0 + KEPT_SECONDS) == identity
    assert devices.known(devices.cookie("ana", 1000.0), "ana", 1000.0) != identity
    for other, name, now in (
        (cookie, "bob", 1000.0), (cookie, "ana", 1001.0 + KEPT_SECONDS), (cookie[:-1], "ana", 1000.0),
        ("x" + cookie, "ana", 1000.0), ("", "ana", 1000.0), ("a.b.c", "ana", 1000.0), ("é.1.x", "ana", 1.0),
    ):  # fmt: skip
        assert devices.known(other, name, now) == ""
    assert Devices(b"another key").known(cookie, "ana", 1000.0) == ""


class Slow(argon2.PasswordHasher):
    """Does not come to an end until it is told to."""

    def __init__(self) -> None:
        super().__init__(time_cost=1, memory_cost=64, parallelism=1)
        self.begun, self.end = threading.Semaphore(0), threading.Event()

    def verify(self, known: str | bytes, password: str | bytes) -> Literal[True]:
        self.begun.release()
        assert self.end.wait(60)
        return super().verify(known, password)


class Counting(argon2.PasswordHasher):
    """Counts what is compared, and with hashes of which parameters."""

    verified = 0

    def verify(self, known: str | bytes, password: str | bytes) -> Literal[True]:
        self.verified += 1
        self.parameters = {*getattr(self, "parameters", ()), repr(argon2.extract_parameters(str(known)))}
        return super().verify(known, password)


def test_few_wait_for_hashes_and_whoever_comes_beyond_is_sent_away_at_once(
    tmp_path: Path, clock: Clock
) -> None:
    slow = Slow()
    users = Users(tmp_path / "users.sqlite", 3600, clock, slow)
    users.add("ana", PASSWORD)
    with ThreadPoolExecutor(20) as pool:
        waiting = [
            pool.submit(users.log_in, "ana", PASSWORD, f"10.0.0.{number}", device)
            for device, places in (("", PLACES_OF_STRANGERS), ("hers", PLACES_OF_KNOWN))
            for number in range(places)
        ]
        assert slow.begun.acquire(timeout=60)
        # However long it takes until all wait, another is either sent away or one of them is.
        beyond = [pool.submit(users.log_in, "ana", PASSWORD, "10.0.1.1") for _ in range(5)]
        assert not slow.begun.acquire(blocking=False), "two hashes are made at a time"
        busy = [future for future in beyond if isinstance(future.exception(60), TooBusy)]
        assert busy
        slow.end.set()
        outcomes = [future.exception(60) for future in waiting]
    assert sum(outcome is None for outcome in outcomes) >= PLACES_OF_KNOWN
    users.close()


def test_who_is_no_user_takes_as_much_work_as_a_wrong_password(tmp_path: Path, clock: Clock) -> None:
    hasher = Counting(time_cost=1, memory_cost=64, parallelism=1)
    users = Users(tmp_path / "users.sqlite", 3600, clock, hasher)
    for name in ("ana", "disabled", "removed"):
        users.add(name, PASSWORD)
    users.disable("disabled")
    users.remove("removed")
    for name in ("ana", "disabled", "removed", "nobody", ""):
        before = hasher.verified
        assert users.log_in(name, "wrong password", "10.0.0.1") is None
        assert hasher.verified == before + 1, name
    assert len(hasher.parameters) == 1
    users.close()


@pytest.mark.slow
def test_what_a_command_changes_is_told_to_syslog_with_who_did_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines: list[str] = []
    monkeypatch.setattr("syslog.syslog", lambda _level, text: lines.append(text))
    monkeypatch.setattr("opslib.cli.web._as_owner", lambda _: None)  # which is for the whole process
    monkeypatch.setenv("OPSLIB_WEB__STATE", str(tmp_path))
    monkeypatch.setenv("SUDO_USER", "maria")
    runner = CliRunner()
    for call in (
        "add ana --random",
        "role ana analyst",
        "password ana --random",
        "disable ana",
        "remove ana",
    ):
        called = runner.invoke(main, ["web", "user", *call.split()])
        assert called.exit_code == 0, called.output
    done = ["added as viewer", "made analyst", "given a password", "disabled", "removed"]
    assert [line.split(" maria@")[0] for line in lines] == [f"{what}: user ana, by" for what in done]
    listed = runner.invoke(main, ["web", "user", "log", "--format", "json"]).stdout
    entries = [json.loads(line) for line in listed.splitlines()]
    assert [(entry["what"], entry["name"]) for entry in entries] == [(what, "ana") for what in done]
    assert all(entry["place"].startswith("maria@") for entry in entries)


def test_logins_and_changes_leave_a_line_and_an_entry(
    users: Users, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "opslib.web.accounts.users")
    users.add("ana", PASSWORD)
    users.set_role("ana", "analyst")
    token = users.log_in("ana", PASSWORD, "203.0.113.9") or ""
    assert users.log_in("ana", "wrong password", "203.0.113.9") is None
    assert users.log_in(PASSWORD, PASSWORD, "2001:db8::1") is None
    users.log_out(token, "203.0.113.9")
    users.set_password("ana", PASSWORD)
    users.disable("ana")
    users.remove("ana")
    noted = [(event.what, event.name, event.place) for event in users.events()]
    assert noted == [
        ("added as viewer", "ana", ""),
        ("made analyst", "ana", ""),
        ("logged in", "ana", "203.0.113.9"),
        ("refused", "ana", "203.0.113.9"),
        ("refused", "", "2001:db8::1"),
        ("logged out", "ana", "203.0.113.9"),
        ("given a password", "ana", ""),
        ("disabled", "ana", ""),
        ("removed", "ana", ""),
    ]
    assert "logged in: user ana, from 203.0.113.9" in caplog.messages
    assert "refused: an unknown user, from 2001:db8::1" in caplog.messages
    assert len(caplog.messages) == len(noted)
    assert PASSWORD not in caplog.text
    assert [event.name for event in users.events("ana")] == ["ana"] * 8
    clock.now += EVENT_SECONDS
    assert users.events() == []


def test_what_was_typed_for_a_name_is_kept_nowhere(users: Users, tmp_path: Path) -> None:
    users.add("ana", PASSWORD)
    users.log_in("ana", "wrong password", "10.0.0.1")
    users.log_in("typed into the wrong field", "wrong password", "10.0.0.1")
    users.close()
    with sqlite3.connect(tmp_path / "users.sqlite") as file:
        dump = "\n".join(file.iterdump())
    assert "'ana'" in dump
    assert "wrong" not in dump


def test_entries_are_gone_after_90_days(users: Users, clock: Clock, tmp_path: Path) -> None:
    users.log_in("ana", "wrong password", "10.0.0.1")
    clock.now += EVENT_SECONDS
    users.log_in("ana", "wrong password", "10.0.0.2")
    with sqlite3.connect(tmp_path / "users.sqlite") as file:
        assert file.execute("SELECT place FROM events").fetchall() == [("10.0.0.2",)]


def test_entries_are_no_more_than_fit(users: Users, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("opslib.web.accounts.users.MOST_EVENTS", 5)
    for number in range(9):
        users.log_in(f"user{number}", "wrong password", f"10.0.0.{number}")
    assert [event.place for event in users.events()] == [f"10.0.0.{number}" for number in range(4, 9)]


def test_what_is_not_tried_is_told_once_a_minute(
    users: Users, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    for number in range(ATTEMPTS_OF_NETWORK):
        users.log_in(f"user{number}", "wrong password", "10.0.0.1")
    for _ in range(500):
        with pytest.raises(TooManyAttempts):
            users.log_in("ana", PASSWORD, "10.0.0.1")
    told = [line for line in caplog.messages if "not tried" in line]
    assert told == ["attempts to log in not tried: 1 TooManyAttempts; the last one from 10.0.0.1"]
    assert len(users.events()) == ATTEMPTS_OF_NETWORK
    clock.now += 61
    with pytest.raises(TooManyAttempts):
        users.log_in("ana", PASSWORD, "10.0.0.1")
    assert "500 TooManyAttempts" in caplog.messages[-1]


def test_who_says_their_password_gets_another_one_and_their_other_sessions_end(users: Users) -> None:
    users.add("ana", PASSWORD)
    other = users.log_in("ana", PASSWORD, "::1")
    assert other
    assert users.change_password("ana", "not the password", "another one", "::1") is None
    assert users.user_of(other) == "ana"
    with pytest.raises(BadUser):
        users.change_password("ana", PASSWORD, "short", "::1")
    token = users.change_password("ana", PASSWORD, "another password", "::1")
    assert token
    assert users.user_of(token) == "ana"
    assert users.user_of(other) is None
    assert users.log_in("ana", PASSWORD, "::1") is None
    assert users.log_in("ana", "another password", "::1")
    assert "changed the password" in [event.what for event in users.events("ana")]


def test_a_password_cannot_be_guessed_where_it_is_changed(users: Users) -> None:
    users.add("ana", PASSWORD)
    for _ in range(ATTEMPTS_OF_USER):
        assert users.change_password("ana", "not the password", "another password", "::1") is None
    with pytest.raises(TooManyAttempts):
        users.change_password("ana", PASSWORD, "another password", "::1")


def test_each_user_has_searches_of_their_own_until_they_are_removed(users: Users) -> None:
    users.add("ana", PASSWORD)
    users.add("rui", PASSWORD)
    users.save_search("ana", Search(" Rio  2026 ", "rio since:2026-01-01", newest=False, place=455825))
    users.save_search("ana", Search("Bahia", "bahia"))
    users.save_search("rui", Search("Bahia", "bahia -salvador"))
    users.save_search("ana", Search("Bahia", "bahia OR salvador"))
    assert users.searches("ana") == [
        Search("Bahia", "bahia OR salvador"),
        Search("Rio 2026", "rio since:2026-01-01", newest=False, place=455825),
    ]
    users.remove_search("ana", "Bahia")
    users.remove_search("ana", "no such search")
    assert users.searches("rui") == [Search("Bahia", "bahia -salvador")]
    users.remove("ana")
    users.add("ana", PASSWORD)
    assert users.searches("ana") == []


def test_searches_have_titles_and_are_not_without_number(
    users: Users, monkeypatch: pytest.MonkeyPatch
) -> None:
    users.add("ana", PASSWORD)
    monkeypatch.setattr("opslib.web.accounts.users.MOST_SEARCHES", 2)
    for title in (" ", "x" * 81):
        with pytest.raises(NotSaved):
            users.save_search("ana", Search(title, "rio"))
    users.save_search("ana", Search("a", "rio"))
    users.save_search("ana", Search("b", "rio"))
    users.save_search("ana", Search("b", "bahia"))
    with pytest.raises(NotSaved, match="2 searches are the most"):
        users.save_search("ana", Search("c", "rio"))


def test_whoever_is_removed_is_out_at_once(users: Users) -> None:
    users.add("ana", PASSWORD)
    token = users.log_in("ana", PASSWORD, "a") or ""
    users.remove("ana")
    assert users.user_of(token) is None
    assert users.log_in("ana", PASSWORD, "a") is None
    assert users.all() == []
    with pytest.raises(BadUser, match="no user"):
        users.remove("ana")
    users.add("ana", "another password")
    assert users.user_of(token) is None


def test_a_file_of_before_keeps_its_users(tmp_path: Path, clock: Clock) -> None:
    cheap = argon2.PasswordHasher(time_cost=1, memory_cost=64, parallelism=4)
    path = tmp_path / "users.sqlite"
    with sqlite3.connect(path) as before:
        before.executescript(
            "CREATE TABLE users (name TEXT PRIMARY KEY, hash TEXT NOT NULL,"
            " enabled INTEGER NOT NULL DEFAULT 1, created REAL NOT NULL, last_login REAL);"
            "CREATE TABLE failures (name TEXT NOT NULL, address TEXT NOT NULL, at REAL NOT NULL);"
            "INSERT INTO failures VALUES ('ana maria', '10.0.0.1', 999999);"
        )
        values = ("ana maria", cheap.hash(PASSWORD))
        before.execute("INSERT INTO users (name, hash, created) VALUES (?, ?, 1)", values)
    users = Users(path, 3600, clock, argon2.PasswordHasher(time_cost=1, memory_cost=64, parallelism=1))
    # Her name would not be given today.
    assert users.log_in("ana maria", PASSWORD, "10.0.0.1")
    assert users.log_in("ana maria", PASSWORD, "10.0.0.1")
    assert [(user.name, user.role) for user in users.all()] == [("ana maria", "viewer")]
    users.set_role("ana maria", "analyst")
    users.close()
    users = Users(path, 3600, clock)
    assert users.role_of("ana maria") == "analyst", "what it was given is kept"
    users.close()
    with sqlite3.connect(path) as after:
        assert "p=1" in after.execute("SELECT hash FROM users").fetchone()[0]


@pytest.mark.parametrize(
    ("name", "password"), [("", PASSWORD), (" ana", PASSWORD), ("a\nb", PASSWORD), ("ana", "short"),
                           ("n" * 65, PASSWORD), ("ana", "x" * 1025), ("a b", PASSWORD), ("-x", PASSWORD),
                           ("a;b", PASSWORD), ("a\u202eb", PASSWORD), ("e\u0301", PASSWORD),
                           ("BOB", PASSWORD), ("\uff42ob", PASSWORD)]
)  # fmt: skip
def test_users_have_a_name_of_their_own_that_is_plain_and_a_password_of_some_length(
    users: Users, name: str, password: str
) -> None:
    users.add("bob", PASSWORD)
    users.add("joão.silva+lago@example.org", PASSWORD)
    with pytest.raises(BadUser):
        users.add(name, password)


# ---- the gate


class NoLake:
    """What is not asked while nobody is logged in."""


@pytest.fixture
def metrics() -> Web:
    return Web()


@pytest.fixture
def client(users: Users, metrics: Web) -> TestClient:
    users.add("ana", PASSWORD)
    app = create(NoLake(), users, b"a key of the tests", metrics)  # type: ignore[arg-type]
    return TestClient(app, base_url="https://page.test", follow_redirects=False)


def token_in(html: str) -> str:
    found = re.search(r'name="form_token" value="([0-9a-f]+)"', html)
    assert found
    return found.group(1)


def log_in(client: TestClient, password: str = PASSWORD, next_page: str = "/", **headers: str) -> Any:
    token = token_in(client.get("/login").text)
    data = {"name": "ana", "password": password, "next": next_page, "form_token": token}
    return client.post("/login", data=data, headers=headers)


@pytest.mark.parametrize(
    "path", ["/", "/history", "/topics", "/topic?name=x", "/operations", "/clouds/x", "/clouds/x/light.svg"]
)
def test_nobody_sees_a_page_before_logging_in(client: TestClient, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 303
    assert answer.headers["location"].startswith("/login?next=/")


@pytest.mark.parametrize(
    "path", ["/api/clouds?woeid=1", "/api/openapi.json", "/api/stats", "/live/now", "/api/none"]
)
def test_programs_are_told_to_log_in(client: TestClient, path: str) -> None:
    answer = client.get(path)
    assert (answer.status_code, answer.json()) == (401, {"detail": "log in first"})


def test_logging_in_and_out(client: TestClient) -> None:
    answer = log_in(client, next_page="/history?day=2026-03-01")
    assert (answer.status_code, answer.headers["location"]) == (303, "/history?day=2026-03-01")
    cookie = next(c for c in answer.headers.get_list("set-cookie") if c.startswith(SESSION))
    assert {"Secure", "HttpOnly", "SameSite=Lax", "Path=/"} <= set(cookie.split("; "))
    assert client.get("/login").status_code == 303  # is logged in
    page = client.get("/nothing-here")
    assert page.status_code == 404
    assert client.post("/logout", data={"form_token": "wrong"}).status_code == 403
    assert client.post("/logout", data={"form_token": token_in(page.text)}).status_code == 303
    assert client.get("/operations").status_code == 303


@pytest.mark.parametrize("elsewhere", ["//evil.example", "https://evil.example", "/\\evil.example", "/\t/x"])
def test_logging_in_leads_nowhere_else(client: TestClient, elsewhere: str) -> None:
    assert log_in(client, next_page=elsewhere).headers["location"] == "/"


def test_a_wrong_password_is_told_and_counted_and_then_limited(client: TestClient, metrics: Web) -> None:
    for _ in range(ATTEMPTS_OF_USER):
        answer = log_in(client, "wrong password")
        assert answer.status_code == 401
        assert "The name or the password is wrong." in answer.text
    answer = log_in(client)
    assert answer.status_code == 429
    assert int(answer.headers["retry-after"]) > 0
    assert metrics.logins.labels("limited")._value.get() == 1
    assert metrics.logins.labels("refused")._value.get() == ATTEMPTS_OF_USER


def test_others_do_not_lock_a_browser_out_in_which_somebody_logged_in_before(client: TestClient) -> None:
    answer = log_in(client)
    device = next(c for c in answer.headers.get_list("set-cookie") if c.startswith(DEVICE))
    assert {"Secure", "HttpOnly", "SameSite=Lax", f"Max-Age={KEPT_SECONDS}"} <= set(device.split("; "))
    with TestClient(client.app, base_url="https://page.test", follow_redirects=False) as other:
        for _ in range(ATTEMPTS_OF_USER):
            assert log_in(other, "wrong password").status_code == 401
        assert log_in(other).status_code == 429
    page = client.get("/nothing-here").text
    client.post("/logout", data={"form_token": token_in(page)})
    assert log_in(client, "wrong password").status_code == 401
    assert log_in(client).status_code == 303


def test_whoever_comes_while_too_many_log_in_is_told_to_come_again(
    client: TestClient, users: Users, metrics: Web
) -> None:
    with ExitStack() as places:
        for _ in range(PLACES_OF_STRANGERS):
            places.enter_context(users._hashing.place(known=False))
        answer = log_in(client)
        assert answer.status_code == 503
        assert int(answer.headers["retry-after"]) > 0
        assert "Too many people are logging in" in answer.text
    assert metrics.logins.labels("busy")._value.get() == 1
    # Nothing was counted against her.
    assert log_in(client).status_code == 303


def test_a_page_is_found_by_its_names_alone(users: Users) -> None:
    hosts = ["lake.example.org", "203.0.113.9", "[2001:db8::1]"]
    app = create(NoLake(), users, b"a key of the tests", hosts=hosts)  # type: ignore[arg-type]
    client = TestClient(app, base_url="https://lake.example.org", follow_redirects=False)
    for host in (*hosts, "LAKE.example.org", "lake.example.org:8443", "[2001:db8::1]:443"):
        assert client.get("/login", headers={"Host": host}).status_code == 200, host
    for host in ("evil.example", "lake.example.org.evil.example", "203.0.113.90", "", "[2001:db8::2]"):
        answer = client.get("/login", headers={"Host": host})
        assert answer.status_code == 421
        assert "evil" not in answer.text


@pytest.mark.parametrize("path", ["/static/page.css/", "/login/", "/api/clouds/", "/history/", "/health/"])
def test_a_slash_too_many_leads_nowhere(client: TestClient, path: str) -> None:
    log_in(client)
    answer = client.get(path, headers={"Host": "evil.example"})
    assert answer.status_code == 404
    assert "evil.example" not in f"{answer.headers}{answer.text}"


@pytest.mark.parametrize(
    "headers",
    [{"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}, {"Origin": "https://evil.example"},
     {"Origin": "null"}],
)  # fmt: skip
def test_forms_of_other_sites_are_refused(client: TestClient, headers: dict[str, str]) -> None:
    assert log_in(client, **headers).status_code == 403


def test_a_form_needs_the_token_of_its_session(client: TestClient) -> None:
    before = token_in(client.get("/login").text)
    data = {"name": "ana", "password": PASSWORD, "form_token": "0" * 64}
    assert client.post("/login", data=data).status_code == 403
    log_in(client)
    # The token of the form to log in is none of the session's.
    assert client.post("/preferences", data={"theme": "dark", "form_token": before}).status_code == 403
    client.cookies.delete(FORM)


def test_a_password_is_changed_by_its_user_with_a_form_of_their_session(client: TestClient) -> None:
    assert client.get("/account").status_code == 303
    log_in(client)
    before = client.cookies[SESSION]
    data = {"password": PASSWORD, "wanted": "another password", "again": "another password"}
    assert client.post("/account", data=data).status_code == 403
    token = token_in(client.get("/account").text)
    for wrong, told, status in (
        ({"password": "no"}, "is wrong", 400),
        ({"again": "yet another one"}, "in two ways", 400),
        ({"wanted": "short", "again": "short"}, "10 characters at least", 400),
    ):
        refused = client.post("/account", data={**data, **wrong, "form_token": token})
        assert refused.status_code == status
        assert told in refused.text
    changed = client.post("/account", data={**data, "form_token": token})
    assert (changed.status_code, changed.headers["location"]) == (303, "/account?changed=true")
    assert client.cookies[SESSION] != before
    assert "The password is changed" in client.get(changed.headers["location"]).text
    client.cookies.set(SESSION, before)
    assert client.get("/account").status_code == 303
    client.cookies.clear()
    assert log_in(client).status_code == 401
    assert log_in(client, "another password").status_code == 303


@pytest.mark.parametrize("path", ["/search/saved", "/search/saved/remove"])
def test_searches_are_saved_and_removed_by_forms_of_the_session_alone(client: TestClient, path: str) -> None:
    assert client.post(path, data={"title": "a", "q": "rio"}).status_code == 303
    log_in(client)
    assert client.post(path, data={"title": "a", "q": "rio"}).status_code == 403
    token = token_in(client.get("/account").text)
    data = {"title": "a", "q": "rio", "form_token": token}
    elsewhere = {"sec-fetch-site": "cross-site"}
    assert client.post(path, data=data, headers=elsewhere).status_code == 403
    done = client.post(path, data=data)
    assert (done.status_code, done.headers["location"].split("?")[0]) == (303, "/search")


def test_choices_are_kept(client: TestClient) -> None:
    token = token_in(client.get("/login").text)
    answer = client.post("/preferences", data={"language": "pt", "next": "/login", "form_token": token})
    assert answer.status_code == 303
    client.post("/preferences", data={"theme": "dark", "form_token": token})
    client.post("/preferences", data={"theme": "<b>", "language": "xx", "form_token": token})
    page = client.get("/login").text
    assert '<html lang="pt-BR" data-theme="dark">' in page
    assert "Entrar" in page


def test_every_answer_has_its_headers_and_runs_no_script_but_the_pages_own(client: TestClient) -> None:
    for path in ("/login", "/", "/static/page.css", "/static/none.css", "/api/none"):
        answer = client.get(path)
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
    page = client.get("/login").text
    assert not re.search(r"<script(?![^>]*\bsrc=)|\sstyle=|\son[a-z]+=", page)


@pytest.mark.parametrize("name", ["../app.py", "%2e%2e/app.py", "..%2fapp.py", "page.css/..", "none.svg"])
def test_static_files_are_those_there_are(client: TestClient, name: str) -> None:
    assert client.get(f"/static/{name}").status_code in (303, 404)


def test_cookies_that_make_no_sense_are_left_out(client: TestClient) -> None:
    for header in ("a" * 9000, "x;;=;=;\x7f=1", f'{SESSION}="a\\"; language=pt'):
        assert client.get("/login", headers={"Cookie": header}).status_code == 200


def test_no_path_becomes_a_series_of_its_own(client: TestClient, metrics: Web) -> None:
    log_in(client)
    for path in ("/nothing", "/nothing-else", "/static/none.css"):
        client.get(path)
    client.request("MADEUP", "/nothing")
    routes = {labels[0] for labels in metrics.requests._metrics}
    assert routes <= {"none", "/login", "/static/{name}", "refused"}
    assert {labels[1] for labels in metrics.requests._metrics} <= {"GET", "POST", "other"}


def test_head_is_answered_as_get_is_and_without_a_body(client: TestClient, metrics: Web) -> None:
    log_in(client)
    # A page, a file, JSON, what is not there, and what is not to be asked for without a form.
    paths = {
        "/robots.txt": 200, "/static/page.css": 200, "/api/openapi.json": 200, "/static/none.css": 404,
        "/logout": 405,
    }  # fmt: skip
    for path, status in paths.items():
        answer, full = client.head(path), client.get(path)
        assert (answer.status_code, answer.content) == (status, b"")
        assert full.status_code == status
        assert full.content
        assert dict(answer.headers) == dict(full.headers)
    methods = {labels[:2] for labels in metrics.requests._metrics}
    assert {("/static/{name}", "HEAD"), ("/static/{name}", "GET")} <= methods
