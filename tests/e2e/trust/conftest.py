"""A server that cannot sign, and whoever can."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from support.desk import Desk, carry_over
from support.server import ServerProcess


@pytest.fixture
def found(
    tmp_path: Path, make_server: Callable[..., ServerProcess]
) -> Callable[..., tuple[Desk, ServerProcess]]:
    """Hold the ceremony with options of one's own, and start a server on what it made."""

    def hold(*options: str) -> tuple[Desk, ServerProcess]:
        desk = Desk(tmp_path / "gaia-trust")
        desk("trust", "init", *options)
        server = make_server()
        carry_over(desk, server.data_dir)
        server.start()
        desk.server = server
        return desk, server

    return hold


@pytest.fixture
def strict(found: Callable[..., tuple[Desk, ServerProcess]]) -> tuple[Desk, ServerProcess]:
    """The ceremony without options: root and targets 2 of 3, one key for releases and stable."""
    return found()


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """Something to sign."""
    path = tmp_path / "gaia-worker-linux"
    path.write_bytes(b"\x7fELF a worker")
    return path
