"""The parameter context of a flow: its values, and secrets that are known by a fingerprint alone."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import nipyapi

if TYPE_CHECKING:
    from collections.abc import Mapping


def bring(
    name: str, wanted: Mapping[str, str], sensitive: set[str], *, dry_run: bool
) -> tuple[Any, list[str]]:
    """Bring the parameter context *name* to *wanted*; return it, and what differed."""
    context = nipyapi.parameters.get_parameter_context(name)
    known = values(context)
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


def values(context: Any) -> dict[str, Any]:
    """Return the parameters of *context* by name; none if there is no context."""
    return (
        {entry.parameter.name: entry.parameter for entry in context.component.parameters} if context else {}
    )


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
