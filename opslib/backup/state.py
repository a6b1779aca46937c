"""What is known of the last backups, for Prometheus and the doctor: a file each, replaced as a whole."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from prometheus_client import CollectorRegistry, write_to_textfile

from opslib import metrics

if TYPE_CHECKING:
    from pathlib import Path

STATUS = "status.json"
TEXTFILE = "trendlake_backup.prom"


def read(folder: Path) -> dict[str, Any]:
    """Return what is known; nothing before the first backup."""
    with suppress(FileNotFoundError, ValueError):
        status: dict[str, Any] = json.loads((folder / STATUS).read_text())
        return status
    return {}


def note(folder: Path, **known: Any) -> None:
    """Add *known* to it, and write the metrics anew, as node exporter's textfile collector reads them."""
    status = {**read(folder), **known}
    staged = folder / f"{STATUS}.new"
    staged.write_text(json.dumps(status, sort_keys=True))
    staged.replace(folder / STATUS)
    registry = CollectorRegistry()
    group = metrics.Backup(registry)
    group.failed.set(1 if status.get("failed") else 0)
    group.verify_failed.set(1 if status.get("verify_failed") else 0)
    for name, gauge in (
        ("ended", group.success),
        ("seconds", group.seconds),
        ("verified", group.verified),
        ("repository", group.repository),
    ):
        if name in status:
            gauge.set(status[name])
    for part, figures in status.get("parts", {}).items():
        group.bytes.labels(part).set(figures["bytes"])
        group.added.labels(part).set(figures["added"])
    write_to_textfile(str(folder / TEXTFILE), registry)
    (folder / TEXTFILE).chmod(0o644)
