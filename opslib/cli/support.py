"""``opslib support``: one file with what somebody who helps needs to know."""

from __future__ import annotations

import functools
import json
import logging
import socket
import subprocess
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable, Union

import click
from kafka.errors import KafkaError  # type: ignore[import-untyped]

from opslib import __version__
from opslib.cli import disk, doctor
from opslib.cli._database import database_of
from opslib.cli._options import OutputType, examples, tell_json, with_format, with_settings
from opslib.cli._progress import progress
from opslib.cli._terminal import one_line, tell
from opslib.cli.settings import credentials
from opslib.doctor.kafka import UnreachableError, connected
from opslib.packing.tarball import Tarball
from opslib.run import endpoints, lag
from opslib.run.failures import said
from opslib.store.collections import TWEETS
from opslib.support import host, secrets
from opslib.support.scrub import Scrubber

if TYPE_CHECKING:
    from collections.abc import Iterator

    from opslib.settings import Settings

_FAULTS = (
    click.ClickException,
    KafkaError,
    UnreachableError,
    OSError,
    subprocess.SubprocessError,
    ValueError,
)
_NEWEST_TWEETS = 10_000
_LETTERS = 1_000  # of a tweet; more than any run of words needs

Content = Union[str, "dict[str, Any]", "list[Any]"]
_HELD = {
    "about.txt": "what this is, and what is missing",
    "system.txt": "system, memory, load, mounts",
    "packages.txt": "versions of Python packages",
    "settings.json": "opslib's settings, and the names of credentials",
    "doctor.json": "what opslib doctor finds, with versions of all components",
    "disk.json": "what opslib disk finds",
    "lag.json": "messages that wait, by group and topic",
    "units.txt": "states of the lake's units",
    "journal/": "the last lines of each, without what may be somebody's words",
    "metrics/": "figures that services show Prometheus, by port",
}


@click.command(
    epilog=examples("opslib support", "opslib support --output /root/lake.tar.gz --lines 2000 --format json")
)
@click.option("--output", type=OutputType(".gz"), help="Where to; otherwise into the current folder.")
@click.option(
    "--lines", type=click.IntRange(0, 100_000), default=500, show_default=True, help="Of each unit's journal."
)
@with_format
@with_settings
def command(settings: Settings, output: Path | None, lines: int, form: str) -> None:
    """Gather what somebody who helps needs in one file of the owner's, without secrets or tweets.

    Run it as root: what cannot be looked at is missing, and said. Look into the file before you give it away.
    """
    now = datetime.now(timezone.utc)
    top = f"trendlake-support-{socket.gethostname()}-{now:%Y%m%dT%H%M%SZ}"
    target = output or Path(f"{top}.tar.gz")
    gathered = Gathered(_scrubber(settings))
    with progress("gathering") as done:
        for name, look in _looks(settings, lines):
            gathered.add(name, look)
            done(1)
    with Tarball(target, top, private=True) as tarball:
        tarball.add("about.txt", _about(now, gathered.missing).encode())
        for name, content in gathered.files.items():
            tarball.add(name, content.encode())
    _tell(target.absolute(), gathered, form)


class Gathered:
    """What was gathered so far: each thing by itself, so that one that fails takes no other with it."""

    def __init__(self, scrubber: Scrubber) -> None:
        self.files: dict[str, str] = {}
        self.missing: dict[str, str] = {}
        self._scrubber = scrubber

    def add(self, name: str, look: Callable[[], Content]) -> None:
        """Look, and keep what comes without what nobody is to see."""
        try:
            content = look()
        except _FAULTS as error:
            told = error.message if isinstance(error, click.ClickException) else said(error)
            self.missing[name] = self._scrubber.log(told).strip()
            return
        if not isinstance(content, str):
            self.files[name] = self._scrubber.text(
                json.dumps(self._scrubber.plain(content), indent=1, ensure_ascii=False, default=str)
            )
        elif name.startswith("journal/"):
            self.files[name] = self._scrubber.log(content)
        else:
            self.files[name] = self._scrubber.text(content)


def _scrubber(settings: Settings) -> Scrubber:
    """Return one that knows this host's secrets, and the newest tweets if MongoDB answers."""
    texts: list[str] = []
    try:
        with database_of(settings, "opslib-support") as database:
            newest = (
                database[TWEETS.name].find({}, {"text": 1}).sort("collected_at", -1).limit(_NEWEST_TWEETS)
            )
            texts = [tweet["text"][:_LETTERS] for tweet in newest]
    except click.ClickException:
        pass  # logs are freed of what may be words without it, and doctor.json says what MongoDB has
    return Scrubber(secrets.known(), texts)


def _looks(settings: Settings, lines: int) -> Iterator[tuple[str, Callable[[], Content]]]:
    yield "system.txt", host.system
    yield "packages.txt", host.packages
    yield (
        "settings.json",
        lambda: {
            "settings": settings.model_dump(mode="json"),
            "credentials": credentials(),
        },
    )
    yield "doctor.json", lambda: _quietly(lambda: doctor.looked(settings))
    yield "disk.json", lambda: _quietly(lambda: disk.looked(settings, None, lambda _: None).plain())
    if endpoints.configured(settings, "kafka"):
        yield "lag.json", lambda: _quietly(lambda: _lag(settings))
    units: list[str] = []
    yield "units.txt", lambda: host.states(_kept(units, host.units()))
    for unit in units:
        yield f"journal/{unit}.txt", functools.partial(host.journal, unit, lines)
    for port, figures in host.metrics(settings):
        yield f"metrics/{port}.txt", functools.partial(str, figures)


def _kept(units: list[str], found: list[str]) -> list[str]:
    units += found
    return units


def _quietly(look: Callable[[], Content]) -> Content:
    """Look without what the clients' libraries log, which is said better in what comes."""
    logging.disable(logging.CRITICAL)
    try:
        return look()
    finally:
        logging.disable(logging.NOTSET)


def _lag(settings: Settings) -> dict[str, dict[str, int]]:
    groups = [settings.sink.group_id, settings.speed.group_id, settings.stats.group_id]
    groups += [settings.search.group(name) for name in settings.search.hosts]
    with connected(settings) as admin:
        topics = [topic["name"] for topic in admin.describe_topics()]
        held = lag.bounds(admin, lag.partition_counts(admin, topics))
        return {group: lag.waiting(lag.committed(admin, group), held) for group in groups}


def _about(now: datetime, missing: dict[str, str]) -> str:
    held = "".join(f"{name:15} {what}\n" for name, what in _HELD.items())
    without = "".join(f"{name:15} {why}\n" for name, why in missing.items())
    return (
        f"Trendlake {__version__}, {socket.gethostname()}, {now:%Y-%m-%d %H:%M} UTC\n\n{held}"
        "\nSecrets of this host, what looks like one, and in logs whatever may be somebody's words are taken"
        "\nout: [secret], [7 letters], [text], [a line with words of a tweet].\n"
        + (f"\nMissing:\n{without}" if missing else "")
    )


def _tell(target: Path, gathered: Gathered, form: str) -> None:
    size = target.stat().st_size
    if form == "json":
        tell_json(
            {"file": str(target), "bytes": size, "holds": sorted(gathered.files), "missing": gathered.missing}
        )
        return
    tell(f"{target}, {size / 1024:.0f} KB, holds:")
    for name, what in _HELD.items():
        if name == "about.txt" or any(file.startswith(name) for file in gathered.files):
            tell(f"  {name:15} {what}")
    tell("\nOnly you may read it. Look into it before you give it away.")
    for name, why in gathered.missing.items():
        tell(one_line(f"missing: {name}: {why}"), err=True)
