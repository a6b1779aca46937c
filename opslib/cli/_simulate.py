"""``opslib x simulate``: the local X API."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import click

from opslib.cli._options import COUNT, FILE, OUTPUT, SEED, NumberType, WrongInput, examples
from opslib.cli._terminal import tell
from opslib.cli._times import SpanType
from opslib.settings import has_credential, secret
from opslib.simulate import CONTRACTS

if TYPE_CHECKING:
    from pathlib import Path

    from opslib.cli._times import Span
    from opslib.simulate.tweets import Source


_SLOWEST = 1e-6  # one in eleven days


def _now() -> datetime:
    return datetime.now(timezone.utc)


class _PlaceType(click.ParamType):  # type: ignore[type-arg,unused-ignore]  # newer ones have a parameter
    """A place and the language of its people."""

    name = "woeid:language"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, str]:
        woeid, _, language = value.partition(":")
        if not (woeid.isascii() and woeid.isdigit() and len(woeid) < 11 and language.isalpha()):
            self.fail(f"{value!r} is no WOEID and a language, such as 23424900:es", param, ctx)
        return int(woeid), str(language)


@click.command(
    epilog=examples(
        "opslib x simulate --port 8090 --seed 7 --rate 5",
        "opslib x simulate --tweets tweets.ndjson --span 12h --state x.json",
    )
)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port",
    default=8090,
    show_default=True,
    type=click.IntRange(0, 65535),
    help="Port to listen on; 0 takes a free one and tells which.",
)
@click.option(
    "--tweets",
    type=FILE,
    help="Serve these: NDJSON objects with a text, or plain texts, one a line. Otherwise tweets are made up.",
)
@click.option("--lang", default="pt", show_default=True, help="Language of plain texts.")
@click.option(
    "--place",
    "places",
    type=_PlaceType(),
    multiple=True,
    help="What people write in a place, such as 23424900:es (Mexico): its trends are of tweets in that "
    "language, and made-up tweets are in those of all such places. Otherwise they are Portuguese.",
)
@click.option(
    "--span",
    type=SpanType("h", least=timedelta()),
    default="6h",
    show_default=True,
    help="What texts without a time are spread over; a number is hours.",
)
@click.option(
    "--replay",
    type=NumberType(0, 10_000, min_open=True),
    help="Let the tweets of the file be written from now on, so many a second, as a stream needs it.",
)
@click.option("--seed", default=1, type=SEED, show_default=True, help="Another seed makes up other tweets.")
@click.option(
    "--rate",
    default=2.0,
    show_default=True,
    type=NumberType(0, 10_000),
    help="Made-up tweets a second; with 0 there are those alone that are added.",
)
@click.option(
    "--backlog",
    type=SpanType("h", least=timedelta()),
    default="1h",
    show_default=True,
    help="Made-up tweets to begin with; a number is hours.",
)
@click.option(
    "--keep",
    default=50_000,
    show_default=True,
    type=COUNT,
    help="Tweets to keep; older ones are forgotten.",
)
@click.option("--token", help="The bearer token to accept; otherwise the credential x_token, otherwise any.")
@click.option("--no-limits", is_flag=True, help="Without X's rate limits.")
@click.option("--includes-free", is_flag=True, help="Charge nothing for what comes in includes.")
@click.option(
    "--contract",
    type=click.Choice(CONTRACTS),
    default=CONTRACTS[0],
    show_default=True,
    help="The version of X's contract to speak: which names parameters and fields have.",
)
@click.option(
    "--strict-fields",
    is_flag=True,
    help="Refuse among fields what the contract has among expansions alone, such as author_id.",
)
@click.option(
    "--monthly-cap",
    default=3_000_000,
    show_default=True,
    type=click.IntRange(0, 2**31 - 1),
    help="Posts that may be read in a month.",
)
@click.option(
    "--keep-alive",
    default="20s",
    show_default=True,
    type=SpanType("s", least=timedelta(milliseconds=100), most=timedelta(hours=1)),
    help="When a stream without news sends an empty line; a number is seconds.",
)
@click.option("--faults", type=FILE, help="Faults to begin with, as PUT /_control/faults takes them.")
@click.option("--fault-seed", type=SEED, help="The seed of faults by chance, instead of the file's.")
@click.option(
    "--state",
    type=OUTPUT,
    help="Go on where this file was written, and keep it up to date.",
)
def command(
    host: str,
    port: int,
    keep: int,
    token: str | None,
    no_limits: bool,
    includes_free: bool,
    contract: str,
    strict_fields: bool,
    monthly_cap: int,
    keep_alive: Span,
    faults: Path | None,
    fault_seed: int | None,
    state: Path | None,
    places: tuple[tuple[int, str], ...],
    **tweets: Any,
) -> None:
    """Serve the local X API: trends, search, counts, lookup, the filtered stream and usage of X API v2, free.

    It can be asked like the real one, and answers like it: pages, fields, errors, rate limits. Trends are
    the hashtags of most tweets. GET /_control/ledger tells what was offered, given and
    what X would have charged; PUT /_control/faults lets things go wrong. docs/local-x-api.md has the rest.
    """
    from opslib.simulate.faults import BadFaults
    from opslib.simulate.limits import RateLimits
    from opslib.simulate.local import LocalX
    from opslib.simulate.server import Server, listen
    from opslib.simulate.state import put, read
    from opslib.simulate.tweets import BadFile, BadState, Store

    if token is None and has_credential("x_token"):
        token = secret("x_token")
    try:
        before = read(state) if state else None
        languages = tuple(dict.fromkeys(language for _, language in places))
        store = Store(_source(before, keep, languages, **tweets), _now, keep, dict(places))
        x = LocalX(
            store,
            token,
            limits=None if no_limits else RateLimits(),
            keep_alive=keep_alive.total_seconds(),
            includes_charged=not includes_free,
            monthly_cap=monthly_cap,
            contract=contract,
            strict_fields=strict_fields,
        )
        if before is not None:
            put(x, before)
        if faults or fault_seed is not None:
            x.faults.set(_faults(faults, fault_seed, x.faults.settings()))
        known = len(store.offered())
        listening = listen(host, port)
    except BadFile as error:
        raise WrongInput(str(error)) from error
    except BadState as error:
        raise click.UsageError(f"--state: {error}") from error
    except BadFaults as error:
        raise click.UsageError(f"--faults: {error}") from error
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise click.ClickException(f"{host!r}, port {port}, cannot be listened on: {reason}") from error
    with listening:
        port = listening.getsockname()[1]
        tell(f"the local X API has {known} tweets and listens on http://{host}:{port}", err=True)
        Server(x, state).run(sockets=[listening])


def _faults(path: Path | None, seed: int | None, now: dict[str, Any]) -> dict[str, Any]:
    """Return the faults to begin with: those of the file, or else *now*'s."""
    from opslib.simulate.faults import BadFaults

    given = now
    if path is not None:
        try:
            given = json.loads(path.read_bytes())
        except (ValueError, RecursionError) as error:
            raise BadFaults(f"{path} is not JSON: {error}") from error
    return {**given, "seed": seed} if seed is not None and isinstance(given, dict) else given


def _source(
    before: dict[str, Any] | None,
    keep: int,
    languages: tuple[str, ...],
    tweets: Path | None,
    lang: str,
    span: Span,
    replay: float | None,
    seed: int,
    rate: float,
    backlog: Span,
) -> Source:
    """Return where tweets come from; a file's have the times that they had *before* a restart."""
    from opslib.message import moment_of
    from opslib.simulate.generator import LANGUAGES, Generator
    from opslib.simulate.tweets import FileSource, Nothing, end_of_span

    now = _now()
    if tweets is not None:
        at = now if replay else end_of_span(tweets, now)
        source: dict[str, Any] = (before or {}).get("store", {}).get("source", {})
        if source.get("kind") == "file":
            at = moment_of(source["at"])
        return FileSource(tweets, at, span, lang, replay)
    if replay:
        raise click.UsageError("--replay needs --tweets: made-up tweets have --rate")
    if rate < _SLOWEST:
        return Nothing()
    # No more of them than are kept: to make up those of a year takes one.
    kept = timedelta(seconds=min(backlog.total_seconds(), keep / rate))
    unknown = set(languages) - set(LANGUAGES)
    if unknown:
        raise click.UsageError(
            f"--place: tweets are made up in {' and '.join(LANGUAGES)}, not in {', '.join(sorted(unknown))}"
        )
    return Generator(seed, rate, now, kept, languages or LANGUAGES[:1])
