"""A TCP relay that notes the request line of every HTTP/1.1 request that passes."""

from __future__ import annotations

import re
import socket
import threading
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

_TOKEN = re.compile(rb"\r\nauthorization: bearer \S+\r\n", re.IGNORECASE)
_REQUEST = re.compile(rb"(?:^|\r\n|\})((?:GET|HEAD|POST|PUT|DELETE) \S+) HTTP/1\.1\r\n")


class CountingProxy:
    """Listens on a free port and relays to `target`.

    Attributes:
        url: what clients use instead of the target's.
        requests: `METHOD /path`, in the order of their arrival.
        tokens: how many requests carried a bearer token.
    """

    def __init__(self, target: str) -> None:
        parts = urlsplit(target)
        self._target = (parts.hostname or "", parts.port or 80)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.requests: list[str] = []
        self.tokens = 0

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.create_connection(self._target)
            for source, sink, noted in ((client, server, True), (server, client, False)):
                threading.Thread(
                    target=self._relay, args=(source, sink, noted), daemon=True
                ).start()

    def _relay(self, source: socket.socket, sink: socket.socket, noted: bool) -> None:
        with source, sink:
            while True:
                try:
                    data = source.recv(65536)
                    if not data:
                        sink.shutdown(socket.SHUT_WR)
                        return
                    if noted:
                        self.requests += [m.decode() for m in _REQUEST.findall(data)]
                        self.tokens += len(_TOKEN.findall(data))
                    sink.sendall(data)
                except OSError:
                    return
