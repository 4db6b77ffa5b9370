"""The real worker for Windows under Wine, against the real server."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gaia.errors import GaiaError
from support.fleet import RunningServer
from support.wine import SYSTEM, WindowsProcess, WindowsWorker, compile_program
from support.wine import build as build_for_windows
from support.wine_front import Install, build_front
from support.wine_service import WindowsService, wait_in_wine


@pytest.fixture(scope="session", autouse=True)
def _wine() -> None:
    """Skip where there is no Wine. Else prepare it: two tests at once would, each in its way."""
    try:
        SYSTEM.check()
    except GaiaError as error:
        pytest.skip(f"needs Wine: {error}")
    SYSTEM.prepare(lambda _step: None)


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


@pytest.fixture(scope="session")
def front(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An executable that is whole but for Python."""
    return build_front(tmp_path_factory.mktemp("front"))


@pytest.fixture
def install(front: Path, tmp_path: Path) -> Install:
    """The same in a folder of its own."""
    shutil.copy2(front, tmp_path / "gaia-worker.exe")
    return Install(tmp_path)


@pytest.fixture
def register() -> Iterator[Callable[[str], WindowsService]]:
    """Register a service that is started by a command line."""
    made: list[WindowsService] = []
    somebody = wait_in_wine()

    def make(line: str) -> WindowsService:
        service = WindowsService.register(f"gaia-test-{uuid.uuid4().hex}", line)
        made.append(service)
        return service

    yield make
    for service in made:
        service.remove()
    somebody.communicate()


@pytest.fixture(scope="session")
def bad_release(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """A release that passes its self-check, or not, and then misbehaves."""
    folder = tmp_path_factory.mktemp("bad")
    source = Path(__file__).parents[2] / "support" / "bad_program.c"

    def make(behaviour: str) -> Path:
        target = folder / f"{behaviour}.exe"
        return compile_program(source, target, f'-DBEHAVIOUR="{behaviour}"')

    return make


@pytest.fixture
def start_worker(tmp_path: Path, server: RunningServer) -> Iterator[Callable[..., WindowsWorker]]:
    """Start a worker: `start_worker("w1", executable, "--auto-update", "--", "cmd")`."""
    started: list[WindowsWorker] = []

    def start(name: str, executable: Path, *arguments: str) -> WindowsWorker:
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
        worker = WindowsWorker(folder, name, front)
        started.append(worker)
        return worker

    yield start
    for worker in started:
        worker.front.kill()
