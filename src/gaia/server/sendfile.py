"""Files straight from the page cache to the socket: an ASGI extension.

uvloop has no `loop.sendfile` for its own transports, and ASGI's messages copy each byte several
times. Here the kernel copies, and the event loop only says when. A response finds in
`scope["extensions"][EXTENSION]` a `SendFile`, to be awaited once between `http.response.start`
(with `Content-Length`) and the closing, empty `http.response.body`.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable

from uvicorn.protocols.http.flow_control import FlowControl

EXTENSION = "gaia.sendfile"

AVAILABLE = hasattr(os, "sendfile")

CHUNK = 512 * 1024
"""Bytes in one system call: while it copies, heartbeats wait."""

STALL = 60.0
"""Seconds without a byte taken, after which a client is given up."""

SendFile = Callable[[int, int, int], Awaitable[None]]
"""Sends from a file descriptor, from an offset, a count of bytes."""


class ShortFile(Exception):
    """The file ended before the bytes that were announced."""


class Transfer:
    """A part of a file on its way to one connection.

    Args:
        transport: of a connection without TLS.
        flow: its flow control, which `pause_writing` and `resume_writing` feed.
        stall: seconds without progress, after which the client is given up.
    """

    def __init__(
        self, transport: asyncio.Transport, flow: FlowControl, *, stall: float = STALL
    ) -> None:
        self._transport = transport
        self._flow = flow
        self._stall = stall
        self._loop = asyncio.get_running_loop()
        self._done: asyncio.Future[None] = self._loop.create_future()
        self._source = -1
        self._socket = -1
        self._offset = 0
        self._left = 0

    async def run(self, descriptor: int, offset: int, count: int) -> None:
        """Send `count` bytes from `offset` on.

        Raises:
            ShortFile: the file has fewer.
            ConnectionError: the client is gone, or took nothing for too long.
        """
        self._source, self._offset, self._left = descriptor, offset, count
        watch = asyncio.ensure_future(self._watch())
        try:
            await self._drain()
            # A transport keeps its own descriptor from add_writer: hence another one.
            self._socket = os.dup(self._transport.get_extra_info("socket").fileno())
            self._loop.add_writer(self._socket, self._push)
            await self._done
        finally:
            watch.cancel()
            if self._socket >= 0:
                self._loop.remove_writer(self._socket)
                os.close(self._socket)

    def abandon(self) -> None:
        """The connection is lost."""
        if self._socket >= 0:
            self._end(ConnectionResetError("the client is gone"))

    async def _drain(self) -> None:
        """Wait until the headers have left the transport's own buffer."""
        if not self._transport.is_closing():
            self._transport.set_write_buffer_limits(0)
            await self._flow.drain()
        if self._transport.is_closing():
            raise ConnectionResetError("the client is gone")
        self._transport.set_write_buffer_limits()

    def _push(self) -> None:
        try:
            sent = os.sendfile(self._socket, self._source, self._offset, min(self._left, CHUNK))
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            self._end(error)
            return
        if sent == 0:
            self._end(ShortFile(f"{self._left} bytes are missing at the end of the file"))
            return
        self._offset += sent
        self._left -= sent
        if self._left == 0:
            self._end(None)

    async def _watch(self) -> None:
        before = -1
        while before != self._left:
            before = self._left
            await asyncio.sleep(self._stall)
        self._transport.abort()
        self.abandon()

    def _end(self, error: Exception | None) -> None:
        if self._done.done():
            return
        self._loop.remove_writer(self._socket)
        if error is None:
            self._done.set_result(None)
        else:
            self._done.set_exception(error)
