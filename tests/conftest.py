"""Fixtures for everything that needs the real server, or a real single-file worker."""

from __future__ import annotations

import fcntl
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gaia.cli.build import Builder
from support.fleet import LINUX
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


@pytest.fixture(scope="session")
def build(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Build (or reuse) the real single-file worker of a version, shared by all test processes."""
    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent
    shared = shared / "worker-builds"
    shared.mkdir(exist_ok=True)

    def make(version: str) -> Path:
        done = shared / version / LINUX
        with (shared / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not done.exists():
                Builder(shared / "payload").stamp(version, None, shared / version)
        return done

    return make
