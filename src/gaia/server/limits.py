"""Bounds on what a peer may send before anyone has looked at who it is."""

from __future__ import annotations

from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from gaia.errors import GaiaError, InvalidInput
from gaia.server.wire import GaiaProtocol

MAX_HEAD = 64 * 1024
"""Bytes of request line and headers. Ours have less than 1 KiB."""


class BoundedProtocol(GaiaProtocol):
    """Refuses oversize heads, which the parser alone would gather without end, and malformed ones.

    `_pending` counts bytes that are not body: of a head, of trailers, between chunks.
    """

    _pending = 0

    def data_received(self, data: bytes) -> None:
        """The transport's callback."""
        self._pending += len(data)
        super().data_received(data)
        if self._pending > MAX_HEAD and not self._closing:
            self._give_up(_too_large())

    def on_headers_complete(self) -> None:
        """The parser's callback."""
        if self._pending > MAX_HEAD and not self._closing:
            head = len(self.url) + sum(len(name) + len(value) for name, value in self.headers)
            if head > MAX_HEAD:
                self._give_up(_too_large())
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """The parser's callback."""
        self._pending = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """The parser's callback."""
        self._pending = 0
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """What uvicorn answers to a request that the parser does not take."""
        if not self._closing:
            self._give_up(InvalidInput("malformed-request", "This is not valid HTTP.", hint=msg))

    def _give_up(self, error: GaiaError) -> None:
        cycle: RequestResponseCycle | None = getattr(self, "cycle", None)
        if cycle is not None and cycle.response_started and not cycle.response_complete:
            # In the middle of another answer there is no place for this one.
            self._closing = True
            self.transport.close()
        else:
            self._refuse(error)


def _too_large() -> GaiaError:
    return InvalidInput(
        "headers-too-large",
        f"Request line and headers may hold {MAX_HEAD} bytes at most.",
        hint="Leave out what this server does not need.",
    )
