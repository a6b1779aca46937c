"""What is followed, as the records of the board say it, and what a change to it writes there."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from opslib.x.board import BACKFILL
from opslib.x.follows import BadFollow, Follow, follow_of

if TYPE_CHECKING:
    from opslib.x.board import Record, Records


def follows_on(records: Records) -> dict[str, Follow]:
    """Return what is followed by its name. Raises :class:`BadFollow`."""
    return {name: follow_of(of) for name, of in records.items() if not name.startswith(BACKFILL)}


def known(records: Records, name: str) -> Follow:
    """Return what is followed under *name*. Raises :class:`BadFollow`."""
    found = follows_on(records)
    if name not in found:
        names = ", ".join(sorted(found)) or "nothing"
        raise BadFollow(f"{name[:80]!r} is not followed; what is: {names}")
    return found[name]


def own(records: Records, name: str) -> Follow:
    """Return it if it is not the inventory's, which is changed there alone. Raises :class:`BadFollow`."""
    found = known(records, name)
    if found.origin == "inventory":
        raise BadFollow(f"{name} is of the inventory: change nifi_flow_follows there, and run site.yml")
    return found


def pausing(records: Records, name: str, *, paused: bool) -> dict[str, Record]:
    """Return what pauses it, or lets it go on. Raises :class:`BadFollow`."""
    return {name: replace(own(records, name), paused=paused).to_record()}


def removing(records: Records, name: str) -> dict[str, Record]:
    """Return what removes it, with what is looked up for it. Raises :class:`BadFollow`."""
    own(records, name)
    return {name: None, **({BACKFILL + name: None} if BACKFILL + name in records else {})}
