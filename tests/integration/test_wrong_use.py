"""A server that shows a client's certificate is refused by each client, for what the certificate is for."""

from __future__ import annotations

import contextlib
import socket
import ssl
import subprocess
import threading
from typing import TYPE_CHECKING

import pytest
import requests
import services
from certificates import Authority, Certificate
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient
from kafka.admin import KafkaAdminClient
from kafka.errors import KafkaError
from pymongo import MongoClient
from pymongo.errors import PyMongoError

from opslib.run import tls

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

SECONDS = 60


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


class Door:
    """A port that shows a certificate, and what came of those who knocked."""

    def __init__(self, certificate: Certificate) -> None:
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(certificate.cert, certificate.key)
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self.outcomes: list[str] = []
        self.answered = threading.Event()
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                plain, _ = self._socket.accept()
            except OSError:
                return
            plain.settimeout(SECONDS)
            try:
                with self._context.wrap_socket(plain, server_side=True):
                    self.outcomes.append("accepted")
            except ssl.SSLError as error:
                self.outcomes.append(str(error.reason))
            except OSError:
                continue  # it went without a word
            self.answered.set()

    def close(self) -> None:
        self._socket.close()


@contextlib.contextmanager
def door(certificate: Certificate) -> Iterator[Door]:
    opened = Door(certificate)
    try:
        yield opened
    finally:
        opened.close()


def opslib_itself(port: int, ca: Path) -> None:
    context = ssl.create_default_context(cafile=str(ca))
    with contextlib.suppress(tls.HandshakeRefusedError, OSError):
        tls.connect("127.0.0.1", port, context, 10).close()


def kafka_python(port: int, ca: Path) -> None:
    with contextlib.suppress(KafkaError, OSError):
        KafkaAdminClient(
            bootstrap_servers=f"127.0.0.1:{port}",
            security_protocol="SSL",
            ssl_cafile=str(ca),
            bootstrap_timeout_ms=2000,
        ).close()


def pymongo(port: int, ca: Path) -> None:
    with (
        MongoClient("127.0.0.1", port, tls=True, tlsCAFile=str(ca), serverSelectionTimeoutMS=2000) as client,
        contextlib.suppress(PyMongoError),
    ):
        client.admin.command("ping")


def the_speed_layer_s_librdkafka(port: int, ca: Path) -> None:
    options = {
        "bootstrap.servers": f"127.0.0.1:{port}",
        "security.protocol": "ssl",
        "ssl.ca.location": str(ca),
        "log_level": 0,
    }
    with contextlib.suppress(KafkaException):
        AdminClient(options).list_topics(timeout=3)


def requests_as_of_nifi_s_api(port: int, ca: Path) -> None:
    session = requests.Session()
    session.trust_env = False
    with contextlib.suppress(requests.exceptions.RequestException):
        session.get(f"https://127.0.0.1:{port}/", verify=str(ca), timeout=5)


CLIENTS: list[Callable[[int, Path], None]] = [
    opslib_itself,
    kafka_python,
    pymongo,
    the_speed_layer_s_librdkafka,
    requests_as_of_nifi_s_api,
]


@pytest.mark.parametrize("client", CLIENTS)
def test_a_client_refuses_a_server_with_a_client_s_certificate(
    authority: Authority, client: Callable[[int, Path], None]
) -> None:
    with door(authority.certificate("kafka", uses=("server",))) as right:
        client(right.port, authority.ca)
        assert right.answered.wait(SECONDS)
        assert right.outcomes[0] == "accepted"
    with door(authority.certificate("opslib-sink", uses=("client",))) as wrong:
        client(wrong.port, authority.ca)
        assert wrong.answered.wait(SECONDS)
        assert "accepted" not in wrong.outcomes
        assert "CERTIFICATE" in wrong.outcomes[0]


def java(libs: Path, *arguments: str) -> list[str]:
    program = services.distribution("java") / "bin/java"
    return [str(program), "-Xmx128m", "-XX:TieredStopAtLevel=1", "-cp", f"{libs}/*", *arguments]


def kafka_s_own_tools(port: int, ca: Path, folder: Path) -> list[str]:
    properties = folder / "client.properties"
    properties.write_text(
        "security.protocol=SSL\nssl.truststore.type=PEM\n"
        f"ssl.truststore.location={ca}\nrequest.timeout.ms=5000\ndefault.api.timeout.ms=5000\n"
    )
    tool = ["org.apache.kafka.tools.TopicCommand", "--bootstrap-server", f"127.0.0.1:{port}", "--list"]
    return java(services.distribution("kafka") / "libs", *tool, "--command-config", str(properties))


def the_broker_s_client_of_zookeeper(port: int, ca: Path, folder: Path) -> list[str]:
    del folder
    settings = {
        "zookeeper.client.secure": "true",
        "zookeeper.clientCnxnSocket": "org.apache.zookeeper.ClientCnxnSocketNetty",
        "zookeeper.ssl.protocol": "TLSv1.3",
        "zookeeper.ssl.enabledProtocols": "TLSv1.3",
        "zookeeper.ssl.trustStore.location": str(ca),
        "zookeeper.ssl.trustStore.type": "PEM",
    }
    options = [f"-D{name}={value}" for name, value in settings.items()]
    shell = ["org.apache.zookeeper.ZooKeeperMain", "-server", f"127.0.0.1:{port}", "ls", "/"]
    return java(services.distribution("kafka") / "libs", *options, *shell)


@pytest.mark.parametrize("command", [kafka_s_own_tools, the_broker_s_client_of_zookeeper])
def test_java_refuses_a_server_with_a_client_s_certificate(
    authority: Authority, tmp_path: Path, command: Callable[[int, Path, Path], list[str]]
) -> None:
    for uses, expected in (("server", "accepted"), ("client", "CERTIFICATE")):
        shown = authority.certificate(f"java-{uses}", uses=(uses,))
        with door(shown) as opened, (tmp_path / "log").open("w") as log:
            started = subprocess.Popen(
                command(opened.port, authority.ca, tmp_path), stdout=log, stderr=log, cwd=tmp_path
            )
            try:
                assert opened.answered.wait(SECONDS), (tmp_path / "log").read_text()
            finally:
                started.kill()
                started.wait()
            assert expected in opened.outcomes[0]
            assert ("accepted" in opened.outcomes) == (uses == "server")
