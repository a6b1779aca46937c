"""``opslib disk``: what takes how much, and what each retention would free."""

from __future__ import annotations

import dataclasses
import sys
import time
from collections import Counter
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Callable

import click
from kafka.errors import KafkaError  # type: ignore[import-untyped]

from opslib.cli._database import database_of
from opslib.cli._options import examples, tell_json, with_format, with_settings
from opslib.cli._progress import progress
from opslib.cli._terminal import one_line, tell
from opslib.cli._times import SpanType
from opslib.disk import folders, kafka, mongodb
from opslib.disk.parts import Part, Saving, Told, Unknown
from opslib.doctor import host
from opslib.doctor.kafka import UnreachableError, connected
from opslib.run import endpoints
from opslib.run.failures import said

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from opslib.cli._times import Span
    from opslib.settings import Settings

_STEPS = 1024
_UNITS = ("B", "KB", "MB", "GB", "TB")


@click.command(epilog=examples("opslib disk", "opslib disk --keep 30d --json"))
@click.option(
    "--keep",
    type=SpanType("d", least=timedelta(hours=1)),
    help="Say what each retention would free that kept so long; otherwise half of what is there.",
)
@with_format
@click.option("--json", "as_json", is_flag=True, help="The same as --format json.")
@with_settings
def command(settings: Settings, keep: Span | None, form: str, as_json: bool) -> None:
    """Show what takes how much: disks, collections, topics, folders of this host, and what would free some.

    Nothing is changed. Exit code 1 if something could not be looked at; it says what and why.
    """
    days = keep / timedelta(days=1) if keep else None
    with progress("looking") as done:
        report = looked(settings, days, done)
    if as_json or form == "json":
        report.as_json()
    else:
        report.as_text()
    sys.exit(1 if report.unknown else 0)


def looked(settings: Settings, days: float | None, done: Callable[[int], None]) -> Report:
    """Return what takes how much; each retention is held against *days*, or half of what is there."""
    found: list[Told] = []
    for one in _everything(settings, days):
        found.append(one)
        done(1)
    return Report(host.disks(time.time()), found)


def _everything(settings: Settings, days: float | None) -> Iterator[Told]:
    def of_mongodb() -> Iterator[Told]:
        with database_of(settings, "opslib-disk") as database:
            yield from mongodb.look(database, settings.store.keep_days(), days)

    def of_kafka() -> Iterator[Told]:
        with connected(settings) as admin:
            yield from kafka.look(admin, days)

    looks: dict[str, Callable[[], Iterator[Told]]] = {"mongodb": of_mongodb, "kafka": of_kafka}
    for component, look in looks.items():
        if not endpoints.configured(settings, component):
            continue
        try:
            yield from look()
        except click.ClickException as error:
            yield Unknown(component, error.message)
        except (KafkaError, UnreachableError) as error:
            yield Unknown(component, said(error))
    yield from folders.look(settings)


class Report:
    """What was found, for people and for programs."""

    def __init__(self, disks: Sequence[host.Disk], found: Iterable[Told]) -> None:
        found = list(found)
        self.disks = disks
        self.savings = [one for one in found if isinstance(one, Saving)]
        self.unknown = [one for one in found if isinstance(one, Unknown)]
        parts = [one for one in found if isinstance(one, Part)]
        totals: Counter[str] = Counter()
        for part in parts:
            totals[part.component] += part.bytes
        # The component that takes the most first, and of each its largest part.
        self.parts = sorted(parts, key=lambda one: (-totals[one.component], one.component, -one.bytes))

    def as_json(self) -> None:
        """Print it for programs."""
        tell_json(self.plain())

    def plain(self) -> dict[str, list[dict[str, Any]]]:
        """Return it as plain data; sizes in bytes."""
        some = {"disks": self.disks, "parts": self.parts, "savings": self.savings, "unknown": self.unknown}
        shown: dict[str, Sequence[Any]] = dict(some)
        return {name: [dataclasses.asdict(one) for one in found] for name, found in shown.items()}

    def as_text(self) -> None:
        """Print it for people."""
        disks = [
            (disk.path, _size(disk.total), _size(disk.used), _size(disk.free), _days(disk.days_left, "-"))
            for disk in self.disks
        ]
        _table(("disk", "total", "used", "free", "full in"), disks)
        tell()
        parts = [
            (
                one.component, one.name, _size(one.bytes), _size(one.reusable) if one.reusable else "-",
                "-" if one.entries is None else f"{one.entries:,}", one.bound,
            )
            for one in self.parts
        ]  # fmt: skip
        _table(("", "part", "takes", "of it reusable", "entries", "bounded by"), parts, left=(0, 1, 5))
        if self.savings:
            tell()
            savings = [
                (
                    one.setting, _days(one.days, "for ever"), _days(one.oldest_days, "-"),
                    _days(one.to_days, "-"), _size(one.bytes),
                )
                for one in self.savings
            ]  # fmt: skip
            _table(("retention", "kept", "oldest", "at", "would free about"), savings)
            tell(
                "\nWhat MongoDB frees it keeps to write it again (reusable): the disk stops to fill, and gets"
                " nothing back.\nKafka frees whole segments."
            )
        for unknown in self.unknown:
            tell(one_line(f"{unknown.component}: {unknown.why}"), err=True)


def _size(number: float) -> str:
    """Return bytes as people say them, in steps of 1024."""
    for unit in _UNITS[:-1]:
        if number < _STEPS:
            return f"{number:.0f} {unit}" if unit == "B" else f"{number:.1f} {unit}"
        number /= _STEPS
    return f"{number:.1f} {_UNITS[-1]}"


def _days(number: float | None, none: str) -> str:
    return none if number is None else f"{number:,.1f} d" if number < 10 else f"{number:,.0f} d"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]], left: Sequence[int] = (0,)) -> None:
    """Print columns that stand under each other, those of *left* from the left."""
    shown = [[one_line(cell) for cell in row] for row in (head, *rows)]
    widths = [max(len(row[n]) for row in shown) for n in range(len(head))]
    for row in shown:
        cells = (
            cell.ljust(width) if n in left else cell.rjust(width)
            for n, (cell, width) in enumerate(zip(row, widths))
        )
        tell("  ".join(cells).rstrip())
