"""What X says was wrong with a part of an answer, and what becomes of it.

Contract 2.167 has nine kinds of problems, the last part of their ``type``; 2.159 has these among others. Of
one about a post that was looked up :func:`gone` says whether it is gone; one about a field says that the post
came without it, and :func:`refused_field` whether this token never gets it; :func:`failed` says that X itself
has failed. An ``invalid-request`` is an answer of its own (400), which :class:`opslib.x.client.Refused`
carries. docs/collecting.md has all of them in a table.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

Problem = dict[str, Any]

# Of a post that was looked up: why it is gone. One that is only unavailable may be back the next time.
_GONE = {
    "resource-not-found": "deleted",
    "not-authorized-for-resource": "protected",
    "disallowed-resource": "disallowed",
}
_NO_FIELD = ("not-authorized-for-field", "field-unauthorized")
_FIELDS = (*_NO_FIELD, "field-hydration-failure")
_SAID = 5


def kind_of(problem: Problem) -> str:
    """Return the kind of a problem, such as ``resource-not-found``; empty if it tells none."""
    return str(problem.get("type") or "").rpartition("/")[2]


def gone(problem: Problem) -> str | None:
    """Return why the post that a lookup's *problem* is about is gone; ``None`` if it does not say that."""
    if kind_of(problem) in _GONE and "suspended" in str(problem.get("detail")).lower():
        return "suspended"
    return _GONE.get(kind_of(problem))


def refused_field(problem: Problem) -> str | None:
    """Return the field that X says this token does not get; it is of no use to ask for it again."""
    return str(problem["field"]) if kind_of(problem) in _NO_FIELD and problem.get("field") else None


def failed(problems: Iterable[Problem]) -> bool:
    """Tell whether X says that it has failed itself: asked again, it may answer."""
    return any(kind_of(problem) == "internal-error" for problem in problems)


def said(problems: Iterable[Problem]) -> list[str]:
    """Return *problems* as a few lines for people: a field's once, for it is missing in post after post."""
    lines = dict.fromkeys(map(_line, problems))
    first = list(lines)[:_SAID]
    return first + ([f"and {len(lines) - len(first)} more"] if len(lines) > len(first) else [])


def _line(problem: Problem) -> str:
    kind, field = kind_of(problem), problem.get("field")
    if kind in _FIELDS and field:
        never = "this token does not get it, and it is not asked for any more"
        why = never if kind in _NO_FIELD else "X could not fill it in: it comes with the next copy of a post"
        return f"posts came without {field}: {why}"
    return str(problem.get("detail") or problem.get("title") or problem)[:300]
