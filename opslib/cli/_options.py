"""Options that several commands share."""

from __future__ import annotations

import functools
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from opslib.settings import load

if TYPE_CHECKING:
    from collections.abc import Callable

Function = TypeVar("Function", bound="Callable[..., Any]")


def with_settings(function: Function) -> Function:
    """Give a command the option ``--config`` and call it with the settings as ``settings``."""

    @click.option(
        "--config",
        type=click.Path(dir_okay=False),
        help="Settings file, otherwise OPSLIB_CONFIG, otherwise /etc/opslib/opslib.toml.",
    )
    @functools.wraps(function)
    def wrapper(*args: Any, config: str | None, **kwargs: Any) -> Any:
        return function(*args, settings=load(config), **kwargs)

    return wrapper  # type: ignore[return-value]


def pictures(*suffixes: str) -> Callable[..., tuple[Path, ...]]:
    """Return the callback of an option with paths that are to end in one of *suffixes*."""

    def check(_context: click.Context, _option: click.Parameter, paths: tuple[Path, ...]) -> tuple[Path, ...]:
        for path in paths:
            if path.suffix.lower() not in suffixes:
                raise click.BadParameter(f"{path} is to end in {' or '.join(suffixes)}")
        return paths

    return check


def write_file(path: Path, content: bytes) -> None:
    """Write a file so that whoever looks at it sees the old one or the new one."""
    try:
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
            file.write(content)
        mask = os.umask(0)
        os.umask(mask)
        Path(file.name).chmod(0o666 & ~mask)
        Path(file.name).replace(path)
    except OSError as error:
        raise click.ClickException(f"{path}: {error.strerror}") from error
