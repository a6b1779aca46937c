"""The local X API's state: out, in, and over a restart."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pytest
from local_x import ROOT, Client, Clock, Ten, local_x, posts, serving

from opslib.simulate.generator import Generator
from opslib.simulate.limits import RateLimits
from opslib.simulate.tweets import Store

if TYPE_CHECKING:
    from pathlib import Path


def used(x: Client) -> None:
    """Leave traces everywhere."""
    added = x.add("gol de placa", "gol contra", "gol de mão")
    x.search(expansions="author_id")
    x.send("POST", "/_control/tweets/edit", {"id": added[0], "text": "golaço"})
    x.send("POST", "/_control/tweets/delete", {"ids": [added[1]]})
    x.add_rules("gol")
    x.faults(seed=3, rates={"stall": 0.5}, stall_seconds=0)
    x.search()


def seen(x: Client) -> list[Any]:
    """Return all that the state is to keep, but for what asking changes."""
    return [x.ledger(), x.get("/_control/faults"), x.get("/_control/state")]


def test_the_state_goes_on_elsewhere() -> None:
    clock = Clock()
    with (
        serving(local_x(Ten(), clock, limits=RateLimits())) as one,
        serving(local_x(Ten(), clock, limits=RateLimits())) as other,
    ):
        used(one)
        other.send("PUT", "/_control/state", one.get("/_control/state"))
        assert seen(other) == seen(one)
        assert other.get("/2/tweets/search/stream/rules")["data"]
        for x in (one, other):
            left = x.call("GET", "/2/tweets/search/recent?query=gol").headers["x-rate-limit-remaining"]
            assert left == "447"


def test_a_stream_does_not_repeat_what_the_state_brings() -> None:
    with serving(local_x(Ten())) as x:
        x.add_rules("gol")
        with x.stream() as messages:
            x.send("PUT", "/_control/state", x.get("/_control/state"))
            (new,) = x.add("gol novo")
            assert posts(messages, 1)[0]["data"]["id"] == new


@pytest.mark.parametrize(
    "change",
    [
        {"version": 2},
        {"rules": {}},
        {"ledger": None},
        {"store": {"source": {"kind": "other"}}},
        {"faults": 1},
    ],
)
def test_a_wrong_state_is_refused_and_changes_nothing(change: dict[str, Any]) -> None:
    with serving(local_x(Ten())) as x:
        used(x)
        before = seen(x)
        wrong = {**x.get("/_control/state"), **change}
        assert x.call("PUT", "/_control/state", data=json.dumps(wrong)).status_code == 400
        assert seen(x) == before


def test_made_up_tweets_need_not_be_kept_to_be_there_again() -> None:
    now = datetime(2026, 11, 20, 12, tzinfo=timezone.utc)
    clock = Clock(now)
    one = Store(Generator(1, 3, now, timedelta(minutes=1)), clock)
    offered = one.offered()
    clock.now += timedelta(seconds=20)
    # Begun later and with less behind it, it has the same tweets and those written meanwhile.
    other = Store(Generator(1, 3, clock.now, timedelta(seconds=1)), clock)
    other.restore(one.state())
    assert other.offered() == one.offered()
    assert set(offered) < set(other.offered())


class Process:
    """``opslib x simulate`` as a program."""

    def __init__(self, *arguments: str) -> None:
        command = [sys.executable, "-m", "opslib", "x", "simulate", "--port", "0", "--token", "right"]
        self._process = subprocess.Popen(
            [*command, *arguments], cwd=ROOT, stderr=subprocess.PIPE, text=True, env={**os.environ}
        )
        assert self._process.stderr is not None
        line = self._process.stderr.readline()
        assert "listens on " in line, line + self._process.stderr.read()
        self.client = Client(line.split()[-1])

    def stop(self) -> str:
        self._process.send_signal(signal.SIGTERM)
        _, errors = self._process.communicate(timeout=120)
        assert self._process.returncode in (0, -signal.SIGTERM), errors
        return errors


@pytest.mark.slow
@pytest.mark.parametrize("source", ["file", "generator", "added"])
def test_a_restart_keeps_everything(tmp_path: Path, source: str) -> None:
    texts = tmp_path / "texts.txt"
    texts.write_text("gol um\ngol dois\n", encoding="utf-8")
    arguments = {
        "file": ("--tweets", str(texts), "--replay", "1000"),
        "generator": ("--rate", "0.001", "--backlog", "24"),
        "added": ("--rate", "0"),
    }[source]
    state = tmp_path / "state.json"
    first = Process(*arguments, "--state", str(state))
    used(first.client)
    with first.client.stream() as messages:
        next(messages)
        before = seen(first.client)
        assert first.stop() == ""
    second = Process(*arguments, "--state", str(state))
    after = seen(second.client)
    second.stop()
    if source == "generator":
        # One may have been written since.
        assert set(before[0].pop("offered")) <= set(after[0].pop("offered"))
    assert after == before
    assert not list(tmp_path.glob(".*"))


def run(*arguments: str) -> tuple[int, str]:
    command = [sys.executable, "-m", "opslib", "x", "simulate", "--port", "0", *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600, check=False)
    return done.returncode, done.stderr


@pytest.mark.slow
def test_a_wrong_setting_is_one_line(tmp_path: Path) -> None:
    state = tmp_path / "state.json"
    state.write_text("[", encoding="utf-8")
    faults = tmp_path / "faults.json"
    faults.write_text('{"rates": {"404": 1}}', encoding="utf-8")
    for arguments, message in (
        (("--state", str(state)), "state.json"),
        (("--faults", str(faults)), "'404' is no fault"),
        (("--replay", "3"), "--replay needs --tweets"),
    ):
        code, errors = run(*arguments)
        assert code == 2
        assert message in errors
        assert "Traceback" not in errors
