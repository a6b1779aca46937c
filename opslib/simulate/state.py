"""The state of the local X API: taken out, put in, and kept in a file."""

from __future__ import annotations

import asyncio
import os
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any

import orjson

from opslib.simulate.tweets import BadState

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from opslib.simulate.local import LocalX

Json = dict[str, Any]

_VERSION = 1
# Seconds between two savings: what a kill may cost.
SAVE_EVERY = 2.0


def taken(x: LocalX) -> Json:
    """Return all that *x* needs to go on elsewhere."""
    return {
        "version": _VERSION,
        "store": x.store.state(),
        "rules": x.rules.state(),
        "ledger": x.ledger.state(),
        "limits": x.limits.state() if x.limits is not None else [],
        "faults": x.faults.state(),
        "compliance": x.compliance.state(),
    }


def put(x: LocalX, state: Any) -> None:
    """Let *x* go on where *state* was taken; ``BadState`` if it cannot, and then it is as it was."""
    before = taken(x)
    try:
        _put(x, state)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        _put(x, before)
        if isinstance(error, BadState):
            raise
        raise BadState(
            f"the state is not one that was taken here: {type(error).__name__}: {error}"
        ) from error


def _put(x: LocalX, state: Json) -> None:
    if state["version"] != _VERSION:
        raise BadState(f"the state has the version {state['version']}, and this is {_VERSION}")
    x.store.restore(state["store"])
    x.rules.restore(state["rules"])
    x.ledger.restore(state["ledger"])
    if x.limits is not None:
        x.limits.restore(state["limits"])
    x.faults.restore(state["faults"])
    x.compliance.restore(state.get("compliance", []))


def read(path: Path) -> Json | None:
    """Return the state that is kept in a file, if there is one."""
    try:
        state = orjson.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise BadState(f"{path}: {error}") from error
    if not isinstance(state, dict):
        raise BadState(f"{path} holds no state")
    return state


def save(path: Path, content: bytes) -> None:
    """Write *content* so that the file always holds a whole state, the old one or the new one."""
    new = path.with_name(f".{path.name}.new")
    # It holds the tokens of those who called.
    with open(new, "wb", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)


@asynccontextmanager
async def saving(x: LocalX, path: Path | None) -> AsyncIterator[None]:
    """Save the state every few seconds, and once more at the end."""
    if path is None:
        yield
        return
    task = asyncio.ensure_future(_save_often(x, path))
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        save(path, orjson.dumps(taken(x)))


async def _save_often(x: LocalX, path: Path) -> None:
    while True:
        await asyncio.sleep(SAVE_EVERY)
        content = orjson.dumps(taken(x))
        # Not broken off when the server ends: two would write the same file.
        await asyncio.shield(asyncio.to_thread(save, path, content))
