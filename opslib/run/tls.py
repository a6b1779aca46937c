"""TLS looked at from outside: does the handshake succeed, and how long is the certificate good for."""

from __future__ import annotations

import socket
import ssl
import time
from typing import TYPE_CHECKING

from opslib.settings import SettingsError, credential

if TYPE_CHECKING:
    from pathlib import Path

_DAY = 86400
_SECOND_THOUGHTS = 0.3  # seconds


class HandshakeRefusedError(Exception):
    """One of the two sides does not accept the other's certificate."""


def client_context(certificate: str | None = None, key: str | None = None) -> ssl.SSLContext:
    """Return a context that trusts the credential ``ca`` and shows the named credentials, if any."""
    try:
        context = ssl.create_default_context(cafile=str(credential("ca")))
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if certificate and key:
            context.load_cert_chain(credential(certificate), credential(key))
    except ssl.SSLError as error:
        shown = f" or {certificate} and {key}" if certificate else ""
        raise SettingsError(
            f"the credentials ca{shown} are not a certificate and its key: {error}"
        ) from error
    return context


def connect(host: str, port: int, context: ssl.SSLContext, timeout: float) -> ssl.SSLSocket:
    """Return a connection after a handshake that both sides accepted."""
    plain = socket.create_connection((host, port), timeout=timeout)
    try:
        secure = context.wrap_socket(plain, server_hostname=host)
    except ssl.SSLError as error:
        plain.close()
        raise HandshakeRefusedError(_reason(error)) from error
    except OSError:
        plain.close()
        raise
    return secure


def refused_certificate(host: str, port: int, context: ssl.SSLContext, timeout: float) -> str | None:
    """Return why the handshake with *host* fails for the sake of a certificate, or ``None``.

    In TLS 1.3 a server refuses a client's certificate only after the client believes to be connected,
    so a moment is spent waiting for that.
    """
    try:
        with connect(host, port, context, timeout) as secure:
            secure.settimeout(_SECOND_THOUGHTS)
            secure.recv(1)
    except HandshakeRefusedError as error:
        return str(error)
    except ssl.SSLError as error:
        return _reason(error)
    except OSError:
        return None
    return None


def refusal(host: str, port: int, context: ssl.SSLContext | None, timeout: float) -> str | None:
    """Return why *host* cannot be talked to, without TLS if there is no *context*; ``None`` if it can."""
    try:
        socket.create_connection((host, port), timeout=timeout).close()
    except OSError as error:
        return str(error)
    return refused_certificate(host, port, context, timeout) if context else None


def presented_days(secure: ssl.SSLSocket) -> float:
    """Return for how many days the certificate of the other side is still good."""
    certificate = secure.getpeercert() or {}
    return (ssl.cert_time_to_seconds(str(certificate["notAfter"])) - time.time()) / _DAY


def file_days(path: Path) -> float:
    """Return for how many days the first certificate in *path* is still good."""
    from cryptography import x509

    return (_not_after(x509.load_pem_x509_certificate(path.read_bytes())) - time.time()) / _DAY


def _not_after(certificate: object) -> float:
    return float(certificate.not_valid_after_utc.timestamp())  # type: ignore[attr-defined]


def _reason(error: ssl.SSLError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not accepted here: {error.verify_message}"
    reason = (error.reason or str(error)).replace("_", " ").lower()
    if "alert" in reason:
        return f"it does not accept our certificate: {reason}"
    return reason
