"""What the role backup makes of where backups are kept: units, and files of credentials."""

from __future__ import annotations

import jinja2
import pytest
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar

from roles import ROLES


@pytest.mark.parametrize(
    ("repository", "writes"),
    [
        ("/srv/backups", ["ReadWritePaths=/srv/backups"]),
        ("sftp:backup@vault.example.org:/lake", []),
        ("s3:https://s3.example.org/lake", []),
    ],
)
def test_a_unit_may_write_the_folder_of_backups_and_no_other(repository: str, writes: list[str]) -> None:
    template = jinja2.Template((ROLES / "backup/templates/_unit.j2").read_text())
    unit = template.render(
        backup_repository=repository,
        _backup_local=repository.startswith("/"),
        _backup_account="opslib-backup",
        _backup_etc="/etc/opslib-backup",
        _backup_secrets={"restic_password": ""},
        _backup_links={"ca": "ca.pem"},
        role_path=str(ROLES / "backup"),
        lookup=lambda _, path: open(path).read(),  # noqa: SIM115, PTH123 - as Ansible's
    )
    assert [line for line in unit.splitlines() if line.startswith("ReadWritePaths")] == writes
    assert "ProtectSystem=strict" in unit
    assert "LoadCredential=restic_password:/etc/opslib-backup/credentials/restic_password" in unit


def test_a_key_for_sftp_is_a_file_of_lines() -> None:
    loader = DataLoader()
    variables = loader.load_from_file(str(ROLES / "backup/vars/main.yml"), trusted_as_template=True)
    key = "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaA==\n-----END OPENSSH PRIVATE KEY-----"
    host = "vault.example.org ssh-ed25519 AAAA"
    # From a vault they come with the end of the last line or without it.
    for end in ("", "\n"):
        given = {"backup_ssh_key": key + end, "backup_ssh_known_hosts": host + end}
        made = Templar(loader, variables={**variables, **given}).template(variables["_backup_ssh"])
        assert made == {"restic_ssh_key": f"{key}\n", "restic_known_hosts": f"{host}\n"}
