"""The definitions that were deployed from this host: what a rollback goes back to.

A folder a flow holds every definition once, by version and digest, and one line a deployment. It stands on
the host that deploys, which is NiFi's own where the role does it: a rollback needs neither git nor a network.
"""

from __future__ import annotations

import json
import os
from datetime import datetime, timezone
from pathlib import Path

from opslib.flow.api import FlowError
from opslib.flow.definition import Definition

DEFAULT = Path("/var/lib/opslib/flows")


class History:
    """What was deployed of one flow."""

    def __init__(self, folder: Path, flow: str) -> None:
        self._folder = folder / flow
        self._log = self._folder / "deployments.ndjson"

    def save(self, definition: Definition, name: str) -> Path:
        """Keep *definition* as the file *name*; return its path."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = self._folder / f"{name}.json"
        staged = path.with_suffix(f".{os.getpid()}")
        staged.write_text(definition.text(), encoding="utf-8")
        staged.replace(path)
        return path

    def deployed(self, definition: Definition) -> None:
        """Note that *definition* runs now."""
        path = self.save(definition, f"{definition.version}-{definition.digest}")
        entry = {
            "at": datetime.now(timezone.utc).isoformat(timespec="seconds"),
            "version": definition.version,
            "digest": definition.digest,
            "file": path.name,
        }
        with self._log.open("a", encoding="utf-8") as log:
            log.write(json.dumps(entry) + "\n")

    def entries(self) -> list[dict[str, str]]:
        """Return the deployments, the latest last: ``{at, version, digest, file}``."""
        if not self._log.exists():
            return []
        return [json.loads(line) for line in self._log.read_text(encoding="utf-8").splitlines()]

    def of_digest(self, digest: str) -> Definition | None:
        """Return the definition of that digest, if it was deployed from here."""
        found = next((entry for entry in reversed(self.entries()) if entry["digest"] == digest), None)
        return Definition.read(self._folder / found["file"]) if found else None

    def before(self, digest: str, version: str | None = None) -> Definition:
        """Return the definition deployed last that is not of *digest*, of *version* if one is named."""
        for entry in reversed(self.entries()):
            if entry["digest"] != digest and version in (None, entry["version"]):
                return Definition.read(self._folder / entry["file"])
        known = sorted({entry["version"] for entry in self.entries()})
        wanted = f"version {version}" if version else "an earlier version"
        raise FlowError(
            f"{wanted} was not deployed from here; {self._folder} has {', '.join(known) or 'none'}"
        )
