"""Real single-file workers: built once a run, started as real processes."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from support.fleet import Api, RunningServer, RunningWorker, end_session


@pytest.fixture
def api(server: RunningServer) -> Api:
    return Api(server.url, server.token)


@pytest.fixture
def start_worker(tmp_path: Path, server: RunningServer) -> Iterator[Callable[..., RunningWorker]]:
    """Start a worker: `start_worker("w1", executable, "--auto-update", "--", "cmd")`."""
    started: list[RunningWorker] = []

    def start(
        name: str,
        executable: Path,
        *arguments: str,
        program: str = "./gaia-worker",
        cwd: Path | None = None,
        env: dict[str, str] | None = None,
        server_url: str | None = None,
    ) -> RunningWorker:
        folder = tmp_path / name
        if not folder.exists():
            folder.mkdir()
            shutil.copy2(executable, folder / "gaia-worker")
        with (folder / "worker.log").open("ab") as log:
            process = subprocess.Popen(
                [
                    program,
                    *(
                        "--server",
                        server_url or server.url,
                        "--token",
                        server.token,
                        "--name",
                        name,
                    ),
                    *("--heartbeat-interval", "0.3"),
                    *arguments,
                ],
                cwd=cwd or folder,
                env={**os.environ, **(env or {})},
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
        worker = RunningWorker(name, folder, process)
        started.append(worker)
        return worker

    yield start
    for worker in started:
        end_session(worker.process)


@pytest.fixture
def bundle(tmp_path: Path) -> Callable[[str], Path]:
    """Make `experiments.tar.gz`, whose `run_all.py` writes its folder and edition, then waits."""

    def make(edition: str, run_all: str | None = None) -> Path:
        path = tmp_path / f"experiments-{edition}.tar.gz"
        script = run_all or (
            "import pathlib, time\n"
            "edition = pathlib.Path('experiments/edition.txt').read_text()\n"
            "with open('runs.txt', 'a') as out:\n"
            "    out.write(f'{edition} {pathlib.Path.cwd()}\\n')\n"
            "time.sleep(600)\n"
        )
        with tarfile.open(path, "w:gz") as archive:
            for name, text in (("experiments/edition.txt", edition), ("run_all.py", script)):
                entry = tarfile.TarInfo(name)
                entry.size = len(text.encode())
                archive.addfile(entry, io.BytesIO(text.encode()))
        return path

    return make
