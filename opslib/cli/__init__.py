"""The command ``opslib``: one module a sub-command, found by its file name and imported when it is called.

A module ``opslib/cli/cloud.py`` (or a package of that name) holds a :class:`click.Command` called
``command``; it is then ``opslib cloud``. Importing on demand keeps each command quick and lets a host do
without the packages of commands that it never runs.
"""

from __future__ import annotations

import errno
import importlib
import pkgutil
import re
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from opslib import __version__
from opslib.cli._options import examples
from opslib.cli._terminal import lines, one_line

if TYPE_CHECKING:
    from collections.abc import Iterator

_LONGEST_LINE = 1000
# NUL, and half a character: what Python makes of arguments that are no UTF-8.
_NO_TEXT = re.compile("[\0\ud800-\udfff]")


class _WrongCall(click.ClickException):
    """A wrong call in one line, which names where to read on; click's own take four."""

    exit_code = 2


class _MissingPackage(click.ClickException):
    """A command needs a package that this installation was made without."""

    exit_code = 2

    def __init__(self, command: str, package: str) -> None:
        self.package = package
        super().__init__(
            f"`opslib {command}` needs the package {package}, which this installation was made "
            "without: see the extras in pyproject.toml"
        )


class _Commands(click.Group):
    """The sub-commands that stand in this folder; whatever they are called with, wrong input is one line."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Return the name of every module beside this one; ``_options`` and the like are no commands."""
        names = (module.name for module in pkgutil.iter_modules(__path__))
        return sorted(name for name in names if not name.startswith("_"))

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the module *cmd_name*; ``None`` makes click say that there is no such command."""
        if cmd_name not in self.list_commands(ctx):
            return None
        with _packages_of(cmd_name):
            command: click.Command = importlib.import_module(f"{__name__}.{cmd_name}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands, those as well that this installation has no packages for."""
        rows = []
        for name in self.list_commands(ctx):
            try:
                command = self.get_command(ctx, name)
                text = command.get_short_help_str(formatter.width - 12) if command else ""
            except _MissingPackage as missing:
                text = f"(needs the package {missing.package}, which is not installed here)"
            rows.append((name, text))
        with formatter.section("Commands"):
            formatter.write_dl(rows)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Refuse what is no text before anything takes it for some."""
        for argument in args:
            if _NO_TEXT.search(argument):
                raise _WrongCall(f"{argument!r} is no text: arguments, names of files too, are UTF-8")
        with _in_one_line():
            return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; what it was handed that is wrong ends it in one line."""
        with _in_one_line(), _packages_of(ctx):
            return super().invoke(ctx)


@contextmanager
def _packages_of(command: str | click.Context) -> Iterator[None]:
    """Name the extra package that *command* needs and does not find, at its start or later on."""
    try:
        yield
    except ModuleNotFoundError as missing:
        if missing.name is None or missing.name.split(".")[0] == "opslib":
            raise
        name = command if isinstance(command, str) else command.invoked_subcommand or ""
        raise _MissingPackage(name, missing.name) from missing


@contextmanager
def _in_one_line() -> Iterator[None]:
    """Tell a wrong call, and what the system refuses, in one line."""
    try:
        yield
    except click.UsageError as error:
        if isinstance(error, getattr(click.exceptions, "NoArgsIsHelpError", ())):
            raise
        where = f" (see `{error.ctx.command_path} --help`)" if error.ctx else ""
        raise _WrongCall(_line(error) + where) from error
    except click.ClickException as error:
        if error.exit_code != _WrongCall.exit_code:
            vars(error)["message"] = lines(error.message)  # it may quote what a server answered
            raise
        raise _WrongCall(_line(error)) from error
    except OSError as error:
        if error.errno == errno.EPIPE:  # who reads our output has seen enough: click ends silently
            raise
        name = f"{error.filename}: " if error.filename else ""
        raise click.ClickException(lines(f"{name}{error.strerror or error}")) from error


def _line(error: click.ClickException) -> str:
    """Return its message in one line that can be read, whatever it quotes."""
    text = one_line(" ".join(error.format_message().split()))
    return text if len(text) <= _LONGEST_LINE else f"{text[:_LONGEST_LINE]} …"


@click.group(
    cls=_Commands,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=examples("opslib cloud --input tweets.ndjson --output cloud.png", "opslib cloud --help"),
)
@click.version_option(__version__, prog_name="opslib")
def main() -> None:
    """Run and look after a Trendlake: collect, store, draw, check.

    Results go to standard output, progress and logs to standard error. Exit codes: 0 done, 1 it failed,
    2 the call, what it was given, or the settings are wrong (a retry will not help).

    A span of time is said as 30m, 2h, 1h30m or 7d. A moment is now, so long ago (2h), the last time that the
    clock showed it (06:45), a date (2026-03-01), or 2026-03-01T12:00 with or without an offset from UTC.
    """
