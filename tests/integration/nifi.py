"""NiFi from the built distribution, set up from what the role `nifi` says, on loopback and without root.

Its properties are the role's own with other folders and ports, so what is tested is what is deployed.
"""

from __future__ import annotations

import http.client
import json
import signal
import ssl
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jinja2
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import pkcs12
from services import Service, distribution, free_port, wait_until

if TYPE_CHECKING:
    from certificates import Authority, Certificate

ROLE = Path(__file__).parents[2] / "roles" / "nifi"
DEFAULTS = yaml.safe_load((ROLE.parent / "service/defaults/main.yml").read_text())
PASSWORD = "of the tests alone"
IDENTITIES = ["CN=operator, O=Trendlake", "CN=opslib-doctor, O=Trendlake"]
QUICK = "-XX:TieredStopAtLevel=1"
ADMIN = "CN=opslib-flow, O=Trendlake"


class Nifi(Service):
    """NiFi over HTTPS; the holder of the certificate ``opslib-flow`` administers it."""

    # Java needs half a minute on two idle cores, and Python processors are looked through after that.
    start_seconds = 240

    def __init__(self, folder: Path, authority: Authority, nars: list[Path] | None = None) -> None:
        port = free_port()
        self.client = authority.certificate("opslib-flow")
        self._conf = folder / "conf"
        super().__init__("nifi", folder, self._command(), port)
        for part in ("conf", "data/conf", "data/extensions", "data/python/extensions", "logs"):
            (folder / part).mkdir(parents=True, exist_ok=True)
        for nar in nars if nars is not None else [processors()]:
            (folder / "data/extensions" / nar.name).write_bytes(nar.read_bytes())
        _stores(self._conf, authority.certificate("nifi"))
        self._write(port)

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start NiFi and wait until its API answers its administrator."""
        super().start()
        wait_until(
            lambda: f"NiFi answers, log:\n{self.log()[-3000:]}",
            lambda: self.runs() and self._answers(),
            self.start_seconds,
        )

    def kill(self) -> None:
        """End NiFi and the processes of its processors at once, as systemd's KILL ends all of a unit."""
        assert self._process is not None
        subprocess.run(["pkill", "-KILL", "-P", str(self._process.pid)], check=False)
        self.stop(signal.SIGKILL)

    def log(self) -> str:
        return (self.folder / "log").read_text(errors="replace")

    def get(self, path: str) -> tuple[int, str]:
        """Return the status and the text that the API answers its administrator with."""
        tls = ssl.create_default_context(cafile=str(self.client.ca))
        tls.load_cert_chain(self.client.cert, self.client.key)
        connection = http.client.HTTPSConnection("127.0.0.1", self.port, timeout=60, context=tls)
        try:
            connection.request("GET", f"/nifi-api/{path}")
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()

    def _answers(self) -> bool:
        try:
            return self.get("flow/about")[0] == http.HTTPStatus.OK
        except OSError:
            return False

    def _command(self) -> list[str]:
        nifi = distribution("nifi")
        role = yaml.safe_load((ROLE / "vars/main.yml").read_text())
        return [
            str(distribution("java") / "bin/java"),
            # The quick compiler starts it in half the time: NiFi is killed and started again in these tests.
            *("-Xms512m", "-Xmx512m", "-XX:+UseSerialGC", QUICK, "-Djava.awt.headless=true"),
            role["_nifi_python_bridge"],
            f"-Dnifi.properties.file.path={self._conf}/nifi.properties",
            # Where NiFi's own bootstrap asks: a fixed port, which only one NiFi of a host can have.
            f"-Dorg.apache.nifi.management.server.address=127.0.0.1:{free_port()}",
            *("-cp", f"{self._conf}:{nifi}/lib/*", "org.apache.nifi.NiFi"),
        ]

    def _write(self, port: int) -> None:
        nifi, data = distribution("nifi"), self.folder / "data"
        values: dict[str, Any] = {
            "_nifi_data": data,
            "_nifi_tls": self._conf,
            "service_bind_address": "127.0.0.1",
            "service_tls_ciphers": DEFAULTS["service_tls_ciphers"],
            # The one that the processors' archive is for: that of the tests, without their environment.
            "service_python": Path(sys.executable).resolve(),
            "nifi_https_port": port,
            "nifi_sensitive_props_key": PASSWORD,
            "tls_keystore_password": PASSWORD,
            "nifi_admin_identity": ADMIN,
            "nifi_identities": IDENTITIES,
        }
        own = yaml.safe_load((ROLE / "vars/main.yml").read_text())["_nifi_own_properties"]
        own["nifi.web.proxy.host"] = f"127.0.0.1:{port}"
        lines = {
            name: jinja2.Template(str(value), undefined=jinja2.StrictUndefined).render(values)
            for name, value in own.items()
        }
        text = "".join(f"{name}={value}\n" for name, value in sorted(lines.items()))
        text = text.replace("/opt/nifi/current", str(nifi)).replace("/etc/nifi", str(self._conf))
        text = text.replace("/var/log/nifi", str(self.folder / "logs"))
        (self._conf / "nifi.properties").write_text(text)
        for name in (
            "authorizers.xml",
            "login-identity-providers.xml",
            "state-management.xml",
            "logback.xml",
        ):
            template = jinja2.Template((ROLE / "templates" / f"{name}.j2").read_text())
            (self._conf / name).write_text(template.render(values, ansible_managed="tests"))


def processors() -> Path:
    """Return the archive of this checkout's processors, building it if need be."""
    name = f"nar-py{sys.version_info.major}{sys.version_info.minor}"
    opslib = [sys.executable, "-m", "opslib", "dist"]
    path = Path(
        subprocess.run([*opslib, "path", name], check=True, capture_output=True, text=True).stdout.strip()
    )
    if not path.exists():
        subprocess.run([*opslib, "build", name], check=True, stdout=sys.stderr)
    return path


def _stores(folder: Path, certificate: Certificate) -> None:
    """Write the key store and the trust store that Java reads."""
    key = serialization.load_pem_private_key(certificate.key.read_bytes(), None)
    cert = x509.load_pem_x509_certificate(certificate.cert.read_bytes())
    encryption = serialization.BestAvailableEncryption(PASSWORD.encode())
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    stored = pkcs12.serialize_key_and_certificates(b"nifi", key, cert, None, encryption)
    (folder / "keystore.p12").write_bytes(stored)
    trusted = pkcs12.PKCS12Certificate(
        x509.load_pem_x509_certificate(certificate.ca.read_bytes()), b"authority"
    )
    (folder / "truststore.p12").write_bytes(pkcs12.serialize_java_truststore([trusted], encryption))


def credentials(folder: Path, nifi: Nifi) -> dict[str, str]:
    """Write what `opslib flow` needs to reach *nifi* into *folder*; return its environment variables."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, source in (
        ("ca", nifi.client.ca),
        ("nifi_cert", nifi.client.cert),
        ("nifi_key", nifi.client.key),
    ):
        (folder / name).write_bytes(source.read_bytes())
    config = folder / "opslib.toml"
    config.write_text(f"[nifi]\nurl = {json.dumps(nifi.url)}\n")
    return {"CREDENTIALS_DIRECTORY": str(folder), "OPSLIB_CONFIG": str(config)}
