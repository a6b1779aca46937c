"""restic, which keeps what is saved: encrypted, equal parts once, on a disk, over SFTP or in S3.

One snapshot a part of a run, tagged with both, and one more when the run is whole. restic saves what it was
given when its input ends, so whoever fails on the way has to stop it first: :meth:`Repository.save` does.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import click

from opslib.settings import SettingsError, credential, has_credential, secret

if TYPE_CHECKING:
    from collections.abc import Iterator

    from opslib.settings import Backup

_TAG = "trendlake"
_VARIABLE = re.compile(r"[A-Z][A-Z0-9_]*")
_STOP_SECONDS = 60
_STRANGER = "the SFTP store is not the one that backup_ssh_known_hosts has"
_SSH = "subprocess ssh: "
_KEYS = "the S3 store refuses the keys: see backup_environment"
# The first that it opens of a repository, and why that did not go.
_CONFIG = re.compile(r"unable to open config file: (?P<why>.*)")
_NO_SUCH = re.compile(r"not exist|no such file")
# What restic 0.11 to 0.18 say, and what a person is to be told.
_SAID = (
    ("wrong password or no key found", "the password of the repository is wrong", True),
    # S3's own words differ from one store to the next.
    ("Access Key Id", _KEYS, True),
    ("access key ID", _KEYS, True),
    ("request signature we calculated does not match", _KEYS, True),
    ("Access Denied", _KEYS, True),
    ("no space left on device", "there is no room left where the repository is", False),
    ("disk quota exceeded", "there is no room left where the repository is", False),
    ("ciphertext verification failed", "the repository is damaged: it is not what was saved", False),
    ("does not match id", "the repository is damaged: it is not what was saved", False),
    ("unexpected EOF", "the repository is damaged: a file of it is cut short", False),
    ("Permission denied (", "the SFTP store refuses the key: see backup_ssh_key", True),
    ("Host key verification failed", _STRANGER, True),
    ("repository is already locked", "another backup is at work on the repository", False),
)  # fmt: skip


class BackupError(click.ClickException):
    """The backup failed, in one line: exit code 1."""


@dataclass(frozen=True)
class Snapshot:
    """What restic keeps of one part of a run."""

    id: str
    at: str  # ISO 8601
    run: str
    part: str


@dataclass
class Saved:
    """What saving came to; filled once it is done."""

    snapshot: str = ""
    bytes: int = 0  # read
    added: int = 0  # to the repository
    figures: dict[str, Any] = field(default_factory=dict)


class Repository:
    """Where snapshots are kept. It raises :class:`BackupError`, for what no retry mends ``SettingsError``."""

    def __init__(self, settings: Backup) -> None:
        if not settings.repository:
            raise SettingsError("backup.repository is not set: say where backups are kept")
        self._settings = settings
        if shutil.which(settings.restic) is None:
            raise SettingsError(f"there is no program {settings.restic}: install Debian's package restic")
        self._environment = _environment(settings)
        self._options = _options(settings)

    def init(self) -> bool:
        """Make the repository, and return false if it is there already."""
        done = self._call("cat", "config", check=False)
        if done.returncode == 0:
            return False
        if "wrong password" in done.stderr:
            raise _failure(done.stderr)
        keys = Path(self._settings.repository, "keys")
        # Of a store that is elsewhere only restic could say it, and it does not look.
        if self._settings.repository.startswith("/") and keys.is_dir() and any(keys.iterdir()):
            raise BackupError("restic: the repository is damaged: its keys are there, its config is not")
        self._call("init", *self._format())
        return True

    def add_password(self, password: Path) -> bool:
        """Let the repository open with what the file *password* has too; return false if it does already."""
        if self._own_key(password) is not None:
            return False
        self._call("key", "add", "--new-password-file", str(password))
        return True

    def remove_password(self, password: Path) -> bool:
        """Let the repository open with what the file *password* has no more; return false if it does not."""
        key = self._own_key(password)
        if key is None:
            return False
        if key == self._own_key(credential("restic_password")):
            raise SettingsError(f"{password} has the password that backups are made with: it stays")
        self._unlock()
        self._call("key", "remove", key)
        return True

    def _own_key(self, password: Path) -> str | None:
        """Return the id of the key that opens with a password, or ``None`` if there is none."""
        environment = {**self._environment, "RESTIC_PASSWORD_FILE": str(password)}
        done = self._call("key", "list", "--json", check=False, environment=environment)
        if done.returncode != 0:
            if "wrong password" in done.stderr:
                return None
            raise _failure(done.stderr)
        return next(str(one["id"]) for one in json.loads(done.stdout) if one["current"])

    def _format(self) -> list[str]:
        # Format 1, which Debian 11's restic reads; older ones know no other.
        found = re.search(r"restic (\d+)\.(\d+)", self._call("version").stdout)
        newer = found is not None and (int(found[1]), int(found[2])) >= (0, 14)
        return ["--repository-version", "1"] if newer else []

    @contextmanager
    def save(self, run: str, part: str) -> Iterator[tuple[IO[bytes], Saved]]:
        """Give a pipe to write a part of a run to; there is a snapshot of it once the context ends well."""
        saved = Saved()
        command = self._command(
            *("backup", "--json", "--stdin", "--stdin-filename", f"{part}.tar", "--host", "trendlake"),
            *("--tag", _TAG, "--tag", f"run:{run}", "--tag", f"part:{part}"),
        )
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            process = subprocess.Popen(
                command, env=self._environment, stdin=subprocess.PIPE, stdout=out, stderr=err
            )
            assert process.stdin is not None  # noqa: S101 - for mypy: it was asked for
            try:
                yield process.stdin, saved
                process.stdin.close()
                code = process.wait()
            except BrokenPipeError:
                code = process.wait() or 1
            except BaseException:
                _end(process)
                raise
            out.seek(0)
            err.seek(0)
            if code != 0:
                raise _failure(err.read().decode("utf-8", "replace"))
            _summary(out.read().decode("utf-8", "replace"), saved)

    @contextmanager
    def read(self, snapshot: Snapshot) -> Iterator[IO[bytes]]:
        """Give a pipe to read a part from; whoever does not read all of it ends it."""
        command = self._command("dump", snapshot.id, f"/{snapshot.part}.tar")
        with tempfile.TemporaryFile() as err:
            process = subprocess.Popen(
                command, env=self._environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=err
            )
            assert process.stdout is not None  # noqa: S101 - for mypy: it was asked for
            whole = False
            try:
                yield process.stdout
                whole = process.stdout.read(1) == b""
            except Exception:
                # restic knows better why there was no more to read.
                code = _end(process)
                err.seek(0)
                told = err.read().decode("utf-8", "replace")
                if code > 0 and any(said in told for said, _, _ in _SAID):
                    raise _failure(told) from None
                raise
            finally:
                code = process.wait() if whole else _end(process)
                process.stdout.close()
            if whole and code != 0:
                err.seek(0)
                raise _failure(err.read().decode("utf-8", "replace"))

    def snapshots(self) -> list[Snapshot]:
        """Return all snapshots of lakes, the oldest first."""
        found = json.loads(self._call("snapshots", "--json", "--tag", _TAG).stdout) or []
        some = []
        for one in found:
            tags = dict(tag.split(":", 1) for tag in one.get("tags") or () if ":" in tag)
            if {"run", "part"} <= tags.keys():
                some.append(Snapshot(one["id"], one["time"], tags["run"], tags["part"]))
        return sorted(some, key=lambda one: one.run)

    def unkept(self, part: str) -> set[str]:
        """Return the snapshots of *part* that the policy of keeping leaves nothing for."""
        keep = self._settings
        policy = [f"--keep-daily={keep.keep_daily}", f"--keep-weekly={keep.keep_weekly}"]
        policy += [f"--keep-monthly={keep.keep_monthly}", f"--keep-last={keep.keep_last}"]
        call = ("forget", "--json", "--dry-run", "--group-by", "", "--tag", f"{_TAG},part:{part}", *policy)
        self._unlock()  # it asks for the repository alone, though it changes nothing
        groups = json.loads(self._call(*call).stdout or "[]") or []
        return {one["id"] for group in groups for one in group.get("remove") or ()}

    def remove(self, snapshots: list[Snapshot]) -> None:
        """Remove snapshots, and what nobody needs any more."""
        if snapshots:
            self._unlock()
            self._call("forget", *(one.id for one in snapshots))
            self._call("prune")

    def _unlock(self) -> None:
        # A run that was killed leaves its lock; those of programs that run stay.
        self._call("unlock")

    def size(self) -> int:
        """Return the bytes that all snapshots take together."""
        return int(json.loads(self._call("stats", "--json", "--mode", "raw-data").stdout)["total_size"])

    def _call(
        self, *arguments: str, check: bool = True, environment: dict[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            self._command(*arguments),
            env=environment or self._environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
        if check and done.returncode != 0:
            raise _failure(done.stderr)
        return done

    def _command(self, *arguments: str) -> list[str]:
        return [self._settings.restic, *self._options, *arguments]


def _environment(settings: Backup) -> dict[str, str]:
    """Return what restic runs with; what its store wants to know is in a file of credentials."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("RESTIC_")}
    kept["RESTIC_REPOSITORY"] = settings.repository
    kept["RESTIC_PASSWORD_FILE"] = str(credential("restic_password"))
    kept.setdefault("HOME", str(settings.state))
    # Half of the memory for a little more of the processor, of which it takes one.
    kept.update(GOGC="25", GOMAXPROCS="1")
    if settings.cache is not None:
        kept["RESTIC_CACHE_DIR"] = str(settings.cache)
    if has_credential("restic_environment"):
        for line in secret("restic_environment").splitlines():
            name, equals, value = line.partition("=")
            if line.strip() and not (equals and _VARIABLE.fullmatch(name)):
                raise SettingsError("the credential restic_environment has a line that is not NAME=VALUE")
            if line.strip():
                kept[name] = value
    return kept


def _options(settings: Backup) -> list[str]:
    options = ["--cleanup-cache"] if settings.cache is not None else ["--no-cache"]
    if settings.limit_kib is not None:
        options += [f"--limit-upload={settings.limit_kib}", f"--limit-download={settings.limit_kib}"]
    if settings.repository.startswith("sftp:") and has_credential("restic_ssh_key"):
        where = settings.repository.removeprefix("sftp:").removeprefix("//").split("/", 1)[0]
        ssh = ["ssh", "-i", str(credential("restic_ssh_key")), "-o", "BatchMode=yes"]
        if has_credential("restic_known_hosts"):
            ssh += ["-o", f"UserKnownHostsFile={credential('restic_known_hosts')}"]
        host, _, port = where.rpartition(":") if re.fullmatch(r".*:\d+", where) else (where, "", "")
        ssh += [*(("-p", port) if port else ()), host.rstrip(":"), "-s", "sftp"]
        options += ["-o", f"sftp.command={shlex.join(ssh)}"]
    return options


def _end(process: subprocess.Popen[bytes]) -> int:
    """End restic before its pipe is closed, and return how it ended.

    The end of its input it takes for the end of what is to be saved; without anybody to read its output it
    dies and leaves its lock.
    """
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
    try:
        return process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()


def _summary(out: str, saved: Saved) -> None:
    for line in out.splitlines():
        told = json.loads(line) if line.startswith("{") else {}
        if told.get("message_type") == "summary":
            saved.snapshot = told["snapshot_id"]
            saved.bytes, saved.added = told["total_bytes_processed"], told["data_added"]
            return
    raise BackupError("restic ended without saying what it saved")


def _failure(told: str) -> click.ClickException:
    for said, meaning, setting in _SAID:
        if said in told:
            return SettingsError(f"restic: {meaning}") if setting else BackupError(f"restic: {meaning}")
    config = _CONFIG.search(told)
    if config and _NO_SUCH.search(config["why"]):
        return SettingsError("restic: there is no repository: `opslib backup init` makes one")
    if config:
        return BackupError(f"restic: {config['why']}")
    lines = [line.strip() for line in told.splitlines() if line.strip()]
    # ssh knows why; of a strange host key its line gets lost now and then.
    reasons = [line[len(_SSH) :] for line in lines if line.startswith(_SSH)]
    if not reasons and "unable to start the sftp session" in told:
        reasons = [f"there is no SFTP session: perhaps {_STRANGER}"]
    return BackupError(f"restic: {(reasons or lines or ['it failed without a word'])[-1]}")
