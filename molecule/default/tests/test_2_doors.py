"""What each open port says to who comes in plain text, or without the right certificate."""

from __future__ import annotations

import contextlib
import datetime as dt
import socket
import ssl
from typing import TYPE_CHECKING, Any

import pytest
import requests
import using
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from pymongo.errors import OperationFailure

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PORTS = {"zookeeper": 2182, "kafka": 9093, "mongodb": 27017, "nifi": 8443, "page": 443}
# Those that look at a certificate if one is shown; the page asks for none.
LOOKING = ["zookeeper", "kafka", "mongodb", "nifi"]
SECONDS = 5


class Authority:
    """Signs certificates of the operator's name: the lake's own authority, or a stranger of the same name."""

    def __init__(self, folder: Path, certificate: x509.Certificate, key: Any) -> None:
        self._folder, self._certificate, self._key = folder, certificate, key

    def pair(
        self, name: str, *, days: int = 30, use: Any = ExtendedKeyUsageOID.CLIENT_AUTH
    ) -> tuple[str, str]:
        now, key = dt.datetime.now(dt.timezone.utc), ec.generate_private_key(ec.SECP256R1())
        subject = [(NameOID.ORGANIZATION_NAME, "Trendlake"), (NameOID.COMMON_NAME, "operator")]
        signed = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(*part) for part in subject]))
            .issuer_name(self._certificate.subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - dt.timedelta(days=60))
            .not_valid_after(now + dt.timedelta(days=days))
            .add_extension(x509.ExtendedKeyUsage([use]), critical=False)
            .sign(self._key, hashes.SHA256())
        )
        paths = self._folder / f"{name}.pem", self._folder / f"{name}.key"
        paths[0].write_bytes(signed.public_bytes(serialization.Encoding.PEM))
        paths[1].write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        return str(paths[0]), str(paths[1])


@pytest.fixture(scope="module")
def shown(lake, tmp_path_factory) -> Callable[[str], tuple[str, str] | None]:
    """Return what a client shows: nothing, or a certificate with one thing wrong with it."""
    folder = tmp_path_factory.mktemp("doors")
    certificate = x509.load_pem_x509_certificate((lake.folder / "ca/ca.pem").read_bytes())
    secret = lake.secrets["tls_ca_passphrase"].encode()
    key = serialization.load_pem_private_key((lake.folder / "ca/ca.key").read_bytes(), secret)
    own = Authority(folder, certificate, key)
    stranger = Authority(folder, certificate, ec.generate_private_key(ec.SECP256R1()))
    made = {
        "no": None,
        "a right": own.pair("right"),
        "a foreign": stranger.pair("foreign"),
        "an expired": own.pair("expired", days=-1),
        "a server's": own.pair("server", use=ExtendedKeyUsageOID.SERVER_AUTH),
    }
    return made.__getitem__


def refusal(lake: Any, port: int, pair: tuple[str, str] | None, **different: Any) -> str | None:
    """Return how the handshake ends, ``None`` if both sides are content with it."""
    context = ssl.create_default_context(cafile=lake.ca)
    for name, value in different.items():
        setattr(context, name, value)
    if pair:
        context.load_cert_chain(*pair)
    try:
        with (
            socket.create_connection((lake.address, port), timeout=SECONDS) as plain,
            context.wrap_socket(plain, server_hostname=lake.address) as secure,
        ):
            # In TLS 1.3 a server refuses what the client has shown when the client believes to be in.
            return None if secure.recv(1) else "closed without a word"
    except TimeoutError:
        return None  # it waits for what the client wants
    except ssl.SSLError as error:
        return str(error.reason)
    except ConnectionError as error:
        return str(error)


@pytest.mark.parametrize("service", PORTS)
def test_in_plain_text_nobody_gets_an_answer_of_the_service(lake, service):
    asked = b"GET /api/places HTTP/1.1\r\nHost: x\r\n\r\n"
    said = b""
    with socket.create_connection((lake.address, PORTS[service]), timeout=SECONDS) as plain:
        plain.sendall(asked)
        with contextlib.suppress(TimeoutError, ConnectionError):
            said = b"".join(iter(lambda: plain.recv(4096), b""))
    # Nothing, an alert of TLS, or a word for it of nginx or mongod.
    words = (b"400 The plain HTTP request was sent to HTTPS port", b"trying to access MongoDB over HTTP")
    assert len(said) < 10 or any(word in said for word in words)


@pytest.mark.parametrize("service", ["zookeeper", "kafka"])
def test_without_a_certificate_the_door_stays_shut(lake, shown, service):
    assert "CERTIFICATE" in str(refusal(lake, PORTS[service], shown("no")))


def test_without_a_certificate_mongodb_wants_a_password_for_everything(lake):
    with (
        using.mongodb(lake, password=False) as client,
        pytest.raises(OperationFailure, match="requires authentication"),
    ):
        client.admin.command("replSetGetStatus")


@pytest.mark.parametrize("service", LOOKING)
def test_the_right_certificate_opens_the_door(lake, shown, service):
    assert refusal(lake, PORTS[service], shown("a right")) is None


@pytest.mark.parametrize("certificate", ["a foreign", "an expired", "a server's"])
@pytest.mark.parametrize("service", LOOKING)
def test_a_wrong_certificate_does_not(lake, shown, service, certificate):
    assert refusal(lake, PORTS[service], shown(certificate)) is not None


@pytest.mark.parametrize("certificate", ["no", "a right", "a foreign", "an expired", "a server's"])
def test_the_page_lets_nobody_in_for_a_certificate(lake, shown, certificate):
    session = requests.Session()
    session.trust_env = False
    answer = session.get(
        f"https://{lake.address}/api/places", verify=lake.ca, cert=shown(certificate), timeout=20
    )
    assert answer.status_code == requests.codes.unauthorized


@pytest.mark.parametrize("port", [2888, 3888])
def test_zookeepers_servers_ask_one_another_for_a_certificate(lake, shown, port):
    assert "CERTIFICATE" in str(refusal(lake, port, shown("no")))
    assert refusal(lake, port, shown("a foreign")) is not None


# What AEAD is not: the suites of TLS 1.2 that OpenSSL still speaks and servers used to offer.
OLD_SUITES = ["ECDHE-ECDSA-AES128-SHA256", "ECDHE-ECDSA-AES256-SHA384", "ECDHE-ECDSA-AES128-SHA"]


@pytest.mark.parametrize("suite", OLD_SUITES)
@pytest.mark.parametrize("service", PORTS)
def test_tls_1_2_is_spoken_with_authenticated_encryption_alone(lake, shown, service, suite):
    context = ssl.create_default_context(cafile=lake.ca)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(*shown("a right"))
    context.set_ciphers(suite)
    with (
        socket.create_connection((lake.address, PORTS[service]), timeout=SECONDS) as plain,
        pytest.raises((ssl.SSLError, ConnectionError)),
    ):
        context.wrap_socket(plain, server_hostname=lake.address)


@pytest.mark.parametrize("service", PORTS)
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_tls_1_2_and_1_3_are_spoken(lake, shown, service, version):
    exactly = {"minimum_version": version, "maximum_version": version}
    assert refusal(lake, PORTS[service], shown("a right"), **exactly) is None


def test_mongodb_compresses_with_zstd_and_snappy_and_never_zlib(lake):
    with using.mongodb(lake) as client:
        hello = client.admin.command({"hello": 1, "compression": ["zlib", "snappy", "zstd"]})
    assert sorted(hello["compression"]) == ["snappy", "zstd"]
