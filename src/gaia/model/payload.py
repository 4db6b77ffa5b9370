"""The payload: the archive of a worker's files that is appended to its single-file executable.

    native stub | index | contents of the files, in the index's order | footer

Trivial on purpose: the stub reads it in C, and without compression two releases differ only where
their files do, which keeps deltas small. All numbers are little-endian.

    index entry   size u64 | mode u16 | length of path u16 | path, UTF-8, relative
    footer        length of index and contents u64 | length of index u64 | their SHA-256 | magic
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePosixPath

import msgspec

from gaia.errors import InvalidInput

MAGIC = b"GAIAPKG1"
"""Ends every single-file worker for Linux; its last character is the version of the format."""

STAMP_FILENAME = "gaia_build.json"
"""Beside the worker's libraries: data, so that another version needs no other build."""

_ENTRY = struct.Struct("<QHH")
_FOOTER = struct.Struct("<QQ32s8s")

FOOTER_SIZE = _FOOTER.size
"""Bytes at the end of the executable."""


@dataclass(frozen=True, order=True)
class Entry:
    """One file of the payload.

    Attributes:
        path: relative, with forward slashes.
        mode: permission bits.
        size: bytes.
    """

    path: str
    mode: int
    size: int


@dataclass(frozen=True)
class Footer:
    """What the end of an executable says about its payload.

    Attributes:
        length: bytes of index and contents.
        index_length: bytes of the index.
        sha256: digest of index and contents.
    """

    length: int
    index_length: int
    sha256: bytes

    def encode(self) -> bytes:
        """The last `FOOTER_SIZE` bytes of the executable."""
        return _FOOTER.pack(self.length, self.index_length, self.sha256, MAGIC)

    @classmethod
    def decode(cls, data: bytes) -> Footer:
        """Read the last `FOOTER_SIZE` bytes of an executable.

        Raises:
            InvalidInput: `no-payload`.
        """
        if len(data) != FOOTER_SIZE or not data.endswith(MAGIC):
            raise InvalidInput("no-payload", "This is not a single-file worker for Linux.")
        length, index_length, sha256, _ = _FOOTER.unpack(data)
        return cls(length, index_length, sha256)

    @property
    def runtime_id(self) -> str:
        """Name of the folder that the payload is unpacked to."""
        return self.sha256[:16].hex()


def encode_index(entries: Iterable[Entry]) -> bytes:
    """The index of `entries`, which must be in the order of their contents.

    Raises:
        InvalidInput: `invalid-payload-path`; the stub would refuse it.
    """
    index = bytearray()
    for entry in entries:
        path = PurePosixPath(entry.path)
        if path.is_absolute() or ".." in entry.path or str(path) in {"", "."}:
            raise InvalidInput(
                "invalid-payload-path", f"A worker's file cannot be at {entry.path!r}."
            )
        encoded = str(path).encode()
        index += _ENTRY.pack(entry.size, entry.mode, len(encoded)) + encoded
    return bytes(index)


def decode_index(data: bytes) -> tuple[Entry, ...]:
    """Read what `encode_index` wrote.

    Raises:
        InvalidInput: `no-payload`.
    """
    entries = []
    at = 0
    try:
        while at < len(data):
            size, mode, length = _ENTRY.unpack_from(data, at)
            at += _ENTRY.size + length
            entries.append(Entry(data[at - length : at].decode(), mode, size))
    except (struct.error, UnicodeDecodeError):
        at = -1
    if at != len(data):
        raise InvalidInput("no-payload", "The index of this single-file worker is damaged.")
    return tuple(entries)


@dataclass(frozen=True)
class Stamp:
    """What makes one build of the worker differ from the next.

    Attributes:
        version: semver without v.
        trust_root: bytes of the root metadata to trust, or None to use an option or first use.
        built_at: whole seconds since 1970: SOURCE_DATE_EPOCH, with which a build is the same
            whenever it is made, or else the time of the build.
    """

    version: str
    trust_root: bytes | None
    built_at: float

    def encode(self) -> bytes:
        """The content of `STAMP_FILENAME`."""
        return msgspec.json.encode(self) + b"\n"
