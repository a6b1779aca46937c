"""``opslib dlq``: the dead letters."""

from __future__ import annotations

import functools
import json
import sys
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any, TypeVar

import click
from kafka import KafkaConsumer, KafkaProducer  # type: ignore[import-untyped]
from kafka.errors import AuthorizationError, KafkaConfigurationError, KafkaError  # type: ignore[import-untyped]

from opslib import message
from opslib.cli._options import with_settings
from opslib.dlq import letters
from opslib.settings import SettingsError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from opslib.settings import Settings

Function = TypeVar("Function", bound="Callable[..., Any]")
_MEGABYTE = 1024 * 1024
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


class _Moment(click.ParamType):  # type: ignore[type-arg,unused-ignore]  # newer ones have a parameter
    """A moment, or how long ago."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        if value[:-1].isdigit() and value[-1:] in _SECONDS:
            return datetime.now(timezone.utc) - timedelta(seconds=int(value[:-1]) * _SECONDS[value[-1]])
        try:
            return message.moment_of(value)
        except ValueError as error:
            self.fail(f"{value!r} {error}, and no span such as 30m, 2h or 7d", param, ctx)


class _Place(click.ParamType):  # type: ignore[type-arg,unused-ignore]  # newer ones have a parameter
    """Where a letter is."""

    name = "letter"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> letters.Place:
        try:
            return letters.place_of(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


def _filters(function: Function) -> Function:
    """Give a command the options that choose letters, as ``wanted``."""

    @click.option("--reason", help="Only letters whose reason contains this, in any case.")
    @click.option("--topic", help="Only letters from this topic.")
    @click.option("--since", type=_Moment(), help="Only letters since: 2026-01-31T12:00:00Z, or 30m, 2h, 7d.")
    @click.option("--offset", type=click.IntRange(0), help="Only this letter and those behind it.")
    @click.argument("places", metavar="[LETTER]...", nargs=-1, type=_Place())
    @functools.wraps(function)
    def wrapper(
        *args: Any,
        reason: str | None,
        topic: str | None,
        since: datetime | None,
        offset: int | None,
        places: tuple[letters.Place, ...],
        **kwargs: Any,
    ) -> Any:
        wanted = letters.Wanted(reason, topic, since, offset, frozenset(places))
        return function(*args, wanted=wanted, **kwargs)

    return wrapper  # type: ignore[return-value]


_FORMAT = click.option(
    "--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True
)


@click.group()
def command() -> None:
    """Look at what could not be stored, and send it again once the cause is gone.

    A LETTER is named by its offset in tweets.dlq, or by partition:offset, as `opslib dlq list` shows it.
    """


@command.command("list")
@_filters
@click.option("--pending", is_flag=True, help="Only letters that were not sent again yet.")
@_FORMAT
@with_settings
def list_(settings: Settings, wanted: letters.Wanted, pending: bool, form: str) -> None:
    """List letters, the oldest first; with --format json one object a line."""
    with _kafka(settings) as (consumer, _):
        found = [one for one in letters.find(consumer, wanted) if not (pending and one.replayed_at)]
    for letter in found:
        if form == "json":
            click.echo(json.dumps(letter.described(), ensure_ascii=False))
        else:
            again = "  sent again" if letter.replayed_at else ""
            origin = f"{letter.topic}:{letter.origin}"
            click.echo(
                f"{letters.written(letter.place):>8}  {message.stamp(letter.at)}  {origin}  "
                f"{letter.size} B{again}  {letter.reason}"
            )
    click.echo(f"{len(found)} letters", err=True)


@command.command()
@click.argument("place", metavar="LETTER", type=_Place())
@click.option("--raw", is_flag=True, help="Only the bytes as they came.")
@_FORMAT
@with_settings
def show(settings: Settings, place: letters.Place, raw: bool, form: str) -> None:
    """Show one letter: why it is here, where it came from, and what is in it.

    Bytes that are no UTF-8 are shown as backslash escapes; --raw writes them as they are.
    """
    with _kafka(settings) as (consumer, _):
        found = letters.find(consumer, letters.Wanted(places=frozenset([place])))
        records = list(letters.records_of(consumer, found))
    if not records:
        raise click.ClickException(f"there is no letter {letters.written(place)}: see `opslib dlq list`")
    ((letter, record),) = records
    if raw:
        sys.stdout.buffer.write(record.value)
        return
    key = (record.key or b"").decode("utf-8", "backslashreplace")
    value = record.value.decode("utf-8", "backslashreplace")
    described = {**letter.described(), "key": key, "value": value}
    if form == "json":
        click.echo(json.dumps(described, ensure_ascii=False))
        return
    for name, text in described.items():
        click.echo(f"{name}: {text}")


@command.command()
@_filters
@click.option("--all", "everything", is_flag=True, help="All letters; otherwise something has to choose.")
@click.option("--dry-run", is_flag=True, help="Only say what would be sent.")
@_FORMAT
@with_settings
def replay(settings: Settings, wanted: letters.Wanted, everything: bool, dry_run: bool, form: str) -> None:
    """Send letters again to the topics they came from, each once.

    What was sent again is marked and left alone the next time; what fails again comes back as a new letter.
    """
    if wanted == letters.Wanted() and not everything:
        raise click.UsageError("say which letters: LETTER, --reason, --topic, --since, --offset or --all")
    with _kafka(settings) as (consumer, producer):
        found = letters.find(consumer, wanted)
        left = [(letter, letters.can_replay(letter)) for letter in found]
        todo = [letter for letter, reason in left if reason is None]
        for letter, reason in left:
            if reason is not None:
                click.echo(f"letter {letters.written(letter.place)} {reason}", err=True)
        if not dry_run:
            letters.replay(consumer, producer(), todo, lambda _: None)
    sent = [letters.written(letter.place) for letter in todo]
    if form == "json":
        click.echo(json.dumps({"replayed": sent, "left": len(found) - len(todo), "dry_run": dry_run}))
    else:
        click.echo(f"{len(sent)} letters {'would be' if dry_run else 'were'} sent again: {' '.join(sent)}")


@contextmanager
def _kafka(settings: Settings) -> Iterator[tuple[Any, Callable[[], Any]]]:
    """Give a consumer without a group and a maker of a producer; errors end the command in one line."""
    opened: list[Any] = []

    def producer() -> Any:
        # A letter is as large as any message that came.
        opened.append(KafkaProducer(**options, acks="all", max_request_size=4 * _MEGABYTE))
        return opened[-1]

    options = settings.kafka.client_options()
    try:
        opened.append(
            KafkaConsumer(**options, enable_auto_commit=False, max_partition_fetch_bytes=8 * _MEGABYTE)
        )
        yield opened[0], producer
    except (KafkaConfigurationError, AuthorizationError) as error:
        raise SettingsError(f"Kafka refuses this client: {error}; check its certificate and ACLs") from error
    except KafkaError as error:
        raise click.ClickException(f"Kafka: {error}") from error
    finally:
        for client in opened:
            client.close()
