"""A lake has one authority: what a control node may make and sign, by what the hosts trust."""

from __future__ import annotations

import datetime as dt
import json
import sys
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

import roles

ROOT = Path(__file__).resolve().parents[2]
KEYS = {name: ec.generate_private_key(ec.SECP256R1()) for name in ("own", "foreign")}
NOW = dt.datetime(2026, 1, 1, tzinfo=dt.timezone.utc)


def certificate(key: str, days: int = 3650) -> str:
    """Return a certificate of an authority, signed by itself."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Trendlake authority")])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).serial_number(1)
    builder = builder.public_key(KEYS[key].public_key()).not_valid_before(NOW)
    signed = builder.not_valid_after(NOW + dt.timedelta(days=days)).sign(KEYS[key], hashes.SHA256())
    return signed.public_bytes(serialization.Encoding.PEM).decode()


def refusal(tmp_path: Path, control: str, *hosts: str, **variables: object) -> str:
    """Return what is refused on a control node with an authority, given what services of a host trust."""
    authority = tmp_path / "ca"
    authority.mkdir()
    if control:
        (authority / "ca.pem").write_text(control)
        (authority / "ca.key").write_text("the key, which is not looked at")
    for number, trusted in enumerate(hosts):
        (tmp_path / f"{number}/tls").mkdir(parents=True)
        (tmp_path / f"{number}/tls/ca.pem").write_text(trusted)
    play = {
        "hosts": "trendlake",
        "gather_subset": ["!all", "!min", "python"],
        "vars": {
            "ansible_python_interpreter": sys.executable,
            "common_memory_mb": 4096,
            "service_address": "127.0.0.1",
            "tls_ca_directory": str(authority),
            "_tls_places": [f"{tmp_path}/*/tls/ca.pem"],
        },
        "tasks": [{"ansible.builtin.include_role": {"name": "tls", "tasks_from": "trusted"}}],
    }
    (tmp_path / "play.json").write_text(json.dumps([play]))
    (tmp_path / "hosts.json").write_text(
        json.dumps({"trendlake": {"hosts": {"lake-1": {"ansible_connection": "local"}}}})
    )
    known = json.dumps({"_tls_places": [f"{tmp_path}/*/tls/ca.pem"], **variables})
    run = roles.play(tmp_path / "play.json", tmp_path / "hosts.json", "-e", known, home=tmp_path)
    return "" if run.returncode == 0 else run.stdout + run.stderr


@pytest.mark.slow
def test_a_clone_without_an_authority_makes_none_for_a_lake_that_has_one(tmp_path: Path) -> None:
    assert "lake-1 of this lake trusts an authority whose key is not in" in refusal(
        tmp_path, "", certificate("own")
    )


@pytest.mark.slow
def test_a_clone_with_another_authority_signs_nothing_unless_that_is_meant(tmp_path: Path) -> None:
    assert "lake-1 of this lake trusts an authority" in refusal(
        tmp_path, certificate("foreign"), certificate("own"), certificate("own")
    )
    (tmp_path / "meant").mkdir()
    meant = refusal(
        tmp_path / "meant", certificate("foreign"), certificate("own"), tls_another_authority=True
    )
    assert meant == ""


@pytest.mark.slow
def test_a_lake_that_is_yet_to_be_made_gets_one_and_a_renewed_one_is_the_same(tmp_path: Path) -> None:
    assert refusal(tmp_path, "") == ""
    (tmp_path / "renewed").mkdir()
    assert refusal(tmp_path / "renewed", certificate("own", 7300), certificate("own")) == ""


@pytest.mark.slow
def test_one_whose_successor_hosts_trust_already_signs_nothing_without_it(tmp_path: Path) -> None:
    both = certificate("own") + certificate("foreign")
    assert "lake-1 of this lake trusts an authority" in refusal(tmp_path, certificate("own"), both)
    (tmp_path / "chain").mkdir()
    assert refusal(tmp_path / "chain", both, both) == ""
