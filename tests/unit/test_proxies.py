"""A proxy in the environment is asked for X, and never for the lake's own addresses."""

from __future__ import annotations

import json
import os
import socket
import ssl
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nipyapi
import pytest
import yaml

from opslib.flow import api
from opslib.settings import Settings
from opslib.x.client import Interrupted, XClient

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]
ANSIBLE = Path(sys.executable).with_name("ansible-playbook")
VARIABLES = ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy")


class Answers(BaseHTTPRequestHandler):
    asked: list[str] = []  # noqa: RUF012

    def do_GET(self) -> None:
        self.asked.append(self.path)
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(b'{"data": [], "about": {"title": "NiFi"}}')

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def server() -> Iterator[HTTPServer]:
    Answers.asked.clear()
    server = HTTPServer(("127.0.0.1", 0), Answers)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def proxy(monkeypatch: pytest.MonkeyPatch, port: int) -> None:
    for name in VARIABLES:
        monkeypatch.setenv(name, f"http://127.0.0.1:{port}")
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def dead(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """A proxy that takes no connection, named in every variable."""
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        port = nobody.getsockname()[1]
        proxy(monkeypatch, port)
        yield port


def trends(base_url: str) -> list[Any]:
    client = XClient(base_url, "secret", timeout=5)
    try:
        found: list[Any] = client.trends(1, 1)
        return found
    finally:
        client.close()


@pytest.mark.usefixtures("dead")
def test_the_local_x_api_is_asked_itself(server: HTTPServer) -> None:
    for host in ("127.0.0.1", "localhost"):
        assert trends(f"http://{host}:{server.server_port}") == []
    assert len(Answers.asked) == 2


def test_x_is_asked_through_the_proxy(server: HTTPServer, monkeypatch: pytest.MonkeyPatch) -> None:
    proxy(monkeypatch, server.server_port)
    assert trends("http://api.x.example") == []
    assert [path.partition("?")[0] for path in Answers.asked] == ["http://api.x.example/2/trends/by/woeid/1"]


def test_a_private_address_of_another_host_is_asked_itself(
    server: HTTPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy(monkeypatch, server.server_port)
    # Of a range that is for documents: nobody is there, and the proxy would have answered.
    with pytest.raises(Interrupted):
        XClient("http://192.0.2.1:9", "secret", timeout=0.2).trends(1, 1)
    assert Answers.asked == []


def test_who_is_not_to_be_asked_through_the_proxy_by_no_proxy_is_not(
    server: HTTPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy(monkeypatch, server.server_port)
    monkeypatch.setenv("no_proxy", "x.invalid")
    with pytest.raises(Interrupted):
        trends("http://api.x.invalid")
    assert Answers.asked == []


@pytest.mark.usefixtures("dead")
def test_nifi_is_asked_itself(server: HTTPServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ca", "nifi_cert", "nifi_key"):
        (tmp_path / name).touch()
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    monkeypatch.setattr(nipyapi.config.nifi_config, "api_client", None)
    api.connect(Settings(nifi={"url": f"http://127.0.0.1:{server.server_port}"}))
    assert Answers.asked == ["/nifi-api/flow/about"]


@pytest.mark.slow
@pytest.mark.usefixtures("dead")
def test_the_role_web_asks_the_page_itself(server: HTTPServer, tmp_path: Path) -> None:
    pair = tmp_path / "pair.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost",
         "-keyout", pair, "-out", tmp_path / "cert.pem"],
        check=True, capture_output=True,
    )  # fmt: skip
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "cert.pem", pair)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    tasks = yaml.safe_load((ROOT / "roles/web/tasks/nginx.yml").read_text())
    (task,) = [one for one in tasks if "ansible.builtin.uri" in one]
    play = {
        "hosts": "localhost",
        "gather_facts": False,
        "vars": {"web_port": server.server_port, "ansible_python_interpreter": sys.executable},
        "tasks": [task | {"retries": 0}],
    }
    (tmp_path / "play.yml").write_text(json.dumps([play]))
    ran = subprocess.run(
        [ANSIBLE, "-i", "localhost,", "-c", "local", tmp_path / "play.yml"],
        capture_output=True, text=True, timeout=600, check=False, env=dict(os.environ),
    )  # fmt: skip
    assert ran.returncode == 0, ran.stdout
    assert Answers.asked == ["/health"]
