"""How long certificates are still good: those that services present, and those that this host shows."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from opslib.run import endpoints, tls
from opslib.settings import SettingsError

if TYPE_CHECKING:
    from opslib.doctor.findings import Findings
    from opslib.settings import Settings

WARNING_DAYS = 21
RENEW = "run ansible-playbook site.yml"
_TIMEOUT = 5.0


def check(settings: Settings, report: Findings, warning_days: int = WARNING_DAYS) -> None:
    """Report every certificate that can be seen from here with the days it has left."""
    for endpoint in endpoints.with_tls(settings):
        _check_presented(endpoint, report, warning_days)
    for path in _own():
        _judge(f"{path.name} of this host", tls.file_days(path), report, warning_days)
    if not report.findings:
        report.skipped("not configured")


def _check_presented(endpoint: endpoints.Endpoint, report: Findings, warning_days: int) -> None:
    title = f"{endpoint.component} on {endpoint}"
    try:
        context = tls.client_context(endpoint.certificate, endpoint.key)
        if endpoint.public:
            context.load_default_certs()
        with tls.connect(endpoint.host, endpoint.port, context, _TIMEOUT) as connection:
            days = tls.presented_days(connection)
    except tls.HandshakeRefusedError as error:
        report.failed(f"{title}: {error}", RENEW)
    except SettingsError as error:
        report.failed(f"{title}: {error.message}", "correct the credentials folder")
    except OSError as error:
        report.failed(f"{title} does not answer: {error}", f"see the check {endpoint.component}")
    else:
        _judge(title, days, report, warning_days)


def _judge(title: str, days: float, report: Findings, warning_days: int) -> None:
    if days < 0:
        report.failed(f"{title} expired {-days:.0f} days ago", RENEW)
    elif days < warning_days:
        report.failed(f"{title} expires in {days:.0f} days", RENEW)
    else:
        report.ok(f"{title} is good for {days:.0f} days")


def _own() -> list[Path]:
    directory = os.environ.get("CREDENTIALS_DIRECTORY")
    if not directory or not Path(directory).is_dir():
        return []
    return sorted(p for p in Path(directory).iterdir() if p.name == "ca" or p.name.endswith("_cert"))
