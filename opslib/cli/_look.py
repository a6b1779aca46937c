"""The options of what a cloud is to look like: a shape to fill, and a picture to take its colours from."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from opslib.cli._options import FILE, WrongInput

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from opslib.cloud.look import Look


def with_look(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command ``--shape`` and ``--colors-from``, as ``shape`` and ``colours``."""
    shape = click.option(
        "--shape", type=FILE, metavar="IMAGE", help="Fill the parts of this image that are not white."
    )
    colours = click.option(
        "--colors-from", "colours", type=FILE, metavar="IMAGE", help="Give words the colours of this image."
    )
    return shape(colours(function))


def look_of(shape: Path | None, colours: Path | None) -> Look | None:
    """Return the look that these files ask for; nothing without any."""
    if shape is None and colours is None:
        return None
    from opslib.cloud.look import Look, image_of, shape_of

    with images():
        return Look(shape_of(shape) if shape else None, image_of(colours) if colours else None)


@contextmanager
def images() -> Iterator[None]:
    """Say in one line what is wrong with an image that is found to be of no use."""
    from opslib.cloud.look import BadImage

    try:
        yield
    except BadImage as wrong:
        raise WrongInput(str(wrong)) from wrong
