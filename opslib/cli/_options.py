"""Options that several commands share, and the kinds of values they take."""

from __future__ import annotations

import functools
import json
import math
import os
import tempfile
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from opslib.cli._terminal import json_text, tell
from opslib.settings import load

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Function = TypeVar("Function", bound="Callable[..., Any]")

# What a command is given to read. One that is not there, or a folder, is told before any work is done.
INPUT = click.Path(exists=True, dir_okay=False, readable=True, allow_dash=True, path_type=Path)
FILE = click.Path(exists=True, dir_okay=False, readable=True, path_type=Path)
FOLDER = click.Path(exists=True, file_okay=False, writable=True, path_type=Path)


class WrongInput(click.ClickException):
    """What was handed over, such as the content of a file, cannot be used: exit code 2, in one line."""

    exit_code = 2


class OutputType(click.Path):
    """A file to write: told before any work is done if there is no folder for it, or none to write in."""

    name = "file"

    def __init__(self, *suffixes: str) -> None:
        super().__init__(dir_okay=False, writable=True, path_type=Path)
        self._suffixes = suffixes

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        path = Path(os.fsdecode(super().convert(value, param, ctx)))
        if self._suffixes and path.suffix.lower() not in self._suffixes:
            self.fail(f"{str(path)!r} is to end in {' or '.join(self._suffixes)}", param, ctx)
        if not path.parent.is_dir():
            self.fail(f"there is no folder {str(path.parent)!r}", param, ctx)
        if not path.exists() and not os.access(path.parent, os.W_OK):
            self.fail(f"the folder {str(path.parent)!r} cannot be written in", param, ctx)
        return path


class NumberType(click.FloatRange):
    """A number within bounds, which "nan" is not."""

    name = "number"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        number = float(super().convert(value, param, ctx))
        if math.isnan(number):
            self.fail(f"{value!r} is no number", param, ctx)
        return number


OUTPUT = OutputType()

# How many tweets, words and the like there are at most: all that MongoDB's and SQLite's numbers can count.
COUNT = click.IntRange(1, 2**31 - 1)
SEED = click.IntRange(0, 2**32 - 1)


def with_settings(function: Function) -> Function:
    """Give a command the option ``--config`` and call it with the settings as ``settings``.

    A group that is called for one of its sub-commands leaves the settings to that, whose help needs none; it
    hands over which file it was called with.
    """

    @click.option(
        "--config",
        type=click.Path(dir_okay=False),
        help="Settings file, otherwise OPSLIB_CONFIG, otherwise /etc/opslib/opslib.toml.",
    )
    @functools.wraps(function)
    def wrapper(*args: Any, config: str | None, **kwargs: Any) -> Any:
        context = click.get_current_context()
        read = functools.partial(load, config) if config or context.obj is None else context.obj
        if context.invoked_subcommand is not None:
            context.obj = read
            return None
        return function(*args, settings=read(), **kwargs)

    return wrapper  # type: ignore[return-value]


# The option ``--format`` of whatever has results, as ``form``.
with_format = click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="For people, or for programs.",
)


def examples(*calls: str) -> str:
    """Return the end of a command's help: calls as one types them, each on a line of its own."""
    return "\b\nExamples:\n" + "\n".join(f"  {call}" for call in calls)


def tell_json(result: Any) -> None:
    """Print a result for programs, in one line; moments are ISO 8601 with their offset from UTC."""
    tell(json_text(json.dumps(result, ensure_ascii=False, default=_plain)))


def _plain(value: Any) -> str:
    if isinstance(value, datetime):
        return value.isoformat(timespec="seconds")
    raise TypeError(f"{value!r} is nothing that JSON has")


def listed(words: Mapping[str, int]) -> list[dict[str, Any]]:
    """Return words with their numbers of tweets in the shape that all JSON has them in, the order kept."""
    return [{"word": word, "tweets": tweets} for word, tweets in words.items()]


def write_file(path: Path, content: bytes) -> None:
    """Write a file so that whoever looks at it sees the old one or the new one."""
    try:
        if path.is_symlink() or (path.exists() and not path.is_file()):
            path.write_bytes(content)  # /dev/stdout and the like are written to, not replaced
            return
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
            file.write(content)
        mask = os.umask(0)
        os.umask(mask)
        Path(file.name).chmod(0o666 & ~mask)
        Path(file.name).replace(path)
    except OSError as error:
        raise click.ClickException(f"{path}: {error.strerror}") from error
