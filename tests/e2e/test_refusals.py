"""Nothing runs that was not signed: refused, reported, and the worker runs on."""

from __future__ import annotations

import json
import shutil
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from support.fleet import LINUX, WINDOWS, Api, RunningServer, RunningWorker, eventually, sha256
from support.hostile import man_in_the_middle


@pytest.fixture
def old(build: Callable[[str], Path]) -> Path:
    return build("v0.4.9")


@pytest.fixture
def new(build: Callable[[str], Path]) -> Path:
    return build("v0.5.0")


@pytest.fixture
def worker(
    api: Api, old: Path, start_worker: Callable[..., RunningWorker]
) -> Iterator[RunningWorker]:
    """A worker on the published v0.4.9, which must still be there and running at the end."""
    api.curl_upload("v0.4.9", LINUX, old)
    worker = start_worker("w", old, "--auto-update")
    api.until("w", reason="up-to-date")
    yield worker
    assert worker.runs()


def refused(api: Api, worker: RunningWorker, word: str) -> None:
    """The reason is in the fleet's entry and in the worker's log, and the worker stays."""
    eventually(f"an alarm about {word}", lambda: word in api.row("w").get("alarm", ""))
    alarm = api.row("w")["alarm"]
    assert word in worker.log()
    assert alarm.endswith(".")
    assert api.row("w")["version"] == "v0.4.9"
    assert not worker.backup.exists()


def blob(server: RunningServer, digest: str) -> Path:
    found = [path for path in (server.data_dir / "blobs").rglob("*") if path.name == digest]
    assert len(found) == 1
    return found[0]


def replace(path: Path, data: bytes) -> None:
    """Write as an intruder with access to the store would, whatever the file's mode."""
    path.chmod(0o644)
    path.write_bytes(data)


def test_a_tampered_binary_in_the_blob_store(
    api: Api, server: RunningServer, worker: RunningWorker, new: Path
) -> None:
    # Published while the worker cannot see it: the blob is changed before the offer is followed.
    worker.process.send_signal(signal.SIGSTOP)
    api.curl_upload("v0.5.0", LINUX, new)
    data = bytearray(new.read_bytes())
    data[len(data) // 2] ^= 1
    replace(blob(server, sha256(new)), bytes(data))
    worker.process.send_signal(signal.SIGCONT)
    refused(api, worker, "not the file that was signed")


def test_an_unsigned_binary_put_there_by_hand(
    api: Api, server: RunningServer, worker: RunningWorker, new: Path
) -> None:
    worker.process.send_signal(signal.SIGSTOP)
    api.curl_upload("v0.5.0", LINUX, new)
    unsigned = b"#!/bin/sh\ntouch owned\n".ljust(new.stat().st_size, b"#")
    replace(blob(server, sha256(new)), unsigned)
    worker.process.send_signal(signal.SIGCONT)
    refused(api, worker, "not the file that was signed")
    assert not (worker.folder / "owned").exists()


def test_a_file_of_another_length_is_not_even_sent(
    api: Api, server: RunningServer, worker: RunningWorker, new: Path
) -> None:
    worker.process.send_signal(signal.SIGSTOP)
    api.curl_upload("v0.5.0", LINUX, new)
    replace(blob(server, sha256(new)), b"#!/bin/sh\ntouch owned\n")
    worker.process.send_signal(signal.SIGCONT)
    failure = api.until("w", failure=...)["failure"]
    assert "damaged" in failure["detail"]


def test_edited_metadata(api: Api, server: RunningServer, worker: RunningWorker, new: Path) -> None:
    worker.process.send_signal(signal.SIGSTOP)
    api.curl_upload("v0.5.0", LINUX, new)
    newest = max(
        (server.data_dir / "tuf").glob("*.gaia-worker.json"),
        key=lambda path: int(path.name.partition(".")[0]),
    )
    document = json.loads(newest.read_text())
    targets = document["signed"]["targets"]
    targets["v0.5.0/" + LINUX]["hashes"]["sha256"] = "0" * 64
    replace(newest, json.dumps(document).encode())
    worker.process.send_signal(signal.SIGCONT)
    refused(api, worker, "sign")


def test_old_metadata_replayed(
    api: Api,
    server: RunningServer,
    old: Path,
    start_worker: Callable[..., RunningWorker],
    tmp_path: Path,
) -> None:
    """Someone in the middle answers heartbeats with yesterday's timestamp."""
    seen: list[str] = []
    replaying = threading.Event()

    def replay(path: str, body: bytes) -> bytes:
        if not path.startswith("/api/workers/heartbeat/"):
            return body
        answer = json.loads(body)
        seen.append(answer["tuf"]["timestamp"])
        if replaying.is_set():
            answer["tuf"]["timestamp"] = seen[0]
        return json.dumps(answer).encode()

    api.curl_upload("v0.4.9", LINUX, old)
    with man_in_the_middle(server.url, replay) as middle:
        worker = start_worker("w", old, "--auto-update", server_url=middle)
        api.until("w", reason="up-to-date")
        windows = tmp_path / "windows.exe"
        windows.write_bytes(b"MZ")
        api.curl_upload("v0.4.10", WINDOWS, windows)
        eventually("newer metadata", lambda: seen and seen[-1] != seen[0])
        api.more_heartbeats("w", 5)
        replaying.set()
        refused(api, worker, "older")
        assert worker.runs()


def test_the_server_of_yesterday_does_not_lock_its_workers_out(
    api: Api,
    server: RunningServer,
    worker: RunningWorker,
    restart_server: Callable[[], None],
    new: Path,
    tmp_path: Path,
) -> None:
    """Its metadata folder restored from a backup: it signs anew, above what workers have seen."""
    tuf, kept = server.data_dir / "tuf", tmp_path / "yesterday"
    shutil.copytree(tuf, kept)
    api.curl_upload("v0.5.0", LINUX, new)
    api.until("w", version="v0.5.0", state="idle")
    shutil.rmtree(tuf)
    shutil.copytree(kept, tuf)
    restart_server()
    api.more_heartbeats("w", 5)
    assert api.row("w")["alarm"] == ""
    assert api.row("w")["version"] == "v0.5.0"
