"""Who may what in docs/security.md is what enforces it, and three things that each must not are tried."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import may_not
import yaml

ROOT = Path(__file__).resolve().parents[2]
ROLES = ROOT / "roles"


def test_the_tables_are_what_roles_and_tests_say() -> None:
    command = [sys.executable, ROOT / "bin/security-tables", "--check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_each_principal_of_kafka_is_tried_with_three_things_at_least() -> None:
    defaults = yaml.safe_load((ROLES / "kafka/defaults/main.yml").read_text())
    tried = {name: len(refused) for name, refused in may_not.KAFKA.items()}
    assert {acl["principal"] for acl in defaults["kafka_acls"]} <= set(tried)
    assert min(tried.values()) >= 3


def test_each_account_of_mongodb_and_identity_of_nifi_is_tried_with_three_things_at_least() -> None:
    users = yaml.safe_load((ROLES / "mongodb/defaults/main.yml").read_text())["mongodb_users"]
    assert {user["name"] for user in users} == set(may_not.MONGODB)
    assert {"opslib-flow", "operator", "opslib-doctor"} <= set(may_not.NIFI)
    assert all(len(refused) >= 3 for refused in (*may_not.MONGODB.values(), *may_not.NIFI.values()))
