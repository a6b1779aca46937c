"""The operator's key, which lies encrypted beside its certificate, opened for the time of the tests."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from pathlib import Path

from cryptography.hazmat.primitives import serialization


def operator_key(authority: Path, password: str) -> str:
    """Return the path of a copy without passphrase, which goes when the tests end."""
    encrypted = (authority / "operator/operator.key").read_bytes()
    key = serialization.load_pem_private_key(encrypted, password.encode())
    folder = Path(tempfile.mkdtemp(prefix="trendlake-operator-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    path = folder / "operator.key"
    path.touch(0o600)
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return str(path)
