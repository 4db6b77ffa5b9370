"""Fixtures for everything that needs the real server."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from support.server import ServerProcess


@pytest.fixture
def make_server(tmp_path: Path) -> Iterator[Callable[..., ServerProcess]]:
    """Make servers on data folders of their own, not started yet: `make_server("--opt", "x")`."""
    made: list[ServerProcess] = []

    def make(*options: str, data_dir: Path | None = None) -> ServerProcess:
        number = len(made)
        server = ServerProcess(
            data_dir=data_dir or tmp_path / f"server-{number}",
            log_file=tmp_path / f"server-{number}.log",
            options=options,
        )
        made.append(server)
        return server

    yield make
    for server in made:
        if server.process is not None:
            server.stop(signal.SIGKILL)


@pytest.fixture
def server(make_server: Callable[..., ServerProcess]) -> ServerProcess:
    """A running server of one's own, with nothing published."""
    server = make_server()
    server.start()
    return server


@pytest.fixture
def restart_server(server: ServerProcess) -> Callable[[], None]:
    """Stop the server in an orderly way and start it again, on the same address."""
    return server.restart
