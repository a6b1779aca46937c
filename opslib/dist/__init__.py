"""Distributions: the tarballs that the control node assembles once and the roles put on hosts.

What each is made of stands in :mod:`~opslib.dist.sources`; which bytes that is, in ``lock/NAME.json``.
:mod:`~opslib.dist.fetch` gets inputs and checks them, :mod:`~opslib.dist.build` puts them together.
"""

from __future__ import annotations

import os
from pathlib import Path

class DistError(Exception):
    """An input or a tarball is not what it has to be; the text says which, and what to do."""


def cache() -> Path:
    """Return the folder of inputs and tarballs: ``$TRENDLAKE_CACHE`` or ``~/.cache/trendlake``."""
    return Path(os.environ.get("TRENDLAKE_CACHE") or Path.home() / ".cache" / "trendlake")
