"""Backups without servers: what an archive holds, which runs belong together, what stays."""

from __future__ import annotations

import contextlib
import io
import json
import shutil
import sqlite3
import tarfile
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import bson
import click
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from kafka.errors import CoordinatorNotAvailableError

from opslib.backup import archive, files, kafka, restic, runs, state
from opslib.backup.kafka import Kept, Positions
from opslib.backup.restic import BackupError, Repository, Snapshot, _failure, _options
from opslib.cli import main
from opslib.doctor import backup as doctor
from opslib.doctor.findings import Findings
from opslib.settings import Backup, Settings, SettingsError

if TYPE_CHECKING:
    from collections.abc import Sequence


def written(streams: dict[str, list[dict[str, Any]]]) -> bytes:
    out = io.BytesIO()
    writer = archive.Writer(out)
    for name, documents in streams.items():
        with writer.stream(name) as stream:
            for document in documents:
                stream.write(bson.encode(document))
    writer.about(kept="yes")
    writer.close()
    return out.getvalue()


def read(data: bytes) -> tuple[dict[str, list[dict[str, Any]]], dict[str, Any]]:
    reader = archive.Reader(io.BytesIO(data))
    found: dict[str, list[dict[str, Any]]] = {}
    for one in reader:
        assert isinstance(one, archive.Segment)
        found.setdefault(one.name, []).extend(bson.decode_all(one.data))
    return found, reader.contents


def through(data: bytes) -> None:
    for _ in archive.Reader(io.BytesIO(data)):
        pass


STREAMS = {"a.b": [{"n": number, "text": "é" * number} for number in range(50)], "c": [{"n": 1}]}


@settings(max_examples=40)
@given(
    st.dictionaries(
        st.text("abc.-/_", min_size=1, max_size=12).filter(lambda name: not name.startswith("/")),
        st.lists(st.dictionaries(st.sampled_from("xyz"), st.integers(0, 2**60)), min_size=1, max_size=9),
        max_size=3,
    ),
    st.integers(10, 400),
)
def test_documents_come_back_however_they_are_cut_into_members(
    streams: dict[str, list[dict[str, Any]]], size: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(archive, "MEMBER_BYTES", size)
        found, contents = read(written(streams))
    assert found == streams
    assert {name: told["documents"] for name, told in contents["sums"].items()} == {
        name: len(documents) for name, documents in streams.items()
    }
    assert contents["kept"] == "yes"


@given(st.data())
def test_an_archive_that_was_cut_short_or_changed_is_told(data: st.DataObject) -> None:
    whole = written(STREAMS)
    # Behind the last member are zeros alone, which mean nothing.
    used = len(whole.rstrip(b"\0"))
    with pytest.raises(archive.DamagedError):
        through(whole[: data.draw(st.integers(0, used - 1))])
    body = whole.index(b"\x03n") if b"\x03n" in whole else whole.index(bson.encode(STREAMS["a.b"][40]))
    at = data.draw(st.integers(body, body + 100))
    changed = bytearray(whole)
    changed[at] ^= data.draw(st.integers(1, 255))
    with pytest.raises(archive.DamagedError):
        through(bytes(changed))


def test_equal_documents_make_equal_archives() -> None:
    assert written(STREAMS) == written(STREAMS)


@given(
    st.lists(st.integers(0, 200), unique=True, min_size=1).map(sorted),
    st.integers(0, 210),
    st.integers(0, 1000),
)
def test_a_group_goes_on_at_the_message_that_it_stood_at(saved: list[int], stood: int, base: int) -> None:
    positions = Positions()
    positions.begin(("t", 0), base)
    for offset in saved:
        positions.add(("t", 0), offset)
    place = positions.of(("t", 0), stood)
    assert place is not None
    # What a reader gets from there on is what it would have got before.
    assert saved[place - base :] == [offset for offset in saved if offset >= stood]
    assert positions.of(("t", 1), stood) is None


def test_on_the_kafka_of_before_a_position_is_what_it_was_as_far_as_there_are_messages() -> None:
    kept = Kept({("t", 0): (10, 20)})
    assert [kept.of(("t", 0), offset) for offset in (5, 10, 15, 20, 25)] == [10, 10, 15, 20, 20]
    assert kept.of(("other", 0), 5) is None


def test_a_new_kafka_that_has_no_positions_yet_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kafka, "_AGAIN_SECONDS", 0)
    asked = []

    class Admin:
        def describe_groups(self, groups: list[str]) -> dict[str, Any]:
            asked.append(groups)
            if len(asked) < 3:
                raise CoordinatorNotAvailableError
            return {"trendlake-sink": {"members": []}}

    assert kafka.busy(Admin(), [{"group": "trendlake-sink", "positions": []}]) == []
    assert asked == [["trendlake-sink"]] * 3


def packed(trees: files.Trees) -> bytes:
    out = io.BytesIO()
    writer = archive.Writer(out)
    files.save(trees, writer)
    writer.close()
    return out.getvalue()


@pytest.mark.parametrize("shares", [True, False])
def test_files_come_back_with_their_modes_and_databases_as_of_one_moment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shares: bool
) -> None:
    # Whoever may read all and write nothing cannot share a database's memory.
    monkeypatch.setattr(files.os, "access", lambda *_: shares)
    root = tmp_path / "there"
    (root / "inside/left").mkdir(parents=True)
    (root / "inside/left/out").write_text("not this")
    (root / "a").write_text("á")
    (root / "a").chmod(0o640)
    (root / "link").symlink_to("a")
    used = sqlite3.connect(root / "users.sqlite")
    used.execute("PRAGMA journal_mode=WAL")
    used.execute("CREATE TABLE users (name)")
    used.execute("INSERT INTO users VALUES ('ana')")
    used.commit()
    # One that is under way is in the log beside it, and not in the copy.
    used.execute("INSERT INTO users VALUES ('bia')")
    data = packed(files.Trees([root], [root / "inside/left"]))
    used.close()
    to = tmp_path / "to"
    to.mkdir()
    files.restore(archive.Reader(io.BytesIO(data)), to, [root])
    came = to / str(root)[1:]
    assert (came / "a").read_text() == "á"
    assert (came / "a").stat().st_mode & 0o777 == 0o640
    assert (came / "link").readlink() == Path("a")
    assert not (came / "inside/left").exists()
    assert sorted(one.name for one in came.iterdir()) == ["a", "inside", "link", "users.sqlite"]
    with closing(sqlite3.connect(came / "users.sqlite")) as database:
        assert database.execute("SELECT name FROM users").fetchall() == [("ana",)]


def test_a_database_that_nobody_has_open_is_read_without_a_trace(tmp_path: Path) -> None:
    path = tmp_path / "budget.sqlite"
    with closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA journal_mode=WAL")
        database.execute("CREATE TABLE spent (usd)")
        database.commit()
    before = sorted(tmp_path.iterdir())
    tmp_path.chmod(0o500)
    assert files.database(path).startswith(b"SQLite format 3")
    tmp_path.chmod(0o700)
    assert sorted(tmp_path.iterdir()) == before


def test_a_database_is_saved_whose_log_goes_while_it_is_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "budget.sqlite"
    with closing(sqlite3.connect(path)) as database:
        database.execute("CREATE TABLE spent (usd)")
    # Whoever asks whether it is there is told so, and finds it gone then.
    monkeypatch.setattr(Path, "exists", lambda asked: asked.name.endswith("-wal") or asked.is_file())
    monkeypatch.setattr(files, "_opened", lambda *_: sqlite3.connect(path))
    saved = packed(files.Trees([tmp_path]))
    found = [one.info.name for one in archive.Reader(io.BytesIO(saved)) if one.content]  # type: ignore[union-attr]
    assert [name.rpartition("/")[2] for name in found] == ["budget.sqlite"]


def test_files_that_go_together_are_read_again_when_one_is_replaced_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("checkpoint", "journal"):
        (tmp_path / name).write_text("1")
    read_first = files._content
    replaced = []

    def content(path: Path) -> bytes:
        found = read_first(path)
        if path.name == "checkpoint" and not replaced:
            for name in ("checkpoint", "journal"):
                (tmp_path / f"{name}.new").write_text("2")
                (tmp_path / f"{name}.new").replace(tmp_path / name)
            replaced.append(path)
        return found

    monkeypatch.setattr(files, "_content", content)
    data = packed(files.Trees([tmp_path], together=True))
    found = {one.info.name: one.content for one in archive.Reader(io.BytesIO(data)) if one.content}  # type: ignore[union-attr]
    assert set(found.values()) == {b"2"}


def test_a_file_of_an_account_that_is_not_here_is_told_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files.os, "geteuid", lambda: 0)
    out = io.BytesIO()
    writer = archive.Writer(out)
    info = tarfile.TarInfo("var/lib/opslib/clouds/cloud.png")
    info.uname = info.gname = "nobody-has-this-name"
    writer.put(info, b"x")
    writer.close()
    with pytest.raises(click.ClickException, match=r"no account .*nobody-has-this-name.*clouds/cloud\.png"):
        files.present(archive.Reader(io.BytesIO(out.getvalue())), tmp_path)


@pytest.mark.parametrize("name", ["../../etc/passwd", "/etc/passwd", "var/../../x", "etc/passwd"])
def test_an_archive_leads_nowhere_else(tmp_path: Path, name: str) -> None:
    out = io.BytesIO()
    writer = archive.Writer(out)
    info = tarfile.TarInfo(name)
    info.size = 1
    writer.put(info, b"x")
    writer.close()
    with pytest.raises(click.ClickException, match="the archive has"):
        files.restore(archive.Reader(io.BytesIO(out.getvalue())), tmp_path, [Path("/var/lib/nifi")])
    assert list(tmp_path.iterdir()) == []


class Kept_(Repository):  # noqa: N801 - a repository without restic
    def __init__(self, snapshots: Sequence[Snapshot], unkept: set[str]) -> None:
        self.known = list(snapshots)
        self.unkept_ = unkept
        self.removed: list[str] = []

    def snapshots(self) -> list[Snapshot]:
        return self.known

    def unkept(self, part: str) -> set[str]:
        assert part == runs.MARK
        return self.unkept_

    def remove(self, snapshots: list[Snapshot]) -> None:
        self.removed = sorted(one.id for one in snapshots)


def snapshots(**by_run: str) -> list[Snapshot]:
    return [
        Snapshot(f"{run}-{part}", "", run, part) for run, parts in by_run.items() for part in parts.split()
    ]


def test_a_run_is_whole_with_its_mark_and_the_newest_whole_one_is_chosen() -> None:
    found = runs.found(snapshots(a="mongodb log run", b="nifi run", c="mongodb"))
    assert [(run.name, run.whole) for run in found] == [("a", True), ("b", True), ("c", False)]
    assert runs.choose(found, "mongodb", None).name == "a"
    assert runs.choose(found, "nifi", None).name == "b"
    with pytest.raises(SettingsError, match="no whole backup with the part nifi"):
        runs.choose(found, "nifi", "a")
    with pytest.raises(SettingsError, match="no backup x: see `opslib backup list`"):
        runs.choose(found, "nifi", "x")


def test_what_is_not_kept_goes_with_its_parts_and_so_does_what_was_cut_short() -> None:
    known = snapshots(a="mongodb run", b="mongodb", c="mongodb run", d="mongodb run", e="mongodb")
    repository = Kept_(known, {"a-run"})
    assert runs.prune(repository, 2) == 3
    # b was cut short before others came to their end; e may be another host's that is at work.
    assert repository.removed == ["a-mongodb", "a-run", "b-mongodb"]


def test_parts_are_saved_in_an_order_by_which_a_restore_never_loses() -> None:
    order = {part: number for number, part in enumerate(runs.ORDER)}
    assert order["positions"] < order["mongodb"] < order["log"]
    assert order["nifi"] < order["kafka"]
    assert order["positions"] < order["kafka"]


@pytest.mark.parametrize(
    ("said", "told", "code"),
    [
        ("Fatal: wrong password or no key found\n", "the password of the repository is wrong", 2),
        ("write /x: no space left on device\n", "there is no room left where the repository is", 1),
        ("Load(<data/1>): ciphertext verification failed", "the repository is damaged: it is not what was saved", 1),  # noqa: E501
        ("subprocess ssh: ana@a: Permission denied (publickey).\nFatal: unable to open repository", "the SFTP store refuses the key: see backup_ssh_key", 2),  # noqa: E501
        ("subprocess ssh: ssh: connect to host a port 22: timed out\nFatal: error: EOF", "ssh: connect to host a port 22: timed out", 1),  # noqa: E501
        ("Fatal: unable to start the sftp session, error: EOF", "there is no SFTP session: perhaps the SFTP store is not the one that backup_ssh_known_hosts has", 1),  # noqa: E501
        ("Fatal: unable to open config file: Stat: The specified bucket does not exist.\nIs there a repository at the following location?\ns3:x", "there is no repository: `opslib backup init` makes one", 2),  # noqa: E501
        ("Fatal: unable to open config file: Lstat /x/config: no such file or directory\nIs there a repository at the following location?\n/x", "there is no repository: `opslib backup init` makes one", 2),  # noqa: E501
        ("Fatal: unable to open config file: Stat: The request signature we calculated does not match the signature you provided.\nIs there a repository at the following location?\ns3:x", "the S3 store refuses the keys: see backup_environment", 2),  # noqa: E501
        ("Fatal: create repository at s3:x failed: client.BucketExists: No user exists with the provided access key ID.", "the S3 store refuses the keys: see backup_environment", 2),  # noqa: E501
        ('Fatal: unable to open config file: Stat: Get "http://a/lake/": dial tcp a:80: connect: connection refused\nIs there a repository at the following location?\ns3:x', 'Stat: Get "http://a/lake/": dial tcp a:80: connect: connection refused', 1),  # noqa: E501
        ("something\nFatal: else\n", "Fatal: else", 1),
        ("", "it failed without a word", 1),
    ],
)  # fmt: skip
def test_what_restic_says_is_told_plainly(said: str, told: str, code: int) -> None:
    failure = _failure(said)
    assert (failure.message, failure.exit_code) == (f"restic: {told}", code)


def test_an_sftp_store_is_reached_with_the_key_of_the_vault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("restic_ssh_key", "restic_known_hosts"):
        (tmp_path / name).write_text("x")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    options = _options(Backup(repository="sftp:lake@store.example.org:/backups", limit_kib=500))
    assert {"--limit-upload=500", "--limit-download=500", "--no-cache"} <= set(options)
    assert options[-1] == (
        f"sftp.command=ssh -i {tmp_path}/restic_ssh_key -o BatchMode=yes "
        f"-o UserKnownHostsFile={tmp_path}/restic_known_hosts lake@store.example.org -s sftp"
    )
    with_port = _options(Backup(repository="sftp://lake@store.example.org:2222//backups"))
    assert " -p 2222 lake@store.example.org -s sftp" in with_port[-1]


def test_what_is_known_of_the_last_backups_is_a_file_for_prometheus(tmp_path: Path) -> None:
    state.note(tmp_path, ended=1000.0, seconds=5, parts={"mongodb": {"bytes": 10, "added": 3}}, failed=False)
    state.note(tmp_path, failed=True)
    text = (tmp_path / state.TEXTFILE).read_text()
    assert "trendlake_backup_last_success_timestamp_seconds 1000.0" in text
    assert "trendlake_backup_last_failed 1.0" in text
    assert 'trendlake_backup_last_added_bytes{part="mongodb"} 3.0' in text
    for name in (state.TEXTFILE, state.STATUS):
        assert (tmp_path / name).stat().st_mode & 0o777 == 0o644


def test_a_store_that_is_away_before_a_backup_begins_is_told_as_one_that_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(_: Repository) -> bool:
        raise BackupError("restic: the repository cannot be reached")

    (tmp_path / "restic_password").write_text("of the tests\n")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    monkeypatch.setenv("OPSLIB_BACKUP__REPOSITORY", "sftp:store:/lake")
    monkeypatch.setenv("OPSLIB_BACKUP__STATE", str(tmp_path))
    monkeypatch.setattr(Repository, "init", away)
    assert CliRunner().invoke(main, ["backup", "init"]).exit_code == 1
    assert "trendlake_backup_last_failed 1.0" in (tmp_path / state.TEXTFILE).read_text()
    # That it can be reached again is not yet a backup.
    monkeypatch.setattr(Repository, "init", lambda _: False)
    assert CliRunner().invoke(main, ["backup", "init"]).exit_code == 0
    assert "trendlake_backup_last_failed 1.0" in (tmp_path / state.TEXTFILE).read_text()


DAY = 86_400


@pytest.mark.parametrize(
    ("known", "status", "said"),
    [
        ({}, "skipped", "no backup was made yet"),
        ({"ended": -DAY}, "ok", "is 24.0 hours old"),
        ({"ended": -3 * DAY}, "failed", "is 3.0 days old"),
        ({"ended": -DAY, "failed": True}, "failed", "the last backup failed"),
        ({"failed": True}, "failed", "the last backup failed"),
        ({"ended": 0, "verify_failed": True}, "failed", "did not come back whole"),
        ({"ended": 0, "first": -15 * DAY, "parts": {"mongodb": {}}}, "failed", "verified for 15 days"),
        ({"ended": 0, "verified": -15 * DAY, "parts": {"mongodb": {}}}, "failed", "verified for 15 days"),
        ({"ended": 0, "verified": -DAY, "first": -15 * DAY, "parts": {"mongodb": {}}}, "ok", "0.0 hours"),
    ],
)
def test_the_doctor_tells_backups_that_fail_grow_old_or_are_not_verified(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, known: dict[str, Any], status: str, said: str
) -> None:
    now = 1_800_000_000.0
    monkeypatch.setattr("time.time", lambda: now)
    moments = {name: now + at for name, at in known.items() if name in ("ended", "first", "verified")}
    (tmp_path / "status.json").write_text(json.dumps({**known, **moments}))
    report = Findings("backup")
    doctor.check(Settings(backup=Backup(repository="/r", state=tmp_path)), report)
    (worst,) = [one for one in report.findings if one.status == status]
    assert said in worst.text
    assert status == "failed" or not [one for one in report.findings if one.status == "failed"]


def test_where_no_backups_are_asked_for_the_doctor_says_so() -> None:
    report = Findings("backup")
    doctor.check(Settings(), report)
    assert [one.status for one in report.findings] == ["skipped"]


NEEDS_RESTIC = pytest.mark.skipif(shutil.which("restic") is None, reason="Debian's restic is not installed")


@pytest.mark.slow
@NEEDS_RESTIC
def test_who_reads_a_part_of_a_snapshot_leaves_no_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of another host it would stay for half an hour, and nothing could be removed."""
    (tmp_path / "restic_password").write_text("of the tests\n")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    repository = Repository(Backup(repository=str(tmp_path / "repository"), state=tmp_path))
    repository.init()
    with repository.save("20260301T000000Z", "mongodb") as (pipe, _):
        pipe.write(bytes(range(256)) * 2**16)
    (snapshot,) = repository.snapshots()
    with repository.read(snapshot) as pipe:
        assert pipe.read(2) == b"\0\1"
    assert list((tmp_path / "repository/locks").iterdir()) == []
    with contextlib.suppress(ZeroDivisionError), repository.read(snapshot) as pipe:
        pipe.read(1)  # restic ended in the midst of making its lock would leave it
        raise ZeroDivisionError
    assert list((tmp_path / "repository/locks").iterdir()) == []


@pytest.mark.slow
@NEEDS_RESTIC
def test_restic_keeps_what_it_is_to_and_nothing_of_what_failed_on_the_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "restic_password").write_text("of the tests\n")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    keep = {"keep_last": 2, "keep_daily": 0, "keep_weekly": 0, "keep_monthly": 0}
    repository = Repository(Backup(repository=str(tmp_path / "repository"), state=tmp_path, **keep))
    assert repository.init()
    assert not repository.init()

    def save(run: str, part: str, content: bytes) -> None:
        with repository.save(run, part) as (pipe, saved):
            pipe.write(content)
        assert (bool(saved.snapshot), saved.bytes) == (True, len(content))

    def fail(run: str) -> None:
        monkeypatch.setattr(restic, "_STOP_SECONDS", 0)  # killed at once, so its lock stays
        with repository.save(run, "kafka") as (pipe, _):
            pipe.write(b"half")
            deadline = time.monotonic() + 60
            while not any((tmp_path / "repository/locks").iterdir()) and time.monotonic() < deadline:
                time.sleep(0.01)
            raise ZeroDivisionError

    for number in range(1, 4):
        save(f"2026030{number}T000000Z", "mongodb", b"%d" % number)
        if number == 2:
            # Whoever fails on the way leaves no snapshot that ends where they failed.
            with pytest.raises(ZeroDivisionError):
                fail("20260302T000000Z")
        save(f"2026030{number}T000000Z", runs.MARK, b"mark")
    assert [sorted(run.parts) for run in runs.found(repository.snapshots())] == [["mongodb"]] * 3
    assert runs.prune(repository, 2) == 2
    found = runs.found(repository.snapshots())
    assert [run.name for run in found] == ["20260302T000000Z", "20260303T000000Z"]
    with repository.read(found[0].parts["mongodb"]) as pipe:
        assert pipe.read() == b"2"
    assert repository.size() > 0
    # A second key would be made for another repository in the same place.
    (tmp_path / "repository/config").unlink()
    with pytest.raises(BackupError, match="its keys are there"):
        repository.init()


@pytest.mark.slow
@NEEDS_RESTIC
def test_a_repository_opens_with_another_password_before_it_closes_to_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    used, new, owner = tmp_path / "restic_password", tmp_path / "new", tmp_path / "owner"
    for file in (used, new, owner):
        file.write_text(f"of {file.name}\n")
    old = tmp_path / "old"
    old.write_text(used.read_text())

    def repository() -> Repository:
        return Repository(Backup(repository=str(tmp_path / "repository"), state=tmp_path))

    with pytest.raises(SettingsError, match="there is no repository"):
        repository().add_password(new)
    repository().init()
    with repository().save("20260301T000000Z", "web") as (pipe, _):
        pipe.write(b"before")
    assert repository().add_password(owner)
    assert repository().add_password(new)
    assert not repository().add_password(new)
    with pytest.raises(SettingsError, match="it stays"):
        repository().remove_password(old)
    used.write_text(new.read_text())
    assert repository().remove_password(old)
    used.write_text(old.read_text())
    with pytest.raises(SettingsError, match="password of the repository is wrong"):
        repository().snapshots()
    # One that somebody else has, to get in without the vault, is left alone.
    used.write_text(owner.read_text())
    with repository().read(repository().snapshots()[0]) as pipe:
        assert pipe.read() == b"before"
