"""What the page wishes about what is followed: who may, what it may cost, and the estimate first."""

from __future__ import annotations

import json
import re
import socket
import threading
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

import argon2
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from local_x import NOW as X_NOW
from local_x import local_x, serving
from starlette.testclient import TestClient

from opslib import metrics
from opslib.cli import main
from opslib.run.listening import bound
from opslib.settings import Settings, Wishes, X
from opslib.store.hidden import Hidden
from opslib.web.app import create
from opslib.web.users import Users
from opslib.wishes.ask import Refused, ask
from opslib.wishes.desk import SEAL_HOURS, Desk
from opslib.wishes.journal import Journal
from opslib.wishes.serve import _Estimates, _Server

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

NOW = datetime(2026, 3, 1, 12, tzinfo=timezone.utc)
PASSWORD = "correct horse battery"
PIX = {"name": "Pix", "query": "pix", "usd_day": 1.0}
PLACE = {"name": "theirs", "query": "gol", "usd_day": 100.0, "origin": "inventory"}
ESTIMATE = {
    "posts_a_day": 120.0, "error": 0.1, "usd_a_day": 0.6, "usd_a_month": 18.0, "share": 1.0,
    "days": [{"since": NOW, "posts": 100}, {"since": NOW, "posts": 140}],
}  # fmt: skip


class Table:
    """A board that is a dictionary; the one in Kafka is tried with a real Kafka."""

    def __init__(self, *records: Mapping[str, Any]) -> None:
        self.records: dict[str, Any] = {record["name"]: dict(record) for record in records}
        self.saved: list[dict[str, Any]] = []
        self.asked: list[str] = []

    def read(self) -> dict[str, Any]:
        return dict(self.records)

    def save(self, changes: Mapping[str, Any]) -> None:
        self.saved.append(dict(changes))
        for name, record in changes.items():
            if record is None:
                self.records.pop(name, None)
            else:
                self.records[name] = record

    def estimate(self, query: str, usd_day: float) -> dict[str, Any]:
        self.asked.append(query)
        return {**ESTIMATE, "share": min(1.0, usd_day / 0.6)}

    def desk(self, folder: Path, **limits: Any) -> Desk:
        self.now = NOW
        journal = Journal(folder / "journal.sqlite", lambda: self.now.timestamp())
        return Desk(self.read, self.save, self.estimate, Wishes(**limits), journal, lambda: self.now)


def wish(what: str, role: str = "analyst", user: str = "ana", **more: Any) -> dict[str, Any]:
    return {"what": what, "user": user, "role": role, **more}


def why(desk: Desk, asked: object) -> str:
    with pytest.raises(Refused) as refused:
        desk.answer(asked)
    assert "\n" not in str(refused.value)
    return refused.value.why


def test_a_follow_is_estimated_then_added_and_who_asked_is_noted(tmp_path: Path) -> None:
    table = Table(PLACE)
    desk = table.desk(tmp_path)
    offer = desk.answer(wish("estimate", follow={**PIX, "lang": "pt"}))
    assert (offer["estimate"]["usd_a_day"], table.asked, table.saved) == (0.6, ["pix lang:pt"], [])
    assert desk.answer(wish("add", follow={**PIX, "lang": "pt"}, seal=offer["seal"]))["already"] is False
    assert table.records["Pix"]["lang"] == "pt"
    assert table.records["Pix"]["origin"] == "command", "`opslib follow` changes it like any other"
    listed = desk.answer(wish("list", role="viewer"))
    assert [(one["name"], one["active"], one["changed_by"]) for one in listed["follows"]] == [
        ("Pix", True, "ana"), ("theirs", True, None),
    ]  # fmt: skip
    desk.answer(wish("pause", user="bob", name="Pix"))
    desk.answer(wish("remove", user="bob", name="Pix"))
    assert sorted(table.records) == ["theirs"]
    noted = Journal(tmp_path / "journal.sqlite").entries()
    assert [(entry.user, entry.what, entry.name, entry.outcome) for entry in noted] == [
        ("ana", "add", "Pix", "done"), ("bob", "pause", "Pix", "done"), ("bob", "remove", "Pix", "done"),
    ]  # fmt: skip
    assert noted[0].said == "pix lang:pt for 1 USD a day"


@pytest.mark.parametrize("what", ["estimate", "add", "pause", "resume", "remove"])
@pytest.mark.parametrize("role", ["viewer", "", None, "root", ["analyst"]])
def test_who_may_only_look_changes_nothing(tmp_path: Path, what: str, role: Any) -> None:
    table = Table({**PIX, "paused": what == "resume"})
    desk = table.desk(tmp_path)
    assert why(desk, {**wish(what, follow={**PIX, "name": "b"}, name="Pix"), "role": role}) == "role"
    assert (table.saved, table.asked) == ([], [])


def test_nothing_is_added_without_an_estimate_of_just_that(tmp_path: Path) -> None:
    table = Table()
    desk = table.desk(tmp_path)
    seal = desk.answer(wish("estimate", follow=PIX))["seal"]
    others = table.desk(tmp_path).answer(wish("estimate", follow=PIX))["seal"]
    for wrong in (
        {"seal": ""}, {"seal": "x"}, {"seal": "9" * 400 + ".ab"}, {"seal": "٣.ab"}, {"seal": others},
        {"follow": {**PIX, "usd_day": 2}}, {"follow": {**PIX, "query": "gol"}}, {"user": "bob"},
        {"seal": f"{int(seal.partition('.')[0]) + 1}.{seal.partition('.')[2]}"},
    ):  # fmt: skip
        assert why(desk, wish("add", **{"follow": PIX, "seal": seal, **wrong})) == "stale"
    table.now += timedelta(hours=SEAL_HOURS, seconds=1)
    assert why(desk, wish("add", follow=PIX, seal=seal)) == "stale"
    assert table.saved == []
    table.now = NOW
    desk.answer(wish("add", follow=PIX, seal=seal))
    assert len(table.saved) == 1


def test_a_wish_that_comes_twice_is_carried_out_once(tmp_path: Path) -> None:
    table = Table()
    desk = table.desk(tmp_path)
    seal = desk.answer(wish("estimate", follow=PIX))["seal"]
    answers: list[bool] = []
    together = [
        threading.Thread(
            target=lambda: answers.append(desk.answer(wish("add", follow=PIX, seal=seal))["already"])
        )
        for _ in range(6)
    ]
    for one in together:
        one.start()
    for one in together:
        one.join()
    assert sorted(answers) == [False, *[True] * 5]
    desk.answer(wish("pause", name="Pix"))
    assert desk.answer(wish("pause", name="Pix"))["already"] is True
    desk.answer(wish("remove", name="Pix"))
    assert desk.answer(wish("add", follow=PIX, seal=seal))["already"] is True, "a form that is sent again"
    assert [list(changes.values()) for changes in table.saved][2:] == [[None]]
    assert len(table.saved) == 3


@pytest.mark.parametrize(
    ("follow", "reason"),
    [
        ({"usd_day": 5.01}, "limit"),
        ({"usd_day": 1e300}, "input"),
        ({"usd_day": float("nan")}, "input"),
        ({"usd_day": -1}, "input"),
        ({"usd_day": "much"}, "input"),
        ({"usd_day": None}, "input"),
        ({"query": "x" * 600}, "input"),
        ({"query": " "}, "input"),
        ({"query": 7}, "input"),
        ({"name": "a\nb"}, "input"),
        ({"name": "backfill/x"}, "input"),
        ({"lang": "portuguese"}, "input"),
        ({"origin": "inventory"}, "input"),
        ({"mode": "stream"}, "input"),
        ({"name": "theirs"}, "input"),
    ],
)
def test_what_is_beyond_the_limits_or_no_follow_is_refused_before_x_is_paid(
    tmp_path: Path, follow: dict[str, Any], reason: str
) -> None:
    table = Table(PLACE)
    desk = table.desk(tmp_path)
    assert why(desk, wish("estimate", follow={**PIX, **follow})) == reason
    # Whoever forges what the page would send has no seal for it, and could not use one.
    assert why(desk, wish("add", follow={**PIX, **follow}, seal="1.x")) in ("stale", "input")
    assert (table.saved, table.asked) == ([], [])


def test_a_seal_is_no_way_around_a_limit_that_others_have_reached(tmp_path: Path) -> None:
    table = Table(PLACE)
    desk = table.desk(tmp_path, usd_day=3, follow_usd_day=2, follows=3)
    first = desk.answer(wish("estimate", follow={**PIX, "name": "a", "usd_day": 2}))
    second = desk.answer(wish("estimate", follow={**PIX, "name": "b", "usd_day": 2}))
    desk.answer(wish("add", follow={**PIX, "name": "a", "usd_day": 2}, seal=first["seal"]))
    assert why(desk, wish("add", follow={**PIX, "name": "b", "usd_day": 2}, seal=second["seal"])) == "limit"
    desk.answer(wish("pause", name="a"))
    desk.answer(wish("add", follow={**PIX, "name": "b", "usd_day": 2}, seal=second["seal"]))
    assert why(desk, wish("resume", name="a")) == "limit"
    assert why(desk, wish("estimate", follow={**PIX, "name": "c", "usd_day": 0.5})) == "limit", "three are"
    table.records["large"] = {**PIX, "name": "large", "usd_day": 50.0, "paused": True}
    assert why(desk, wish("resume", name="large")) == "limit"


@pytest.mark.parametrize("what", ["pause", "resume", "remove"])
def test_what_is_the_inventorys_stays_as_it_is(tmp_path: Path, what: str) -> None:
    table = Table(PLACE)
    desk = table.desk(tmp_path)
    for name in ("theirs", "nobody", ""):
        assert why(desk, wish(what, name=name)) == "input"
    assert table.saved == []


@pytest.mark.parametrize(
    "asked", [None, [], "list", {}, {"what": "list"}, {"what": "drop", "user": "ana"}, {"what": ["list"]},
              {"what": "list", "user": ""}, {"what": "list", "user": "x" * 65}, {"what": "list", "user": 1},
              {"what": "estimate", "user": "ana", "role": "analyst"},
              {"what": "add", "user": "ana", "role": "analyst", "follow": [1]}]
)  # fmt: skip
def test_what_is_no_wish_is_refused(tmp_path: Path, asked: Any) -> None:
    assert why(Table().desk(tmp_path), asked) == "input"


ACTIONS = st.tuples(
    st.sampled_from(["add", "pause", "resume", "remove"]),
    st.sampled_from("abcd"),
    st.sampled_from([0.5, 1, 2, 3, 4]),
    st.sampled_from(["viewer", "analyst", "operator"]),
)


class Unwritten(Journal):
    """Notes nothing: each note is a wait for the disk, and here there are thousands."""

    def begin(self, *_: str) -> int:
        return 0

    def end(self, *_: object) -> None:
        pass


@given(st.lists(ACTIONS, max_size=25))
def test_whatever_is_wished_it_never_costs_more_than_the_limits(
    actions: list[tuple[str, str, float, str]],
) -> None:
    table, limits = Table(PLACE), Wishes(usd_day=5, follow_usd_day=3, follows=4)
    desk = Desk(table.read, table.save, table.estimate, limits, Unwritten(Path()), lambda: NOW)
    for what, name, usd, role in actions:
        before = table.read()
        try:
            follow = {"name": name, "query": "x", "usd_day": usd}
            seal = desk.answer(wish("estimate", role, follow=follow))["seal"] if what == "add" else ""
            desk.answer(wish(what, role, name=name, follow=follow, seal=seal))
        except Refused:
            assert table.read() == before
        if role == "viewer":
            assert table.read() == before
        own = [one for one in table.records.values() if one["origin"] == "command"]
        active = [one["usd_day"] for one in own if not one.get("paused")]
        assert sum(active) <= 5
        assert max(active, default=0) <= 3
        assert len(table.records) <= 4
        assert table.records["theirs"] == PLACE


def test_estimates_have_a_budget_of_their_own(tmp_path: Path) -> None:
    with serving(local_x()) as x:
        settings = Settings(x=X(base_url=x.url), wishes=Wishes(estimates_usd_day=0.01))
        counts = _Estimates(settings, "right", tmp_path / "budget.sqlite", lambda: X_NOW)
        assert counts.estimate("pix", 1)["posts_a_day"] >= 0
        with pytest.raises(Refused, match="X does not take this query") as refused:
            counts.estimate("pix (", 1)
        assert refused.value.why == "input"
        counts.estimate("pix", 2)  # the answer is known
        counts.estimate("gol", 1)
        with pytest.raises(Refused, match="may cost no more today") as refused:
            counts.estimate("bola", 1)
        assert refused.value.why == "limit"


# ---- through the socket, from the page


class Lake:
    """What the page asks MongoDB on this page."""

    hidden = Hidden({}, {})

    told: datetime | None = None  # when it was told what follows have cost; at once without one

    def newest_stats(self, kind: str, at: datetime) -> dict[str, Any] | None:
        assert kind == "follows"
        return {"at": self.told or at, "follows": [{"name": "Pix", "today": 0.25, "all": 12.5}]}


class Site:
    """The page with a service behind it."""

    def __init__(self, folder: Path, table: Table, **limits: Any) -> None:
        hasher = argon2.PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)
        self.table = table
        self.users = Users(folder / "users.sqlite", hasher=hasher)
        self.path = folder / "socket"
        self.figures = metrics.Wishes()
        self.desk = table.desk(folder, **limits)
        app = create(Lake(), self.users, b"key", wishes=self.path)  # type: ignore[arg-type]
        self.client = TestClient(app, base_url="https://page.test", follow_redirects=False)

    @contextmanager
    def served(self) -> Iterator[None]:
        listening = bound(self.path)
        listening.listen(8)
        with _Server(listening, self.desk, self.figures) as server:
            thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
            thread.start()
            try:
                yield
            finally:
                server.shutdown()
                thread.join()

    def log_in(self, name: str, role: str) -> None:
        self.users.add(name, PASSWORD, role)
        self.client.cookies.clear()
        data = {"name": name, "password": PASSWORD, "form_token": self.token("/login")}
        assert self.client.post("/login", data=data).status_code == 303

    def token(self, path: str = "/account") -> str:
        found = re.search(r'name="form_token" value="([0-9a-f]+)"', self.client.get(path).text)
        assert found
        return found.group(1)

    def send(self, what: str, **data: str) -> Any:
        return self.client.post(f"/follows/{what}", data={"form_token": self.token(), **data})


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    site = Site(tmp_path, Table({**PIX, "origin": "command"}, PLACE))
    with site.served():
        yield site
    site.users.close()


FORM = {"name": "Gol", "query": "gol OR golaço", "lang": "pt", "usd_day": "0,50", "usd_total": ""}


def test_an_analyst_sees_the_estimate_first_and_then_adds_pauses_and_removes(site: Site) -> None:
    site.log_in("ana", "analyst")
    shown = site.client.get("/follows").text
    assert 'action="/follows/estimate"' in shown
    assert "US$ 0.25 of US$ 1.00 at most" in shown
    assert "US$ 12.50" in shown
    assert "seal" not in shown, "without an estimate there is nothing to confirm"
    offer = site.send("estimate", **FORM)
    assert offer.status_code == 200
    assert "About 120 posts a day." in offer.text
    assert "US$ 0.50 a day buys 83.3 % of them" in offer.text
    assert "Gol" not in site.table.records
    seal = re.search(r'name="seal" value="([^"]+)"', offer.text)
    assert seal
    assert site.send("add", **FORM).status_code == 409
    for _ in range(2):
        done = site.send("add", **FORM, seal=seal.group(1))
        assert (done.status_code, done.headers["location"]) == (303, "/follows?done=add")
    assert site.table.records["Gol"]["query"] == "gol OR golaço"
    assert site.table.records["Gol"]["usd_day"] == 0.5
    assert len(site.table.saved) == 1
    assert "It is followed" in site.client.get("/follows?done=add").text
    assert site.send("pause", name="Gol").headers["location"] == "/follows?done=pause"
    assert site.table.records["Gol"]["paused"] is True
    assert 'action="/follows/resume"' in site.client.get("/follows").text
    assert site.send("resume", name="Gol").headers["location"] == "/follows?done=resume"
    assert site.send("remove", name="Gol").headers["location"] == "/follows?done=remove"
    assert "Gol" not in site.table.records


@pytest.mark.parametrize("what", ["estimate", "add", "pause", "resume", "remove"])
def test_a_viewer_sees_the_list_and_is_refused_on_every_route_that_writes(site: Site, what: str) -> None:
    site.log_in("vera", "viewer")
    shown = site.client.get("/follows")
    assert "Pix" in shown.text
    assert 'action="/follows/' not in shown.text
    refused = site.send(what, **{**FORM, "name": "Pix"}, seal="x")
    assert refused.status_code == 403
    assert "Your role is viewer: you may look, and change nothing." in refused.text
    assert (site.table.saved, site.table.asked) == ([], [])
    site.users.set_role("vera", "analyst")
    assert site.send("pause", name="Pix").status_code == 303, "a role holds with the next request"
    site.users.set_role("vera", "viewer")
    assert site.send("resume", name="Pix").status_code == 403


@pytest.mark.parametrize("what", ["estimate", "add", "pause", "resume", "remove"])
def test_a_form_of_another_site_or_session_changes_nothing(site: Site, what: str) -> None:
    data = {**FORM, "name": "Pix", "seal": "x"}
    assert site.client.post(f"/follows/{what}", data=data).headers["location"].startswith("/login")
    site.log_in("olga", "operator")
    assert site.client.post(f"/follows/{what}", data=data).status_code == 403
    elsewhere = {"sec-fetch-site": "cross-site"}
    data["form_token"] = site.token()
    assert site.client.post(f"/follows/{what}", data=data, headers=elsewhere).status_code == 403
    assert (site.table.saved, site.table.asked) == ([], [])


@pytest.mark.parametrize(
    ("form", "status", "told"),
    [
        ({"usd_day": "5.5"}, 403, "more than the 5 that a follow of the page may cost"),
        ({"usd_day": "viel"}, 400, "viel is no sum of USD"),
        ({"query": "gol " * 200}, 400, "its query has 807 characters, and X takes 512"),
        ({"lang": "portugal"}, 400, "is no language as X names them"),
        ({"name": "Pix"}, 400, "Pix is followed already"),
        ({"name": "<b>"}, 400, "is no name"),
    ],
)
def test_what_cannot_be_followed_says_why_and_keeps_what_was_typed(
    site: Site, form: dict[str, str], status: int, told: str
) -> None:
    site.log_in("ana", "analyst")
    refused = site.send("estimate", **{**FORM, **form})
    assert refused.status_code == status
    assert told in refused.text
    assert ("parentheses that close" in refused.text) == (status == 400)
    assert "<b>" not in refused.text
    typed = {**FORM, **form}["query"]
    assert f'name="query" value="{typed}"' in refused.text
    assert site.table.asked == []


def test_what_was_told_yesterday_is_no_cost_of_today(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.log_in("ana", "analyst")
    assert "US$ 0.25 of US$ 1.00 at most" in site.client.get("/follows").text
    monkeypatch.setattr(Lake, "told", NOW)
    assert "US$ 0.00 of US$ 1.00 at most" in site.client.get("/follows").text
    assert "US$ 12.50" in site.client.get("/follows").text


def test_an_account_is_followed_by_its_name(site: Site) -> None:
    site.log_in("ana", "analyst")
    assert site.send("estimate", **{**FORM, "query": "@prefeitura", "lang": ""}).status_code == 200
    assert site.table.asked == ["from:prefeitura"]


def test_without_the_service_the_page_says_so_and_changes_nothing(tmp_path: Path) -> None:
    site = Site(tmp_path, Table())
    site.log_in("ana", "analyst")
    away = site.client.get("/follows")
    assert away.status_code == 200
    assert "opslib-wishes does not answer" in away.text
    assert site.send("estimate", **FORM).status_code == 503
    site.users.close()


def test_words_that_are_hidden_are_not_shown_among_what_is_followed(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Lake, "hidden", Hidden({"pix": "no money here"}, {}))
    site.log_in("ana", "analyst")
    shown = site.client.get("/follows").text
    assert "Pix" not in shown
    assert "theirs" in shown
    assert site.send("estimate", **{**FORM, "query": "pix"}).status_code == 400


@pytest.mark.parametrize("line", [b"", b"\n", b"{\n", b"[1]\n", b'"x"\n', b"[" * 60_000 + b"\n", b"\xff\n"])
def test_the_service_answers_what_makes_no_sense_and_goes_on(site: Site, line: bytes) -> None:
    with socket.socket(socket.AF_UNIX) as asking:
        asking.connect(str(site.path))
        asking.sendall(line)
        asking.shutdown(socket.SHUT_WR)
        with asking.makefile("rb") as answer:
            assert json.loads(answer.readline())["why"] == "input"
    assert len(ask(site.path, wish("list"))["follows"]) == 2


def test_the_log_says_who_changed_what(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPSLIB_WISHES__STATE", str(tmp_path))
    called = CliRunner().invoke(main, ["wishes", "log"])
    assert (called.exit_code, called.output) == (0, "")
    assert not list(tmp_path.iterdir()), "a file that root made would be closed to the service"
    table = Table({**PIX, "origin": "command"})
    table.desk(tmp_path).answer(wish("pause", name="Pix"))
    lines = CliRunner().invoke(main, ["wishes", "log", "--format", "json"]).output.splitlines()
    entry = json.loads(lines[-1])
    assert (entry["user"], entry["what"], entry["name"], entry["outcome"]) == ("ana", "pause", "Pix", "done")
    assert entry["at"] == "2026-03-01T12:00:00+00:00"
