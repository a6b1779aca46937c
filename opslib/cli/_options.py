"""Options that several commands share."""

from __future__ import annotations

import functools
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
