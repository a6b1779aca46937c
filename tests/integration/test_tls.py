"""The role `tls` run here: certificates made, left alone, and renewed before they end."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.parsing.vault import VaultLib, VaultSecret
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.x509.oid import ExtendedKeyUsageOID

ROOT = Path(__file__).resolve().parents[2]
PLAYBOOK = Path(sys.executable).with_name("ansible-playbook")
PLAY = """
- hosts: localhost
  gather_facts: false
  tasks:
    - ansible.builtin.include_role: {name: tls, tasks_from: authority}
      when: not (tls_ca_directory ~ '/ca.pem') is file
    - ansible.builtin.include_role: {name: tls, tasks_from: certificate}
  handlers:
    - {name: Restart it, ansible.builtin.debug: {msg: restarted}}
"""
pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="the role gives its files to root")


def load_module() -> Any:
    spec = importlib.util.spec_from_file_location(
        "certificate_state", ROOT / "roles/tls/library/certificate_state.py"
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


certificate_state = load_module()


class Host:
    """This host as the role sees it, with its files in one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.tls = folder / "tls"

    def play(self, text: str, *arguments: str, **variables: Any) -> str:
        play = self.folder / "play.yml"
        play.write_text(text)
        values = {
            "ansible_connection": "local",
            "ansible_python_interpreter": sys.executable,
            "ansible_facts": {
                "hostname": "lake",
                "fqdn": "lake.example.org",
                "memtotal_mb": 4096,
                "python": {"version": {"major": 3, "minor": 11}},
            },
            "service_address": "192.0.2.7",
            "service_bind_address": "192.0.2.7",
            "tls_ca_directory": str(self.folder / "ca"),
            "tls_ca_passphrase": "of the tests",
            "tls_operator_p12_password": "of the tests",
            "tls_name": "kafka",
            "tls_directory": str(self.tls),
            "tls_owner": "root",
            "tls_group": "root",
            "tls_formats": ["pem", "keystore"],
            "tls_notify": "Restart it",
            "_tls_places": [f"{self.tls}/ca.pem"],
            **variables,
        }
        done = subprocess.run(
            [PLAYBOOK, "-i", self.inventory(), play, *arguments, "-e", json.dumps(values)],
            env={
                **os.environ,
                "ANSIBLE_CONFIG": f"{ROOT}/ansible.cfg",
                "ANSIBLE_ROLES_PATH": f"{ROOT}/roles",
            },
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def inventory(self) -> Path:
        """Return the inventory of a lake of this host."""
        path = self.folder / "hosts.ini"
        path.write_text("[trendlake]\nlocalhost\n")
        return path

    def certificate(self) -> x509.Certificate:
        return x509.load_pem_x509_certificate((self.tls / "cert.pem").read_bytes())

    def looked_at(self, **different: Any) -> str:
        """Return why the certificate is not current, or nothing if it is."""
        parameters = {
            "directory": str(self.tls),
            "owner": "root",
            "group": "root",
            "formats": ["pem", "keystore"],
            "subject": {"O": "Trendlake", "CN": "kafka"},
            "names": ["DNS:localhost", "DNS:lake", "DNS:lake.example.org", "IP:127.0.0.1", "IP:192.0.2.7"],
            "uses": ["serverAuth", "clientAuth"],
            "authority": (self.folder / "ca/ca.pem").read_text(),
            "trusted": (self.folder / "ca/ca.pem").read_text(),
            "renew_days": 30,
            **different,
        }
        try:
            certificate_state.check(parameters)
        except (certificate_state.NotCurrent, ValueError) as found:
            return str(found)
        return ""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Host:
    host = Host(tmp_path_factory.mktemp("tls"))
    assert "restarted" in host.play(PLAY)
    return host


@pytest.fixture
def host(made: Host, tmp_path: Path) -> Host:
    """A copy with all its files, times and modes: no test sees what another did."""
    subprocess.run(["cp", "-a", f"{made.folder}/.", tmp_path], check=True)
    return Host(tmp_path)


def test_a_certificate_is_for_the_names_of_its_host_and_names_its_principal(made: Host) -> None:
    certificate = made.certificate()
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert set(names.get_values_for_type(x509.DNSName)) == {"localhost", "lake", "lake.example.org"}
    assert {str(ip) for ip in names.get_values_for_type(x509.IPAddress)} == {"127.0.0.1", "192.0.2.7"}
    assert [part.value for part in certificate.subject] == ["Trendlake", "kafka"]
    assert (made.tls / "key.pem").stat().st_mode & 0o777 == 0o400


def test_a_client_s_certificate_is_for_no_server_and_names_none(host: Host) -> None:
    before = (host.tls / "key.pem").read_bytes()
    assert "restarted" in host.play(PLAY, tls_uses=["clientAuth"]), "one for both uses was left as it was"
    extensions = host.certificate().extensions
    uses = extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(uses) == [ExtendedKeyUsageOID.CLIENT_AUTH]
    with pytest.raises(x509.ExtensionNotFound):
        extensions.get_extension_for_class(x509.SubjectAlternativeName)
    assert (host.tls / "key.pem").read_bytes() == before
    assert "changed=0" in host.play(PLAY, tls_uses=["clientAuth"])


OPERATOR = """
- hosts: localhost
  gather_facts: false
  tasks:
    - ansible.builtin.include_role: {name: tls, tasks_from: authority}
"""


def test_the_operator_s_key_lies_encrypted_and_one_that_lay_open_is_replaced(host: Host) -> None:
    folder = host.folder / "ca/operator"
    key = folder / "operator.key"
    assert b"ENCRYPTED PRIVATE KEY" in key.read_bytes()
    assert "changed=0" in host.play(OPERATOR)
    key.write_bytes((host.tls / "key.pem").read_bytes())  # as up to 0.1
    host.play(OPERATOR)
    opened = serialization.load_pem_private_key(key.read_bytes(), b"of the tests")
    certificate = x509.load_pem_x509_certificate((folder / "operator.pem").read_bytes())
    assert opened.public_key() == certificate.public_key()
    stored, shown, _ = pkcs12.load_key_and_certificates(
        (folder / "operator.p12").read_bytes(), b"of the tests"
    )
    assert (stored.public_key(), shown) == (certificate.public_key(), certificate)


def test_another_password_of_the_operator_s_key_is_taken(host: Host) -> None:
    host.play(OPERATOR, tls_operator_p12_password="another one")
    folder = host.folder / "ca/operator"
    for open_it in (
        lambda: serialization.load_pem_private_key((folder / "operator.key").read_bytes(), b"another one"),
        lambda: pkcs12.load_key_and_certificates((folder / "operator.p12").read_bytes(), b"another one"),
    ):
        open_it()


def test_a_second_run_changes_nothing_and_takes_one_look(made: Host) -> None:
    said = made.play(PLAY)
    assert "changed=0" in said
    assert "private key of kafka" not in said


@pytest.mark.parametrize(
    ("different", "reason"),
    [
        ({}, ""),
        ({"renew_days": 398}, "it ends on"),
        ({"names": ["DNS:localhost"]}, "it is for"),
        ({"uses": ["clientAuth"]}, "it is for other uses"),
        ({"subject": {"O": "Others", "CN": "kafka"}}, "its subject"),
        ({"owner": "nobody"}, "belongs to root:root"),
        ({"formats": ["p12"]}, "keystore.p12 is not there"),
        ({"trusted": "another"}, "the authorities to trust are others"),
    ],
)
def test_a_certificate_is_current_only_if_all_is_as_asked_for(
    made: Host, different: dict[str, Any], reason: str
) -> None:
    found = made.looked_at(**different)
    assert reason in found
    assert bool(found) == bool(reason)


def test_a_certificate_signed_by_an_authority_of_the_same_name_is_not_current(host: Host) -> None:
    ca = host.folder / "ca/ca.pem"
    subject = "/CN=Trendlake authority/O=Trendlake"
    assert "Trendlake authority" in x509.load_pem_x509_certificate(ca.read_bytes()).subject.rfc4514_string()
    for pem in (ca, host.tls / "ca.pem"):
        pem.write_bytes(self_signed(subject, host.folder))
    assert host.looked_at() == "another authority signed the certificate"


def self_signed(subject: str, folder: Path) -> bytes:
    command = "openssl req -x509 -nodes -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -keyout"
    key = folder / "other.key"
    if not key.exists():
        made = [*command.split(), key, "-subj", subject, "-out", folder / "other.pem"]
        subprocess.run(made, check=True, capture_output=True)
    return (folder / "other.pem").read_bytes()


@pytest.mark.parametrize("name", ["key.pem", "cert.pem", "ca.pem", "keystore.pem"])
def test_files_that_somebody_touched_are_not_current(host: Host, name: str) -> None:
    (host.tls / name).chmod(0o666)
    assert "mode 0666" in host.looked_at()
    mode = 0o644 if name in ("cert.pem", "ca.pem") else 0o400
    (host.tls / name).write_text("something else")
    (host.tls / name).chmod(mode)
    assert host.looked_at()


def test_a_run_mends_what_somebody_touched_and_restarts_the_service(host: Host) -> None:
    (host.tls / "keystore.pem").chmod(0o644)
    (host.tls / "ca.pem").write_text("something else")
    assert "restarted" in host.play(PLAY)
    assert host.looked_at() == ""


def test_a_certificate_near_its_end_is_renewed_and_its_key_stays(host: Host) -> None:
    before, key = host.certificate(), (host.tls / "key.pem").read_bytes()
    near = {"tls_renew_days": 398, "tls_certificate_days": 800}
    assert "changed=0" not in host.play(PLAY, "--check", **near)
    assert host.certificate() == before, "check mode changed it"
    assert "restarted" in host.play(PLAY, **near)
    assert host.certificate().not_valid_after_utc > before.not_valid_after_utc
    assert (host.tls / "key.pem").read_bytes() == key
    assert host.looked_at(renew_days=398) == ""


def test_check_mode_on_a_bare_host_has_nothing_to_trip_over(host: Host) -> None:
    host.play(PLAY, "--check", tls_directory=str(host.folder / "none"))
    assert not (host.folder / "none").exists()


def test_a_new_key_takes_the_old_one_s_place_with_its_certificate(host: Host) -> None:
    before, key = host.certificate(), (host.tls / "key.pem").read_bytes()
    (host.tls / ".next.key").write_text("left by a run that was interrupted")
    assert "changed=0" not in host.play(PLAY, "--check", tls_rekey=["kafka"])
    assert (host.certificate(), (host.tls / "key.pem").read_bytes()) == (before, key), "check mode changed it"
    assert "restarted" in host.play(PLAY, tls_rekey=["kafka"])
    assert (host.tls / "key.pem").read_bytes() != key
    assert host.looked_at() == ""
    assert sorted(file.name for file in host.tls.iterdir()) == [
        "ca.pem",
        "cert.pem",
        "key.pem",
        "keystore.pem",
    ]


def test_a_new_key_is_for_the_one_that_is_named(host: Host) -> None:
    assert "changed=0" in host.play(PLAY, tls_rekey=["mongodb"])
    folder = host.folder / "ca/operator"
    before = (folder / "operator.key").read_bytes()
    host.play(OPERATOR, tls_rekey=["operator"])
    assert (folder / "operator.key").read_bytes() != before
    opened = serialization.load_pem_private_key((folder / "operator.key").read_bytes(), b"of the tests")
    certificate = x509.load_pem_x509_certificate((folder / "operator.pem").read_bytes())
    assert opened.public_key() == certificate.public_key()


REPLACE = """
- hosts: trendlake
  gather_facts: false
  tasks:
    - ansible.builtin.include_role: {name: tls, tasks_from: replace}
      when: tls_replace is defined
    - ansible.builtin.include_role: {name: tls, tasks_from: trusted}
    - ansible.builtin.include_role: {name: tls, tasks_from: certificate}
  handlers:
    - {name: Restart it, ansible.builtin.debug: {msg: restarted}}
"""


def keys_of(text: str) -> list[bytes]:
    return [one.public_key().public_numbers() for one in x509.load_pem_x509_certificates(text.encode())]


def test_an_authority_is_replaced_in_steps_none_of_which_cuts_anybody_off(host: Host) -> None:
    ca = host.folder / "ca"
    (old,) = keys_of((ca / "ca.pem").read_text())
    first = host.certificate()

    assert "restarted" in host.play(REPLACE, tls_replace="begin")
    trusted = (host.tls / "ca.pem").read_text()
    assert old in keys_of(trusted)
    assert len(keys_of(trusted)) == 2
    assert len({one.subject for one in x509.load_pem_x509_certificates(trusted.encode())}) == 2, (
        "ZooKeeper keeps one a name"
    )
    assert host.certificate() == first
    assert "changed=0" in host.play(REPLACE, tls_replace="begin"), "begun again, it makes a third one"

    kept = (host.tls / "ca.pem").read_text()
    (host.tls / "ca.pem").write_text((ca / "ca.pem").read_text())
    with pytest.raises(AssertionError, match="has no trust in the new authority"):
        host.play(REPLACE, tls_replace="exchange")
    (host.tls / "ca.pem").write_text(kept)
    assert "restarted" in host.play(REPLACE, tls_replace="exchange")
    (new,) = keys_of((ca / "ca.pem").read_text())
    assert new != old
    assert (host.tls / "ca.pem").read_text() == trusted
    host.certificate().verify_directly_issued_by(x509.load_pem_x509_certificate((ca / "ca.pem").read_bytes()))
    assert "changed=0" in host.play(REPLACE, tls_replace="begin"), "begun again after the exchange"

    (host.tls / "cert.pem").write_bytes(first.public_bytes(serialization.Encoding.PEM))
    with pytest.raises(AssertionError, match="is not signed by the new authority"):
        host.play(REPLACE, tls_replace="drop")
    host.play(REPLACE)
    assert "restarted" in host.play(REPLACE, tls_replace="drop")
    assert keys_of((host.tls / "ca.pem").read_text()) == [new]
    host.play(REPLACE, tls_replace="end")
    assert sorted(file.name for file in ca.iterdir()) == ["ca.key", "ca.pem", "operator"]
    assert "changed=0" in host.play(REPLACE)


def test_an_exchange_of_the_authority_that_was_interrupted_signs_nothing_until_it_goes_on(host: Host) -> None:
    ca = host.folder / "ca"
    host.play(REPLACE, tls_replace="begin")
    # As after the first of both moves.
    (ca / "previous").mkdir()
    for name in ("ca.key", "ca.pem"):
        (ca / "previous" / name).write_bytes((ca / name).read_bytes())
    (ca / "next/ca.key").rename(ca / "ca.key")
    with pytest.raises(AssertionError, match="in the midst of the exchange"):
        host.play(REPLACE)
    host.play(REPLACE, tls_replace="begin")
    assert not (ca / "next").exists()
    host.certificate().verify_directly_issued_by(x509.load_pem_x509_certificate((ca / "ca.pem").read_bytes()))


AUTHORITY = """
- hosts: localhost
  gather_facts: false
  tasks:
    - ansible.builtin.include_role: {name: tls, tasks_from: authority}
"""


def opens(key: Path, passphrase: str) -> bool:
    try:
        serialization.load_pem_private_key(key.read_bytes(), passphrase.encode())
    except ValueError:
        return False
    return True


def test_the_authority_s_key_gets_another_passphrase_however_a_run_ended(host: Host) -> None:
    vault, password = host.folder / "group_vars/all/vault.yml", host.folder / "vault-password"
    vault.parent.mkdir(parents=True)
    password.write_text("of the vault")
    lib = VaultLib([("default", VaultSecret(b"of the vault"))])
    vault.write_bytes(lib.encrypt('tls_ca_passphrase: "of the tests"\n'))
    key, aside = host.folder / "ca/ca.key", host.folder / "ca/ca.key.next"
    before = key.read_bytes()
    key_of = serialization.load_pem_private_key(before, b"of the tests").private_numbers()

    # Killed before the vault had it: nothing opens what lies beside the key.
    aside.write_bytes(
        serialization.load_pem_private_key(before, b"of the tests").private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"of nobody"),
        )
    )
    done = subprocess.run(
        [
            *(
                PLAYBOOK,
                "-i",
                host.inventory(),
                ROOT / "ansible/rotate.yml",
                "-e",
                "rotate=tls_ca_passphrase",
            ),
            *("--vault-password-file", password, "-e", f"secrets_password_file={password}"),
            *(
                "-e",
                json.dumps({"ansible_connection": "local", "ansible_python_interpreter": sys.executable}),
            ),
        ],
        env={**os.environ, "ANSIBLE_CONFIG": f"{ROOT}/ansible.cfg"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    new = yaml.safe_load(lib.decrypt(vault.read_bytes()))["tls_ca_passphrase"]
    vault.unlink()
    assert new != "of the tests"
    assert opens(key, new)
    assert not opens(key, "of the tests")
    # Killed after it: what lies beside the key is the one, and the next run of site.yml finds it.
    key.rename(aside)
    key.write_bytes(before)
    host.play(AUTHORITY, tls_ca_passphrase=new)
    assert not aside.exists()
    assert serialization.load_pem_private_key(key.read_bytes(), new.encode()).private_numbers() == key_of
