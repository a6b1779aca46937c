"""MongoDB's errors told apart: the document's fault, the settings' fault, or a fault that passes."""

from __future__ import annotations

from pymongo.errors import ConfigurationError, InvalidURI, OperationFailure, PyMongoError

# The server's word on a document that no retry will make it take.
_BAD_DOCUMENT = {
    2: "BadValue",
    9: "FailedToParse",
    14: "TypeMismatch",
    15: "Overflow",
    22: "InvalidBSON",
    52: "DollarPrefixedFieldName",
    56: "EmptyFieldName",
    57: "DottedFieldName",
    121: "DocumentValidationFailure",
    10334: "BSONObjectTooLarge",
    17280: "KeyTooLong",
    17420: "DocumentTooLarge",
}
_REFUSED_CERTIFICATE = ("CERTIFICATE_VERIFY_FAILED", "certificate verify failed", "unknown ca")
_REFUSED_LOGIN = {11: "UserNotFound", 13: "Unauthorized", 18: "AuthenticationFailed", 8000: "AtlasError"}


def bad_document(code: object, text: str = "") -> str | None:
    """Return the reason why a document is to blame for the error *code*, or ``None``."""
    if not isinstance(code, int) or code not in _BAD_DOCUMENT:
        return None
    return f"MongoDB refused it: {_BAD_DOCUMENT[code]} {text}".strip()


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
