"""ZooKeeper, Kafka and MongoDB from the built distributions, on free loopback ports, without root.

TLS and authentication are on as they are in production, so what is tested is what is deployed.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from certificates import Authority, Certificate
from kafka.admin import ConfigResource, KafkaAdminClient
from kafka.errors import RetriableError
from prometheus_client.parser import text_string_to_metric_families
from pymongo import MongoClient
from pymongo.errors import OperationFailure, PyMongoError

from opslib.message import DEAD_LETTERS, FOLLOWS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

START_SECONDS = 60
# A deadline is there to end what hangs. Beside a deployment, on a machine of two cores, what takes half a
# minute alone takes three.
PATIENCE = 5
ROLES = Path(__file__).parents[2] / "roles"
KAFKA_RULES = ROLES / "kafka/templates/metrics.yml.j2"
ADMIN = ("admin", "admin-of-the-tests")
PASSWORD = "of the tests"
# What the role mongodb gives to each account, in any database because each test has its own.
ACCOUNTS: list[dict[str, Any]] = yaml.safe_load((ROLES / "mongodb/defaults/main.yml").read_text())[
    "mongodb_users"
]


def free_port() -> int:
    """Return a loopback port that nobody listens on.

    It is below those that the kernel gives to whoever connects somewhere (32768 on, ip(7)): a server may take
    half a minute to listen, and another one to listen again.
    """
    while True:
        port = random.randrange(10_000, 32_768)  # noqa: S311 - so that two that ask at once get two
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def wait_until(
    what: str | Callable[[], str],
    ready: Callable[[], bool],
    seconds: float = START_SECONDS,
    pause: float = 0.05,
) -> None:
    """Ask *ready* every *pause* seconds until it holds.

    *seconds* is what it may take on a machine that does nothing else; after *PATIENCE* times as long it fails
    with *what*.
    """
    seconds *= PATIENCE
    deadline = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > deadline:
            text = what if isinstance(what, str) else what()
            raise TimeoutError(f"after {seconds:g} s still not so: {text}")
        time.sleep(pause)


def listening(port: int) -> bool:
    """Tell whether something accepts connections on loopback *port*."""
    with socket.socket() as probe:
        probe.settimeout(10)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def scraped(port: int) -> dict[str, float]:
    """Return what a service shows Prometheus on *port*, by name and labels; nothing if nobody listens."""
    if not listening(port):
        return {}
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=60) as answer:
        families = list(text_string_to_metric_families(answer.read().decode()))
    return {
        " ".join(
            [sample.name, *(f"{name}={value}" for name, value in sorted(sample.labels.items()))]
        ): sample.value
        for family in families
        for sample in family.samples
    }


def distribution(name: str) -> Path:
    """Return the folder of the unpacked distribution *name* of the lock, building and unpacking it once."""
    build = [sys.executable, "-m", "opslib", "dist", "build", name]
    archive = Path(subprocess.run(build, check=True, stdout=subprocess.PIPE, text=True).stdout.strip())
    # Beside the archives, and bound to this very archive: a rebuilt one is unpacked anew.
    unpacked = archive.parent.parent / "unpacked"
    unpacked.mkdir(exist_ok=True)
    with (unpacked / f"{archive.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        seen = archive.stat()
        folder = unpacked / f"{archive.name.removesuffix('.tar.gz')}-{seen.st_size}-{int(seen.st_mtime)}"
        if not folder.exists():
            partial = folder.with_name(f"{folder.name}.partial")
            shutil.rmtree(partial, ignore_errors=True)
            partial.mkdir()
            subprocess.run(["tar", "-xzf", str(archive), "-C", str(partial)], check=True)
            partial.rename(folder)
    (top,) = folder.iterdir()
    return top


class Service:
    """One server process with its folder and its log."""

    start_seconds = START_SECONDS

    def __init__(
        self, name: str, folder: Path, command: list[str], port: int, metrics_port: int | None = None
    ) -> None:
        self.name = name
        self.folder = folder
        self.command = command
        self.port = port
        self.metrics_port = metrics_port
        self._process: subprocess.Popen[bytes] | None = None
        folder.mkdir(parents=True, exist_ok=True)

    @property
    def pid(self) -> int:
        """The process, which has been started."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Start the server and wait for its port."""
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                self.command, stdout=log, stderr=subprocess.STDOUT, cwd=self.folder
            )

        wait_until(
            f"{self.name} listens on {self.port}",
            lambda: self.runs() and listening(self.port),
            self.start_seconds,
        )

    def runs(self) -> bool:
        """Return true, or say how the server has ended."""
        assert self._process is not None
        if self._process.poll() is not None:
            tail = (self.folder / "log").read_text(errors="replace")[-3000:]
            raise RuntimeError(f"{self.name} ended with {self._process.returncode}:\n{tail}")
        return True

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        """End the server and wait for it."""
        if self._process is None:
            return
        self._process.send_signal(signal.SIGCONT)
        self._process.send_signal(how)
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    @contextlib.contextmanager
    def frozen(self) -> Iterator[None]:
        """Let the server answer nobody for a while, as a stalled machine would."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._process.send_signal(signal.SIGCONT)

    @contextlib.contextmanager
    def away(self) -> Iterator[None]:
        """Keep the server stopped for a while."""
        self.stop()
        try:
            yield
        finally:
            self.start()


def _java(*arguments: str) -> list[str]:
    java = str(distribution("java") / "bin/java")
    # Short-lived and small: the quick compiler and the plain collector start soonest.
    return [java, "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xmx384m", *arguments]


def _properties(path: Path, values: dict[str, object]) -> str:
    path.write_text("".join(f"{key}={value}\n" for key, value in values.items()))
    return str(path)


def _logback(folder: Path) -> str:
    path = folder / "logback.xml"
    path.write_text(
        "<configuration><appender name='out' class='ch.qos.logback.core.ConsoleAppender'>"
        "<encoder><pattern>%d %level %logger %msg%n</pattern></encoder></appender>"
        "<root level='WARN'><appender-ref ref='out'/></root></configuration>"
    )
    return f"-Dlogback.configurationFile={path}"


def zookeeper(folder: Path, certificate: Certificate) -> tuple[Service, int]:
    """Describe a ZooKeeper with a TLS port for the doctor; return it with the plain port for Kafka."""
    folder.mkdir(parents=True)
    secure, plain, metrics = free_port(), free_port(), free_port()
    config = _properties(
        folder / "zoo.cfg",
        {
            "dataDir": folder / "data",
            "clientPort": plain,
            "clientPortAddress": "127.0.0.1",
            "secureClientPort": secure,
            "secureClientPortAddress": "127.0.0.1",
            "serverCnxnFactory": "org.apache.zookeeper.server.NettyServerCnxnFactory",
            "ssl.keyStore.location": certificate.both,
            "ssl.trustStore.location": certificate.ca,
            "ssl.clientAuth": "need",
            "authProvider.x509": "org.apache.zookeeper.server.auth.X509AuthenticationProvider",
            "4lw.commands.whitelist": "srvr,ruok",
            "admin.enableServer": "false",
            # As the role zookeeper has it.
            "metricsProvider.className": "org.apache.zookeeper.metrics.prometheus.PrometheusMetricsProvider",
            "metricsProvider.httpHost": "127.0.0.1",
            "metricsProvider.httpPort": metrics,
            "metricsProvider.exportJvmInfo": "true",
        },
    )
    jars = f"{distribution('zookeeper')}/lib/*"
    main = "org.apache.zookeeper.server.quorum.QuorumPeerMain"
    command = _java(_logback(folder), "-cp", jars, main, config)
    return Service("zookeeper", folder, command, secure, metrics), plain


def kafka(
    folder: Path, certificate: Certificate, zookeeper_port: int, settings: dict[str, object] | None = None
) -> Service:
    """Describe a broker that takes mutual TLS alone, with *settings* besides."""
    folder.mkdir(parents=True)
    port = free_port()
    config = _properties(
        folder / "server.properties",
        {
            "broker.id": 1,
            "zookeeper.connect": f"127.0.0.1:{zookeeper_port}",
            "listeners": f"SSL://127.0.0.1:{port}",
            "security.inter.broker.protocol": "SSL",
            "ssl.client.auth": "required",
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": certificate.both,
            "ssl.truststore.type": "PEM",
            "ssl.truststore.location": certificate.ca,
            "log.dirs": folder / "data",
            "num.partitions": 3,
            "auto.create.topics.enable": "false",
            "message.max.bytes": 2097152,
            "offsets.topic.replication.factor": 1,
            "offsets.topic.num.partitions": 1,
            "transaction.state.log.replication.factor": 1,
            "transaction.state.log.min.isr": 1,
            "group.initial.rebalance.delay.ms": 0,
            "group.min.session.timeout.ms": 1000,
            **(settings or {}),
        },
    )
    libs = distribution("kafka") / "libs"
    metrics = free_port()
    (agent,) = libs.glob("jmx_prometheus_javaagent-*.jar")
    rules = folder / "metrics.yml"
    rules.write_text(KAFKA_RULES.read_text().replace("{{ ansible_managed }}", ""))
    # As the role kafka has it.
    agent_option = f"-javaagent:{agent}=127.0.0.1:{metrics}:{rules}"
    command = _java(_logback(folder), agent_option, "-cp", f"{libs}/*", "kafka.Kafka", config)
    return Service("kafka", folder, command, port, metrics)


def mongodb(folder: Path, certificate: Certificate) -> Service:
    """Describe a replica set of one member with TLS, a key file and authorization."""
    folder.mkdir(parents=True)
    (folder / "data").mkdir()
    key = folder / "keyfile"
    key.write_text("a key file of the tests alone\n".replace(" ", "") * 2)
    key.chmod(0o600)
    port = free_port()
    release = distribution("mongodb")
    # The OpenSSL that it wants stands beside it, as in the role's unit.
    command = ["env", f"LD_LIBRARY_PATH={release / 'lib'}", str(release / "bin/mongod")]
    command += ["--port", str(port), "--bind_ip", "127.0.0.1", "--dbpath", str(folder / "data")]
    command += ["--replSet", "trendlake", "--keyFile", str(key), "--nounixsocket", "--quiet"]
    command += ["--tlsMode", "requireTLS", "--tlsCertificateKeyFile", str(certificate.both)]
    command += ["--tlsCAFile", str(certificate.ca), "--tlsAllowConnectionsWithoutCertificates"]
    command += ["--wiredTigerCacheSizeGB", "0.25"]
    # A primary that is told to end otherwise waits 15 s for clients to notice.
    command += ["--setParameter", "shutdownTimeoutMillisForSignaledShutdown=100"]
    return Service("mongodb", folder, command, port)


def mongodb_client(
    port: int, ca: Path, user: tuple[str, str] | None = ADMIN
) -> MongoClient[dict[str, object]]:
    """Return a direct client of the member on *port*."""
    login = {"username": user[0], "password": user[1]} if user else {}
    return MongoClient(
        "127.0.0.1", port, tls=True, tlsCAFile=str(ca), directConnection=True,
        serverSelectionTimeoutMS=3000, **login,
    )  # fmt: skip


def initiate(port: int, ca: Path) -> None:
    """Make the member a primary with its accounts, the first by the exception that loopback has."""
    client = mongodb_client(port, ca, user=None)
    with contextlib.suppress(OperationFailure):
        member = {"_id": 0, "host": f"127.0.0.1:{port}"}
        client.admin.command("replSetInitiate", {"_id": "trendlake", "members": [member]})
    wait_until("MongoDB is primary", lambda: bool(client.admin.command("hello")["isWritablePrimary"]))
    client.admin.command("createUser", ADMIN[0], pwd=ADMIN[1], roles=["root"])
    client.close()
    client = mongodb_client(port, ca)
    for account in ACCOUNTS:
        privileges = [
            {"resource": resource, "actions": granted["actions"]}
            for granted in account["privileges"]
            for resource in [
                *(
                    {"db": granted.get("database", ""), "collection": name}
                    for name in granted.get("collections", [])
                ),
                *([{"cluster": True}] if granted.get("cluster") else []),
            ]
        ]
        client.admin.command("createRole", account["name"], privileges=privileges, roles=[])
        client.admin.command("createUser", account["name"], pwd=PASSWORD, roles=[account["name"]])
    client.close()


def primary(port: int, ca: Path) -> bool:
    """Tell whether the member on *port* takes writes."""
    client = mongodb_client(port, ca)
    try:
        return bool(client.admin.command("hello")["isWritablePrimary"])
    except PyMongoError:
        return False
    finally:
        client.close()


def kafka_options(port: int, certificate: Certificate) -> dict[str, object]:
    """Return what a kafka-python client needs to reach the broker on *port* as *certificate*."""
    return {
        "bootstrap_servers": [f"127.0.0.1:{port}"],
        "security_protocol": "SSL",
        "ssl_cafile": str(certificate.ca),
        "ssl_certfile": str(certificate.cert),
        "ssl_keyfile": str(certificate.key),
    }


def create_topics(port: int, certificate: Certificate, names: dict[str, int]) -> None:
    """Create topics, name to number of partitions, and wait until they and the groups have leaders."""
    admin = KafkaAdminClient(**kafka_options(port, certificate))
    topics: dict[str, dict[str, object]] = {
        name: {"num_partitions": partitions, "replication_factor": 1} for name, partitions in names.items()
    }
    if DEAD_LETTERS in topics:
        topics[DEAD_LETTERS]["configs"] = {"max.message.bytes": "4194304"}  # as the role kafka has it
    if FOLLOWS in topics:
        topics[FOLLOWS]["configs"] = {"cleanup.policy": "compact"}
    admin.create_topics(topics)
    admin.wait_for_topics(list(names))

    def groups_work() -> bool:
        try:
            admin.list_group_offsets({"probe": None})
        except RetriableError:
            return False
        return True

    wait_until("the broker looks after groups", groups_work)
    admin.close()


@contextlib.contextmanager
def topic_config(admin: KafkaAdminClient, topic: str, wanted: dict[str, str]) -> Iterator[None]:
    """Give a topic another configuration for a while; then it has what :func:`create_topics` gave it."""
    admin.alter_configs([ConfigResource("TOPIC", topic, wanted)])
    try:
        yield
    finally:
        admin.alter_configs([ConfigResource("TOPIC", topic, {"max.message.bytes": "4194304"})])


def environment(**extra: str) -> dict[str, str]:
    """Return this process's environment without settings of opslib, and *extra*."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("OPSLIB_", "CREDENTIALS_DIRECTORY"))}
    return {**kept, "PYTHONUNBUFFERED": "1", **extra}


__all__ = [
    "Authority",
    "Certificate",
    "Service",
    "create_topics",
    "distribution",
    "environment",
    "free_port",
    "initiate",
    "kafka",
    "kafka_options",
    "listening",
    "mongodb",
    "mongodb_client",
    "primary",
    "scraped",
    "topic_config",
    "wait_until",
    "zookeeper",
]
