"""``opslib forget``: take tweets and authors out of the lake, for good."""

from __future__ import annotations

import re
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from opslib.cli._database import database_of
from opslib.cli._forgetting import carry_out
from opslib.cli._options import INPUT, WrongInput, examples, tell_json, with_format, with_settings
from opslib.cli._progress import progress
from opslib.cli._syslog import who
from opslib.cli._terminal import tell
from opslib.forgetting.take import Asked, Forgetting, Request, Taken

if TYPE_CHECKING:
    from pathlib import Path

    from opslib.settings import Settings

_LINK = re.compile(r"(?:https?://)?(?:www\.|mobile\.)?(?:x|twitter)\.com/\w+/status/(\d+)\S*", re.ASCII)


def _id(text: str) -> int:
    """Return the id that *text*, an id or a link to a post, names."""
    link = _LINK.fullmatch(text)
    digits = link.group(1) if link else text
    if not (digits.isascii() and digits.isdigit() and len(digits) < 20 and 0 < int(digits) < 2**63):
        raise ValueError(f"{text!r} is neither the id of a post nor a link to one")
    return int(digits)


class _Tweet(click.ParamType):  # type: ignore[type-arg,unused-ignore]  # newer ones have a parameter
    """A post."""

    name = "tweet"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        try:
            return _id(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


class _Author(click.ParamType):  # type: ignore[type-arg,unused-ignore]  # newer ones have a parameter
    """An author's id."""

    name = "id"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if not (value.isascii() and value.isdigit()):
            self.fail(f"{value!r} is no author's id, which has digits alone; names change hands", param, ctx)
        return str(value)


@click.command(
    epilog=examples(
        "opslib forget https://x.com/someone/status/1234567890123456789 --why 'letter of 2 May'",
        "opslib forget --author 2244994945 --why 'letter of 2 May' --dry-run",
    )
)
@click.argument("tweets", metavar="[TWEET]...", nargs=-1, type=_Tweet())
@click.option("--author", "authors", multiple=True, type=_Author(), help="All of an author, now and to come.")
@click.option("--from", "file", type=INPUT, help="Further tweets, one a line; - is stdin.")
@click.option("--why", required=True, help="For the audit: who wished it, by which letter, …")
@click.option("--dry-run", is_flag=True, help="Only say what would be taken out.")
@click.option("--yes", is_flag=True, help="Do not ask, on a terminal either.")
@with_format
@with_settings
def command(
    settings: Settings,
    tweets: tuple[int, ...],
    authors: tuple[str, ...],
    file: Path | None,
    why: str,
    dry_run: bool,
    yes: bool,
    form: str,
) -> None:
    """Take each TWEET (an id, or a link to it) and all of each author out of the lake, for good.

    They go out of tweets, word counts, windows and pictures, with the retweets that hold their text, and stay
    out when Kafka or X brings them again. It is written down who asked, when and why. Doing it twice does no
    harm; if it is stopped, call it again.
    """
    wanted = Request(
        dict.fromkeys([*tweets, *(_lines(file) if file else ())], "asked"), dict.fromkeys(authors, "asked")
    )
    if not wanted.tweets and not wanted.authors:
        raise click.UsageError("say what is to be forgotten: TWEET, --author or --from")
    asked = Asked(who(), why)
    with database_of(settings, "opslib-forget") as database:
        if dry_run or _asks(yes):
            found = Taken()
            for part in Forgetting(database, wanted, asked, dry_run=True).take():
                found.add(part)
            if dry_run:
                _show(found, form, dry_run=True)
                return
            click.confirm(f"{_said(found)}. Take them out for good?", abort=True, err=True)
        with progress("taken out") as done:
            taken = carry_out(database, wanted, asked, lambda part: done(part.tweets + part.retweets))
    _show(taken, form, dry_run=False)


def _asks(yes: bool) -> bool:
    return not yes and sys.stdin.isatty() and sys.stderr.isatty()


def _lines(file: Path) -> list[int]:
    name = "standard input" if str(file) == "-" else str(file)
    content = sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
    found = []
    for number, line in enumerate(content.splitlines(), start=1):
        text = line.decode("utf-8", "backslashreplace").partition("#")[0].strip()
        try:
            if text:
                found.append(_id(text))
        except ValueError as error:
            raise WrongInput(f"{name}, line {number}: {error}") from error
    return found


def _said(taken: Taken) -> str:
    return f"{taken.tweets} stored tweets, {taken.retweets} retweets of them and {taken.clouds} pictures"


def _show(taken: Taken, form: str, *, dry_run: bool) -> None:
    if form == "json":
        tell_json({**asdict(taken), "dry_run": dry_run})
    else:
        new = f"{taken.noted} {'would be' if dry_run else 'were'} noted as to be forgotten"
        tell(f"{_said(taken)} {'would be' if dry_run else 'were'} taken out; {new}")
