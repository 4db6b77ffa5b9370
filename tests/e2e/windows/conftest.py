"""The real worker for Windows under Wine, against the real server."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from gaia.errors import GaiaError
from support.fleet import RunningServer
from support.wine import SYSTEM, WindowsProcess
from support.wine import build as build_for_windows


@pytest.fixture(scope="session", autouse=True)
def _wine() -> None:
    """Skip where there is no Wine."""
    try:
        SYSTEM.check()
    except GaiaError as error:
        pytest.skip(f"needs Wine: {error}")


@pytest.fixture(scope="session")
def build(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The worker for Windows of a version."""
    folder = tmp_path_factory.mktemp("windows")
    made: dict[str, Path] = {}

    def make(version: str) -> Path:
        if version not in made:
            made[version] = build_for_windows(version, folder / version)
        return made[version]

    return make


@dataclass
class Worker:
    """One worker process in a folder of its own."""

    name: str
    folder: Path
    front: WindowsProcess

    @property
    def executable(self) -> Path:
        return self.folder / "gaia-worker.exe"

    @property
    def backup(self) -> Path:
        return self.folder / "gaia-worker.exe.bak"


@pytest.fixture
def start_worker(tmp_path: Path, server: RunningServer) -> Iterator[Callable[..., Worker]]:
    """Start a worker: `start_worker("w1", executable, "--auto-update", "--", "cmd")`."""
    started: list[Worker] = []

    def start(name: str, executable: Path, *arguments: str) -> Worker:
        folder = tmp_path / name
        if not folder.exists():
            folder.mkdir()
            shutil.copy2(executable, folder / "gaia-worker.exe")
        front = WindowsProcess.start(
            folder / "gaia-worker.exe",
            *("--server", server.url, "--name", name, "--heartbeat-interval", "0.3"),
            *arguments,
            log_file=folder / "worker.log",
            cwd=folder,
            env={"GAIA_TOKEN": server.token},
        )
        worker = Worker(name, folder, front)
        started.append(worker)
        return worker

    yield start
    for worker in started:
        worker.front.kill()
