"""nginx as Debian has it, with the configuration that the role web writes, without root."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import services

if TYPE_CHECKING:
    from collections.abc import Iterator

    from certificates import Authority

ROOT = Path(__file__).resolve().parents[2]
CACHE = Path.home() / ".cache/trendlake/nginx"
PLAY = """
- hosts: localhost
  connection: local
  gather_facts: false
  vars_files: [{root}/roles/web/defaults/main.yml, {root}/roles/web/vars/main.yml, {folder}/given.json]
  tasks:
    - ansible.builtin.template: {{src: {root}/roles/web/templates/nginx.conf.j2, dest: {folder}/page.conf}}
"""
MAIN = """
{user}
daemon off;
error_log {folder}/error.log notice;
pid {folder}/pid;
events {{ }}
http {{
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  include {folder}/page.conf;
}}
"""


def program() -> str:
    """Return where nginx is: on this machine, or unpacked from Debian's package."""
    if installed := shutil.which("nginx", path="/usr/sbin:/usr/bin"):
        return installed
    found = CACHE / "usr/sbin/nginx"
    if not found.exists():
        packages = CACHE / "packages"
        packages.mkdir(parents=True, exist_ok=True)
        subprocess.run(["apt-get", "download", "-q", "nginx"], cwd=packages, check=True, capture_output=True)
        (package,) = packages.glob("*.deb")
        subprocess.run(["dpkg", "-x", package, CACHE], check=True)
    return str(found)


def configuration(folder: Path, **given: Any) -> Path:
    """Write what the role writes, with variables that are *given*."""
    (folder / "given.json").write_text(json.dumps(given))
    (folder / "play.yml").write_text(PLAY.format(root=ROOT, folder=folder))
    done = subprocess.run(
        [Path(sys.executable).parent / "ansible-playbook", "-i", "localhost,", folder / "play.yml"],
        capture_output=True, text=True, check=False, cwd=ROOT,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    # Otherwise its workers are nobody, and the page's socket is closed to them.
    user = "user root;" if os.geteuid() == 0 else ""
    (folder / "nginx.conf").write_text(MAIN.format(folder=folder, user=user))
    return folder / "nginx.conf"


@contextmanager
def in_front(folder: Path, authority: Authority, socket: Path, **given: Any) -> Iterator[int]:
    """Run nginx in front of a page on a *socket* for a while, and return its port."""
    port = services.free_port()
    certificate = authority.certificate("web")
    conf = configuration(
        folder,
        **{
            "web_port": port, "_web_socket": str(socket), "_web_certificate": str(certificate.cert),
            "_web_key": str(certificate.key), "_web_own_certificate": False,
            "service_address": "127.0.0.1", "service_bind_address": "127.0.0.1",
            "ansible_facts": {"hostname": "lake", "fqdn": "lake.example.org"},
            **given,
        },
    )  # fmt: skip
    log = folder / "error.log"
    process = subprocess.Popen([program(), "-c", str(conf), "-e", str(log)])
    try:
        services.wait_until(log.read_text, lambda: process.poll() is None and services.listening(port))
        yield port
    finally:
        process.terminate()
        process.wait(60)
