#!/usr/bin/python
"""Keep the folders of credentials: one a job, with exactly the files named, for root alone."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = r"""
---
module: opslib_credentials
short_description: Keep the folders of credentials, one a job, with exactly the files named
description:
  - Secrets are files of mode 0600, certificates are links to where the role tls keeps and renews them.
  - A folder or file that is not named is removed, so a job that left this host leaves no password behind.
options:
  directory: {description: Where the folders are., type: path, required: true}
  jobs: {description: "For each job its files, each a link, variable or content.", type: dict, required: true}
  secrets: {description: Values of the variables., type: dict, required: true}
"""
EXAMPLES = "# See roles/opslib/tasks/credentials.yml."
RETURN = r"""
changes: {description: Paths that were changed, or would be., type: list, elements: str, returned: always}
"""


class Credentials:
    """The folders as they are, and how to change them."""

    def __init__(self, directory: str, check_mode: bool) -> None:
        self.root = Path(directory)
        self.check_mode = check_mode
        self.changes: list[str] = []

    def settle(self, jobs: dict[str, dict[str, dict[str, str]]], secrets: dict[str, str]) -> None:
        """Bring everything to what *jobs* say."""
        self.folder(self.root, 0o755, set(jobs))
        for job, files in jobs.items():
            self.folder(self.root / job, 0o700, set(files))
            for name, file in files.items():
                path = self.root / job / name
                if "link" in file:
                    self.link(path, file["link"])
                else:
                    self.file(path, secrets[file["variable"]] if "variable" in file else file["content"])

    def folder(self, path: Path, mode: int, expected: set[str]) -> None:
        """Make a folder and clear it of what is not *expected*."""
        if not path.is_dir():
            self.changes.append(str(path))
            if not self.check_mode:
                path.mkdir(mode=mode)
        self.mode(path, mode)
        for stray in sorted(path.iterdir()) if path.is_dir() else []:
            if stray.name not in expected:
                self.changes.append(str(stray))
                if not self.check_mode:
                    shutil.rmtree(stray) if stray.is_dir() and not stray.is_symlink() else stray.unlink()

    def mode(self, path: Path, mode: int) -> None:
        """Give a path to root with *mode*."""
        if not path.exists():
            return
        is_now = path.stat()
        if (is_now.st_mode & 0o7777, is_now.st_uid, is_now.st_gid) != (mode, 0, 0):
            self.changes.append(str(path))
            if not self.check_mode:
                os.chown(path, 0, 0)
                path.chmod(mode)

    def link(self, path: Path, target: str) -> None:
        """Make a link."""
        if path.is_symlink() and os.readlink(path) == target:  # noqa: PTH115 - Path.readlink came with 3.9
            return
        self.changes.append(str(path))
        if not self.check_mode:
            staged = path.with_name(path.name + ".new")
            staged.unlink(missing_ok=True)
            staged.symlink_to(target)
            staged.replace(path)

    def file(self, path: Path, content: str) -> None:
        """Write a secret."""
        if path.is_file() and not path.is_symlink() and path.read_text() == content:
            self.mode(path, 0o600)
            return
        self.changes.append(str(path))
        if not self.check_mode:
            staged = path.with_name(path.name + ".new")
            staged.unlink(missing_ok=True)
            with os.fdopen(os.open(staged, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as new:
                new.write(content)
            staged.replace(path)


def main() -> None:
    """Run the module."""
    spec: dict[str, Any] = {
        "directory": {"type": "path", "required": True},
        "jobs": {"type": "dict", "required": True},
        "secrets": {"type": "dict", "required": True, "no_log": True},
    }
    module = AnsibleModule(argument_spec=spec, supports_check_mode=True)
    credentials = Credentials(module.params["directory"], module.check_mode)
    credentials.settle(module.params["jobs"], module.params["secrets"])
    module.exit_json(changed=bool(credentials.changes), changes=credentials.changes)


if __name__ == "__main__":
    main()
