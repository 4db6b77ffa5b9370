"""Public keys as OpenSSH writes them and as TUF names them. Ed25519 only."""

from __future__ import annotations

import base64
import hashlib

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from securesystemslib.signer import SSlibKey

from gaia.errors import InvalidInput

ALGORITHM = b"ssh-ed25519"
"""Name of Ed25519 in the SSH protocols (RFC 8709)."""

_LENGTH = 32
"""Of a public key, in bytes (RFC 8032)."""

_BLOB_HEAD = len(ALGORITHM).to_bytes(4) + ALGORITHM + _LENGTH.to_bytes(4)


def from_raw(raw: bytes) -> SSlibKey:
    """The key, with the keyid that TUF metadata has for it.

    Args:
        raw: its 32 bytes.
    """
    return SSlibKey.from_crypto(Ed25519PublicKey.from_public_bytes(raw))


def raw(key: SSlibKey) -> bytes:
    """The 32 bytes of `key`."""
    return bytes.fromhex(key.keyval["public"])


def blob(key: SSlibKey) -> bytes:
    """`key` as the SSH protocols send it (RFC 8709, 4)."""
    return _BLOB_HEAD + raw(key)


def from_blob(data: bytes) -> SSlibKey | None:
    """The key in a blob of the SSH protocols; None when it is not plain Ed25519."""
    if len(data) != len(_BLOB_HEAD) + _LENGTH or not data.startswith(_BLOB_HEAD):
        return None
    return from_raw(data[len(_BLOB_HEAD) :])


def fingerprint(key: SSlibKey) -> str:
    """As `ssh-add -l` and `ssh-keygen -l` print it: `SHA256:` and base64 without padding."""
    digest = hashlib.sha256(blob(key)).digest()
    return f"SHA256:{base64.b64encode(digest).decode().rstrip('=')}"


def to_line(key: SSlibKey, comment: str = "") -> str:
    """The line of a `.pub` file, without its end."""
    return f"{ALGORITHM.decode()} {base64.b64encode(blob(key)).decode()} {comment}".rstrip()


def is_line(text: bytes) -> bool:
    """Whether a file with this content is a public key's, of whatever kind."""
    return text.startswith((b"ssh-", b"ecdsa-", b"sk-"))


def from_line(line: str) -> SSlibKey:
    """The key in a line of a `.pub` file; a comment is overlooked.

    Raises:
        InvalidInput: `invalid-public-key`.
    """
    fields = line.split(maxsplit=2)
    key = None
    if len(fields) >= 2 and fields[0] == ALGORITHM.decode():
        try:
            key = from_blob(base64.b64decode(fields[1], validate=True))
        except ValueError:  # no base64, or not even ASCII
            key = None
    if key is None:
        kind = fields[0][:40] if len(fields) >= 2 and fields[0].isascii() else "something else"
        raise InvalidInput(
            "invalid-public-key",
            f"Not a public key of OpenSSH that can sign here: it has to be ssh-ed25519, and is "
            f"{kind if kind != ALGORITHM.decode() else 'damaged'}.",
            hint="gaia key new NAME makes one, and so does ssh-keygen -t ed25519.",
        )
    return key
