"""A real uvicorn on a real socket, with the protocol class and a small application behind it."""

from __future__ import annotations

import hashlib
import http.client
import io
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from gaia.errors import GaiaError
from gaia.model.artifact import Artifact
from gaia.protocol.worker import Register
from gaia.server import problems
from gaia.server.auth import Authenticator
from gaia.server.catalogue import Catalogue
from gaia.server.downloads import ArtifactResponse
from gaia.server.fleet import Fleet
from gaia.server.heartbeat import HeartbeatService
from gaia.server.limits import BoundedProtocol
from gaia.server.wire import protocol_class

TOKEN = "the-token"


class Client:
    """One connection, byte by byte."""

    def __init__(self, address: tuple[str, int]) -> None:
        self.socket = socket.create_connection(address, timeout=30)
        self._file = self.socket.makefile("rb")

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def answer(self, method: str = "GET") -> tuple[http.client.HTTPResponse, bytes]:
        """The next answer, whose body `method` decides."""
        response = http.client.HTTPResponse(self.socket, method=method)
        response.fp.close()
        response.fp = _Kept(self._file)
        response.begin()
        return response, response.read()

    def line(self) -> bytes:
        return self._file.readline()

    def ended(self) -> bool:
        """Whether the server closed its side, with nothing left to read."""
        return self._file.read(1) == b""

    def close(self) -> None:
        self._file.close()
        self.socket.close()


class _Kept(io.BufferedReader):
    """The connection's reader, which the end of one response must not close."""

    def __init__(self, file: io.BufferedReader) -> None:
        super().__init__(io.BytesIO())
        self._kept = file
        self.read = file.read  # type: ignore[method-assign]
        self.readline = file.readline  # type: ignore[method-assign]
        self.readinto = file.readinto  # type: ignore[method-assign]


@dataclass
class Served:
    """The running server and what is behind it."""

    address: tuple[str, int]
    fleet: Fleet
    worker_id: str
    blob: Path
    artifact: Artifact
    paths: list[str] = field(default_factory=list)
    errors: list[BaseException] = field(default_factory=list)

    def heartbeat(
        self,
        body: bytes = b'{"version":"v0.4.9","platform":"linux"}',
        *headers: str,
        method: str = "POST",
        worker_id: str | None = None,
        token: str | None = TOKEN,
        version: str = "1.1",
    ) -> bytes:
        """The bytes of a heartbeat."""
        lines = [
            f"{method} /api/workers/heartbeat/{worker_id or self.worker_id} HTTP/{version}",
            "Host: x",
            *([] if token is None else [f"Authorization: Bearer {token}"]),
            *([f"Content-Length: {len(body)}"] if body and method != "GET" else []),
            *headers,
        ]
        content = b"" if method == "GET" else body
        return "\r\n".join([*lines, "", ""]).encode() + content


def request(method: str, path: str, *headers: str, body: bytes = b"") -> bytes:
    length = [f"Content-Length: {len(body)}"] if body else []
    lines = [f"{method} {path} HTTP/1.1", "Host: x", *length, *headers, "", ""]
    return "\r\n".join(lines).encode() + body


@pytest.fixture
def ask() -> Callable[..., bytes]:
    """The bytes of a request: `ask("GET", "/echo", "Name: value", body=b"")`."""
    return request


@pytest.fixture(params=["uvloop", "asyncio"])
def served(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Served]:
    fleet = Fleet()
    worker_id = fleet.register(Register(name="w"))
    data = bytes(range(256)) * 16_384
    blob = tmp_path / "blob"
    blob.write_bytes(data)
    artifact = Artifact("gaia-worker-linux", len(data), hashlib.sha256(data).hexdigest())
    listener = socket.create_server(("127.0.0.1", 0))
    served = Served(listener.getsockname(), fleet, worker_id, blob, artifact)
    service = HeartbeatService(fleet, Catalogue, 5.0)
    config = uvicorn.Config(
        _application(served),
        http=type("Protocol", (BoundedProtocol, protocol_class(service, Authenticator(TOKEN))), {}),
        loop=request.param,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        timeout_keep_alive=3,
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, args=([listener],))
    thread.start()
    yield served
    server.should_exit = True
    thread.join()
    listener.close()


@pytest.fixture
def connect(served: Served) -> Iterator[Callable[[], Client]]:
    opened: list[Client] = []

    def make() -> Client:
        opened.append(Client(served.address))
        return opened[-1]

    yield make
    for client in opened:
        client.close()


@pytest.fixture
def client(connect: Callable[[], Client]) -> Client:
    return connect()


def _application(served: Served) -> Starlette:
    async def echo(request: Request) -> Response:
        served.paths.append(request.url.path)
        return PlainTextResponse(await request.body())

    async def artifact(request: Request) -> Response:
        return ArtifactResponse(served.blob, served.artifact, request)

    async def shrinking(request: Request) -> Response:
        response = ArtifactResponse(served.blob, served.artifact, request)
        opened = response._open

        def open_then_cut() -> object:
            file = opened()
            served.blob.write_bytes(b"x" * 100)
            return file

        response._open = open_then_cut  # type: ignore[assignment, method-assign]
        return response

    async def problem(request: Request, error: Exception) -> Response:
        assert isinstance(error, GaiaError)
        status, body = problems.document(error)
        return Response(body, status, problems.headers(error))

    return Starlette(
        routes=[
            Route("/echo", echo, methods=["GET", "POST"]),
            Route("/releases/v1.0.0/file", artifact),
            Route("/releases/latest/file", artifact),
            Route("/shrinking", shrinking),
        ],
        exception_handlers={GaiaError: problem},
    )
