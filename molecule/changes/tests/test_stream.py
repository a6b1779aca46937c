"""A whole lake grows to three hosts and is changed while it follows X's stream, at 200 tweets a second.

On machines of their own: `molecule verify -s stream`.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import subprocess
import threading
import time
from typing import TYPE_CHECKING, Any, Callable

import chaos
import pytest
import test_changes
import test_renew
from chaos import wait_until
from machines import CA, CERTIFICATE, FOLDER, MEMBERS, ROOT, keep, nothing_lost, secrets
from simulated import HASHTAGS
from test_rotate import while_written_to
from whole import Whole, following

import roles

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from writing import Writers

pytestmark = pytest.mark.skipif(
    FOLDER.name != "stream", reason="a whole lake: molecule verify -s stream deploys it"
)

A_SECOND = 200
metadata = roles.module("kafka/files/metadata.py")


@contextlib.contextmanager
def leaders(lake: Whole, folder: Path) -> Iterator[None]:
    """Keep for how long, at most, a partition had no leader while the block went on."""
    for name, path in (
        ("ca.pem", CA),
        ("cert.pem", CERTIFICATE),
        ("key.pem", lake.kafka(lake.hosts)["ssl_keyfile"]),
    ):
        (folder / name).symlink_to(path)
    since: dict[tuple[str, int], float] = {}
    lasted, done = [0.0], threading.Event()

    def headless() -> set[tuple[str, int]]:
        for address in lake.addresses:
            with contextlib.suppress(OSError):
                seen = metadata.metadata(address, 9093, str(folder))["partitions"]
                return {(one["topic"], one["partition"]) for one in seen if one["leader"] < 0}
        return {*since, ("while no broker answers", 0)}

    def watch() -> None:
        while not done.wait(0.5):
            now, seen = time.monotonic(), headless()
            lasted.extend(now - since.setdefault(one, now) for one in seen)
            for one in since.keys() - seen:
                del since[one]

    watching = threading.Thread(target=watch)
    watching.start()
    try:
        yield
    finally:
        done.set()
        watching.join(60)
        keep(longest_without_leader_seconds=round(max(lasted), 1))


@pytest.fixture(scope="module")
def lake() -> Iterator[Whole]:
    # As many as are written in the time that this takes: what X forgets cannot be searched for.
    with following(8098, keep=5_000_000) as lake:
        yield lake


def is_noticed_by_nobody(lake: Whole, writers: Writers, began: dt.datetime, **what: Any) -> None:
    """Hold that writers lost nothing, the stream goes on, and windows and roll-ups equal a recount."""
    nothing_lost(writers, **what)
    goes_on(lake, began)


def goes_on(lake: Whole, began: dt.datetime) -> None:
    """Hold that the stream goes on, and that windows and roll-ups equal a recount."""
    lake.keeps_up()
    machine = lake.machine
    # Of some minutes, since each window is held against each tweet.
    until = min(dt.datetime.now(dt.timezone.utc), began + dt.timedelta(minutes=8)).replace(microsecond=0)

    def is_counted() -> bool:
        compared, wrong = chaos.windows_differ(machine, began, until, HASHTAGS)
        assert not wrong, wrong[:3]
        return compared > 0 and not chaos.roll_ups_differ(machine, began, until - dt.timedelta(minutes=1))

    wait_until("windows and roll-ups equal a recount", is_counted, 600)
    machine.mongo.close()


def test_1_the_stream_brings_200_tweets_a_second_to_one_host(lake: Whole) -> None:
    lake.play("site.yml", [1])
    lake.makes_its_topic()
    lake.collects(A_SECOND)


def test_2_with_100_000_tweets_it_becomes_three(lake: Whole, tmp_path: Path) -> None:
    lake.x.a_second = 500
    wait_until("100,000 tweets are stored", lambda: len(lake.stored()) >= 100_000, 900)
    lake.x.a_second = A_SECOND
    lake.keeps_up()
    began, writers = dt.datetime.now(dt.timezone.utc), lake.writers(lake.hosts)
    with writers.going_on(), leaders(lake, tmp_path):
        lake.play("ansible/member.yml", [1, 2, 3])
    lake.whole([1, 2, 3])
    is_noticed_by_nobody(lake, writers, began, grown="to three")


def test_3_a_heap_changed_on_all_hosts_is_noticed_by_nobody(lake: Whole, tmp_path: Path) -> None:
    before = [lake.started(number)["kafka"] for number in lake.hosts]
    lake.also = {"kafka_heap_mb": 320}
    began, writers = dt.datetime.now(dt.timezone.utc), lake.writers(lake.hosts)
    with writers.going_on(), leaders(lake, tmp_path):
        lake.play("site.yml", lake.hosts, "--tags", "kafka")
    assert all(was != lake.started(number)["kafka"] for was, number in zip(before, lake.hosts))
    assert not writers.refused
    is_noticed_by_nobody(lake, writers, began, changed="the heap of Kafka")


def test_4_everything_is_restarted_host_by_host(lake: Whole, tmp_path: Path) -> None:
    before = [lake.started(number) for number in lake.hosts]
    began, writers = dt.datetime.now(dt.timezone.utc), lake.writers(lake.hosts)
    with writers.going_on(), leaders(lake, tmp_path):
        lake.play("ansible/roll.yml", lake.hosts, roll_restart=True)
    after = [lake.started(number) for number in lake.hosts]
    assert all(was[name] != now[name] for was, now in zip(before, after) for name in MEMBERS)
    is_noticed_by_nobody(lake, writers, began, restarted="all")


def rotated(lake: Whole, rotate: str) -> None:
    """Rotate something while people write, the stream is read, and others write to Kafka and MongoDB."""
    began = dt.datetime.now(dt.timezone.utc)
    is_noticed_by_nobody(lake, while_written_to(lake, rotate=rotate), began, rotated=rotate)
    lake.serves()


@pytest.mark.parametrize(
    "name",
    [
        "mongodb_sink_password",
        "mongodb_web_password",
        "passwords",
        "mongodb_keyfile",
        "nifi_sensitive_props_key",
        "tls_keystore_password",
        "tls_ca_passphrase",
        "backup_password",
    ],
)
def test_5_a_secret_of_the_vault_is_another_one(lake: Whole, name: str) -> None:
    old = secrets()
    rotated(lake, rotate=name)
    passwords = {one for one in old if one.endswith("_password")} - {"backup_password"}
    new = {one for one, value in secrets().items() if value != old.get(one)}
    assert new == (passwords if name == "passwords" else {name})
    lake.nothing_is_pending()


def certificates(lake: Whole, number: int) -> dict[str, str]:
    """Return the digest of each certificate of a host's services and jobs, by its path."""
    said = lake.host(number).check_output("find /etc -name cert.pem -exec sha256sum {} +")
    return {path: digest for digest, path in (line.split() for line in said.splitlines())}


@pytest.mark.parametrize("name", ["certificates", "authority"])
def test_6_so_are_all_keys_and_the_authority(lake: Whole, name: str) -> None:
    before = [certificates(lake, number) for number in lake.hosts]
    rotated(lake, rotate=name)
    for was, number in zip(before, lake.hosts):
        now = certificates(lake, number)
        assert now.keys() == was.keys()
        assert not now.items() & was.items()
    lake.nothing_is_pending()


def test_7_a_blank_host_takes_the_place_of_a_destroyed_one(lake: Whole, tmp_path: Path) -> None:
    dead = lake.addresses[1]
    subprocess.run([ROOT / "bin/machine", "down", lake.names[1]], check=True, timeout=120)
    began, writers = dt.datetime.now(dt.timezone.utc), lake.writers([1, 3])
    with writers.going_on(), leaders(lake, tmp_path):
        lake.play("ansible/member.yml", [1, 3, 4], member_retire=dead)
    lake.whole([1, 3, 4])
    is_noticed_by_nobody(lake, writers, began, replaced="a host")


@pytest.mark.parametrize(
    "holds",
    [
        test_changes.test_4_a_list_in_another_order_changes_nothing,
        test_changes.test_5_a_bad_setting_takes_one_broker_down_and_the_next_run_goes_on,
        test_changes.test_7_a_roll_that_is_interrupted_again_and_again_is_completed_by_the_next_run,
        test_renew.test_1_what_has_two_days_left_is_renewed_and_nothing_ends,
        test_changes.test_8_three_hosts_become_one,
        test_changes.test_9_growth_that_is_interrupted_again_and_again_is_completed_by_the_next_run,
    ],
)
def test_8_what_holds_of_members_alone_does_so_while_they_are_read(
    lake: Whole, holds: Callable[[Whole], None]
) -> None:
    began = dt.datetime.now(dt.timezone.utc)
    holds(lake)
    # As the inventory has it.
    lake.play("site.yml", lake.hosts)
    goes_on(lake, began)
    lake.serves()


def test_9_all_that_was_written_is_stored_and_the_next_run_changes_nothing(lake: Whole) -> None:
    lake.x.quiet()
    wanted = lake.written(time.monotonic())
    wait_until("all that was written is stored", lambda: wanted <= lake.stored(), 600)
    keep(written=len(wanted))
    # From the first minute on, with all hours that were over.
    machine = lake.machine
    wait_until("roll-ups equal a recount", lambda: not chaos.roll_ups_differ(machine), 600)
    machine.mongo.close()
    said = lake.play("site.yml", lake.hosts)
    assert said.count("changed=0") == said.count("changed="), said[-3000:]
