"""Between NiFi and :mod:`opslib.x.turns`: what a trigger is given and what it gives back.

Imports NiFi's own Python API (``nifiapi``), which is there inside NiFi alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Callable

from nifiapi.componentstate import Scope  # type: ignore[import-not-found]
from nifiapi.flowfilesource import FlowFileSourceResult  # type: ignore[import-not-found]
from nifiapi.flowfiletransform import FlowFileTransformResult  # type: ignore[import-not-found]

if TYPE_CHECKING:
    from opslib.x.turns import FlowFile, State, Turn


def value_of(context: Any, descriptor: Any) -> str:
    """Return the value of a property, empty where it is not set."""
    return str(context.getProperty(descriptor).getValue() or "").strip()


class _Carried:
    """NiFi's FlowFile as a turn takes it."""

    def __init__(self, flowfile: Any) -> None:
        self._flowfile = flowfile

    def attribute(self, name: str) -> str:
        return self._flowfile.getAttribute(name) or ""

    def attributes(self) -> dict[str, str]:
        return dict(self._flowfile.getAttributes())

    def content(self) -> bytes:
        return bytes(self._flowfile.getContentsAsBytes())


def with_state(
    context: Any, logger: Any, flowfile: Any, turn: Callable[[State, FlowFile], Turn]
) -> FlowFileTransformResult:
    """Run *turn* for *flowfile* on the processor's state, which is kept before the FlowFile leaves."""
    manager = context.getStateManager()
    before = dict(manager.getState(Scope.LOCAL).toMap())
    done = turn(dict(before), _Carried(flowfile))
    if done.state is not None and done.state != before:
        if done.state:
            manager.setState(done.state, Scope.LOCAL)
        else:
            manager.clear(Scope.LOCAL)
    return _transformed(context, logger, done)


def without_state(
    context: Any, logger: Any, flowfile: Any, turn: Callable[[FlowFile], Turn]
) -> FlowFileTransformResult:
    """Run *turn* for *flowfile*."""
    return _transformed(context, logger, turn(_Carried(flowfile)))


def from_source(context: Any, logger: Any, done: Turn) -> FlowFileSourceResult | None:
    """Return what a source gives out: nothing, where *done* has nothing."""
    _say(context, logger, done)
    if not done.relationship:
        return None
    return FlowFileSourceResult(done.relationship, done.attributes, done.content)


def _transformed(context: Any, logger: Any, done: Turn) -> FlowFileTransformResult:
    _say(context, logger, done)
    return FlowFileTransformResult(done.relationship, done.attributes, done.content)


def _say(context: Any, logger: Any, done: Turn) -> None:
    for line in done.warnings:
        logger.warn(line)
    for line in done.errors:
        logger.error(line)
    if done.rest:
        context.yield_resources()
