"""``opslib dlq``: the dead letters."""

from __future__ import annotations

import functools
import sys
from contextlib import contextmanager
from datetime import timezone
from typing import TYPE_CHECKING, Any, TypeVar

import click
from kafka.errors import AuthorizationError, KafkaConfigurationError, KafkaError  # type: ignore[import-untyped]

from opslib import message
from opslib.cli._options import examples, tell_json, with_format, with_settings
from opslib.cli._progress import progress
from opslib.cli._terminal import one_line, tell
from opslib.cli._times import MOMENT
from opslib.dlq import letters
from opslib.kafka_client import KafkaProducer
from opslib.reading import Reader
from opslib.run.failures import said
from opslib.settings import SettingsError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from opslib.cli._times import Moment
    from opslib.settings import Settings

Function = TypeVar("Function", bound="Callable[..., Any]")
_MEGABYTE = 1024 * 1024
_BOOTSTRAP_MILLISECONDS = 10_000


class _LetterType(click.ParamType):  # type: ignore[type-arg,unused-ignore]  # newer ones have a parameter
    """Where a letter is."""

    name = "letter"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> letters.Location:
        try:
            return letters.place_of(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


def _filters(function: Function) -> Function:
    """Give a command the options that choose letters, as ``wanted``."""

    @click.option("--reason", help="Only letters whose reason contains this, in any case.")
    @click.option("--topic", help="Only letters from this topic.")
    @click.option(
        "--since", type=MOMENT, help="Only letters since: 2h (ago), 06:45, or 2026-01-31T12:00; in UTC."
    )
    @click.option("--offset", type=click.IntRange(0, 2**63 - 1), help="Only this letter and those behind it.")
    @click.argument("places", metavar="[LETTER]...", nargs=-1, type=_LetterType())
    @functools.wraps(function)
    def wrapper(
        *args: Any,
        reason: str | None,
        topic: str | None,
        since: Moment | None,
        offset: int | None,
        places: tuple[letters.Location, ...],
        **kwargs: Any,
    ) -> Any:
        after = since.within(timezone.utc) if since else None
        wanted = letters.Filter(reason, topic, after, offset, frozenset(places))
        return function(*args, wanted=wanted, **kwargs)

    return wrapper  # type: ignore[return-value]


@click.group()
def command() -> None:
    """Look at what could not be stored, and send it again once the cause is gone.

    A LETTER is named by its offset in tweets.dlq, or by partition:offset, as `opslib dlq list` shows it.
    """


@command.command(
    "list",
    epilog=examples("opslib dlq list --since 2h --pending", "opslib dlq list --reason utf-8 --format json"),
)
@_filters
@click.option("--pending", is_flag=True, help="Only letters that were not sent again yet.")
@with_format
@with_settings
def list_(settings: Settings, wanted: letters.Filter, pending: bool, form: str) -> None:
    """List letters, the oldest first; with --format json one object a line."""
    with _kafka(settings) as (consumer, _):
        found = [one for one in letters.find(consumer, wanted) if not (pending and one.replayed_at)]
    for letter in found:
        if form == "json":
            tell_json(letter.described())
        else:
            again = "  sent again" if letter.replayed_at else ""
            origin = f"{letter.topic}:{letter.origin}"
            tell(
                f"{letters.written(letter.place):>8}  {message.stamp(letter.at)}  {one_line(origin)}  "
                f"{letter.size} B{again}  {one_line(letter.reason)}"
            )
    tell(f"{len(found)} letters", err=True)


@command.command(epilog=examples("opslib dlq show 0:17", "opslib dlq show 17 --raw > letter.bin"))
@click.argument("place", metavar="LETTER", type=_LetterType())
@click.option("--raw", is_flag=True, help="Only the bytes as they came.")
@with_format
@with_settings
def show(settings: Settings, place: letters.Location, raw: bool, form: str) -> None:
    """Show one letter: why it is here, where it came from, and what is in it.

    Bytes that are no UTF-8, and control characters, are shown as backslash escapes; --raw writes them as they
    are.
    """
    with _kafka(settings) as (consumer, _):
        found = letters.find(consumer, letters.Filter(places=frozenset([place])))
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
        tell_json(described)
        return
    for name, text in described.items():
        # A line of the value is not to be taken for one of the others.
        tell(f"{name}: {one_line(text)}")


@command.command(
    epilog=examples(
        "opslib dlq replay --since 06:45 --dry-run",
        "opslib dlq replay --reason MongoDB",
        "opslib dlq replay 0:17",
    )
)
@_filters
@click.option("--all", "everything", is_flag=True, help="All letters; otherwise something has to choose.")
@click.option("--dry-run", is_flag=True, help="Only say what would be sent.")
@with_format
@with_settings
def replay(settings: Settings, wanted: letters.Filter, everything: bool, dry_run: bool, form: str) -> None:
    """Send letters again to the topics they came from, each once.

    What was sent again is marked and left alone the next time; what fails again comes back as a new letter.
    """
    if wanted == letters.Filter() and not everything:
        raise click.UsageError("say which letters: LETTER, --reason, --topic, --since, --offset or --all")
    with _kafka(settings) as (consumer, producer):
        found = letters.find(consumer, wanted)
        left = [(letter, letters.can_replay(letter)) for letter in found]
        todo = [letter for letter, reason in left if reason is None]
        for letter, reason in left:
            if reason is not None:
                tell(f"letter {letters.written(letter.place)} {reason}", err=True)
        if not dry_run:
            with progress("letters sent again", len(todo)) as done:
                letters.replay(consumer, producer(), todo, lambda _: done(1))
    sent = [letters.written(letter.place) for letter in todo]
    if form == "json":
        tell_json({"replayed": sent, "left": len(found) - len(todo), "dry_run": dry_run})
    else:
        tell(f"{len(sent)} letters {'would be' if dry_run else 'were'} sent again: {' '.join(sent)}")


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
            Reader(
                **options,
                enable_auto_commit=False,
                max_partition_fetch_bytes=8 * _MEGABYTE,
                bootstrap_timeout_ms=_BOOTSTRAP_MILLISECONDS,
            )
        )
        yield opened[0], producer
    except (KafkaConfigurationError, AuthorizationError) as error:
        raise SettingsError(
            f"Kafka refuses this client: {said(error)}; check its certificate and ACLs"
        ) from error
    except KafkaError as error:
        raise click.ClickException(f"Kafka: {said(error)}") from error
    finally:
        for client in opened:
            client.close()
