"""One server process: its data folder, its socket, its beginning and its end."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import uvicorn

from gaia import __version__
from gaia.errors import Conflict, InvalidInput, Refused
from gaia.server.assembly import Assembly, assemble
from gaia.server.settings import Settings

KEEP_ALIVE = 75
"""Seconds. Longer than a worker waits between two heartbeats, so that its connection lasts."""

GRACE = 10
"""Seconds that running requests have at the end. Downloads are resumed elsewhere or later."""

_BACKLOG = 2048
_WILDCARDS = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104


def serve(settings: Settings, announce: Callable[[str, Assembly], None]) -> None:
    """Serve until SIGTERM or SIGINT.

    Args:
        announce: called once requests are being answered, with the server's URL.

    Raises:
        GaiaError: the data folder, the database or the address cannot be used.
    """
    with _data_folder(settings.data_dir) as folder:
        address = folder / "server.json"
        address.unlink(missing_ok=True)
        with _listen(settings.host, settings.port) as listener:
            url = _url(settings.host, listener.getsockname()[1])
            assembly = assemble(settings)

            def started() -> None:
                _write(address, {"url": url, "fingerprint": assembly.fingerprint})
                announce(url, assembly)

            try:
                _run(assembly, listener, started)
            finally:
                address.unlink(missing_ok=True)
                assembly.database.close()


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, started: Callable[[], None]) -> None:
        super().__init__(config)
        self._announce = started

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._announce()


def _run(assembly: Assembly, listener: socket.socket, started: Callable[[], None]) -> None:
    config = uvicorn.Config(
        assembly.app,
        http=assembly.protocol,
        loop="uvloop",
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        backlog=_BACKLOG,
        timeout_keep_alive=KEEP_ALIVE,
        timeout_graceful_shutdown=GRACE,
    )
    # uvicorn raises the signal again after an orderly end, which would make it look like a crash.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    _Server(config, started).run(sockets=[listener])


@contextmanager
def _data_folder(folder: Path) -> Iterator[Path]:
    """The data folder, made when it is missing, and ours alone while the block runs."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = (folder / "lock").open("a+b")
    except OSError as error:
        raise Refused(
            "data-dir-unusable",
            f"The data folder {folder} cannot be used: {error.strerror}.",
            hint="Give a folder that this user may write to: --data-dir or GAIA_DATA_DIR.",
        ) from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Conflict(
                "data-dir-in-use",
                f"Another gaia-server uses the data folder {folder}.",
                hint="Stop it, or give this one another --data-dir.",
            ) from None
        yield folder.resolve()


@contextmanager
def _listen(host: str, port: int) -> Iterator[socket.socket]:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
    except OSError as error:
        raise InvalidInput(
            "address-unusable", f"{host!r} is not an address of this machine: {error}."
        ) from error
    with listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(address)
            listener.listen(_BACKLOG)
        except OSError as error:
            raise Refused(
                "address-unusable",
                f"The server cannot listen on {host} port {port}: {error.strerror}.",
                hint="Stop what uses it, or choose another: --port 0 takes a free one.",
            ) from error
        listener.setblocking(False)
        yield listener


def _url(host: str, port: int) -> str:
    name = _WILDCARDS.get(host, host)
    return f"http://[{name}]:{port}" if ":" in name else f"http://{name}:{port}"


def _write(path: Path, facts: dict[str, str]) -> None:
    """Where scripts find the server, whole or not there."""
    temporary = path.with_suffix(".new")
    temporary.write_text(json.dumps({**facts, "pid": os.getpid(), "version": __version__}) + "\n")
    temporary.rename(path)
