"""Fault 50: full disk, database locked, database gone."""

from __future__ import annotations

import json
import os
import resource
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from support.fleet import eventually
from support.server import ServerProcess

LINUX, WINDOWS = "gaia-worker-linux", "gaia-worker-windows.exe"


def register(server: ServerProcess, name: str) -> str:
    answer = server.ask("POST", "/api/workers/register", json.dumps({"name": name}).encode())
    assert answer.status == 200
    worker_id: str = answer.json()["worker_id"]
    return worker_id


def beat(server: ServerProcess, worker_id: str) -> None:
    body = b'{"version": "v0.4.9", "platform": "linux"}'
    answer = server.ask("POST", f"/api/workers/heartbeat/{worker_id}", body)
    assert answer.status == 200
    assert server.get(f"/api/workers/heartbeat/{worker_id}").status == 200


def check_refused(server: ServerProcess, data: bytes, *statuses: int) -> None:
    """The upload is refused, v0.5.0 stays as it was, and heartbeats are answered."""
    before = server.get("/releases/v0.5.0").body
    answer = server.upload("v0.5.0", WINDOWS, data)
    assert answer.status in statuses
    assert answer.problem() in {"no-space", "database-unavailable", "storage-unavailable"}
    assert server.get("/releases/v0.5.0").body == before
    assert server.get(f"/releases/v0.5.0/{WINDOWS}").status == 404
    beat(server, register(server, "a newcomer"))


def test_no_file_may_grow(server: ServerProcess) -> None:
    """As on a full disk, wherever the limit hits: in the blob, the database or the metadata."""
    assert server.upload("v0.5.0", LINUX, b"linux").status == 200
    assert server.process is not None
    worker_id = register(server, "w")
    pid = server.process.pid
    before = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    for limit in (100_000, 100, 0):
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (limit, before[1]))
        check_refused(server, b"x" * 200_000, 503, 507)
        beat(server, worker_id)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, before)
    assert server.upload("v0.5.0", WINDOWS, b"windows").status == 200


def fill(path: Path) -> None:
    """Write until there is no space left."""
    with path.open("wb", buffering=0) as file:

        def write_on() -> None:
            while True:
                file.write(b"\0" * 4096)

        with pytest.raises(OSError, match="No space left"):
            write_on()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 4 MiB."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small disk")
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=4m", "gaia-test", str(folder)]
    if subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("this machine lets nobody mount a disk")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


def test_a_full_disk(small_disk: Path, make_server: Callable[..., ServerProcess]) -> None:
    server = make_server(data_dir=small_disk / "data")
    server.start()
    assert server.upload("v0.5.0", LINUX, b"linux").status == 200
    worker_id = register(server, "w")
    check_refused(server, b"x" * 5_000_000, 507)

    filler = small_disk / "filler"
    fill(filler)
    check_refused(server, b"windows", 503, 507)
    beat(server, worker_id)
    filler.unlink()
    assert server.upload("v0.5.0", WINDOWS, b"windows").status == 200
    newcomers = {"w", "a newcomer"}

    def stored() -> set[str]:
        with sqlite3.connect(small_disk / "data" / "gaia.db") as database:
            found = {name for (name,) in database.execute("SELECT name FROM workers")}
        database.close()
        return found

    eventually("the fleet in the database", lambda: stored() == newcomers)
    server.restart()
    assert {row["name"] for row in server.get("/api/fleet").json()["workers"]} == newcomers
    assert len(server.get("/releases/v0.5.0").json()["files"]) == 2


def test_a_locked_database(server: ServerProcess) -> None:
    assert server.upload("v0.5.0", LINUX, b"linux").status == 200
    worker_id = register(server, "w")
    database = sqlite3.connect(server.data_dir / "gaia.db", isolation_level=None)
    database.execute("BEGIN EXCLUSIVE")
    try:
        answer = server.upload("v0.5.0", WINDOWS, b"windows")
        assert (answer.status, answer.problem()) == (503, "database-unavailable")
        assert int(answer.headers["retry-after"]) > 0
        beat(server, worker_id)
        assert server.get("/releases/latest").status == 200
        answer = server.ask("POST", "/api/tokens", b'{"name": "ci", "role": "worker"}')
        assert answer.status == 503
    finally:
        database.execute("ROLLBACK")
        database.close()
    assert server.upload("v0.5.0", WINDOWS, b"windows").status == 200


def test_the_database_file_is_gone(server: ServerProcess) -> None:
    assert server.upload("v0.5.0", LINUX, b"linux").status == 200
    worker_id = register(server, "w")
    for path in server.data_dir.glob("gaia.db*"):
        path.unlink()
    beat(server, worker_id)
    assert server.get(f"/releases/v0.5.0/{LINUX}").body == b"linux"
    assert server.upload("v0.5.0", WINDOWS, b"windows").status in {200, 503, 507}
    beat(server, worker_id)
