"""What holds for each module that a role brings."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest
import yaml

import roles

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.slow
def test_a_module_is_run_by_the_interpreter_that_its_task_names(tmp_path: Path) -> None:
    """Ansible takes the variable for modules that begin with ``/usr/bin/python``; mitogen does for all."""
    interpreter = tmp_path / "python"
    interpreter.write_text(f'#!/bin/sh\nprintf . >> {tmp_path}/runs\nexec {sys.executable} "$@"\n')
    interpreter.chmod(0o755)
    modules = sorted(roles.ROLES.glob("*/library/*.py"))
    assert modules
    # What they say without arguments is of no interest.
    tasks = [{module.stem: {}, "ignore_errors": True} for module in modules]
    play = {"hosts": "localhost", "connection": "local", "gather_facts": False, "tasks": tasks}
    play["vars"] = {"ansible_python_interpreter": str(interpreter)}
    book = tmp_path / "modules.yml"
    book.write_text(yaml.safe_dump([play]))
    (tmp_path / "library").mkdir()
    for module in modules:
        (tmp_path / "library" / module.name).symlink_to(module)
    done = roles.play(book, "localhost,", home=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert len((tmp_path / "runs").read_text()) == len(modules), done.stdout
