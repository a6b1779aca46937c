"""What X says when it refuses, or has only a part of what was asked for."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

Json = dict[str, Any]

_TYPES = "https://api.twitter.com/2/problems"


class InvalidRequest(Exception):  # noqa: N818 - X's own name for it
    """A call that X answers with 400."""

    def __init__(self, message: str, parameter: str, value: str) -> None:
        super().__init__(message)
        self._parameters = {parameter: [value]}

    def problem(self) -> Json:
        """Return what X says then."""
        return {
            "errors": [{"parameters": self._parameters, "message": str(self)}],
            "title": "Invalid Request",
            "detail": "One or more parameters to your request was invalid.",
            "type": f"{_TYPES}/invalid-request",
        }


def problem(status: int, title: str, detail: str | None = None) -> Json:
    """Return a problem that has no more to say than the status has."""
    return {"title": title, "type": "about:blank", "status": status, "detail": detail or title}


def refused(status: int) -> Json:
    """Return what X says where it refuses any call: token, credits, access, limits, outage."""
    if status == HTTPStatus.PAYMENT_REQUIRED:
        return problem(402, "CreditsDepleted", "The account has no credits left for this request.")
    if status == HTTPStatus.FORBIDDEN:
        return {
            **problem(403, "Client Forbidden", "This app may not use this endpoint."),
            "reason": "client-not-enrolled",
            "type": f"{_TYPES}/client-forbidden",
        }
    return problem(status, HTTPStatus(status).phrase)


def not_found(kind: str, resource_id: str, parameter: str) -> Json:
    """Return that a tweet or user (*kind*) is not there."""
    return {
        "value": resource_id,
        "detail": f"Could not find {kind} with {parameter}: [{resource_id}].",
        "title": "Not Found Error",
        "resource_type": kind,
        "parameter": parameter,
        "resource_id": resource_id,
        "type": f"{_TYPES}/resource-not-found",
    }


def not_authorized(kind: str, resource_id: str, parameter: str) -> Json:
    """Return that a tweet or user (*kind*) is not for everybody any more."""
    return {
        "value": resource_id,
        "detail": f"Sorry, you are not authorized to see the {kind} with {parameter}: [{resource_id}].",
        "title": "Authorization Error",
        "resource_type": kind,
        "parameter": parameter,
        "resource_id": resource_id,
        "section": "data",
        "type": f"{_TYPES}/not-authorized-for-resource",
    }


def connection_issue(issue: str, detail: str) -> Json:
    """Return why a stream is not connected."""
    return {
        "title": "ConnectionException",
        "detail": detail,
        "connection_issue": issue,
        "type": f"{_TYPES}/streaming-connection",
    }


def capped() -> Json:
    """Return that no more posts may be read this month."""
    return {
        "title": "UsageCapExceeded",
        "detail": "Usage cap exceeded: Monthly product cap",
        "type": f"{_TYPES}/usage-capped",
        "period": "Monthly",
        "scope": "Product",
    }


def disconnected(kind: str) -> Json:
    """Return the last message of a stream that X ends."""
    problem_of = {
        "title": "operational-disconnect",
        "disconnect_type": kind,
        "detail": "This stream has been disconnected for operational reasons.",
        "type": f"{_TYPES}/operational-disconnect",
    }
    return {"errors": [problem_of]}
