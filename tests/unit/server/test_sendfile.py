"""Transfers whose client does not take what is sent."""

from __future__ import annotations

import asyncio
import os
import socket
from pathlib import Path
from typing import cast

import pytest
import uvloop
from uvicorn.protocols.http.flow_control import FlowControl

from gaia.server.sendfile import ShortFile, Transfer


class Connection(asyncio.Protocol):
    def __init__(self) -> None:
        self.made: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.transfer: Transfer | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.flow = FlowControl(self.transport)
        self.made.set_result(None)

    def pause_writing(self) -> None:
        self.flow.pause_writing()

    def resume_writing(self) -> None:
        self.flow.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        self.flow.resume_writing()
        if self.transfer is not None:
            self.transfer.abandon()


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


async def transfer(path: Path, count: int, *, buffered: int = 0, stall: float = 60.0) -> None:
    """Send to a peer that does not read, behind `buffered` bytes in the transport."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        theirs = socket.create_connection(listener.getsockname())
        ours, _ = listener.accept()
    ours.setblocking(False)
    before = descriptors()
    _, connection = await asyncio.get_running_loop().create_connection(Connection, sock=ours)
    await connection.made
    connection.transport.write(b"x" * buffered)
    connection.transfer = Transfer(connection.transport, connection.flow, stall=stall)
    descriptor = os.open(path, os.O_RDONLY)
    try:
        await connection.transfer.run(descriptor, 0, count)
    finally:
        os.close(descriptor)
        connection.transport.abort()
        theirs.close()
        await asyncio.sleep(0)
        assert descriptors() <= before


@pytest.fixture(params=[uvloop.new_event_loop, asyncio.new_event_loop])
def runner(request: pytest.FixtureRequest) -> asyncio.Runner:
    return asyncio.Runner(loop_factory=request.param)


@pytest.mark.parametrize("buffered", [0, 8 * 1024 * 1024])
def test_a_client_that_takes_nothing_is_given_up(
    runner: asyncio.Runner, tmp_path: Path, buffered: int
) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x" * 8 * 1024 * 1024)
    with runner, pytest.raises(ConnectionError):
        runner.run(transfer(path, 8 * 1024 * 1024, buffered=buffered, stall=0.05))


def test_a_file_that_is_too_short(runner: asyncio.Runner, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x" * 1000)
    with runner, pytest.raises(ShortFile, match="1 bytes are missing"):
        runner.run(transfer(path, 1001))
