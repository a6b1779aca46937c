"""What collecting has cost: read from the file in which the NiFi processors count, which stays theirs."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from opslib.settings import SettingsError
from opslib.x.budget import Budget

if TYPE_CHECKING:
    from opslib.settings import X


def report(x: X) -> dict[str, Any]:
    """Return what was spent today and this month, by kind, with the limits, as plain data.

    Raises :class:`opslib.settings.SettingsError` where this host has no such file or may not read it.
    """
    if not os.access(x.budget_file, os.R_OK):
        raise SettingsError(
            f"there is no budget file {x.budget_file} (x.budget_file) that this user may read: nothing was "
            "collected on this host yet, or NiFi runs on another one"
        )
    return Budget.of(x.budget_file).report()
