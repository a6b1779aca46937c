"""The images that a cloud can be asked to look like, checked."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageOps

if TYPE_CHECKING:
    from pathlib import Path

WHITE = 250  # of 255: what a photograph has where a drawing is white
_MOST_PIXELS = 40_000_000


class BadImage(ValueError):  # noqa: N818 - it names a thing
    """An image that cannot be used; the text says why."""


@dataclass(frozen=True)
class Look:
    """What a cloud is to look like: words stand where *shape* is not white, in the colours of *colours*."""

    shape: Image.Image | None = None
    colours: Image.Image | None = None


def image_of(path: Path) -> Image.Image:
    """Return an image file on a white ground; :class:`BadImage` says what is wrong with it."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(path) as image:
                large = image.width * image.height > _MOST_PIXELS
                drawn = None if large else ImageOps.exif_transpose(image).convert("RGBA")
    except Image.DecompressionBombError:
        drawn = None
    except Exception as error:  # Pillow's decoders raise whatever they trip over
        reason = getattr(error, "strerror", None) or "Pillow cannot read it"
        raise BadImage(f"{path} is no image such as PNG or JPEG: {reason}") from error
    if drawn is None:
        raise BadImage(f"{path} is too large: {_MOST_PIXELS:,} pixels at most, such as 8000 x 5000")
    ground = Image.new("RGBA", drawn.size, "white")
    return Image.alpha_composite(ground, drawn).convert("RGB")


def shape_of(path: Path) -> Image.Image:
    """Return an image whose parts that are not white are to hold the words."""
    image = image_of(path)
    if not (np.asarray(image).min(axis=2) < WHITE).any():
        raise BadImage(f"{path} is all white: words are drawn where it is not")
    return image
