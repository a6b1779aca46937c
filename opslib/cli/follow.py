"""``opslib follow``: what is collected whether it trends or not."""

from __future__ import annotations

import json
import sqlite3
from contextlib import contextmanager
from datetime import timedelta, timezone
from typing import TYPE_CHECKING, Any

import click
from kafka.errors import AuthorizationError, KafkaConfigurationError, KafkaError  # type: ignore[import-untyped]

from opslib import message
from opslib.cli import _estimate
from opslib.cli._options import INPUT, WrongInput, examples, tell_json, with_format, with_settings
from opslib.cli._terminal import tell
from opslib.cli._times import MOMENT
from opslib.settings import SettingsError
from opslib.x import board
from opslib.x.backfill import BadBackfill, backfill_of, new_backfill
from opslib.x.board import BACKFILL
from opslib.x.budget import Budget, utc_now
from opslib.x.followed import follows_on, known, own, pausing, removing
from opslib.x.follows import MODES, BadFollow, Follow, changed, follow_of, until_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from opslib.cli._times import Moment
    from opslib.settings import Settings
    from opslib.x.board import Record, Records

_USD = click.FloatRange(0.01, 1e6)
_BEHIND = timedelta(minutes=1)  # X's full archive has what is a moment old


@click.group()
def command() -> None:
    """Say what is collected, trending or not: queries of one's own, with what each may cost.

    They lie in the Kafka topic `follows`; NiFi has a change within a minute. Those of the inventory
    (nifi_flow_follows) are changed there alone.
    """


@command.command(
    epilog=examples(
        "opslib follow add Pix 'pix (lento OR caiu)' --lang pt --usd-day 1",
        "opslib follow add loja '\"Pão de Açúcar\" -is:reply' --usd-day 2 --usd-total 50 --until 2026-12-31",
    )
)
@click.argument("name")
@click.argument("query")
@click.option("--usd-day", required=True, type=_USD, help="The most that it may cost a UTC day.")
@click.option("--usd-total", type=_USD, help="The most that it may cost in all its time.")
@click.option("--lang", help="Only posts in this language, as X names it: pt.")
@click.option("--country", help="Only posts with a place in this country, which few have: BR.")
@click.option(
    "--mode", type=click.Choice(MODES), default="search", show_default=True, help="How it is collected."
)
@click.option("--until", type=MOMENT, help="Not after this moment (UTC).")
@with_format
@with_settings
def add(
    settings: Settings,
    name: str,
    query: str,
    usd_day: float,
    usd_total: float | None,
    lang: str | None,
    country: str | None,
    mode: str,
    until: Moment | None,
    form: str,
) -> None:
    """Follow QUERY under NAME, or change what is followed under it; says first what it will cost.

    X's operators can be used. A query that X does not take is refused with its reason, and nothing is saved.
    """
    ends = until_text(until.within(timezone.utc)) if until else None
    with _wrong_input():
        follow = Follow(name, query, usd_day, usd_total, lang, country, mode, ends)
    with _board(settings) as records, _wrong_input():
        if name in records:
            own(records, name)
    found = _estimate.last_days(settings, follow.full_query, usd_day=usd_day)
    _save(settings, {name: follow.to_record()})
    _estimate.tell({"follow": follow.to_record(), **found}, form)
    tell(f"{name} is followed: NiFi has it within a minute", err=True)


@command.command("list", epilog=examples("opslib follow list", "opslib follow list --format json"))
@with_format
@with_settings
def list_(settings: Settings, form: str) -> None:
    """List what is followed, with what it has cost."""
    with _board(settings) as records:
        with _wrong_input():
            names = sorted(follows_on(records))
        found = [_described(settings, records, name) for name in names]
    if form == "json":
        tell_json(found)
        return
    for one in found:
        _tell(one)
    if not found:
        tell("nothing is followed")


@command.command(epilog=examples("opslib follow show Pix", "opslib follow show Pix --format json"))
@click.argument("name")
@with_format
@with_settings
def show(settings: Settings, name: str, form: str) -> None:
    """Show what is followed under NAME, what it has cost, and what is looked up for it."""
    with _board(settings) as records:
        found = _described(settings, records, name)
    if form == "json":
        tell_json(found)
    else:
        _tell(found)


@command.command(epilog=examples("opslib follow pause Pix"))
@click.argument("name")
@with_settings
def pause(settings: Settings, name: str) -> None:
    """Collect nothing under NAME until it is resumed."""
    _change(settings, name, paused=True)


@command.command(epilog=examples("opslib follow resume Pix"))
@click.argument("name")
@with_settings
def resume(settings: Settings, name: str) -> None:
    """Go on collecting what was paused."""
    _change(settings, name, paused=False)


@command.command(epilog=examples("opslib follow remove Pix"))
@click.argument("name")
@with_settings
def remove(settings: Settings, name: str) -> None:
    """Follow it no more, and end what is looked up for it; what was collected stays."""
    with _board(settings) as records, _wrong_input():
        changes = removing(records, name)
    _save(settings, changes)


@command.command(
    epilog=examples(
        "opslib follow backfill Pix --since 2026-10-01 --until 2026-11-01 --usd 20",
        "opslib follow backfill Pix --since 2025-01-01 --usd 5 --spread",
    )
)
@click.argument("name")
@click.option("--since", required=True, type=MOMENT, help="Look back to this moment (UTC).")
@click.option("--until", type=MOMENT, help="Up to this moment (UTC); otherwise until now.")
@click.option("--usd", required=True, type=_USD, help="The most that it may cost.")
@click.option("--spread", is_flag=True, help="Some of every part of the span, rather than the newest first.")
@with_format
@with_settings
def backfill(
    settings: Settings, name: str, since: Moment, until: Moment | None, usd: float, spread: bool, form: str
) -> None:
    """Look up what was written before NAME was followed; says first what all of it would cost.

    NiFi collects it beside everything else, a page a second, within the budget; what a day does not reach is
    the next day's. One span at a time: another one takes the place of what is under way.
    """
    with _board(settings) as records, _wrong_input():
        follow = known(records, name)
    begin = since.within(timezone.utc)
    end = until.within(timezone.utc) if until else utc_now() - _BEHIND
    with _wrong_input():
        wanted = new_backfill(follow, begin, min(end, utc_now() - _BEHIND), usd, spread=spread)
    found = _estimate.of_span(settings, wanted.query, wanted.begin, wanted.end, usd)
    _save(settings, {BACKFILL + name: wanted.to_record()})
    _estimate.tell({"backfill": wanted.to_record(), **found}, form)
    tell(f"{name} is looked up: `opslib follow show {name}` says how far it is", err=True)


@command.command(epilog=examples("opslib follow apply follows.json --dry-run"))
@click.argument("path", metavar="FILE", type=INPUT)
@click.option("--dry-run", is_flag=True, help="Only say what would change.")
@with_format
@with_settings
def apply(settings: Settings, path: Path, dry_run: bool, form: str) -> None:
    """Make the follows of the inventory those in FILE, a JSON list; site.yml does it.

    Those that `opslib follow add` made are left alone.
    """
    with click.open_file(str(path), encoding="utf-8") as file, _wrong_input():
        try:
            wanted = [follow_of({**record, "origin": "inventory"}) for record in json.load(file)]
        except (ValueError, TypeError, AttributeError, RecursionError) as wrong:
            raise (
                wrong if isinstance(wrong, BadFollow) else BadFollow(f"{path} is no list of follows")
            ) from wrong
    with _board(settings) as records, _wrong_input():
        changes = changed(follows_on(records), wanted)
    gone = {
        BACKFILL + name: None for name, to in changes.items() if to is None and BACKFILL + name in records
    }
    if changes and not dry_run:
        _save(settings, {**{name: to.to_record() if to else None for name, to in changes.items()}, **gone})
    told = {
        "changed": sorted(name for name, to in changes.items() if to),
        "removed": sorted(name for name, to in changes.items() if to is None),
    }
    if form == "json":
        tell_json(told)
    else:
        for what, names in told.items():
            tell(f"{what}: {', '.join(names) or 'none'}")


# ---- the board


@contextmanager
def _board(settings: Settings) -> Iterator[Records]:
    """Yield what is on the board; what is wrong with Kafka ends the command in one line."""
    with _kafka_works():
        found = board.Board(lambda: board.consumer(**settings.kafka.client_options()))
        try:
            records = found.read()
        finally:
            found.close()
    yield records


def _save(settings: Settings, changes: Mapping[str, Record]) -> None:
    with _kafka_works():
        board.save(settings.kafka.client_options(), changes)


@contextmanager
def _kafka_works() -> Iterator[None]:
    try:
        yield
    except (AuthorizationError, KafkaConfigurationError) as error:
        raise SettingsError(f"Kafka refuses this client the topic {message.FOLLOWS}: {error}") from error
    except (KafkaError, ValueError) as error:
        raise click.ClickException(f"Kafka cannot be asked: {error!r}") from error


@contextmanager
def _wrong_input() -> Iterator[None]:
    try:
        yield
    except (BadFollow, BadBackfill) as wrong:
        raise WrongInput(str(wrong)) from wrong


def _change(settings: Settings, name: str, *, paused: bool) -> None:
    with _board(settings) as records, _wrong_input():
        changes = pausing(records, name, paused=paused)
    _save(settings, changes)


# ---- what is told


def _described(settings: Settings, records: Records, name: str) -> dict[str, Any]:
    with _wrong_input():
        follow = known(records, name)
    told: dict[str, Any] = {**follow.to_record(), "active": follow.active(utc_now())}
    looked_up = records.get(BACKFILL + name)
    file = settings.x.budget_file
    try:
        budget = Budget.of(file) if file.is_file() else None
        if budget:
            told["spent_today_usd"], told["spent_usd"] = budget.spent_by(follow.account.name)
        if looked_up:
            wanted = backfill_of(looked_up)
            told["backfill"] = dict(looked_up)
            if budget:
                told["backfill"]["spent_usd"] = budget.spent_by(wanted.account.name)[1]
                told["backfill"]["state"] = budget.answer(wanted.account.name, timedelta(days=400))
    except (OSError, sqlite3.Error) as error:
        raise SettingsError(f"the budget file {file} (x.budget_file) cannot be used: {error}") from error
    return told


def _tell(one: dict[str, Any]) -> None:
    state = "paused" if one["paused"] else "active" if one["active"] else "over"
    spent = ""
    if "spent_today_usd" in one:
        spent = f", {one['spent_today_usd']:.3f} USD today, {one['spent_usd']:.3f} in all"
    most = f"{one['usd_day']:g} USD a day" + (f", {one['usd_total']:g} in all" if "usd_total" in one else "")
    where = " ".join(f"{key}:{one[key]}" for key in ("lang", "country", "until") if key in one)
    tell(f"{one['name']}: {one['query']}{f'  ({where})' if where else ''}")
    tell(f"    {state}, by {one['mode']}, of the {one['origin']}; at most {most}{spent}")
    wanted = one.get("backfill")
    if wanted:
        done = f", {wanted['spent_usd']:.3f} spent" if "spent_usd" in wanted else ""
        how = "spread" if wanted.get("spread") else "newest first"
        state = (wanted.get("state") or {}).get("said", "not begun")
        span = f"{wanted['since']} to {wanted['until']}, {how}"
        tell(f"    looked up {span}: {wanted['usd']:g} USD{done}; {state}")
