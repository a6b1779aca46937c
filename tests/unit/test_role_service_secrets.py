"""Secrets that `ansible/rotate.yml` changes in a vault: those alone, and nothing else of the text."""

from __future__ import annotations

import string
from pathlib import Path

import pytest
import yaml
from ansible.errors import AnsibleFilterError
from hypothesis import given
from hypothesis import strategies as st

import roles

ROOT = Path(__file__).resolve().parents[2]
service_vault = roles.module("service/filter_plugins/vault.py").service_vault

NAMES = st.text(string.ascii_lowercase + "_", min_size=1).filter(lambda name: name not in ("null", "true"))
NAMES = NAMES.filter(lambda name: isinstance(yaml.safe_load(name), str))
VALUES = st.text(string.ascii_letters + string.digits, min_size=1)


@given(
    before=st.dictionaries(NAMES, st.text(string.printable)),
    values=st.dictionaries(NAMES, VALUES | st.just("")),
    wide=st.booleans(),
)
def test_named_secrets_change_and_all_others_stay_as_they_are(
    before: dict[str, str], values: dict[str, str], wide: bool
) -> None:
    # Narrow lines fold, and a value goes on in the next one.
    text = yaml.safe_dump(before, width=10_000 if wide else 20, allow_unicode=True) if before else ""
    try:
        after = yaml.safe_load(service_vault(text, values)) or {}
    except AnsibleFilterError:
        # A value that has an empty line in it, as a person writes none.
        assert any("\n" in value for value in before.values())
        return
    kept = {name: value for name, value in before.items() if name not in values}
    assert after == {**kept, **{name: value for name, value in values.items() if value}}


def test_comments_and_order_stay() -> None:
    text = "# of the lake\na: 1\nmongodb_keyfile: >-\n  abc\n  def\n# the last\nb: 2\n"
    assert service_vault(text, {"mongodb_keyfile": "new", "mongodb_keyfile_previous": "abcdef"}) == (
        '# of the lake\na: 1\nmongodb_keyfile: "new"\n# the last\nb: 2\nmongodb_keyfile_previous: "abcdef"\n'
    )
    assert service_vault('a: "1"\nb: 2\n', {"a": ""}) == "b: 2\n"


def test_a_vault_that_is_written_otherwise_is_left_alone() -> None:
    with pytest.raises(AnsibleFilterError, match="does not have a as plain lines"):
        service_vault('{"a": "1", "b": "2"}\n', {"a": "new"})


def test_all_passwords_are_those_of_all_accounts_and_stores() -> None:
    passwords = yaml.safe_load((ROOT / "ansible/passwords.yml").read_text())["secrets_passwords"]
    defaults = yaml.safe_load((ROOT / "roles/mongodb/defaults/main.yml").read_text())
    # A role that knows nothing of MongoDB's has its own name for the vault's.
    accounts = {user["password_from"].replace("service_", "mongodb_") for user in defaults["mongodb_users"]}
    assert set(passwords) == accounts | {
        "mongodb_admin_password", "tls_keystore_password", "tls_operator_p12_password",
    }  # fmt: skip
