"""Filter of the role `nifi`: a flow whose secrets are encrypted with another key."""

from __future__ import annotations

import base64
import gzip
import os
import re

from ansible.errors import AnsibleFilterError
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.pbkdf2 import PBKDF2HMAC

# As NiFi has a value of a flow: its nonce, then what AES-GCM makes of it, with the tag at its end.
SECRET = re.compile(rb"enc\{([0-9a-fA-F]+)\}")
NONCE_BYTES = 16


def cipher(key: str) -> AESGCM:
    """Return what encrypts with nifi.sensitive.props.key *key*.

    NIFI_PBKDF2_AES_GCM_256 of NiFi's administration guide: PBKDF2 with HMAC-SHA-512, 160,000 rounds and a
    salt that is the same everywhere makes 256 bits of it.
    """
    derived = PBKDF2HMAC(hashes.SHA512(), length=32, salt=b"NiFi Static Salt", iterations=160_000)
    return AESGCM(derived.derive(key.encode()))


def nifi_flow_with_key(flow: str, old: str, new: str) -> str:
    """Return *flow*, a flow.json.gz in base64 as it is returned, its secrets encrypted with the key *new*.

    Those that are so already stay as they are: a run may have been interrupted between the flow and the key.
    """
    before, after = cipher(old), cipher(new)

    def changed(value: re.Match[bytes]) -> bytes:
        sealed = bytes.fromhex(value[1].decode())
        nonce, rest = sealed[:NONCE_BYTES], sealed[NONCE_BYTES:]
        try:
            plain = before.decrypt(nonce, rest, None)
        except InvalidTag:
            try:
                after.decrypt(nonce, rest, None)
            except InvalidTag:
                raise AnsibleFilterError(
                    "a secret of NiFi's flow opens neither with NiFi's key nor with that of the vault"
                ) from None
            return value[0]
        nonce = os.urandom(NONCE_BYTES)
        return b"enc{%s}" % (nonce + after.encrypt(nonce, plain, None)).hex().encode()

    text = SECRET.sub(changed, gzip.decompress(base64.b64decode(flow)))
    return base64.b64encode(gzip.compress(text)).decode()


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, object]:
        """Return the filters by name."""
        return {"nifi_flow_with_key": nifi_flow_with_key}
