"""What an executable is for, by its first bytes."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from gaia.worker.headers import LINUX, SCRIPT, UNKNOWN, WINDOWS, Kind, kind_of, own_kind

AMD64, ARM64 = b"\x64\x86", b"\x64\xaa"


def windows_program(machine: bytes, at: int = 128) -> bytes:
    return (
        b"MZ".ljust(0x3C, b"\0")
        + struct.pack("<I", at).ljust(at - 0x3C, b"\0")
        + b"PE\0\0"
        + machine
    )


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (windows_program(AMD64), Kind(WINDOWS, AMD64)),
        (windows_program(ARM64, at=4096), Kind(WINDOWS, ARM64)),
        (b"\x7fELF\x02\x01".ljust(18, b"\0") + b"\x3e\0", Kind(LINUX, b"\x02\x01\x3e\0")),
        (b"#!/bin/sh\n", Kind(SCRIPT)),
        (b"MZ", Kind(UNKNOWN)),
        (b"MZ of DOS".ljust(200, b"\0"), Kind(UNKNOWN)),
        (windows_program(AMD64)[:-8], Kind(UNKNOWN)),
        (b"", Kind(UNKNOWN)),
        (b"text", Kind(UNKNOWN)),
    ],
)
def test_the_kinds(content: bytes, kind: Kind, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    assert kind_of(path) == kind


def test_this_machine_runs_what_it_is() -> None:
    assert own_kind().system == LINUX
    assert own_kind() == kind_of(Path("/bin/true").resolve())
