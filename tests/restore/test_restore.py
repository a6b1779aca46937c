"""The deployed machine is destroyed with all that is on it, and a blank one restored from the last backup.

Runs behind the end-to-end tests, whose tweets, clouds and budget are to come back, and before the tests of
the host, which run on what came back. Backups are on another machine, over SFTP. What the control node alone
has is lost as well, and comes back first.
"""

from __future__ import annotations

import json
import os
import subprocess
import time
import uuid
from dataclasses import dataclass
from typing import Any

import lost
import pytest
from chaos import ROOT, Machine, roll_ups_differ, say, wait_until
from lost import FOLDER, TWEETS, Known, Visitor, X

MACHINE = os.environ.get("TRENDLAKE_TEST_MACHINE", "trendlake-test")
STORE = f"{MACHINE}-store"
DEBIAN = os.environ.get("TRENDLAKE_TEST_DEBIAN", "12")

pytestmark = [
    pytest.mark.skipif(not TWEETS.is_file(), reason="the real tweets are not part of the project"),
    pytest.mark.skipif(not (FOLDER / "ssh_config").is_file(), reason="no machine: `molecule converge`"),
]


@dataclass
class Story:
    """What happened."""

    machine: Machine
    control: lost.ControlNode
    visitor: Visitor
    saved: Known
    hashtag: str
    forgotten: list[int]  # after the first backup, before the second
    waiting: list[int]  # in Kafka, and not yet in MongoDB, when the second was made
    said: str  # by ansible/restore.yml


@pytest.fixture(scope="module")
def story() -> Story:
    machine, x = Machine(), X(MACHINE)
    control = lost.ControlNode(MACHINE, STORE)
    control.make()
    visitor = visits(machine)
    hashtag = machine.database.trends.find_one(sort=[("collected_at", -1)])["trends"][0]["name"]
    say(f"people write of {hashtag}")
    wait_until("a cloud is kept", lambda: machine.database.clouds.find_one() is not None, 300)
    back_up(control)
    more = x.write(40, hashtag)
    lost.stored(machine, more, "what was written after the first backup")
    before = [one["_id"] for one in machine.database.tweets.find({}, {"_id": 1}).sort("_id", 1).limit(3)]
    forgotten = [*before, *more[:2]]
    machine.run(f"opslib forget {' '.join(map(str, forgotten))} --why 'asked by letter' --yes")
    wait_until("a cloud is drawn anew", lambda: machine.database.clouds.find_one() is not None, 300)
    wait_until("roll-ups equal a recount", lambda: not roll_ups_differ(machine), 300)
    machine.run(f"systemctl stop {lost.WRITERS}")
    reached = machine.offsets("tweets.raw")
    waiting = x.write(20, hashtag)
    wait_until("Kafka has what nobody reads", lambda: machine.offsets("tweets.raw") == reached + 20, 300)
    back_up(control)
    saved = Known(lost.documents(machine), *files_saved(), x.returned(), lost.ahead(machine))
    state, written = json.dumps(x.call("state")).encode(), lost.written_at(MACHINE)
    say("the machine and the control node's files are lost")
    control.lose()
    up = ["bin/machine", "up", MACHINE, "--debian", DEBIAN, "--lifelike", "--replace"]
    subprocess.run(up, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    control.restore("sftp:" + STORE + ":/srv/lake", machine.secrets["backup_password"])
    lost.let_outlive(state, written, MACHINE)
    began = time.monotonic()
    code, said = control.play("restore.yml")
    assert code == 0, said[-6000:]
    say(f"restored after {time.monotonic() - began:.0f} s")
    return Story(Machine(), control, visitor, saved, hashtag, forgotten, waiting, said)


def visits(machine: Machine) -> Visitor:
    name = f"verify-{uuid.uuid4().hex[:8]}"
    password = machine.run(f"opslib web user add {name} --random").strip()
    visitor = Visitor(machine.address, str(FOLDER / "ca/operator/ca.pem"), name, password)
    assert visitor.log_in().endswith("/operations")
    return visitor


def back_up(control: lost.ControlNode) -> None:
    began = time.monotonic()
    code, said = control.play("backup.yml")
    assert code == 0, said[-6000:]
    say(f"backed up after {time.monotonic() - began:.0f} s")


def files_saved() -> tuple[dict[str, list[list[Any]]], dict[str, list[list[Any]]]]:
    """Return what the backup has of the budget and of the page's users."""
    command = "for part in nifi web; do opslib backup restore $part --to /run/saved || exit; done"
    lost.ssh(MACHINE, f"mkdir /run/saved && {command}")
    return (
        lost.rows(MACHINE, "/run/saved/var/lib/nifi/x-budget.sqlite"),
        lost.rows(MACHINE, "/run/saved/var/lib/opslib-web/users.sqlite"),
    )


def saved_and_found(story: Story, name: str) -> tuple[dict[Any, Any], dict[Any, Any]]:
    """Return a collection's documents by id, as they were saved, and those of them that are there."""
    was = {one["_id"]: one for one in story.saved.documents[name]}
    found = story.machine.database[name].find({"_id": {"$in": list(was)}})
    return was, {one["_id"]: one for one in found}


def test_every_tweet_that_was_saved_is_there_as_it_was(story: Story) -> None:
    was, found = saved_and_found(story, "tweets")
    assert len(was) > 100
    assert found == was


@pytest.mark.parametrize("name", ["trends", "forgotten", "forgotten_authors", "audit"])
def test_what_was_saved_beside_them_is_there_as_it_was(story: Story, name: str) -> None:
    was, found = saved_and_found(story, name)
    assert found == was
    assert was or name == "forgotten_authors"


def test_clouds_that_were_saved_are_there_as_they_were(story: Story) -> None:
    was, found = saved_and_found(story, "clouds")
    assert was
    assert set(found) == set(was)
    # The report was at work on what the forgetting took away, and goes on where it is restored.
    saved = max(one["rendered_at"] for one in was.values())
    kept = {id_: one for id_, one in found.items() if one["rendered_at"] <= saved}
    assert kept == {id_: was[id_] for id_ in kept}


def test_each_group_goes_on_at_the_message_it_stood_at(story: Story) -> None:
    sink = story.saved.ahead["trendlake-sink"]
    assert {int(json.loads(value)["id"]) for value in sink} == set(story.waiting)
    # They came from Kafka: X was not asked for them again.
    lost.stored(story.machine, story.waiting, "what waited in Kafka")
    ids = {one["_id"] for one in story.machine.database.tweets.find({}, {"_id": 1})}
    assert ids == story.saved.ids() | set(story.waiting)


def test_what_was_forgotten_between_two_backups_is_gone(story: Story) -> None:
    assert story.machine.database.tweets.count_documents({"_id": {"$in": story.forgotten}}) == 0
    assert story.machine.database.forgotten.count_documents({"_id": {"$in": story.forgotten}}) == 5


def test_no_page_is_asked_for_twice_and_collection_goes_on(story: Story) -> None:
    x = X(MACHINE)
    more = x.write(10, story.hashtag)
    lost.stored(story.machine, more, "what was written since")
    returned = x.returned()
    for one in more:
        returned.pop(str(one))
    assert returned == story.saved.returned


def test_what_was_paid_for_is_known(story: Story) -> None:
    there = lost.rows(MACHINE, "/var/lib/nifi/x-budget.sqlite")
    spent = {(day, kind): rest for day, kind, *rest in there["spent"]}
    assert story.saved.budget["spent"]
    for day, kind, *rest in story.saved.budget["spent"]:
        # Trends are asked for each minute.
        assert spent[day, kind] >= rest


def test_roll_ups_equal_those_that_were_saved_and_a_recount(story: Story) -> None:
    wait_until("roll-ups equal a recount", lambda: not roll_ups_differ(story.machine), 300)
    was, found = saved_and_found(story, "word_counts")
    minutes = {id_: one for id_, one in was.items() if one["unit"] == "minute"}
    assert minutes
    assert {id_: found.get(id_) for id_ in minutes} == minutes


def test_statistics_go_on_where_they_were(story: Story) -> None:
    def counted() -> dict[Any, dict[str, Any]]:
        some = story.machine.database.ops_stats.find({"meta.kind": "tweets"})
        return {one["at"]: figures(one) for one in some}

    def figures(one: dict[str, Any]) -> dict[str, Any]:
        return {key: value for key, value in one.items() if key not in ("_id", "next")}

    was = {
        one["at"]: figures(one)
        for one in story.saved.documents["ops_stats"]
        if one["meta"]["kind"] == "tweets"
    }
    assert was
    # Each message is counted in one minute, those from before the loss in no other than they were.
    wait_until(
        "all messages are counted",
        lambda: sum(one["tweets"] for one in counted().values()) == story.machine.offsets("tweets.raw"),
        300,
    )
    found = counted()
    assert {at: found.get(at) for at in was} == was


def test_who_had_a_login_has_it_and_is_still_logged_in(story: Story) -> None:
    assert story.visitor.is_known()
    assert story.visitor.log_in().endswith("/operations")
    now = lost.rows(MACHINE, "/var/lib/opslib-web/users.sqlite")
    was = story.saved.users
    assert {row[0]: row[1:3] for row in now["users"]} == {row[0]: row[1:3] for row in was["users"]}
    assert all(row in now["events"] for row in was["events"])


def test_what_came_back_is_found_by_its_words(story: Story) -> None:
    there = story.machine.database.tweets.count_documents({"text": {"$regex": "nada se perde"}})
    assert there
    command = "opslib search find 'nada se perde' --format json"
    wait_until("the index has them", lambda: json.loads(story.machine.run(command))["count"] == there, 300)


def test_the_doctor_is_content(story: Story) -> None:
    wait_until("the doctor is content", lambda: story.machine.run("opslib doctor") != "", 300)


def test_what_is_there_is_not_overwritten_unless_it_is_said(story: Story) -> None:
    active = "systemctl is-active nifi 'opslib-sink@*' opslib-stats opslib-rollup"
    before = story.machine.run(active)
    code, said = story.control.play("restore.yml")
    assert code == 2
    assert "nothing was changed: there is" in said
    assert story.machine.run(active) == before
