"""The page: whether it answers, and MongoDB through it."""

from __future__ import annotations

import http.client
from typing import TYPE_CHECKING

from opslib.run import endpoints, tls

if TYPE_CHECKING:
    from opslib.doctor.findings import Report
    from opslib.settings import Settings

_TIMEOUT = 8.0


def check(settings: Settings, report: Report) -> None:
    """Report whether the page is well, as nginx in front of it hands it on."""
    (endpoint,) = endpoints.web(settings)
    context = tls.client_context()
    context.load_default_certs()  # a certificate of the user's own is signed by somebody else
    connection = http.client.HTTPSConnection(endpoint.host, endpoint.port, timeout=_TIMEOUT, context=context)
    try:
        connection.request("GET", "/health")
        status = connection.getresponse().status
    except (OSError, http.client.HTTPException) as error:
        report.failed(f"{settings.web.url}: {error}", "on its host: systemctl status nginx opslib-web")
        return
    finally:
        connection.close()
    if status == http.client.OK:
        report.ok(f"{settings.web.url} answers")
    elif status == http.client.SERVICE_UNAVAILABLE:
        report.failed(f"{settings.web.url}: the page does not reach MongoDB", "see the check mongodb")
    else:
        report.failed(f"{settings.web.url} answers {status}", "on its host: journalctl -u opslib-web -e")
