"""NiFi: its API with our client certificate, and whether its flow runs."""

from __future__ import annotations

import http.client
import json
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from opslib.run import tls

if TYPE_CHECKING:
    from opslib.doctor.findings import Report
    from opslib.settings import Settings

_TIMEOUT = 8.0
_UNAUTHORIZED = (401, 403)


class _AnswerError(Exception):
    def __init__(self, status: int, path: str) -> None:
        super().__init__(f"{path} answers {status}")
        self.status = status


def check(settings: Settings, report: Report) -> None:
    """Report NiFi's version and the state of the components of its flow."""
    url = settings.nifi.url
    try:
        about = _get(url, "/nifi-api/flow/about")["about"]
        status = _get(url, "/nifi-api/flow/status")["controllerStatus"]
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
