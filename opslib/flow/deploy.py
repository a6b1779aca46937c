"""Bring NiFi to the flow of a definition file: group, parameters, rights, running.

A definition has a version, and its digest is written into the comments of the running group, together with
it: that is how a second run sees that nothing is to do. Replacing a group in place keeps its queues.
"""

from __future__ import annotations

import hashlib
import json
import re
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import nipyapi

from opslib.flow.api import FlowError, grant

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

# Python processors are read in and their processes started after NiFi is up; a slow host takes its time.
_PATIENCE_SECONDS = 240
_DIGEST = re.compile(r"digest ([0-9a-f]{16})")


@dataclass(frozen=True)
class Definition:
    """A flow definition file: NiFi's own format, with the flow's name and version among its contents."""

    name: str
    version: str
    snapshot: dict[str, Any]
    digest: str

    @classmethod
    def read(cls, path: Path) -> Definition:
        """Read it; a file that is no definition is a :class:`FlowError`."""
        try:
            snapshot = json.loads(path.read_text(encoding="utf-8"))
            contents = snapshot["flowContents"]
            name, version = contents["name"], str(snapshot["snapshotMetadata"]["version"])
        except (OSError, ValueError, KeyError, TypeError) as wrong:
            raise FlowError(f"{path} is not a flow definition: {wrong!r}") from wrong
        text = json.dumps(snapshot, sort_keys=True)
        return cls(name, version, snapshot, hashlib.sha256(text.encode()).hexdigest()[:16])

    @property
    def comments(self) -> str:
        """What is written on the running group."""
        return f"Flow {self.name} version {self.version}, digest {self.digest}, by `opslib flow deploy`."

    @property
    def types(self) -> set[str]:
        """The processor types that it uses."""
        return {processor["type"] for processor in self.snapshot["flowContents"]["processors"]}


@dataclass
class Report:
    """What a deployment changed, or would change."""

    version: str
    digest: str
    changed: list[str] = field(default_factory=list)


def deploy(
    definition: Definition, parameters: Mapping[str, str], sensitive: set[str], *, dry_run: bool
) -> Report:
    """Deploy *definition* with its *parameters*, of which those named in *sensitive* are secrets."""
    report = Report(definition.version, definition.digest)
    root = nipyapi.canvas.get_root_pg_id()
    report.changed += grant(root, dry_run=dry_run)
    if dry_run and report.changed:
        # Without its rights nothing else of the canvas can be asked.
        report.changed.append(f"flow {definition.name} version {definition.version}")
        return report
    _until(
        lambda: not definition.types - _known_types(), f"processors {sorted(definition.types)} are not loaded"
    )
    context, changes = _parameters(definition.name, parameters, sensitive, dry_run=dry_run)
    report.changed += changes
    group = find(definition.name)
    if group is None:
        report.changed.append(f"flow {definition.name} version {definition.version} deployed")
        if not dry_run:
            group = _import(definition, root)
    elif digest_of(group) != definition.digest:
        report.changed.append(f"flow {definition.name} replaced by version {definition.version}")
        if not dry_run:
            _replace(definition, group)
    if dry_run or group is None:
        return report
    _describe(definition, group.id, context.id)
    _until(lambda: not _invalid(group.id), lambda: f"components stay invalid: {_invalid(group.id)}")
    if _stopped(group.id):
        nipyapi.canvas.schedule_process_group(group.id, True)
        report.changed.append("started")
    return report


def find(name: str) -> Any:
    """Return the process group *name* below the root, or ``None``."""
    root = nipyapi.nifi.ProcessGroupsApi().get_process_groups(nipyapi.canvas.get_root_pg_id())
    return next((group for group in root.process_groups if group.component.name == name), None)


def digest_of(group: Any) -> str | None:
    """Return the digest of the definition that *group* was deployed from."""
    found = _DIGEST.search(group.component.comments or "")
    return found.group(1) if found else None


def _known_types() -> set[str]:
    return {kind.type for kind in nipyapi.nifi.FlowApi().get_processor_types().processor_types}


def _until(reached: Callable[[], bool], otherwise: str | Callable[[], str]) -> None:
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while not reached():
        if time.monotonic() > deadline:
            said = otherwise if isinstance(otherwise, str) else otherwise()
            raise FlowError(f"after {_PATIENCE_SECONDS} s {said}")
        time.sleep(1)


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
        "the running flow is not replaced",
    )
    failure = groups.delete_replace_process_group_request(request).request.failure_reason
    if failure:
        raise FlowError(f"NiFi did not replace the running flow: {failure}")


def _describe(definition: Definition, group_id: str, context_id: str) -> None:
    """Write the digest on the group and bind it to its parameters, where that is not so yet."""
    groups = nipyapi.nifi.ProcessGroupsApi()
    now = groups.get_process_group(group_id)
    bound = now.component.parameter_context
    if digest_of(now) == definition.digest and bound is not None and bound.id == context_id:
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


# ---- parameters


def _parameters(
    name: str, wanted: Mapping[str, str], sensitive: set[str], *, dry_run: bool
) -> tuple[Any, list[str]]:
    """Bring the parameter context *name* to *wanted*; return it, and what differed."""
    context = nipyapi.parameters.get_parameter_context(name)
    known = (
        {entry.parameter.name: entry.parameter for entry in context.component.parameters} if context else {}
    )
    differing = [key for key, value in wanted.items() if not _is_set(known.get(key), value, key in sensitive)]
    changed = [f"parameter {key} set" for key in differing]
    if dry_run or (context and not differing):
        return context, changed
    entries = [_parameter(key, wanted[key], key in sensitive) for key in differing]
    if context is None:
        return nipyapi.parameters.create_parameter_context(
            name, f"Parameters of the flow {name}", entries
        ), changed
    context.component.parameters = entries
    return nipyapi.parameters.update_parameter_context(context), changed


def _parameter(name: str, value: str, secret: bool) -> Any:
    description = _fingerprint(value) if secret else ""
    return nipyapi.parameters.prepare_parameter(name, value, description, secret)


def _is_set(parameter: Any, value: str, secret: bool) -> bool:
    if parameter is None:
        return False
    # NiFi gives no secret back, so that what it was set from is told by the fingerprint beside it.
    return bool(parameter.description == _fingerprint(value)) if secret else bool(parameter.value == value)


def _fingerprint(secret: str) -> str:
    """Return a text that tells whether a secret is still the same, and nothing else of it.

    Slow on purpose (PBKDF2, RFC 8018), so that a weak secret cannot be guessed from it either.
    """
    digest = hashlib.pbkdf2_hmac("sha256", secret.encode(), b"trendlake parameter", 200_000)
    return f"secret, fingerprint {digest.hex()[:16]}"


def status(name: str) -> dict[str, Any]:
    """Return what the flow *name* is doing, as plain data."""
    group = find(name)
    if group is None:
        raise FlowError(f"there is no flow {name} in NiFi: deploy it with `opslib flow deploy`")
    return {
        "name": name,
        "comments": group.component.comments,
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
