"""A GAIA 0.4 worker, which knows nothing of signatures, works unchanged against this server.

`OldWorker` does what that worker does on the wire, and no more.
"""

from __future__ import annotations

import hashlib
import json
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any, Protocol

import pytest


class RunningServer(Protocol):
    """What this file needs of the `server` fixture."""

    url: str
    token: str


class OldWorker:
    """The wire behaviour of GAIA 0.4.3, as the brief states it."""

    VERSION = "0.4.3"

    def __init__(self, server: str, token: str, name: str) -> None:
        self.server = server
        self.token = token
        self.name = name
        self.worker_id = ""

    def register(self) -> None:
        body = {
            "name": self.name,
            "gpu": {"name": "RTX 4090", "vram_mb": 24564},
            "version": self.VERSION,
            "registered_at": time.time(),
        }
        _, answer = self.call("POST", "/api/workers/register", json.dumps(body).encode())
        self.worker_id = json.loads(answer)["worker_id"]

    def heartbeat(self) -> dict[str, Any]:
        _, answer = self.call("GET", f"/api/workers/heartbeat/{self.worker_id}")
        beat: dict[str, Any] = json.loads(answer)
        assert isinstance(beat["force_update"], bool)
        return beat

    def next_job(self) -> int:
        return self.call("GET", f"/api/jobs/next/{self.worker_id}")[0]

    def update(self, tag: str, folder: Path) -> Path:
        _, answer = self.call("GET", f"/releases/{tag}")
        release = json.loads(answer)
        assert set(release) >= {"tag", "created_at", "notes", "files"}
        filename = "gaia-worker-linux"
        entry = next(file for file in release["files"] if file["filename"] == filename)
        status, data = self.call("GET", f"/releases/{tag}/{filename}")
        assert status == 200
        assert len(data) == entry["size"]
        assert hashlib.sha256(data).hexdigest() == entry["sha256"]
        path = folder / filename
        path.write_bytes(data)
        return path

    def experiments(self) -> bytes | None:
        status, data = self.call("GET", "/releases/latest/experiments.tar.gz")
        return None if status == 404 else data

    def call(self, method: str, path: str, body: bytes | None = None) -> tuple[int, bytes]:
        request = urllib.request.Request(self.server + path, data=body, method=method)
        request.add_header("Authorization", f"Bearer {self.token}")
        if body is not None:
            request.add_header("Content-Type", "application/json")
        try:
            with urllib.request.urlopen(request, timeout=30) as response:
                return response.status, response.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read()


def upload(server: RunningServer, tag: str, filename: str, data: bytes) -> dict[str, Any]:
    request = urllib.request.Request(
        f"{server.url}/api/releases/upload?tag={tag}&filename={filename}",
        data=data,
        method="POST",
        headers={
            "Authorization": f"Bearer {server.token}",
            "Content-Type": "application/octet-stream",
        },
    )
    with urllib.request.urlopen(request, timeout=60) as response:
        answer: dict[str, Any] = json.loads(response.read())
    return answer


@pytest.fixture
def worker(server: RunningServer) -> OldWorker:
    return OldWorker(server.url, server.token, "lab-3")


def test_nothing_is_published_yet(worker: OldWorker) -> None:
    worker.register()
    assert worker.heartbeat()["latest_version"] is None
    assert worker.next_job() in (204, 404)
    assert worker.experiments() is None


def test_it_registers_beats_updates_and_syncs(
    server: RunningServer, worker: OldWorker, tmp_path: Path
) -> None:
    answer = upload(server, "v0.5.0", "gaia-worker-linux", b"the new worker")
    assert answer["status"] == "ok"
    assert (answer["tag"], answer["filename"]) == ("v0.5.0", "gaia-worker-linux")
    upload(server, "v0.5.0", "experiments.tar.gz", b"the experiments")

    worker.register()
    assert worker.heartbeat()["latest_version"] == "v0.5.0"
    assert worker.update("v0.5.0", tmp_path).read_bytes() == b"the new worker"
    assert worker.experiments() == b"the experiments"


def test_the_same_name_is_the_same_worker(worker: OldWorker) -> None:
    worker.register()
    first = worker.worker_id
    worker.register()
    assert worker.worker_id == first


def test_latest_is_the_highest_version_not_the_last_upload(
    server: RunningServer, worker: OldWorker
) -> None:
    for tag in ("v0.10.0", "v0.9.0", "v0.10.0-rc.1"):
        upload(server, tag, "gaia-worker-linux", tag.encode())
    worker.register()
    assert worker.heartbeat()["latest_version"] == "v0.10.0"
    status, listed = worker.call("GET", "/api/releases")
    assert status == 200
    assert {entry["tag"] for entry in json.loads(listed)["releases"]} == {
        "v0.9.0",
        "v0.10.0-rc.1",
        "v0.10.0",
    }


def test_without_the_token_nothing_is_answered(server: RunningServer) -> None:
    stranger = OldWorker(server.url, "not-the-token", "stranger")
    for method, path in (
        ("GET", "/api/releases"),
        ("GET", "/releases/latest"),
        ("GET", "/releases/latest/experiments.tar.gz"),
        ("GET", "/api/workers/heartbeat/0"),
        ("GET", "/api/jobs/next/0"),
    ):
        status, body = stranger.call(method, path)
        assert status == 401
        assert json.loads(body)["code"] == "unauthorized"
