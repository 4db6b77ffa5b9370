"""Bounds on what a peer may send before anyone has looked at who it is."""

from __future__ import annotations

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from gaia.errors import GaiaError, InvalidInput
from gaia.server import problems

MAX_HEAD = 64 * 1024
"""Bytes of request line and headers. Ours have less than 1 KiB."""


def bounded(protocol: type[HttpToolsProtocol]) -> type[HttpToolsProtocol]:
    """`protocol`, which answers oversize heads and malformed requests by problem documents."""

    class Bounded(protocol):  # type: ignore[misc, valid-type]
        """Counts bytes that are not body, which the parser alone would gather without end."""

        _pending = 0

        def data_received(self, data: bytes) -> None:
            self._pending += len(data)
            super().data_received(data)
            if self._pending > MAX_HEAD and not self.transport.is_closing():
                self._refuse(_too_large())

        def on_headers_complete(self) -> None:
            if self._pending > MAX_HEAD:
                head = len(self.url) + sum(len(name) + len(value) for name, value in self.headers)
                if head > MAX_HEAD:
                    self._refuse(_too_large())
                    raise ValueError("head too large")
            super().on_headers_complete()

        def on_body(self, body: bytes) -> None:
            self._pending = 0
            super().on_body(body)

        def on_message_complete(self) -> None:
            self._pending = 0
            super().on_message_complete()

        def send_400_response(self, msg: str) -> None:
            if not self.transport.is_closing():
                self._refuse(
                    InvalidInput("malformed-request", "This is not a valid HTTP request.", hint=msg)
                )

        def _refuse(self, error: GaiaError) -> None:
            status, body = problems.document(error)
            head = {
                **problems.headers(error),
                "content-length": str(len(body)),
                "connection": "close",
            }
            lines = [f"{name}: {value}\r\n".encode() for name, value in head.items()]
            self.transport.write(b"".join([STATUS_LINE[status], *lines, b"\r\n", body]))
            self.transport.close()

    return Bounded


def _too_large() -> GaiaError:
    return InvalidInput(
        "headers-too-large",
        f"Request line and headers may hold {MAX_HEAD} bytes at most.",
        hint="Leave out what this server does not need.",
    )
