"""The page: whether it answers, and MongoDB through it."""

from __future__ import annotations

import http.client
import ssl
from typing import TYPE_CHECKING

from opslib.run import endpoints, tls

if TYPE_CHECKING:
    from opslib.doctor.findings import Findings
    from opslib.settings import Settings

_TIMEOUT = 8.0
_BEHIND = (http.client.BAD_GATEWAY, http.client.GATEWAY_TIMEOUT)


def check(settings: Settings, report: Findings) -> None:
    """Report whether the page is well, as nginx in front of it hands it on."""
    (endpoint,) = endpoints.web(settings)
    context = tls.client_context()
    context.load_default_certs()  # a certificate of the user's own is signed by somebody else
    connection = http.client.HTTPSConnection(endpoint.host, endpoint.port, timeout=_TIMEOUT, context=context)
    try:
        connection.request("GET", "/health")
        status = connection.getresponse().status
    except ssl.SSLError as error:
        report.failed(
            f"{settings.web.url}: TLS with nginx fails: {error.reason}", "see the check certificates"
        )
        return
    except (OSError, http.client.HTTPException) as error:
        text = f"{settings.web.url}: nginx does not answer: {error}"
        report.failed(text, "on its host: systemctl start nginx; journalctl -u nginx -e")
        return
    finally:
        connection.close()
    if status == http.client.OK:
        report.ok(f"{settings.web.url} answers")
    elif status == http.client.SERVICE_UNAVAILABLE:
        report.failed(f"{settings.web.url}: the page does not reach MongoDB", "see the check mongodb")
    elif status in _BEHIND:
        report.failed(
            f"{settings.web.url}: nginx answers {status}, the page behind it does not",
            "on its host: systemctl start opslib-web.socket opslib-web; journalctl -u opslib-web -e",
        )
    else:
        report.failed(f"{settings.web.url} answers {status}", "on its host: journalctl -u opslib-web -e")
