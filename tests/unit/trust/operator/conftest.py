from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from support.openssh import RunningAgent, ssh_keygen


@pytest.fixture
def make_key(tmp_path: Path) -> Callable[..., Path]:
    """A key file made by ssh-keygen: `make_key("name", "passphrase", "-t", "rsa")`."""

    def make(name: str, passphrase: str = "", *more: str) -> Path:
        path = tmp_path / name
        ssh_keygen("-q", *(more or ("-t", "ed25519")), "-N", passphrase, "-C", name, "-f", path)
        return path

    return make


@pytest.fixture
def agent(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Iterator[RunningAgent]:
    """This session's agent, without keys."""
    running = RunningAgent(tmp_path_factory.mktemp("agent") / "socket")
    monkeypatch.setenv("SSH_AUTH_SOCK", str(running.address))
    yield running
    running.stop()
