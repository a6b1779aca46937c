"""Build the NAR that carries the Python processors and all that they import.

NiFi finds processors at the archive's root and their packages below ``NAR-INF/bundled-dependencies``, so
that a host downloads nothing: https://nifi.apache.org/nifi-docs/python-developer-guide.html
"""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

from opslib.packing import CHECKOUT
from opslib.packing.tarball import EPOCH_PARTS

PROCESSORS = CHECKOUT / "flows" / "processors"
_MANIFEST = (
    "Manifest-Version: 1.0\nNar-Id: trendlake-processors-nar\nNar-Group: trendlake\nNar-Version: {}\n\n"
)


def build(target: Path, packages: Path, version: str) -> None:
    """Write the NAR *target* of the processors and the folder *packages*; same inputs, same bytes."""
    members = {"META-INF/MANIFEST.MF": _MANIFEST.format(version).encode()}
    for processor in PROCESSORS.glob("*.py"):
        members[processor.name] = processor.read_bytes()
    for file in packages.rglob("*"):
        if file.is_file() and "__pycache__" not in file.parts:
            members[f"NAR-INF/bundled-dependencies/{file.relative_to(packages)}"] = file.read_bytes()

    def manifest_first(member: tuple[str, bytes]) -> tuple[bool, str]:
        return not member[0].startswith("META-INF/"), member[0]

    # NiFi unpacks in the order of the archive and makes only the folders that it finds in it; the first has
    # to be META-INF/, as the jar tool writes it.
    for name in list(members):
        members.update((f"{parent}/", b"") for parent in Path(name).parents if str(parent) != ".")
    staged = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        with zipfile.ZipFile(staged, "w") as archive:
            for name, content in sorted(members.items(), key=manifest_first):
                entry = zipfile.ZipInfo(name, EPOCH_PARTS)
                entry.compress_type = zipfile.ZIP_DEFLATED
                entry.external_attr = (0o40755 if name.endswith("/") else 0o644) << 16
                archive.writestr(entry, content)
        staged.rename(target)
    finally:
        staged.unlink(missing_ok=True)
