"""Bring NiFi to the flow of a definition: rights, parameters, group, running; and back.

A group carries the version and the digest of the definition that it was made from. So a second run sees that
nothing is to do, and what somebody changed by hand since is seen as drift and never overwritten unasked.
Replacing a group in place keeps the FlowFiles in its queues and the state of its processors.
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import nipyapi

from opslib.flow import parameters as context_of
from opslib.flow.api import FlowError, grant
from opslib.flow.definition import Definition, Difference, differences, mark_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from opslib.flow.history import History

# Python processors are read in and their processes started after NiFi is up; a slow host takes its time.
STARTING_SECONDS = 240
# How long a component may be invalid, or a request under way.
PATIENCE_SECONDS = 40
# Type of the processors that bring to Kafka what the others collect.
PUBLISHER = "PublishToKafka"


@dataclass
class Outcome:
    """What a deployment changed, or would change."""

    version: str
    digest: str
    changed: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class How:
    """How a deployment goes about it; *say* tells people what it waits for."""

    dry_run: bool = False
    force: bool = False
    starting_seconds: float = STARTING_SECONDS
    patience_seconds: float = PATIENCE_SECONDS
    say: Callable[[str], None] = print


def deploy(
    definition: Definition, parameters: Mapping[str, str], sensitive: set[str], history: History, how: How
) -> Outcome:
    """Deploy *definition* with its *parameters*, of which those named in *sensitive* are secrets.

    A running flow is stopped first, so that nothing of the new version runs before all of it is valid.
    Raises :class:`FlowError`, and leaves what ran running, if NiFi does not know a processor type, a
    parameter has no value, somebody has changed the running flow by hand, or a component stays invalid.
    """
    report = Outcome(definition.version, definition.digest)
    report.changed += grant(nipyapi.canvas.get_root_pg_id(), dry_run=how.dry_run)
    if how.dry_run and report.changed:
        # Without its rights nothing else of the canvas can be asked.
        report.changed.append(f"flow {definition.name} version {definition.version}")
        return report
    _require_types(definition, how)
    group = find(definition.name)
    running = _exported(group) if group else None
    if running is not None:
        report.changed += _look_for_drift(group, running, definition, history, how)
    _require_values(definition, parameters)
    changes = context_of.bring(definition.name, parameters, sensitive, dry_run=True)[1]
    report.changed += changes
    new = running is None or running.digest != definition.digest
    if new:
        did = "deployed" if running is None else f"replaces {running.version or 'what ran'}"
        report.changed.append(f"flow {definition.name} version {definition.version} {did}")
    if how.dry_run:
        return report
    if running is not None and (new or changes):
        with _or_back(running, group.id, new, parameters):
            _stop(group.id)
            _put(definition, group, new, parameters, sensitive, how)
    else:
        group = _put(definition, group, new, parameters, sensitive, how)
    if new or not history.of_digest(definition.digest):
        history.deployed(definition)
    if _stopped(group.id):
        nipyapi.canvas.schedule_process_group(group.id, True)
        report.changed.append("started")
    return report


def _put(
    definition: Definition,
    group: Any,
    new: bool,
    parameters: Mapping[str, str],
    sensitive: set[str],
    how: How,
) -> Any:
    """Give NiFi the parameters and a *new* definition; return the group once all of it is valid."""
    context = context_of.bring(definition.name, parameters, sensitive, dry_run=False)[0]
    if group is None:
        group = _import(definition, nipyapi.canvas.get_root_pg_id())
    elif new:
        _replace(definition, group)
    _describe(definition, group.id, context.id)
    _verify(group.id, how)
    return group


@contextmanager
def _or_back(
    running: Definition, group_id: str, replaced: bool, parameters: Mapping[str, str]
) -> Iterator[None]:
    """Bring *running* back with the plain parameters that it had, whatever fails in the block."""
    known = _known_parameters(running)
    before = {name: known[name].value for name in parameters if name in known and not known[name].sensitive}
    try:
        yield
    except Exception as failed:
        context = context_of.bring(running.name, before, set(), dry_run=False)[0]
        if replaced:
            _replace(running, find(running.name))
        _describe(running, group_id, context.id)
        nipyapi.canvas.schedule_process_group(group_id, True)
        raise FlowError(f"{failed}. Version {running.version} runs again") from failed


def _require_values(definition: Definition, wanted: Mapping[str, str]) -> None:
    """Raise :class:`FlowError` if a parameter of *definition* would have no value."""
    missing = definition.parameters - set(wanted) - set(_known_parameters(definition))
    if missing:
        raise FlowError(f"the flow refers to parameters without a value: {', '.join(sorted(missing))}")


def _known_parameters(definition: Definition) -> dict[str, Any]:
    return context_of.values(nipyapi.parameters.get_parameter_context(definition.name))


def _verify(group_id: str, how: How) -> None:
    """Wait until every component is valid; :class:`FlowError` if one stays invalid."""
    deadline = time.monotonic() + how.patience_seconds
    while invalid := _invalid(group_id):
        if time.monotonic() > deadline:
            raise FlowError(f"components stay invalid: {'; '.join(invalid)}")
        time.sleep(0.5)


def rollback(name: str, version: str | None, history: History, how: How) -> Outcome:
    """Go back to the definition that was deployed before the running one, or to *version*.

    Parameters stay as they are, secrets among them.
    """
    running = exported(name)
    _, digest = mark_of(find(name).component.comments)
    return deploy(history.before(digest or running.digest, version), {}, set(), history, how)


def drift(name: str, history: History, wanted: Definition | None = None) -> list[Difference]:
    """Return how the running flow *name* differs from *wanted*, or from what was deployed last."""
    running, group = exported(name), find(name)
    _, digest = mark_of(group.component.comments)
    if wanted is None:
        if running.digest == digest:
            return []
        wanted = history.of_digest(digest or "")
        if wanted is not None:
            return _by_hand(group, wanted, running)
    if wanted is None:
        raise FlowError(
            "the running flow was not deployed from here: name the definition that it is to be compared with"
        )
    return differences(wanted, running)


def _by_hand(group: Any, known: Definition, running: Definition) -> list[Difference]:
    """Return how *running* differs from the *known* definition of it by somebody's hand.

    A newer processor brings properties that the definition does not have, with values that nobody set.
    """
    defaults = {
        (f"processor {processor.component.name}", f"property {name}"): descriptor.default_value
        for processor in _processors(group.id)
        for name, descriptor in (processor.component.config.descriptors or {}).items()
    }
    return [
        difference
        for difference in differences(known, running)
        if difference.wanted is not None
        or difference.found != defaults.get((difference.component, difference.property))
    ]


def exported(name: str) -> Definition:
    """Return the definition of the running flow *name*; :class:`FlowError` if there is none."""
    group = find(name)
    if group is None:
        raise FlowError(f"there is no flow {name} in NiFi: deploy it with `opslib flow deploy`")
    return _exported(group)


def find(name: str) -> Any:
    """Return the process group *name* below the root, or ``None``."""
    root = nipyapi.nifi.ProcessGroupsApi().get_process_groups(nipyapi.canvas.get_root_pg_id())
    return next((group for group in root.process_groups if group.component.name == name), None)


def _exported(group: Any) -> Definition:
    return Definition.exported(nipyapi.nifi.ProcessGroupsApi().export_process_group(group.id))


def _look_for_drift(
    group: Any, running: Definition, definition: Definition, history: History, how: How
) -> list[str]:
    """Refuse to overwrite what was changed by hand, or save it first if told to; return what was done."""
    _, digest = mark_of(group.component.comments)
    if running.digest in (digest, definition.digest):
        return []
    known = history.of_digest(digest or "")
    told = [str(difference) for difference in _by_hand(group, known, running)] if known else []
    if known and not told:
        return []
    if not how.force:
        raise FlowError(
            "somebody has changed the running flow by hand (`opslib flow diff`): "
            + "; ".join(told or ["what it was before is not known here"])
            + ". Export it with `opslib flow export`, or overwrite it with --force, which saves it first"
        )
    if how.dry_run:
        return ["what was changed by hand would be saved and overwritten"]
    path = history.save(running, time.strftime("%Y%m%dT%H%M%SZ-by-hand", time.gmtime()))
    return [f"what was changed by hand is saved as {path}"]


def _require_types(definition: Definition, how: How) -> None:
    """Wait for processor types that NiFi may still be loading; refuse those that it does not have."""
    told = False
    while missing := definition.types - _known_types():
        left = how.starting_seconds - _uptime_seconds()
        if left <= 0 or how.dry_run:
            raise FlowError(f"NiFi has no processors of the types {', '.join(sorted(missing))}")
        if not told:
            how.say(f"NiFi has just started: waiting {left:.0f} s at most for {', '.join(sorted(missing))}")
            told = True
        time.sleep(1)


def _known_types() -> set[str]:
    return {kind.type for kind in nipyapi.nifi.FlowApi().get_processor_types().processor_types}


def _uptime_seconds() -> float:
    snapshot = nipyapi.nifi.SystemDiagnosticsApi().get_system_diagnostics().system_diagnostics
    hours, minutes, seconds = snapshot.aggregate_snapshot.uptime.split(":")
    return int(hours) * 3600 + int(minutes) * 60 + float(seconds)


def _until(reached: Callable[[], bool], otherwise: Callable[[], str]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not reached():
        if time.monotonic() > deadline:
            raise FlowError(f"after {PATIENCE_SECONDS} s {otherwise()}")
        time.sleep(0.5)


def _import(definition: Definition, root: str) -> Any:
    return nipyapi.nifi.ProcessGroupsApi().import_process_group(
        id=root,
        body={
            "groupName": definition.name,
            "positionDTO": {"x": 0, "y": 0},
            "revisionDTO": {"version": 0},
            "flowSnapshot": definition.snapshot,
        },
    )


def _replace(definition: Definition, group: Any) -> None:
    groups = nipyapi.nifi.ProcessGroupsApi()
    started = groups.initiate_replace_process_group(
        id=group.id,
        body={
            "processGroupRevision": {"version": group.revision.version},
            "versionedFlowSnapshot": definition.snapshot,
        },
    )
    request = started.request.request_id
    _until(
        lambda: groups.get_replace_process_group_request(request).request.complete,
        lambda: "the running flow is not replaced",
    )
    failure = groups.delete_replace_process_group_request(request).request.failure_reason
    if failure:
        raise FlowError(f"NiFi did not replace the running flow: {failure}")


def _describe(definition: Definition, group_id: str, context_id: str) -> None:
    """Write the digest on the group and bind it to its parameters, where that is not so yet."""
    groups = nipyapi.nifi.ProcessGroupsApi()
    now = groups.get_process_group(group_id)
    bound = now.component.parameter_context
    if now.component.comments == definition.comments and bound is not None and bound.id == context_id:
        return
    body = {
        "revision": {"version": now.revision.version},
        "component": {
            "id": group_id,
            "comments": definition.comments,
            "parameterContext": {"id": context_id},
        },
    }
    groups.update_process_group(id=group_id, body=body)


def _stop(group_id: str) -> None:
    """Stop all processors, and wait until none of them is at work any more."""
    nipyapi.canvas.schedule_components(group_id, scheduled="STOPPED")

    def at_work() -> list[str]:
        return [
            p.component.name
            for p in _processors(group_id)
            if p.component.state == "RUNNING" or p.status.aggregate_snapshot.active_thread_count
        ]

    _until(lambda: not at_work(), lambda: f"still at work: {', '.join(at_work())}")


def drain(name: str, patience_seconds: float) -> list[str]:
    """Stop all of the flow *name* that does not publish, and wait until what came is on Kafka.

    Nothing more is asked of X then. Return what is not through after *patience_seconds*: it stays in its
    queue, or is under way. The flow runs again with :func:`deploy`.
    """
    group = find(name)
    if group is None:
        raise FlowError(f"there is no flow {name} in NiFi: there is nothing to drain")
    group_id = group.id
    found = _processors(group_id)
    publishers = {one.id for one in found if str(one.component.type).endswith(PUBLISHER)}
    collecting = [one for one in found if one.id not in publishers and one.component.state == "RUNNING"]
    if collecting:
        nipyapi.canvas.schedule_components(group_id, scheduled="STOPPED", components=collecting)
    deadline = time.monotonic() + patience_seconds
    while (left := _under_way(group_id, publishers)) and time.monotonic() < deadline:
        time.sleep(0.5)
    return left


def _under_way(group_id: str, publishers: set[str]) -> list[str]:
    """Return what waits for *publishers*, and who is still at work."""
    connections = nipyapi.nifi.ProcessGroupsApi().get_connections(group_id).connections
    waiting = [
        f"{one.status.aggregate_snapshot.flow_files_queued} wait for {one.component.destination.name}"
        for one in connections
        if one.destination_id in publishers and one.status.aggregate_snapshot.flow_files_queued
    ]
    at_work = [
        f"{one.component.name} is at work"
        for one in _processors(group_id)
        if one.status.aggregate_snapshot.active_thread_count
    ]
    return waiting + at_work


def _processors(group_id: str) -> list[Any]:
    processors: list[Any] = nipyapi.nifi.ProcessGroupsApi().get_processors(group_id).processors
    return processors


def _invalid(group_id: str) -> list[str]:
    return [
        f"{p.component.name}: {'; '.join(p.component.validation_errors or ['still validating'])}"
        for p in _processors(group_id)
        if p.component.validation_status != "VALID"
    ]


def _stopped(group_id: str) -> list[str]:
    return [
        p.component.name for p in _processors(group_id) if p.component.state not in ("RUNNING", "DISABLED")
    ]


def status(name: str) -> dict[str, Any]:
    """Return what the flow *name* is doing, as plain data."""
    running = exported(name)
    group = find(name)
    version, digest = mark_of(group.component.comments)
    return {
        "name": name,
        "version": version,
        "digest": digest,
        "changed_by_hand": running.digest != digest,
        "queued": group.status.aggregate_snapshot.flow_files_queued,
        "processors": [
            {
                "name": p.component.name,
                "state": p.component.state,
                "validation": p.component.validation_status,
            }
            for p in sorted(_processors(group.id), key=lambda p: str(p.component.name))
        ],
    }
