"""The trust repository on the wire: `GET /api/trust`, `GET` and `PUT /api/tuf/bundle`."""

from __future__ import annotations

import msgspec


class OnlineKey(msgspec.Struct):
    """A key of the server's for snapshot and timestamp.

    Attributes:
        keyid: TUF's.
        public: Ed25519, hexadecimal.
        trusted: whether the newest root names it.
    """

    keyid: str
    public: str
    trusted: bool


class RoleEntry(msgspec.Struct):
    """One role as signed now.

    Attributes:
        expires: RFC 3339, UTC.
        keyids: of the keys that may sign it, `threshold` of them together.
        warning: how near its expiry is: a `gaia.trust.expiry.ExpiryWarning`, or empty.
    """

    name: str
    version: int
    expires: str
    days_left: float
    threshold: int
    keyids: list[str]
    warning: str = ""


class PendingFile(msgspec.Struct):
    """An uploaded file that waits for signatures."""

    tag: str
    filename: str
    size: int
    sha256: str
    channel: str


class TrustStatus(msgspec.Struct):
    """`GET /api/trust`.

    Attributes:
        mode: `convenience` or `strict`.
        fingerprint: SHA-256 of the first root, hexadecimal.
    """

    mode: str
    fingerprint: str
    roles: list[RoleEntry]
    online_keys: list[OnlineKey]
    pending: list[PendingFile]


class SignedFiles(msgspec.Struct):
    """`GET /api/tuf/bundle`: the root chain, targets and all below, name to the file's text."""

    files: dict[str, str]


class Accepted(msgspec.Struct):
    """The answer to a bundle: the versions of the roles now."""

    status: str
    roles: dict[str, int]
