"""The machine of Molecule's scenario `default`, as `bin/test` has deployed it."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import uuid
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page

PROJECT = Path(__file__).parents[2]
TWEETS = Path(
    os.environ.get("TRENDLAKE_TEST_TWEETS") or PROJECT.parent / "shared" / "data" / "tweets" / "pt.txt"
)
SCENARIO = PROJECT / "out" / "molecule" / "default"
MACHINE = os.environ.get("TRENDLAKE_TEST_MACHINE", "trendlake-test")

needs_machine = pytest.mark.skipif(
    not (SCENARIO / "ssh_config").is_file(), reason="no machine: `molecule converge`"
)


def on_machine(command: str) -> str:
    """Run a shell command there as root, and return what it wrote."""
    done = subprocess.run(
        ["ssh", "-F", SCENARIO / "ssh_config", MACHINE, command], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{command}: {done.stderr[-1500:]}"
    return done.stdout


def in_mongodb(expression: str) -> object:
    """Evaluate *expression* on the machine with `db`, read as the word clouds do."""
    program = (
        "import json; from opslib.settings import load; s = load(); "
        f"db = s.mongodb.client()[s.mongodb.database]; print(json.dumps({expression}))"
    )
    python = "CREDENTIALS_DIRECTORY=/etc/opslib/credentials/cloud /opt/opslib/current/bin/python"
    return json.loads(on_machine(f"{python} -c {shlex.quote(program)}"))


@contextmanager
def user(role: str = "viewer") -> Iterator[tuple[str, str]]:
    """Add a user with *role* for a while; yield the name and the password."""
    name = f"verify-{uuid.uuid4().hex[:8]}"
    password = on_machine(f"opslib web user add {name} --role {role} --random").strip()
    try:
        yield name, password
    finally:
        on_machine(f"opslib web user disable {name}")


def opened(browser: Browser, address: str) -> Page:
    # That the certificate is the authority's is a test of its own, by a client that can be told it.
    tab = browser.new_context(ignore_https_errors=True).new_page()
    tab.set_default_timeout(180_000)  # other tests keep the machine busy
    tab.goto(address)
    return tab


def log_in(tab: Page, name: str, password: str) -> None:
    tab.get_by_label("User name").fill(name)
    tab.get_by_label("Password").fill(password)
    tab.get_by_role("button", name="Log in").click()
