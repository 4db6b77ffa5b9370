from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from support.server import ServerProcess

MIB = 2**20


def peak(server: ServerProcess) -> int:
    """Most bytes that the server has had in memory."""
    assert server.process is not None
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    match = re.search(r"^VmHWM:\s+(\d+) kB$", status, re.MULTILINE)
    assert match is not None
    return int(match[1]) * 1024


def megabytes(count: int) -> Iterator[bytes]:
    block = bytes(range(256)) * 4096
    for _ in range(count):
        yield block


def test_a_large_upload_takes_little_memory(server: ServerProcess) -> None:
    server.upload("v0.4.0", "gaia-worker-linux", b"to warm up")
    before = peak(server)
    length = {"Content-Length": str(200 * MIB)}
    answer = server.upload("v0.5.0", "gaia-worker-linux", megabytes(200), headers=length)
    assert answer.json()["size"] == 200 * MIB
    answer = server.upload("v0.6.0", "gaia-worker-linux", megabytes(200))
    assert answer.json()["size"] == 200 * MIB
    assert peak(server) - before < 20 * MIB
