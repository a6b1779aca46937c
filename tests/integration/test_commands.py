"""Every command where the servers answer: called wrongly, and what its JSON looks like."""

from __future__ import annotations

import datetime as dt
import json
import os
from typing import TYPE_CHECKING, Any

import fuzz
import services
from test_report import told  # noqa: F401 - the fixture

from opslib.cli import main

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from conftest import Lake

ASKING = (
    *("cloud", "report", "report list", "report keep", "stats", "store init", "words rebuild"),
    *("dlq list", "dlq show", "dlq replay", "forget", "doctor", "web user list"),
)
QUICK = "from opslib.cli import _forgetting; _forgetting.SETTLE_SECONDS = 0"
MOMENTS = {"at", "since", "until", "rendered_at", "created", "last_login", "newest", "replayed_at"}


def extra_of(lake: Lake) -> dict[str, str]:
    lake.put("mongodb_username", services.ADMIN[0])
    lake.put("mongodb_password", services.ADMIN[1])
    state = lake.folder / "web"
    state.mkdir(exist_ok=True)
    return {"OPSLIB_WEB__STATE": str(state), "OPSLIB_X__BUDGET_FILE": str(lake.folder / "none")}


def test_wrong_input_is_one_line_where_servers_answer(told: Lake, tmp_path: Path) -> None:  # noqa: F811
    folder = tmp_path / "files"
    folder.mkdir()
    files = fuzz.Files(folder)
    most = int(os.environ.get("TRENDLAKE_FUZZ", "5"))
    todo = [call for call in fuzz.calls(main, files, most=most) if call.command in ASKING]
    # The tables have no id of a post that is one.
    todo.append(fuzz.Call("forget", ("forget", "--yes", "--why=x", "1")))
    outcomes = fuzz.run(todo, told.environment(**extra_of(told)), files, QUICK)
    wrong = [
        f"{complaint}: {fuzz.shown(call, outcome)}"
        for call, outcome in zip(todo, outcomes)
        if (complaint := fuzz.complaint(call, outcome))
    ]
    assert not wrong, f"{len(wrong)} of {len(todo)}\n" + "\n".join(wrong[:40])
    done = {call.command for call, outcome in zip(todo, outcomes) if outcome.code == 0}
    assert done >= {"cloud", "report list", "stats", "store init", "words rebuild", "dlq list", "forget"}


def test_all_json_has_moments_in_iso_8601_and_words_in_one_shape(told: Lake) -> None:  # noqa: F811
    extra = extra_of(told)
    assert told.opslib("report", "keep", **extra).returncode == 0
    (kept, *_) = json.loads(told.opslib("report", "list", "--format", "json", **extra).stdout)
    told.send(b"no tweet")
    made = ("web", "user", "add", "ana", "--random")
    assert told.opslib(*made, **extra).returncode == 0
    moments, words = 0, 0
    for call in (
        ("report", "--place", "Brazil"),
        ("report", "--place", "Brazil", "--at", "30m", "--hours", "2h"),
        ("report", "--place", "Brazil", "--since", "5h", "--kind", "topics"),
        ("report", "--show", kept["id"]),
        ("report", "list"),
        ("cloud", "--hours", "3h"),
        ("stats",),
        ("web", "user", "list"),
    ):
        done = told.opslib(*call, "--format", "json", **extra)
        assert done.returncode == 0, done.stderr
        assert done.stdout.count("\n") == 1, "one line"
        for key, value in pairs(json.loads(done.stdout)):
            if key in MOMENTS and value is not None:
                assert dt.datetime.fromisoformat(value.replace("Z", "+00:00")).tzinfo, (call, key, value)
                moments += 1
            if key == "words":
                assert value, call
                assert all(word.keys() == {"word", "tweets"} for word in value), call
                words += 1
    assert moments > 10
    assert words == 5


def pairs(value: Any) -> Iterator[tuple[str, Any]]:
    """Yield each key of an object with its value, however deep."""
    for key, below in value.items() if isinstance(value, dict) else ():
        yield key, below
        yield from pairs(below)
    for below in value if isinstance(value, list) else ():
        yield from pairs(below)
