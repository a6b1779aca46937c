"""What is to be renewed, and the timer that has the control node do it: the playbooks run on this machine."""

from __future__ import annotations

import datetime as dt
import json
import sys
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

import roles

ROOT = Path(__file__).resolve().parents[2]
KEY = ec.generate_private_key(ec.SECP256R1())
# The playbooks are programs of their own, which have the real clock.
pytestmark = [pytest.mark.slow, pytest.mark.real_clock]


def certificate(path: Path, days: float, *more: tuple[x509.ExtensionType, bool]) -> None:
    """Write a certificate that ends so many days from now."""
    now = dt.datetime.now(dt.timezone.utc)
    name = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Trendlake"),
            x509.NameAttribute(NameOID.COMMON_NAME, "any"),
        ]
    )
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).serial_number(1)
    builder = builder.public_key(KEY.public_key()).not_valid_before(now - dt.timedelta(days=400))
    builder = builder.not_valid_after(now + dt.timedelta(days=days))
    for extension, critical in more:
        builder = builder.add_extension(extension, critical)
    path.parent.mkdir(parents=True, exist_ok=True)
    signed = builder.sign(KEY, hashes.SHA256())
    path.write_bytes(signed.public_bytes(serialization.Encoding.PEM))


def authority(folder: Path, days: float) -> None:
    """Write an authority and the operator's certificate beside it."""
    known = x509.SubjectKeyIdentifier.from_public_key(KEY.public_key())
    certificate(folder / "ca.pem", days, (known, False))
    (folder / "ca.key").write_text("the key, which is not looked at")
    operator = folder / "operator"
    by = x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(known)
    client = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH])
    certificate(operator / "operator.pem", 397, (by, False), (client, False))
    (operator / "operator.key").write_text("its key")
    (operator / "ca.pem").write_bytes((folder / "ca.pem").read_bytes())


def play(folder: Path, playbook: str, *arguments: str, **variables: object) -> str:
    """Return what a playbook says that ends well, for a lake whose one host is this machine."""
    hosts = {"trendlake": {"hosts": {"lake-1": {"ansible_connection": "local"}}}}
    (folder / "hosts.json").write_text(json.dumps(hosts))
    # Nobody is asked to become root for what is a test's own.
    known = {"ansible_become": False, "ansible_python_interpreter": sys.executable, **variables}
    book, told = ROOT / "ansible" / playbook, ("-e", json.dumps(known), *arguments)
    run = roles.play(book, folder / "hosts.json", *told, home=folder, path=f"{folder}/bin")
    assert run.returncode == 0, run.stdout + run.stderr
    return run.stdout


def ending(folder: Path, days: dict[str, float], pending: str = "{}", authority_days: float = 3000) -> str:
    """Return what is said of a host with certificates, by name, that end in so many days."""
    authority(folder / "ca", authority_days)
    for name, left in days.items():
        certificate(folder / name / "tls/cert.pem", left)
    started = folder / "started"
    started.write_text(f"#!/bin/sh\necho '{pending}'\n")
    started.chmod(0o755)
    return play(
        folder,
        "renew.yml",
        "--check",
        "--tags",
        "untagged",
        _tls_places=[f"{folder}/*/tls/ca.pem"],
        service_started=str(started),
        tls_ca_directory=str(folder / "ca"),
    )


def test_what_has_less_left_than_it_is_to_have_is_due_and_a_unit_that_has_what_was_before(
    tmp_path: Path,
) -> None:
    pending = {"kafka.service": {"state": "active", "differs": ["/etc/kafka/tls/cert.pem", "/etc/kafka/a"]}}
    days = {"far": 31.5, "near": 30.5, "nearer": 1.5, "over": -2.5}
    said = ending(tmp_path, days, json.dumps(pending), authority_days=20)
    assert [name for name in days if f"/{name}/tls/cert.pem ends in" in said] == ["near", "nearer", "over"]
    assert "a unit still runs with what was before in /etc/kafka/tls/cert.pem" in said
    assert "/etc/kafka/a" not in said
    assert "the authority" in said


def test_where_nothing_is_near_its_end_the_days_are_said(tmp_path: Path) -> None:
    assert "nothing: the next one ends in 31 days" in ending(tmp_path, {"near": 31.5, "far": 390})


def test_a_control_node_gets_a_timer_that_calls_it_with_nobody_there(tmp_path: Path) -> None:
    password = tmp_path / "of the vault"
    password.write_text("secret")
    for name in ("systemctl", "loginctl"):
        script = tmp_path / "bin" / name
        script.parent.mkdir(exist_ok=True)
        script.write_text(f'#!/bin/sh\necho "{name} $*" >> {tmp_path}/called\n')
        script.chmod(0o755)
    play(tmp_path, "renew-timer.yml", secrets_password_file=str(password))
    units = tmp_path / ".config/systemd/user"
    service = (units / "trendlake-renew-hosts.service").read_text()
    assert f'-i "{tmp_path}/hosts.json" ansible/renew.yml --vault-password-file "{password}"' in service
    assert f"WorkingDirectory={ROOT}\n" in service
    assert "Persistent=true" in (units / "trendlake-renew-hosts.timer").read_text()
    called = (tmp_path / "called").read_text()
    assert "systemctl --user enable --now trendlake-renew-hosts.timer" in called
    assert "loginctl enable-linger" in called
    play(tmp_path, "renew-timer.yml", renew_timer="absent")
    assert not list(units.iterdir())
    assert "systemctl --user disable --now trendlake-renew-hosts.timer" in (tmp_path / "called").read_text()
