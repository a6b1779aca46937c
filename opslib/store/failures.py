"""MongoDB's errors that are a document's fault."""

from __future__ import annotations

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


def bad_document(code: object, text: str = "") -> str | None:
    """Return the reason why a document is to blame for the error *code*, or ``None``."""
    if not isinstance(code, int) or code not in _BAD_DOCUMENT:
        return None
    return f"MongoDB refused it: {_BAD_DOCUMENT[code]} {text}".strip()
