"""A small certificate authority for the tests: what the role `tls` does on real hosts."""

from __future__ import annotations

import datetime as dt
import ipaddress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

if TYPE_CHECKING:
    from pathlib import Path

PRIVATE_FORMAT = (
    serialization.Encoding.PEM,
    serialization.PrivateFormat.PKCS8,
    serialization.NoEncryption(),
)

_USES = {"server": ExtendedKeyUsageOID.SERVER_AUTH, "client": ExtendedKeyUsageOID.CLIENT_AUTH}
BOTH = ("server", "client")


@dataclass(frozen=True)
class Certificate:
    """Paths of one certificate, its key, both in one file, and the CA that signed it."""

    cert: Path
    key: Path
    both: Path
    ca: Path


class Authority:
    """Signs certificates for loopback into one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Trendlake test CA")])
        self._certificate = (
            self._builder(self._name, self._key.public_key(), 3650)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .sign(self._key, hashes.SHA256())
        )
        self.ca = folder / "ca.pem"
        self.ca.write_bytes(self._certificate.public_bytes(serialization.Encoding.PEM))

    def _builder(
        self, subject: x509.Name, key: ec.EllipticCurvePublicKey, days: float
    ) -> x509.CertificateBuilder:
        now = dt.datetime.now(dt.timezone.utc)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - dt.timedelta(days=400))
            .not_valid_after(now + dt.timedelta(days=days))
        )

    def certificate(self, name: str, *, days: float = 365, uses: tuple[str, ...] = BOTH) -> Certificate:
        """Make the certificate *name* of loopback for *uses*, valid for *days* from now."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name(
            [
                x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Trendlake"),
                x509.NameAttribute(NameOID.COMMON_NAME, name),
            ]
        )
        names = x509.SubjectAlternativeName(
            [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
        )
        usages = x509.ExtendedKeyUsage([_USES[use] for use in uses])
        signed = (
            self._builder(subject, key.public_key(), days)
            .add_extension(names, critical=False)
            .add_extension(usages, critical=False)
            .sign(self._key, hashes.SHA256())
        )
        made = Certificate(
            self.folder / f"{name}.cert.pem",
            self.folder / f"{name}.key.pem",
            self.folder / f"{name}.pem",
            self.ca,
        )
        private = key.private_bytes(*PRIVATE_FORMAT)
        public = signed.public_bytes(serialization.Encoding.PEM)
        made.key.write_bytes(private)
        made.cert.write_bytes(public)
        made.both.write_bytes(private + public)
        return made
