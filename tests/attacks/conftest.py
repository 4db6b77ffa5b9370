"""What the attacks share: worlds to attack, and any repository with our client of it."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from typing import Any

import pytest

from support.any_repository import AnyRepository, MakeKey
from support.attack import FRESH, KNOWN, StrictWorld, Victim, victim
from support.conformance import PROGRAM, Client
from support.trust import Clock


@pytest.fixture
def world(tmp_path: Path) -> StrictWorld:
    """A server in strict mode, with releases."""
    return StrictWorld(tmp_path, Clock())


@pytest.fixture(
    params=[(KNOWN, "fingerprint"), (KNOWN, "file"), (FRESH, "fingerprint"), (FRESH, "file")],
    ids=["known", "known, file", "fresh", "fresh, file"],
)
def worker(world: StrictWorld, request: pytest.FixtureRequest) -> Victim:
    """A worker with a pinned root that has seen what is published, or starts only now."""
    return victim(world, *request.param)


@pytest.fixture(scope="session")
def program() -> Any:
    """The conformance client as a module: starting a process for each step would take minutes."""
    loader = SourceFileLoader("tuf_conformance_client", str(PROGRAM))
    spec = spec_from_loader(loader.name, loader)
    assert spec is not None
    module = module_from_spec(spec)
    before, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    loader.exec_module(module)
    sys.dont_write_bytecode = before
    return module


@pytest.fixture
def open_client(tmp_path: Path, program: Any) -> Iterator[Callable[..., Client]]:
    """Make the client of a repository: `open_client(make_key)`."""
    opened: list[Any] = []

    def make(*make_key: MakeKey) -> Client:
        repository = AnyRepository(*make_key)
        served = repository.served()
        url = served.__enter__()
        opened.append(served)
        folder = tmp_path / "client"
        folder.mkdir()
        return Client(program.main, url, folder, repository)

    yield make
    for served in opened:
        served.__exit__(None, None, None)


@pytest.fixture
def client(open_client: Callable[..., Client]) -> Client:
    """The client of an ordinary repository, initialised."""
    made = open_client()
    assert made.init() == 0
    return made


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Loopback is asked directly, whatever proxy this machine has."""
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
