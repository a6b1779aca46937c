"""NiFi: its API with our client certificate, and whether its flow runs."""

from __future__ import annotations

import http.client
import json
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from opslib.run import tls

if TYPE_CHECKING:
    from opslib.doctor.findings import Findings
    from opslib.settings import Settings

_TIMEOUT = 8.0
_MOST_LETTERS = 300
# Longer than between two looks by the clock (opslib_doctor_seconds, and what one takes): each error is seen.
_GOES_ON = timedelta(minutes=3)
_UNAUTHORIZED = (401, 403)


class _AnswerError(Exception):
    def __init__(self, status: int, path: str) -> None:
        super().__init__(f"{path} answers {status}")
        self.status = status


def check(settings: Settings, report: Findings) -> None:
    """Report NiFi's version, the state of its flow, and what its processors complain about."""
    url = settings.nifi.url
    try:
        about = _get(url, "/nifi-api/flow/about")["about"]
        status = _get(url, "/nifi-api/flow/status")["controllerStatus"]
        board = _get(url, "/nifi-api/flow/bulletin-board")["bulletinBoard"]
    except _AnswerError as error:
        advice = "give this certificate a policy in NiFi" if error.status in _UNAUTHORIZED else "see its log"
        report.failed(f"{url}: {error}", advice)
        return
    except (OSError, http.client.HTTPException, ValueError, tls.HandshakeRefusedError) as error:
        report.failed(f"{url}: {error}", "on its host: systemctl status nifi (a start takes a minute)")
        return
    counts = {name: int(status.get(f"{name}Count", 0)) for name in ("running", "stopped", "invalid")}
    text = f"{url} NiFi {about['version']}, " + ", ".join(f"{n} {name}" for name, n in counts.items())
    if counts["running"] and not counts["stopped"] and not counts["invalid"]:
        report.ok(text)
    else:
        report.failed(text, "start the flow: ansible-playbook site.yml --tags nifi_flow")
    _check_bulletins(board, report)


def _check_bulletins(board: dict[str, Any], report: Findings) -> None:
    """Report what processors have complained about, which NiFi keeps for five minutes.

    What goes on is complained about again; an error that has not come back for a while has passed.
    """
    by_source: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for one in board["bulletins"]:
        bulletin = one.get("bulletin")  # none of a component that this account may not see
        if bulletin and bulletin["level"] in ("ERROR", "WARNING"):
            by_source.setdefault((bulletin["level"], bulletin["sourceName"]), []).append(bulletin)
    for (level, source), found in by_source.items():
        age, newest = min(((_age(board, bulletin), bulletin) for bulletin in found), key=lambda pair: pair[0])
        text = f"{source}, {level} ({len(found)} in the last five minutes): {_one_line(newest)}"
        if level == "ERROR" and age <= _GOES_ON:
            report.failed(text, "mend what it says; on its host: journalctl -u nifi -e")
        else:
            report.ok(text)
    if not by_source:
        report.ok("no bulletin in the last five minutes")


def _age(board: dict[str, Any], bulletin: dict[str, Any]) -> timedelta:
    """Return how old a bulletin is: NiFi tells times of day, ``13:02:49 UTC``, without the day."""
    made, told = (
        datetime.strptime(text.split()[0], "%H:%M:%S")  # noqa: DTZ007 - both are NiFi's own
        for text in (bulletin["timestamp"], board["generated"])
    )
    return (told - made) % timedelta(days=1)


def _one_line(bulletin: dict[str, Any]) -> str:
    return " ".join(str(bulletin["message"]).split())[:_MOST_LETTERS]


def _get(url: str, path: str) -> Any:
    parts = urlsplit(url)
    host = parts.hostname or ""
    connection: http.client.HTTPConnection
    if parts.scheme == "https":
        context = tls.client_context("nifi_cert", "nifi_key")
        connection = http.client.HTTPSConnection(host, parts.port or 443, timeout=_TIMEOUT, context=context)
    else:
        connection = http.client.HTTPConnection(host, parts.port or 80, timeout=_TIMEOUT)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        if answer.status != http.client.OK:
            raise _AnswerError(answer.status, path)
        return json.loads(answer.read())
    finally:
        connection.close()
