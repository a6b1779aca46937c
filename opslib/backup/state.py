"""What is known of the last backups, for Prometheus and the doctor: a file each, replaced as a whole."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from prometheus_client import CollectorRegistry, write_to_textfile

from opslib import metrics
from opslib.run.backups import STATUS, read

if TYPE_CHECKING:
    from pathlib import Path

TEXTFILE = "trendlake_backup.prom"


def note(folder: Path, **known: Any) -> None:
    """Add *known* to it, and write the metrics anew, as node exporter's textfile collector reads them."""
    status = {**read(folder), **known}
    if "ended" in status:
        status.setdefault("first", status["ended"])
    staged = folder / f"{STATUS}.new"
    staged.write_text(json.dumps(status, sort_keys=True))
    # The doctor has an account of its own.
    staged.chmod(0o644)
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
