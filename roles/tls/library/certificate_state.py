#!/usr/bin/python
"""Tell whether a certificate and the files made of it are all as they should be, by one look."""

from __future__ import annotations

import grp
import pwd
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = """
module: certificate_state
short_description: Whether a certificate and the files made of it are all as they should be
description:
  - Changes nothing. A run that finds everything in order leaves out the ten steps that would find it so
    one by one.
  - Whatever it is not sure of, such as an authority's key of a kind that it does not know, is not current.
options:
  directory: {type: path, required: true, description: "Folder with key.pem, cert.pem and ca.pem."}
  owner: {type: str, required: true, description: Owner of the private files.}
  group: {type: str, required: true, description: Group that may look into the folder.}
  formats: {type: list, elements: str, required: true, description: "Of pem, keystore (of both), p12."}
  subject: {type: dict, required: true, description: Organization and name as O and CN.}
  names: {type: list, elements: str, required: true, description: "DNS:name and IP:address, if any."}
  uses: {type: list, elements: str, required: true, description: "serverAuth, clientAuth, or both."}
  authority: {type: str, required: true, description: "Certificate, as PEM, of the authority that signs."}
  trusted: {type: str, required: true, description: "Certificates of the authorities to trust, as in ca.pem."}
  renew_days: {type: int, required: true, description: Days before its end in which it is renewed.}
  store_password: {type: str, description: Password of the stores for Java.}
"""

EXAMPLES = """
- certificate_state:
    directory: /etc/kafka/tls
    owner: kafka
    group: kafka
    formats: [pem, keystore]
    subject: {O: Trendlake, CN: kafka}
    names: ["DNS:localhost", "IP:127.0.0.1"]
    uses: [serverAuth, clientAuth]
    authority: "{{ lookup('ansible.builtin.file', 'ca.pem') }}"
    trusted: "{{ lookup('ansible.builtin.file', 'ca.pem') }}"
    renew_days: 30
"""

RETURN = """
current: {description: Whether all is as it should be., returned: always, type: bool}
reason: {description: "If not, what was found first.", returned: always, type: str}
"""


class NotCurrent(Exception):  # noqa: N818 - it is no error
    """Something is to be made anew; the text says why."""


def check(parameters: dict[str, Any]) -> None:
    """Look at everything; :class:`NotCurrent` at the first thing that is not as it should be."""
    folder = Path(parameters["directory"])
    _modes(folder, parameters)
    trusted = (folder / "ca.pem").read_text().strip()
    _must(trusted == parameters["trusted"].strip(), "the authorities to trust are others")
    authority, certificate = _present(folder, parameters["authority"])
    _signed_by(certificate, authority)
    _says(certificate, parameters)
    if "keystore" in parameters["formats"]:
        both = (folder / "key.pem").read_bytes() + (folder / "cert.pem").read_bytes()
        _must(
            (folder / "keystore.pem").read_bytes() == both, "keystore.pem is not of this key and certificate"
        )
    if "p12" in parameters["formats"]:
        _stores(folder, certificate, parameters["store_password"].encode())


def _must(holds: bool, otherwise: str) -> None:
    if not holds:
        raise NotCurrent(otherwise)


def _modes(folder: Path, parameters: dict[str, Any]) -> None:
    owner, group = parameters["owner"], parameters["group"]
    expected = {".": ("root", group, 0o750), "key.pem": (owner, group, 0o400)}
    expected.update(dict.fromkeys(("cert.pem", "ca.pem"), ("root", group, 0o644)))
    made = {"keystore": ["keystore.pem"], "p12": ["keystore.p12", "truststore.p12"]}
    for kind in parameters["formats"]:
        expected.update(dict.fromkeys(made.get(kind, ()), (owner, group, 0o400)))
    for name, wanted in expected.items():
        path = folder / name
        _must(path.exists(), f"{path} is not there")
        seen = path.stat()
        has = (pwd.getpwuid(seen.st_uid).pw_name, grp.getgrgid(seen.st_gid).gr_name, seen.st_mode & 0o7777)
        _must(has == wanted, f"{path} belongs to {has[0]}:{has[1]} with mode {has[2]:04o}")


def _present(folder: Path, authority: str) -> tuple[Any, Any]:
    """Return the authority's certificate and the one in the folder, which is of the key beside it."""
    from cryptography import x509
    from cryptography.hazmat.backends import default_backend
    from cryptography.hazmat.primitives import serialization

    certificate = x509.load_pem_x509_certificate((folder / "cert.pem").read_bytes(), default_backend())
    key = serialization.load_pem_private_key((folder / "key.pem").read_bytes(), None, default_backend())
    _must(
        key.public_key().public_numbers() == certificate.public_key().public_numbers(),
        "the certificate is of another key",
    )
    return x509.load_pem_x509_certificate(authority.encode(), default_backend()), certificate


def _signed_by(certificate: Any, authority: Any) -> None:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

    signed = (certificate.signature, certificate.tbs_certificate_bytes)
    digest, key = certificate.signature_hash_algorithm, authority.public_key()
    _must(certificate.issuer == authority.subject, "another authority signed the certificate")
    try:
        if isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(*signed, ec.ECDSA(digest))
        elif isinstance(key, rsa.RSAPublicKey):
            key.verify(*signed, padding.PKCS1v15(), digest)
        else:
            raise NotCurrent("the authority's key is of a kind that is not known here")
    except InvalidSignature as wrong:
        raise NotCurrent("another authority signed the certificate") from wrong


def _says(certificate: Any, parameters: dict[str, Any]) -> None:
    """Look at what the certificate says of itself."""
    from cryptography import x509
    from cryptography.x509.oid import NameOID

    # Debian's releases of cryptography do not have the first, and later ones are to lose the second.
    end = getattr(certificate, "not_valid_after_utc", None) or certificate.not_valid_after.replace(
        tzinfo=timezone.utc
    )
    renewal = datetime.now(timezone.utc) + timedelta(days=parameters["renew_days"])
    _must(end > renewal, f"it ends on {end:%Y-%m-%d}")
    subject = [
        (NameOID.ORGANIZATION_NAME, parameters["subject"]["O"]),
        (NameOID.COMMON_NAME, parameters["subject"]["CN"]),
    ]
    _must([(part.oid, part.value) for part in certificate.subject] == subject, "its subject is another one")
    names = _extension(certificate, x509.SubjectAlternativeName)
    has = {f"DNS:{name}" for name in names.get_values_for_type(x509.DNSName)} if names else set()
    has |= {f"IP:{address}" for address in names.get_values_for_type(x509.IPAddress)} if names else set()
    _must(has == set(parameters["names"]), f"it is for {', '.join(sorted(has)) or 'no name'}")
    wanted = {_USES[use] for use in parameters["uses"]}
    found = {use.dotted_string for use in _extension(certificate, x509.ExtendedKeyUsage) or ()}
    _must(found == wanted, f"it is for other uses: {', '.join(sorted(found)) or 'any'}")


# Extended key usages of RFC 5280, section 4.2.1.12.
_USES = {"serverAuth": "1.3.6.1.5.5.7.3.1", "clientAuth": "1.3.6.1.5.5.7.3.2"}


def _extension(certificate: Any, kind: Any) -> Any:
    """Return an extension's value, ``None`` without it."""
    from cryptography import x509

    try:
        return certificate.extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None


def _stores(folder: Path, certificate: Any, password: bytes) -> None:
    from cryptography.hazmat.backends import default_backend
    from cryptography.hazmat.primitives.serialization import pkcs12

    stored = (folder / "keystore.p12").read_bytes()
    try:
        _, kept, _ = pkcs12.load_key_and_certificates(stored, password, default_backend())
    except ValueError as wrong:
        raise NotCurrent("keystore.p12 does not open") from wrong
    _must(kept == certificate, "keystore.p12 is of another certificate")
    trusted, authority = folder / "truststore.p12", folder / "ca.pem"
    _must(trusted.stat().st_mtime >= authority.stat().st_mtime, "truststore.p12 is older than ca.pem")


def main() -> None:
    """Run the module."""
    spec: dict[str, Any] = {
        "directory": {"type": "path", "required": True},
        "owner": {"type": "str", "required": True},
        "group": {"type": "str", "required": True},
        "formats": {"type": "list", "elements": "str", "required": True},
        "subject": {"type": "dict", "required": True},
        "names": {"type": "list", "elements": "str", "required": True},
        "uses": {"type": "list", "elements": "str", "required": True},
        "authority": {"type": "str", "required": True},
        "trusted": {"type": "str", "required": True},
        "renew_days": {"type": "int", "required": True},
        "store_password": {"type": "str", "no_log": True},
    }
    module = AnsibleModule(argument_spec=spec, supports_check_mode=True)
    reason = ""
    try:
        check(module.params)
    # On a bare host cryptography is not there yet; a file of another kind is a reason like any other.
    except (NotCurrent, ImportError, OSError, ValueError, KeyError) as found:
        reason = str(found)
    except Exception as found:
        reason = f"{type(found).__name__}: {found}"
    module.exit_json(changed=False, current=not reason, reason=reason)


if __name__ == "__main__":
    main()
