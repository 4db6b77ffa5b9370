"""Real single-file workers: built once a run, started as real processes."""

from __future__ import annotations

import fcntl
import hashlib
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import pytest

from gaia.cli.build.builder import Builder

PATIENCE = 90.0
LINUX, WINDOWS, BUNDLE = "gaia-worker-linux", "gaia-worker-windows.exe", "experiments.tar.gz"


class RunningServer(Protocol):
    """What these tests need of the `server` fixture."""

    url: str
    token: str
    data_dir: Path


def eventually(what: str, condition: Callable[[], object], patience: float = PATIENCE) -> None:
    """Poll until `condition` is true; fail with `what` when it never is."""
    deadline = time.monotonic() + patience
    while not condition():
        if time.monotonic() > deadline:
            pytest.fail(f"not within {patience:.0f} s: {what}")
        time.sleep(0.05)


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


@dataclass
class Api:
    """The server as an operator sees it."""

    url: str
    token: str

    def get(self, path: str) -> Any:
        request = urllib.request.Request(
            self.url + path, headers={"Authorization": f"Bearer {self.token}"}
        )
        with urllib.request.urlopen(request, timeout=30) as response:
            return json.loads(response.read())

    def row(self, name: str) -> dict[str, Any]:
        """The fleet's entry of that name, in full; empty before it registers."""
        for row in self.get("/api/fleet")["workers"]:
            if row["name"] == name:
                found: dict[str, Any] = self.get(f"/api/fleet/{row['id']}")
                return found
        return {}

    def curl_upload(self, tag: str, filename: str, path: Path) -> dict[str, Any]:
        """The brief's own line."""
        done = subprocess.run(
            [
                *("curl", "-s", "-X", "POST"),
                f"{self.url}/api/releases/upload?tag={tag}&filename={filename}",
                *("-H", f"Authorization: Bearer {self.token}"),
                *("-H", "Content-Type: application/octet-stream"),
                *("--data-binary", f"@{path}"),
            ],
            capture_output=True,
            check=True,
        )
        answer: dict[str, Any] = json.loads(done.stdout)
        return answer


@pytest.fixture
def api(server: RunningServer) -> Api:
    return Api(server.url, server.token)


@dataclass
class RunningWorker:
    """One worker process in a folder of its own."""

    name: str
    folder: Path
    process: subprocess.Popen[bytes]
    extra: list[int] = field(default_factory=list)

    @property
    def executable(self) -> Path:
        return self.folder / "gaia-worker"

    @property
    def backup(self) -> Path:
        return self.folder / "gaia-worker.bak"

    def log(self) -> str:
        return (self.folder / "worker.log").read_text(errors="replace")

    def runs(self) -> bool:
        return self.process.poll() is None


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
    ) -> RunningWorker:
        folder = tmp_path / name
        if not folder.exists():
            folder.mkdir()
            shutil.copy2(executable, folder / "gaia-worker")
        with (folder / "worker.log").open("ab") as log:
            process = subprocess.Popen(
                [
                    program,
                    *("--server", server.url, "--token", server.token, "--name", name),
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
        _end_session(worker.process)


def _end_session(leader: subprocess.Popen[bytes]) -> None:
    """End whatever still runs in the session: a reverted worker has another process ID."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        members = _session(leader.pid)
        for pid in members:
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                continue
        deadline = time.monotonic() + 15
        while _session(leader.pid) and time.monotonic() < deadline:
            leader.poll()
            time.sleep(0.02)
    leader.wait()


def _session(sid: int) -> list[int]:
    members = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except (FileNotFoundError, ProcessLookupError):
                continue
            if int(fields[3]) == sid and fields[0] != "Z":
                members.append(int(entry.name))
    return members


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


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


PYTHON = sys.executable
