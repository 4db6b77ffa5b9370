"""HTTP on one connection: heartbeats answered on the spot, all else handed to the application.

For each request uvicorn makes a scope, an event, a task and some coroutines. A heartbeat needs none
of them: it is answered from memory inside the parser's last callback. uvicorn is pinned to one
version, because this class relies on its inside: the parser's callbacks, the cycle and its
`response_complete`, `disconnected` and `expected_content_length`, the flow control and the
keep-alive timer.
"""

from __future__ import annotations

import asyncio
from functools import partial
from http import HTTPStatus
from typing import Any, ClassVar

import httptools
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from gaia.protocol.worker import MAX_BODY
from gaia.server import sendfile
from gaia.server.auth import Authenticator
from gaia.server.exchange import PATH, Credentials, Exchange, refusal, too_large
from gaia.server.heartbeat import HeartbeatService

LINGER = 2.0
"""Seconds that the rest of a refused request is read away, so that the client sees the answer."""

_PREFIX = PATH.encode()
_ANSWER = b"HTTP/1.1 200 OK\r\n%b%bcontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b"
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


def protocol_class(
    service: HeartbeatService, authenticator: Authenticator
) -> type[asyncio.Protocol]:
    """The class to give to uvicorn as `http`."""
    members = {"exchange": Exchange(service, authenticator), "common": _CommonHeaders()}
    return type("GaiaProtocol", (GaiaProtocol,), members)


class GaiaProtocol(HttpToolsProtocol):
    """One connection.

    From the end of its head to the end of its body, a request is either `_inline` and answered
    here, or it is uvicorn's. Once `_closing`, whatever else comes in is read away.
    """

    exchange: ClassVar[Exchange]
    common: ClassVar[_CommonHeaders]

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401
        super().__init__(*args, **kwargs)
        self._application: ASGIApp = self.app
        self._inline = False
        self._closing = False
        self._method = ""
        self._body: bytes | bytearray = b""
        self._unread = False
        self._transfer: sendfile.Transfer | None = None
        self._credentials = Credentials()
        self._heard = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The transport's callback."""
        super().connection_made(transport)  # type: ignore[arg-type]
        self._heard = self.loop.time()
        self._watch(self.timeout_keep_alive)

    def connection_lost(self, exc: Exception | None) -> None:
        """The transport's callback."""
        self._closing = True
        self._unset_keepalive_if_required()
        super().connection_lost(exc)
        if self._transfer is not None:
            self._transfer.abandon()

    def data_received(self, data: bytes) -> None:
        """The transport's callback.

        Unlike uvicorn's it leaves the keep-alive timer running, and lets it find out whether
        something was heard: a timer for each heartbeat costs as much as its JSON.
        """
        if self._closing:
            return
        self._heard = self.loop.time()
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserError:
            self.send_400_response("Invalid HTTP request received.")
        except httptools.HttpParserUpgrade:
            # Answered as if there had been no Upgrade header, as RFC 9110 permits.
            return

    def timeout_keep_alive_handler(self) -> None:
        """The timer's callback."""
        self.timeout_keep_alive_task = None
        left = self._heard + self.timeout_keep_alive - self.loop.time()
        if self._closing or (left <= 0 and not self._busy() and not self._unread):
            super().timeout_keep_alive_handler()
        else:
            self._watch(left if left > 0 else self.timeout_keep_alive)

    def _watch(self, seconds: float) -> None:
        self.timeout_keep_alive_task = self.loop.call_later(
            seconds, self.timeout_keep_alive_handler
        )

    def resume_writing(self) -> None:
        """The transport's callback."""
        super().resume_writing()
        if self._unread:
            self._unread = False
            self.flow.resume_reading()

    def on_message_begin(self) -> None:
        """The parser's callback."""
        self.url = b""
        self.headers = []
        self.expect_100_continue = False
        self._inline = False

    def on_headers_complete(self) -> None:
        """The parser's callback."""
        self._closing = self._closing or self.transport.is_closing()
        if self._closing:
            return
        if not self.url.startswith(_PREFIX):
            self._hand_over(self._application)
        elif self._busy() or self.parser.should_upgrade():
            # Answers keep the order of their requests; uvicorn has the queue for that.
            self._hand_over(self.exchange)
        else:
            self._begin()

    def on_body(self, body: bytes) -> None:
        """The parser's callback."""
        if self._closing:
            return
        if not self._inline:
            super().on_body(body)
            return
        if not self._body:
            self._body = body
        elif isinstance(self._body, bytes):
            self._body = bytearray(self._body) + body
        else:
            self._body += body
        if len(self._body) > MAX_BODY:
            self._refuse(too_large())

    def on_message_complete(self) -> None:
        """The parser's callback."""
        if self._closing:
            return
        if not self._inline:
            super().on_message_complete()
            return
        self._inline = False
        keep_alive = self._keeps_alive()
        worker_id = self.url[len(_PREFIX) :].partition(b"?")[0].decode("latin-1")
        try:
            answer = self.exchange.answer(self._method, worker_id, self._body)
        except Exception as error:  # noqa: BLE001
            self._write_refusal(error, keep_alive=keep_alive)
        else:
            self.transport.write(
                _ANSWER
                % (
                    self.common.encoded(self.server_state.default_headers),
                    b"" if keep_alive else b"connection: close\r\n",
                    len(answer),
                    answer,
                )
            )
        self._body = b""
        if not keep_alive:
            self._closing = True
            self.transport.close()
        self.server_state.total_requests += 1
        if self.timeout_keep_alive_task is None:
            self._watch(self.timeout_keep_alive)
        if self.flow.write_paused:
            # A client that sends without reading is not listened to until it reads.
            self._unread = True
            self.flow.pause_reading()

    def _begin(self) -> None:
        self._inline = True
        self._method = self.parser.get_method().decode("ascii")
        client = self.client
        try:
            expects = self.exchange.check(
                self._method,
                self.headers,
                "-" if client is None else client[0],
                self._credentials,
            )
        except Exception as error:  # noqa: BLE001
            self._refuse(error)
            return
        if expects:
            self.transport.write(_CONTINUE)

    def _refuse(self, error: Exception) -> None:
        """Answer before the body has come, and let go of the connection in an orderly way.

        Closing at once would reset it, and the client might never see why.
        """
        self._unset_keepalive_if_required()
        if self._busy():
            cycle = self.cycle
            if not cycle.more_body:
                # The fault is behind a request that still gets its answer, the last one here.
                cycle.keep_alive = False
                self._closing = True
                return
            if cycle.response_started or self.pipeline:
                self._closing = True
                self.transport.close()
                return
            cycle.disconnected = True
            cycle.message_event.set()
        self._write_refusal(error, keep_alive=False)
        self._closing = True
        self._body = b""
        self.server_state.total_requests += 1
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self._watch(LINGER)

    def _write_refusal(self, error: Exception, *, keep_alive: bool) -> None:
        status, headers, body = refusal(error)
        if not keep_alive:
            headers["connection"] = "close"
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        self.transport.write(
            b"HTTP/1.1 %d %b\r\n%b%b\r\n%b"
            % (
                status,
                HTTPStatus(status).phrase.encode(),
                self.common.encoded(self.server_state.default_headers),
                lines.encode("latin-1"),
                b"" if self._method == "HEAD" else body,
            )
        )

    def _busy(self) -> bool:
        cycle: RequestResponseCycle | None = self.cycle
        return cycle is not None and not cycle.response_complete

    def _keeps_alive(self) -> bool:
        return self.parser.get_http_version() != "1.0" and bool(self.parser.should_keep_alive())

    def _hand_over(self, application: ASGIApp) -> None:
        """Let uvicorn treat the request; its head was kept until it was known whose it is."""
        url, headers, expects = self.url, self.headers, self.expect_100_continue
        super().on_message_begin()
        self.url, self.expect_100_continue = url, expects
        self.headers.extend(headers)
        self.app = application
        super().on_headers_complete()
        if sendfile.AVAILABLE and self.scheme == "http":
            send = partial(self._send_file, self.cycle)
            self.scope["extensions"] = {sendfile.EXTENSION: send}  # type: ignore[dict-item]

    async def _send_file(
        self, cycle: RequestResponseCycle, descriptor: int, offset: int, count: int
    ) -> None:
        """A `gaia.server.sendfile.SendFile`."""
        self._transfer = sendfile.Transfer(self.transport, self.flow)
        try:
            await self._transfer.run(descriptor, offset, count)
        except ConnectionError:
            # Nobody is left to hear of it.
            cycle.disconnected = True
        finally:
            self._transfer = None
        cycle.expected_content_length -= count


class _CommonHeaders:
    """The headers of every answer, encoded once for each list that uvicorn makes: once a second."""

    def __init__(self) -> None:
        self._source: list[tuple[bytes, bytes]] | None = None
        self._encoded = b""

    def encoded(self, headers: list[tuple[bytes, bytes]]) -> bytes:
        """`headers` as they stand in an answer."""
        if headers is not self._source:
            self._source = headers
            self._encoded = b"".join(b"%b: %b\r\n" % header for header in headers)
        return self._encoded
