"""Nothing runs that was not signed: refused, reported, and the worker runs on."""

from __future__ import annotations

import json
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from support.fleet import LINUX, Api, RunningServer, RunningWorker, eventually, sha256


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
    assert api.row("w")["version"] == "v0.4.9"
    assert sha256(worker.executable) == sha256(old)


def refused(api: Api, worker: RunningWorker, word: str) -> None:
    """The reason is in the fleet's entry and in the worker's log."""
    eventually(f"an alarm about {word}", lambda: word in api.row("w").get("alarm", ""))
    alarm = api.row("w")["alarm"]
    assert word in worker.log()
    assert alarm.endswith(".")


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
    worker: RunningWorker,
    restart_server: Callable[[], None],
    tmp_path: Path,
) -> None:
    """Yesterday's trust folder put back: the worker has seen newer and says so."""
    tuf = server.data_dir / "tuf"
    kept = tmp_path / "yesterday"
    shutil.copytree(tuf, kept)
    beta = tmp_path / "windows"
    beta.write_bytes(b"MZ")
    api.curl_upload("v0.4.10", "gaia-worker-windows.exe", beta)
    eventually("it has seen the newer metadata", lambda: trusted(worker) > newest(kept))
    shutil.rmtree(tuf)
    shutil.copytree(kept, tuf)
    restart_server()
    refused(api, worker, "older")


def newest(folder: Path) -> int:
    document = json.loads((folder / "timestamp.json").read_text())
    return int(document["signed"]["version"])


def trusted(worker: RunningWorker) -> int:
    found = list(worker.folder.rglob("timestamp.json"))
    return newest(found[0].parent) if found else 0
