"""``opslib settings``: what is set, and whether a file is right."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from opslib.cli._options import examples, tell_json, with_format, with_settings
from opslib.cli._terminal import tell
from opslib.settings import load

if TYPE_CHECKING:
    from opslib.settings import Settings


def _check(_ctx: click.Context, _param: click.Parameter, path: str | None) -> None:
    """Load the file and leave: a wrong setting ends in one line and exit code 2."""
    if path is not None:
        load(path)
        raise click.exceptions.Exit(0)


def credentials() -> list[str]:
    """Return the names of the credentials handed over; what is in them stays there."""
    directory = os.environ.get("CREDENTIALS_DIRECTORY")
    if not directory or not Path(directory).is_dir():
        return []
    return sorted(path.name for path in Path(directory).iterdir())


@click.command(epilog=examples("opslib settings", "opslib settings --check /etc/opslib/opslib.toml"))
@click.option(
    "--check",
    type=click.Path(dir_okay=False),
    callback=_check,
    is_eager=True,
    expose_value=False,
    help="Only tell whether FILE is right: exit code 0, or 2 with the reason.",
    metavar="FILE",
)
@with_format
@with_settings
def command(settings: Settings, form: str) -> None:
    """Show the settings as they take effect, and which credentials were handed over (by name alone)."""
    content = settings.model_dump(mode="json")
    if form == "json":
        tell_json({"settings": content, "credentials": credentials()})
        return
    for section, values in content.items():
        for key, value in values.items():
            tell(f"{section}.{key} = {json.dumps(value, ensure_ascii=False)}")
    tell(f"credentials = {json.dumps(credentials())}")
