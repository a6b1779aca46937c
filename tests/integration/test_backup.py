"""Backups: what was saved comes back on blank servers; what is damaged is told, and changes nothing."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import conftest
import pytest
import services
from bson.int64 import Int64
from conftest import Lake
from kafka import KafkaConsumer
from pymongo.write_concern import WriteConcern

from opslib import message
from opslib.backup import kafka
from opslib.settings import load

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from conftest import Servers

pytestmark = pytest.mark.skipif(shutil.which("restic") is None, reason="Debian's restic is not installed")
FIRST = 1_800_000_000_000_000_000


@pytest.fixture(scope="module")
def blank(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    """Run other servers, which hold nothing and count from 0."""
    with conftest.running(tmp_path_factory.mktemp("blank")) as servers:
        yield servers


@pytest.fixture
def saved(lake: Lake) -> Lake:
    lake.log_in("opslib-backup")
    configure(lake, lake.folder / "repository")
    assert lake.opslib("backup", "init").returncode == 0
    return lake


def configure(lake: Lake, repository: Path, parts: str = '["positions", "mongodb", "log", "kafka"]') -> None:
    lake.put("restic_password", "of the tests\n")
    mongod = services.distribution("mongodb") / "bin/mongod"
    with lake.config.open("a") as config:
        config.write(
            f"[backup]\nrepository = '{repository}'\nparts = {parts}\nstate = '{lake.folder / 'backup'}'\n"
            f"mongod = '{mongod}'\n"
        )


def done(lake: Lake, *arguments: str) -> dict[str, Any]:
    ended = lake.opslib("backup", *arguments, "--format", "json")
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout)


def refused(lake: Lake, *arguments: str) -> tuple[int, str]:
    ended = lake.opslib("backup", *arguments)
    assert "Traceback" not in ended.stderr
    return ended.returncode, ended.stderr.strip()


def tweet(number: int, **more: Any) -> dict[str, Any]:
    now = datetime.now(timezone.utc)
    return {
        "_id": FIRST + number, "text": f"bom dia {number}", "lang": "pt", "words": ["bom"], "topics": [],
        "created_at": now, "first_seen_at": now, "collected_at": now, "entities": {}, "public_metrics": {},
        **more,
    }  # fmt: skip


def message_of(number: int) -> dict[str, Any]:
    return {
        "id": str(FIRST + number),
        "text": f"bom dia {number}",
        "collected_at": "2026-03-01T12:00:00.000Z",
    }


@contextlib.contextmanager
def on(servers: Servers, folder: Path, like: Lake) -> Iterator[Lake]:
    """Give a lake on other servers that has the backups of *like*, and an account that may restore."""
    folder.mkdir()
    other = Lake(servers, folder, like.name)
    configure(other, like.folder / "repository")
    other.put("mongodb_username", "__system")
    other.put("mongodb_password", "".join((servers.mongodb.folder / "keyfile").read_text().split()))
    try:
        yield other
    finally:
        other.close()


def everything(lake: Lake) -> dict[str, list[Any]]:
    return {
        name: sorted(lake.database[name].find(), key=lambda one: str(one["_id"]))
        for name in lake.database.list_collection_names()
        if not name.startswith("system.")
    }


def values(lake: Lake, topic: str) -> list[tuple[int, bytes, int]]:
    ends = lake.ends(topic)
    consumer = KafkaConsumer(**lake.servers.operator, consumer_timeout_ms=60_000)
    consumer.assign(list(ends))
    consumer.seek_to_beginning()
    number = sum(ends.values()) - sum(consumer.beginning_offsets(list(ends)).values())
    found = [(one.partition, one.value, one.timestamp) for _, one in zip(range(number), consumer)]
    consumer.close()
    return sorted(found)


def test_what_was_saved_comes_back_on_blank_servers(saved: Lake, blank: Servers, tmp_path: Path) -> None:
    database = saved.database
    database.tweets.insert_many([tweet(number) for number in range(3000)])
    now = datetime.now(timezone.utc)
    database.forgotten.insert_one({"_id": Int64(7), "at": now, "reason": "asked"})
    saved.send(*(message_of(number) for number in range(60)))
    # The group stands in the middle of what this test sent.
    stood = {one: begin + 5 for one, begin in saved.begun.items() if one.topic == message.TWEETS}
    saved.admin.alter_group_offsets(saved.name, {one: conftest.offset_at(at) for one, at in stood.items()})
    next_ = [{"topic": one.topic, "partition": one.partition, "offset": at} for one, at in stood.items()]
    database.ops_stats.insert_one(
        {"at": now.replace(microsecond=0), "meta": {"kind": "tweets"}, "next": next_}
    )
    first = done(saved, "create")
    assert set(first["parts"]) == {"positions", "mongodb", "log", "kafka"}
    before, sent = everything(saved), values(saved, message.TWEETS)
    with on(blank, tmp_path / "blank", saved) as other:
        assert done(other, "restore", "all", "--dry-run")["there"] == []
        assert not other.ids()
        done(other, "restore", "all")
        after = everything(other)
        begins = {one: values_before(saved, one) for one in stood}
        assert values(other, message.TWEETS) == sent
        # The next message of each group is the one that it was.
        assert {one: at for one, at in other.committed().items() if one in stood} == {
            one: at - begins[one] for one, at in stood.items()
        }
        (moved,) = after.pop("ops_stats")
        (was,) = before.pop("ops_stats")
        assert {one["partition"]: one["offset"] for one in moved["next"]} == {
            one.partition: at - begins[one] for one, at in stood.items()
        }
        assert (moved["at"], moved["meta"]) == (was["at"], was["meta"])
        assert after == before
        assert set(other.database.tweets.index_information()) == set(database.tweets.index_information())
        # What is there stays, unless it is said.
        code, said = refused(other, "restore", "mongodb")
        assert code == 2
        assert "nothing was changed: there is documents in" in said
        assert other.ids() == saved.ids()
        with reading(other):
            code, said = refused(other, "restore", "mongodb", "--force")
        assert (code, said) == (
            2, f"Error: nothing was changed: somebody reads in {saved.name}: stop the services first",
        )  # fmt: skip
        assert other.ids() == saved.ids()


def test_how_far_searches_have_come_is_read_from_what_kafka_got_since(
    saved: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    def found(number: int, *queries: str) -> dict[str, Any]:
        topics = [{"name": "any", "woeid": 1, "query": query} for query in queries]
        return {**message_of(number), "collected_for": topics}

    for name, value in saved.environment().items():
        monkeypatch.setitem(os.environ, name, value)
    saved.send(found(9, "#before"), found(3, "#both"))
    since = datetime.fromtimestamp(
        (max(at for _, _, at in values(saved, message.TWEETS)) + 1) / 1000, timezone.utc
    )
    services.wait_until("a later moment", lambda: datetime.now(timezone.utc) > since)
    saved.send(found(4, "#both"), found(8, "#since", "#both"), found(6, "#since"), message_of(99))
    saved.send(b"no message")
    newest = kafka.newest_collected(load(), since, lambda _: None)
    assert newest == {"#both": FIRST + 8, "#since": FIRST + 8}


@contextlib.contextmanager
def reading(lake: Lake) -> Iterator[None]:
    """Be a member of the group for a while."""
    consumer = KafkaConsumer(
        message.TWEETS, **lake.servers.operator, group_id=lake.name, enable_auto_commit=False
    )
    try:
        services.wait_until("it has joined", lambda: bool(consumer.poll(100) or consumer.assignment()))
        yield
    finally:
        consumer.close()


def values_before(lake: Lake, partition: Any) -> int:
    """Return the first offset that the partition has: what a new Kafka takes for 0."""
    from kafka.admin import OffsetSpec

    return lake.admin.list_partition_offsets({partition: OffsetSpec.EARLIEST})[partition].offset


def test_what_was_forgotten_since_stays_forgotten_whichever_backup_comes_back(saved: Lake) -> None:
    database = saved.database
    retweet = tweet(
        8, text="RT @ana: bom dia 7", referenced_tweets=[{"type": "retweeted", "id": str(FIRST + 7)}]
    )
    database.tweets.insert_many([*(tweet(number) for number in range(8)), retweet])
    first = done(saved, "create")["run"]
    saved.log_in("opslib-forget")
    forgotten = saved.opslib("forget", str(FIRST + 7), "--why", "asked", "--yes", "--format", "json")
    assert forgotten.returncode == 0, forgotten.stderr
    saved.log_in("opslib-backup")
    audit = everything(saved)["audit"]
    later(saved, first)
    with restoring(saved):
        came = done(saved, "restore", "mongodb", "--run", first, "--force")
    assert came["forgotten_again"] == 2
    assert saved.ids() == {FIRST + number for number in range(7)}
    assert {one["_id"] for one in database.forgotten.find()} == {FIRST + 7, FIRST + 8}
    kept = everything(saved)["audit"]
    assert [line for line in audit if line not in kept] == []
    assert {line["why"] for line in kept} == {"asked", "restored from a backup"}


class Writing:
    """Some who store one tweet after another, each acknowledged by a majority: ``RATE`` a second together."""

    RATE = 500
    MOST = 30_000
    WRITERS = 5

    def __init__(self, lake: Lake) -> None:
        majority = lake.database.client.get_database(lake.name, write_concern=WriteConcern("majority"))
        self._tweets = majority.tweets
        self.begun: set[int] = set()
        self.acknowledged: set[int] = set()
        self._at_it = [threading.Lock() for _ in range(self.WRITERS)]
        self._over = threading.Event()

    def __enter__(self) -> Writing:  # noqa: PYI034 - typing.Self is newer than Python 3.9
        self._began = time.monotonic()
        self._threads = ThreadPoolExecutor(self.WRITERS)
        self._ends = [self._threads.submit(self._write, one) for one in range(self.WRITERS)]
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._threads.shutdown()
        for one in self._ends:
            one.result()

    def _write(self, writer: int) -> None:
        for number in range(writer, self.MOST, self.WRITERS):
            # Who fell behind catches up.
            if self._over.wait(max(0.0, self._began + number / self.RATE - time.monotonic())):
                return
            with self._at_it[writer]:
                self.begun.add(FIRST + number)
                self._tweets.insert_one(tweet(number))
                self.acknowledged.add(FIRST + number)

    def goes_on(self, number: int = 500) -> None:
        """Wait until so many more are acknowledged."""
        wanted = min(len(self.acknowledged) + number, self.MOST)
        services.wait_until("more is written", lambda: len(self.acknowledged) >= wanted, 120)

    @contextlib.contextmanager
    def still(self) -> Iterator[None]:
        """Hold them between two tweets: for so long what is begun is acknowledged."""
        with contextlib.ExitStack() as held:
            for one in self._at_it:
                held.enter_context(one)
            yield


def test_between_two_backups_exactly_what_was_acknowledged_before_a_moment_comes_back(saved: Lake) -> None:
    database = saved.database
    with Writing(saved) as writing:
        writing.goes_on()
        first = done(saved, "create")["run"]
        writing.goes_on()
        with writing.still():
            database.tweets.delete_many({"_id": {"$lt": FIRST + 50}})
            newest = {"_id": {"$gte": max(writing.acknowledged) - 10}}
            database.tweets.update_many(newest, {"$set": {"text": "mudou", "public_metrics.likes": 1}})
            wanted = everything(saved)
            moment = server_moment(database)
        writing.goes_on()
        # And one that nobody waits for, with some on their way.
        before = writing.acknowledged.copy()
        amid = server_moment(database)
        by_then = writing.begun.copy()
        writing.goes_on()
        database.tweets.update_many({}, {"$set": {"text": "depois"}})
        later(saved, first)
    gone = set(range(FIRST, FIRST + 50))
    with restoring(saved):
        done(saved, "restore", "mongodb", "--at", amid.isoformat(), "--force")
        assert before - gone <= saved.ids() <= by_then - gone
        done(saved, "restore", "mongodb", "--at", moment.isoformat(), "--force")
        assert everything(saved) == wanted
        code, said = refused(saved, "restore", "mongodb", "--at", "2026-01-01T00:00:00Z", "--force")
        assert (code, "there is no backup from before 2026-01-01T00:00:00Z" in said) == (2, True)
        assert everything(saved) == wanted


def test_a_backup_is_of_one_moment_while_others_write(saved: Lake) -> None:
    """Each insert is followed by one that refers to it: the second never comes back without the first."""
    database = saved.database
    stop = threading.Event()

    def write() -> None:
        number = 0
        while not stop.is_set():
            database.trends.insert_one(trend(number))
            database.tweets.insert_one(tweet(number))
            database.trends.update_one({"_id": f"t{number}"}, {"$set": {"place": "done"}})
            if number % 3 == 0:
                database.tweets.delete_one({"_id": FIRST + number})
                database.trends.delete_one({"_id": f"t{number}"})
            number += 1

    writer = threading.Thread(target=write)
    writer.start()
    try:
        services.wait_until("something is written", lambda: database.tweets.count_documents({}) > 300)
        done(saved, "create")
    finally:
        stop.set()
        writer.join()
    with restoring(saved):
        done(saved, "restore", "mongodb", "--force")
    tweets = {one["_id"] - FIRST for one in database.tweets.find()}
    trends = {int(one["_id"][1:]): one["place"] for one in database.trends.find()}
    assert tweets
    # Of the last ones a step or two may have been open at that moment, and of no other.
    newest = max(trends)
    assert [n for n in trends if n not in tweets and n < newest and n % 3] == []
    assert [n for n in tweets if n not in trends and n < newest - 1] == []
    assert [n for n, place in trends.items() if place != "done" and n < newest] == []


def test_a_backup_is_verified_in_a_mongodb_of_its_own(saved: Lake) -> None:
    saved.database.tweets.insert_many([tweet(number) for number in range(1000)])
    done(saved, "create")
    found = done(saved, "verify")
    assert found["collections"]["tweets"]["documents"] == 1000
    assert not (saved.folder / "backup/verify").exists()
    metrics = metrics_of(saved)
    assert "trendlake_backup_last_verification_failed 0.0" in metrics
    assert "trendlake_backup_last_verified_timestamp_seconds" in metrics
    assert 'trendlake_backup_last_read_bytes{part="mongodb"}' in metrics


def test_a_damaged_repository_is_told_and_changes_nothing(saved: Lake) -> None:
    saved.database.tweets.insert_many([tweet(number, noise=os.urandom(400)) for number in range(10_000)])
    done(saved, "create")
    # In each of them: which one holds tweets, and which the messages of other tests, is restic's.
    packs = {path: path.read_bytes() for path in saved.folder.glob("repository/data/*/*")}
    before = saved.ids()
    for pack, content in packs.items():
        pack.chmod(0o600)
        flipped = bytearray(content)
        flipped[len(content) // 2] ^= 1
        pack.write_bytes(flipped)
    # What is in the way is told first, and without reading all that would come.
    code, said = refused(saved, "restore", "mongodb")
    assert (code, "nothing was changed: there is documents in" in said) == (2, True)
    with restoring(saved):
        code, said = refused(saved, "restore", "mongodb", "--force")
    assert (code, said) == (1, "Error: restic: the repository is damaged: it is not what was saved")
    assert saved.ids() == before
    for pack, content in packs.items():
        pack.write_bytes(content[: len(content) // 2])
    code, said = refused(saved, "verify")
    assert (code, "damaged" in said) == (1, True)
    assert len(said.splitlines()) == 1
    assert "trendlake_backup_last_verification_failed 1.0" in metrics_of(saved)


def metrics_of(lake: Lake) -> str:
    return (lake.folder / "backup/trendlake_backup.prom").read_text()


def test_a_wrong_password_or_no_repository_is_one_line_and_code_2(saved: Lake) -> None:
    saved.put("restic_password", "another one\n")
    for call in (["create"], ["restore", "mongodb", "--force"], ["init"]):
        code, said = refused(saved, *call)
        assert (code, said) == (2, "Error: restic: the password of the repository is wrong")
    shutil.rmtree(saved.folder / "repository")
    code, said = refused(saved, "create")
    assert (code, said) == (2, "Error: restic: there is no repository: `opslib backup init` makes one")
    (saved.credentials / "restic_password").unlink()
    code, said = refused(saved, "list")
    assert code == 2
    assert "restic_password is needed" in said


@pytest.mark.skipif(os.geteuid() != 0, reason="a file system of its own takes root to mount")
def test_a_full_target_is_told_and_what_was_saved_before_stays(lake: Lake) -> None:
    lake.log_in("opslib-backup")
    small = lake.folder / "small"
    small.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1g", "tmpfs", str(small)], check=True)
    try:
        configure(lake, small / "repository")
        assert refused(lake, "init")[0] == 0
        lake.database.tweets.insert_many([tweet(number) for number in range(100)])
        first = done(lake, "create")["run"]
        later(lake, first, create=False)
        # How much it was depends on what other tests left in Kafka: room for a tenth of what comes now.
        used = shutil.disk_usage(small).used
        resized = ["mount", "-o", f"remount,size={used + 3 * 2**20}", str(small)]
        subprocess.run(resized, check=True)
        lake.database.tweets.insert_many(
            [tweet(number, noise=os.urandom(1000)) for number in range(100, 30_000)]
        )
        code, said = refused(lake, "create")
        assert (code, said) == (1, "Error: restic: there is no room left where the repository is")
        assert "trendlake_backup_last_failed 1.0" in metrics_of(lake)
        assert [one["run"] for one in done(lake, "list") if one["whole"]] == [first]
        with restoring(lake):
            done(lake, "restore", "mongodb", "--force")
        assert len(lake.ids()) == 100
    finally:
        subprocess.run(["umount", "-l", str(small)], check=True)


def trend(number: int) -> dict[str, Any]:
    now = datetime.now(timezone.utc)
    return {"_id": f"t{number}", "woeid": 1, "place": "begun", "collected_at": now, "trends": []}


def server_moment(database: Any) -> datetime:
    """Return a moment of the server's clock that all acknowledged is before, and all to come behind."""

    def now() -> datetime:
        moment: datetime = database.client.admin.command("hello")["localTime"]
        return moment.replace(tzinfo=timezone.utc)

    at = now() + timedelta(milliseconds=5)
    services.wait_until("the moment is over", lambda: now() > at)
    return at


def later(lake: Lake, first: str, *, create: bool = True) -> None:
    """Make another backup, in another second than the *first*: runs are named by theirs."""
    services.wait_until(
        "a second is over", lambda: datetime.now(timezone.utc).strftime("%Y%m%dT%H%M%SZ") > first
    )
    if create:
        done(lake, "create")


@contextlib.contextmanager
def restoring(lake: Lake) -> Iterator[None]:
    """Hold what may restore for a while."""
    lake.put("mongodb_username", "__system")
    lake.put("mongodb_password", "".join((lake.servers.mongodb.folder / "keyfile").read_text().split()))
    try:
        yield
    finally:
        lake.log_in("opslib-backup")
