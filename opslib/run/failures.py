"""Errors of servers told in one line, and told apart: the settings' fault, or one that passes."""

from __future__ import annotations

import re

from pymongo.errors import ConfigurationError, InvalidURI, OperationFailure, PyMongoError

from opslib.settings import SettingsError

_REFUSED_CERTIFICATE = ("CERTIFICATE_VERIFY_FAILED", "certificate verify failed", "unknown ca")
_REFUSED_LOGIN = {11: "UserNotFound", 13: "Unauthorized", 18: "AuthenticationFailed", 8000: "AtlasError"}
_HOW_IT_WAITED = re.compile(r" \(configured timeouts: [^)]*\)")
_MOST_LETTERS = 300


def wrong_settings(error: PyMongoError, *, starting: bool = False) -> str | None:
    """Return one clear line if waiting will not cure *error*, or ``None`` for a fault that may pass.

    A certificate that is refused counts as such while *starting* alone: later on it is most often one
    that has run out, and whoever renews it should not have to restart its clients as well.
    """
    if isinstance(error, OperationFailure) and error.code in _REFUSED_LOGIN:
        known = _REFUSED_LOGIN[error.code]
        return (
            f"MongoDB refuses this user ({known}): check mongodb_username and mongodb_password in the "
            f"credentials folder and the user's roles: {said(error)}"
        )
    if isinstance(error, (ConfigurationError, InvalidURI)):
        return f"the MongoDB settings are wrong: {said(error)}"
    for sign in _REFUSED_CERTIFICATE if starting else ():
        if sign in str(error):
            return f"TLS with MongoDB fails, check `ca` in the credentials folder: {said(error)}"
    return None


def check_settings(error: PyMongoError, *, starting: bool = False) -> None:
    """Raise :class:`SettingsError` if waiting will not cure *error*, as :func:`wrong_settings` has it."""
    reason = wrong_settings(error, starting=starting)
    if reason:
        raise SettingsError(reason) from error


def said(error: BaseException) -> str:
    """Return in one line what *error* of MongoDB's or Kafka's client says; its kind if it says nothing.

    Both append what a person does not need: their view of the cluster, the whole command, how they waited.
    """
    text = str(error).strip()
    for rest in (", full error:", ", Timeout:", " to execute command", "\n"):
        text = text.split(rest)[0]
    text = _HOW_IT_WAITED.sub("", text).strip()
    return text[:_MOST_LETTERS] or type(error).__name__
