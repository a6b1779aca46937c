"""MongoDB's errors told apart: the settings' fault, or one that passes."""

from __future__ import annotations

from pymongo.errors import ConfigurationError, InvalidURI, OperationFailure, PyMongoError

_REFUSED_CERTIFICATE = ("CERTIFICATE_VERIFY_FAILED", "certificate verify failed", "unknown ca")
_REFUSED_LOGIN = {11: "UserNotFound", 13: "Unauthorized", 18: "AuthenticationFailed", 8000: "AtlasError"}


def wrong_settings(error: PyMongoError, *, starting: bool = False) -> str | None:
    """Return one clear line if waiting will not cure *error*, or ``None`` for a fault that may pass.

    A certificate that is refused counts as such while *starting* alone: later on it is most often one
    that has run out, and whoever renews it should not have to restart its clients as well.
    """
    if isinstance(error, OperationFailure) and error.code in _REFUSED_LOGIN:
        known = _REFUSED_LOGIN[error.code]
        return (
            f"MongoDB refuses this user ({known}): check mongodb_username and mongodb_password in the "
            f"credentials folder and the user's roles: {_first_line(error)}"
        )
    if isinstance(error, (ConfigurationError, InvalidURI)):
        return f"the MongoDB settings are wrong: {_first_line(error)}"
    for sign in _REFUSED_CERTIFICATE if starting else ():
        if sign in str(error):
            return f"TLS with MongoDB fails, check `ca` in the credentials folder: {_first_line(error)}"
    return None


def _first_line(error: Exception) -> str:
    # pymongo appends its view of the cluster, the server the whole command; the first part is what a
    # person needs.
    text = str(error)
    for rest in (", full error:", ", Timeout:", " to execute command", "\n"):
        text = text.split(rest)[0]
    return text
