"""Real workers and a real server, as an operator and a machine's owner see them."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import time
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import pytest

PATIENCE = 90.0
LINUX, WINDOWS, BUNDLE = "gaia-worker-linux", "gaia-worker-windows.exe", "experiments.tar.gz"


class RunningServer(Protocol):
    """What tests need of the `server` fixture."""

    url: str
    token: str
    data_dir: Path


def eventually(
    what: str | Callable[[], str], condition: Callable[[], object], patience: float = PATIENCE
) -> None:
    """Poll until `condition` is true; fail with `what` when it never is."""
    deadline = time.monotonic() + patience
    while not condition():
        if time.monotonic() > deadline:
            told = what if isinstance(what, str) else what()
            pytest.fail(f"not within {patience:.0f} s: {told}")
        time.sleep(0.05)


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

    def until(self, name: str, **expected: object) -> dict[str, Any]:
        """Wait for the worker's entry to have these values; `...` stands for any but None."""
        row: dict[str, Any] = {}

        def matches() -> bool:
            row.clear()
            row.update(self.row(name))
            return bool(row) and all(
                row.get(key) is not None if value is ... else row.get(key) == value
                for key, value in expected.items()
            )

        eventually(lambda: f"{name} with {expected}; it is {row}", matches)
        return row

    def more_heartbeats(self, name: str, count: int) -> dict[str, Any]:
        """Wait for `count` more heartbeats of that worker."""
        goal = self.row(name)["heartbeats"] + count
        eventually(f"heartbeat {goal} of {name}", lambda: self.row(name)["heartbeats"] >= goal)
        return self.row(name)

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


@dataclass
class RunningWorker:
    """One worker process in a folder of its own."""

    name: str
    folder: Path
    process: subprocess.Popen[bytes]

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


def end_session(leader: subprocess.Popen[bytes]) -> None:
    """End whatever still runs in the session: a reverted worker has another process ID."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        members = session(leader.pid)
        for pid in members:
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                continue
        deadline = time.monotonic() + 15
        while session(leader.pid) and time.monotonic() < deadline:
            leader.poll()
            time.sleep(0.02)
    leader.wait()


def session(sid: int) -> list[int]:
    """Process IDs of the session that `sid` leads, without zombies."""
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


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
