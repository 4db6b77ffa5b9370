"""What an executable is for, by its first bytes."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

LINUX, WINDOWS, SCRIPT = "a Linux program", "a Windows program", "a script"
UNKNOWN = "not an executable"

_ELF_HEADER = 20
_PE_POINTER, _PE_HEADER = 0x3C, 6


@dataclass(frozen=True)
class Kind:
    """The kind of an executable file.

    Attributes:
        system: in words, one of the constants above.
        processor: of the file's own spelling; empty for scripts.
    """

    system: str
    processor: bytes = b""


def kind_of(path: Path) -> Kind:
    """Read the kind of a file.

    Raises:
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        head = file.read(_PE_POINTER + 4)
        if head.startswith(b"#!"):
            return Kind(SCRIPT)
        if head.startswith(b"\x7fELF"):
            # word size with byte order, and machine
            return Kind(LINUX, head[4:6] + head[18:_ELF_HEADER])
        if head.startswith(b"MZ"):
            file.seek(int.from_bytes(head[_PE_POINTER:], "little"))
            header = file.read(_PE_HEADER)
            if header.startswith(b"PE\0\0"):
                return Kind(WINDOWS, header[4:])
    return Kind(UNKNOWN)


def own_kind() -> Kind:
    """The kind of what runs here."""
    return kind_of(Path(sys.executable if sys.platform == "win32" else "/proc/self/exe"))
