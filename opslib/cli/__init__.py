"""The command ``opslib``: one module a sub-command, found by its file name and imported when it is called.

A module ``opslib/cli/cloud.py`` (or a package of that name) holds a :class:`click.Command` called
``command``; it is then ``opslib cloud``. Importing on demand keeps ``opslib --help`` quick and lets a
host do without the packages of commands that it never runs.
"""

from __future__ import annotations

import importlib
import pkgutil

import click

from opslib import __version__


class _Commands(click.Group):
    """The sub-commands that stand in this folder."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature  # noqa: ARG002 - click's signature
        """Return the name of every module beside this one; ``_options`` and the like are no commands."""
        names = (module.name for module in pkgutil.iter_modules(__path__))
        return sorted(name for name in names if not name.startswith("_"))

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the module *cmd_name*; ``None`` makes click say that there is no such command."""
        if cmd_name not in self.list_commands(ctx):
            return None
        try:
            module = importlib.import_module(f"{__name__}.{cmd_name}")
        except ModuleNotFoundError as missing:
            if missing.name is None or missing.name.split(".")[0] == "opslib":
                raise
            raise click.ClickException(
                f"`opslib {cmd_name}` needs the package {missing.name}, which this installation was made "
                "without: see the extras in pyproject.toml"
            ) from missing
        command: click.Command = module.command
        return command


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="opslib")
def main() -> None:
    """Run and look after a Trendlake: collect, store, draw, check.

    Results go to standard output, progress and logs to standard error. Exit codes: 0 done, 1 it failed,
    2 the call or the settings are wrong (a retry will not help).
    """
