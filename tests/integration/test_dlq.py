"""Dead letters listed, shown and sent again, against a real broker and a real sink."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from test_sink import FIRST_ID, tweet

from opslib import message

if TYPE_CHECKING:
    from conftest import Lake


@pytest.fixture
def refused(lake: Lake) -> Lake:
    """Return a lake with three dead letters: two that a validator refused, one that is no JSON."""
    lake.database.command("collMod", "tweets", validator={"public_metrics.like_count": {"$ne": 13}})
    lake.start_sink()
    lake.send(tweet(1), tweet(2, likes=13), b"{broken \xff", tweet(3, likes=13))
    lake.wait_for_commit()
    assert len(lake.dead_letters()) == 3
    return lake


def listed(lake: Lake, *options: str) -> list[dict[str, Any]]:
    first = next(iter(lake.dead_before.values()))
    done = lake.opslib("dlq", "list", "--format", "json", "--offset", str(first), *options)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_letters_are_listed_and_shown(refused: Lake) -> None:
    found = listed(refused)
    assert len(found) == 3
    assert [len(listed(refused, "--reason", word)) for word in ("utf-8", "validation", "nothing")] == [
        1,
        2,
        0,
    ]
    assert len(listed(refused, "--topic", message.TWEETS)) == 3
    assert listed(refused, "--topic", message.TRENDS) == []
    assert len(listed(refused, "--since", "1h")) == 3
    assert listed(refused, "--since", "2100-01-01T00:00:00Z") == []
    (broken,) = listed(refused, "--reason", "UTF-8")
    shown = json.loads(refused.opslib("dlq", "show", broken["letter"], "--format", "json").stdout)
    assert shown["value"] == "{broken \\xff"
    assert shown["origin"] == broken["origin"]
    assert broken["letter"] in refused.opslib("dlq", "list").stdout


def test_a_replay_heals_what_was_refused_and_happens_once(refused: Lake) -> None:
    refused.database.command("collMod", "tweets", validator={})
    begun = sum(refused.ends(message.TWEETS).values())
    letters = [one["letter"] for one in listed(refused, "--reason", "validation")]

    would = refused.opslib("dlq", "replay", "--dry-run", *letters)
    assert "2 letters would be sent" in would.stdout
    assert sum(refused.ends(message.TWEETS).values()) == begun

    done = refused.opslib("dlq", "replay", "--format", "json", *letters)
    assert (done.returncode, json.loads(done.stdout)["replayed"]) == (0, letters), done.stderr
    refused.wait_for_commit()
    assert refused.ids() == {FIRST_ID + n for n in (1, 2, 3)}
    assert all(one["replayed_at"] for one in listed(refused, "--reason", "validation"))
    assert [one["reason"][:12] for one in listed(refused, "--pending")] == ["it is not UT"]

    again = refused.opslib("dlq", "replay", "--format", "json", *letters)
    assert json.loads(again.stdout) == {"replayed": [], "left": 2, "dry_run": False}
    assert "was sent again at" in again.stderr
    assert sum(refused.ends(message.TWEETS).values()) == begun + 2


def test_what_fails_again_is_a_new_letter(refused: Lake) -> None:
    (broken,) = listed(refused, "--reason", "UTF-8")
    assert refused.opslib("dlq", "replay", broken["letter"]).returncode == 0
    refused.wait_for_commit()
    old, new = listed(refused, "--reason", "UTF-8")
    assert old["replayed_at"]
    assert new["replayed_at"] is None
    assert new["origin"] != old["origin"]


def test_a_wrong_call_ends_with_2(lake: Lake) -> None:
    for arguments, word in (
        (["replay"], "say which"),
        (["show", "x"], "no letter"),
        (["list", "--since", "soon"], "is no time such as"),
    ):
        done = lake.opslib("dlq", *arguments)
        assert done.returncode == 2
        assert word in done.stderr
        assert "Traceback" not in done.stderr
    gone = lake.opslib("dlq", "show", "0:999999")
    assert (gone.returncode, "there is no letter" in gone.stderr) == (1, True)
