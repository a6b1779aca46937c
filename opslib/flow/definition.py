"""Flow definitions: NiFi's own JSON in one normal form, which git shows readably and two of which compare.

NiFi's export holds what differs from one installation to the next (ids of instances, the group's own id, what
it knows of each property) and what means nothing (the order of components, fractions of a pixel). The normal
form leaves that out. The digest and a comparison leave out where components stand on the canvas as well.
"""

from __future__ import annotations

import hashlib
import json
import re
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from opslib.flow.api import FlowError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

Json = dict[str, Any]

_MARK = re.compile(
    r"\n*Flow .+ version (?P<version>\S+), digest (?P<digest>[0-9a-f]{16}), by `opslib flow`\.$"
)
_OF_INSTANCES = frozenset({"instanceIdentifier", "instanceGroupId"})
# Where things stand and what they are drawn like.
_OF_THE_CANVAS = frozenset({"position", "bends", "labelIndex", "zIndex", "style"})
_COMPONENTS = (
    *("processors", "connections", "controllerServices", "processGroups", "remoteProcessGroups"),
    *("inputPorts", "outputPorts", "funnels", "labels"),
)
_PARAMETER = re.compile(r"#\{([^}]+)\}")


@dataclass(frozen=True)
class Difference:
    """One property of one component: what a definition says, and what there is."""

    component: str
    property: str
    wanted: Any
    found: Any

    def __str__(self) -> str:
        return f"{self.component}: {self.property} is {_short(self.found)}, not {_short(self.wanted)}"


@dataclass(frozen=True)
class Definition:
    """A flow definition in its normal form."""

    name: str
    version: str
    snapshot: Json

    @classmethod
    def read(cls, path: Path) -> Definition:
        """Read a file; one that is no definition is a :class:`FlowError`."""
        try:
            snapshot = json.loads(path.read_text(encoding="utf-8"))
            version = str(snapshot["snapshotMetadata"]["version"])
            return cls(snapshot["flowContents"]["name"], version, normal(snapshot, version))
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as wrong:
            raise FlowError(f"{path} is not a flow definition: {wrong!r}") from wrong

    @classmethod
    def exported(cls, text: str) -> Definition:
        """Return the definition in NiFi's export of a running group."""
        snapshot = json.loads(text)
        version, _ = mark_of(snapshot["flowContents"].get("comments"))
        return cls(snapshot["flowContents"]["name"], version or "", normal(snapshot, version or ""))

    @property
    def digest(self) -> str:
        """Say in 16 digits what it makes NiFi do, whatever it looks like and whichever version it is."""
        text = json.dumps(_meaning(self.snapshot["flowContents"]), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    @property
    def comments(self) -> str:
        """What is written on the running group: its own comments, then version and digest."""
        mark = f"Flow {self.name} version {self.version}, digest {self.digest}, by `opslib flow`."
        return "\n\n".join(filter(None, [self.snapshot["flowContents"].get("comments"), mark]))

    @property
    def types(self) -> set[str]:
        """The processor types that it uses."""
        return {processor["type"] for group in _groups(self.snapshot) for processor in group["processors"]}

    @property
    def parameters(self) -> set[str]:
        """The parameters that it refers to."""
        return set(_PARAMETER.findall(json.dumps(self.snapshot["flowContents"])))

    def text(self) -> str:
        """Return the file's text."""
        return json.dumps(self.snapshot, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def mark_of(comments: str | None) -> tuple[str | None, str | None]:
    """Return version and digest that were written on a group, or ``None`` for both."""
    found = _MARK.search(comments or "")
    return (found["version"], found["digest"]) if found else (None, None)


def normal(snapshot: Json, version: str) -> Json:
    """Return *snapshot* in the normal form."""
    contents = _normal(snapshot["flowContents"])
    own = contents["identifier"]
    # The group's id is the installation's; what stands in the file is made of the flow's name.
    fixed = str(uuid.uuid5(uuid.NAMESPACE_URL, f"https://nifi.apache.org/{contents['name']}"))
    contents = json.loads(json.dumps(contents).replace(own, fixed))
    contents["comments"] = _MARK.sub("", contents.get("comments") or "")
    contexts = {
        name: {**context, "parameters": []}
        for name, context in (snapshot.get("parameterContexts") or {}).items()
    }
    return {
        "externalControllerServices": snapshot.get("externalControllerServices") or {},
        "flowContents": contents,
        "flowEncodingVersion": snapshot.get("flowEncodingVersion", "1.0"),
        "parameterContexts": contexts,
        "parameterProviders": snapshot.get("parameterProviders") or {},
        "snapshotMetadata": {"version": version},
    }


def _normal(value: Any, name: str = "") -> Any:
    if isinstance(value, list):
        items = [_normal(item) for item in value]
        if items and isinstance(items[0], dict):
            return sorted(items, key=_order)
        # Sets, which NiFi writes in any order.
        return sorted(items) if name.endswith("Relationships") else items
    if isinstance(value, dict):
        kept = {key: _normal(item, key) for key, item in value.items() if key not in _OF_INSTANCES}
        if name in ("source", "destination"):
            # The component's own, which NiFi repeats here.
            kept.pop("comments", None)
        if "propertyDescriptors" in kept:
            kept["propertyDescriptors"] = {}
        if kept.get("componentType") == "PROCESS_GROUP":
            kept.setdefault("externalControllerServiceReferences", {})
        return kept
    return round(value) if isinstance(value, float) else value


def _order(component: Json) -> str:
    """Sort components by what people call them, points of a bend where they are."""
    if set(component) == {"x", "y"}:
        return ""
    ends = [(component.get(end) or {}).get("name", "") for end in ("source", "destination")]
    names = [component.get("name") or "", *ends, *component.get("selectedRelationships", [])]
    return "\0".join([*names, component.get("identifier", "")])


def _meaning(value: Any) -> Any:
    if isinstance(value, list):
        return [_meaning(item) for item in value]
    if isinstance(value, dict):
        # A property without a value is as one that is not there: a newer processor brings new ones.
        known = ((key, item) for key, item in value.items() if key not in _OF_THE_CANVAS)
        return {key: _meaning(item) for key, item in known if item is not None}
    return value


def _groups(snapshot: Json) -> Iterator[Json]:
    waiting = [snapshot["flowContents"]]
    while waiting:
        group = waiting.pop()
        waiting += group.get("processGroups", [])
        yield group


def differences(wanted: Definition, found: Definition) -> list[Difference]:
    """Return where *found* differs from *wanted*, component by component, property by property."""
    before, after = (dict(_components(d.snapshot["flowContents"], "")) for d in (wanted, found))
    result = []
    for key in [*before, *(key for key in after if key not in before)]:
        one, other = before.get(key), after.get(key)
        if one is None or other is None:
            label = (one or other or {})["label"]
            result.append(
                Difference(label, "the component", *("there" if x else "not there" for x in (one, other)))
            )
            continue
        result += [
            Difference(one["label"], name, one["fields"].get(name), other["fields"].get(name))
            for name in sorted({*one["fields"], *other["fields"]})
            if one["fields"].get(name) != other["fields"].get(name)
        ]
    return result


def _components(group: Json, path: str) -> Iterator[tuple[str, Json]]:
    """Yield identifier, and label with flat fields, of a group and of all in it."""
    yield group["identifier"], {"label": f"group {path}{group['name']}", "fields": _flat(group)}
    for kind in _COMPONENTS:
        for component in group.get(kind) or []:
            if kind == "processGroups":
                yield from _components(component, f"{path}{group['name']}/")
            else:
                label = f"{kind[:-1]} {path}{_name_of(component)}"
                yield component["identifier"], {"label": label, "fields": _flat(component)}


def _name_of(component: Json) -> str:
    if component.get("componentType") == "CONNECTION":
        ends = [component[end]["name"] for end in ("source", "destination")]
        return f"{ends[0]} -> {ends[1]} ({', '.join(component.get('selectedRelationships', []))})"
    return str(component.get("name") or component["identifier"])


def _flat(component: Json) -> Json:
    fields: Json = {}
    for key, value in _meaning(component).items():
        if key in _COMPONENTS:
            continue
        if key == "properties":
            fields.update({f"property {name}": text for name, text in value.items()})
        else:
            fields[key] = value
    return fields


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, sort_keys=True)
    return repr(text if len(text) <= 60 else text[:57] + "...")
