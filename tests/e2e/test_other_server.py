"""Real workers come to another server than their own: a stranger's, well signed by its own keys."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from support.fleet import LINUX, Api, RunningWorker, eventually
from support.server import ServerProcess


@pytest.fixture
def stranger(make_server: Callable[..., ServerProcess], build: Callable[[str], Path]) -> Api:
    """A server that nobody here has chosen, with a release above all others."""
    server = make_server()
    server.start()
    api = Api(server.url, server.token)
    api.curl_upload("v9.9.9", LINUX, build("v9.9.9"))
    return api


def alarmed(api: Api, worker: RunningWorker, word: str) -> None:
    """The worker says why it takes nothing from there, and runs on as it was."""
    eventually(f"an alarm about {word}", lambda: word in api.row(worker.name).get("alarm", ""))
    api.more_heartbeats(worker.name, 5)
    assert api.row(worker.name)["version"] == "v0.4.9"
    assert not worker.backup.exists()
    assert worker.runs()


def test_a_worker_that_knows_its_server_takes_nothing(
    server: ServerProcess,
    api: Api,
    stranger: Api,
    build: Callable[[str], Path],
    start_worker: Callable[..., RunningWorker],
) -> None:
    """Not pinned, but it has seen its own server before."""
    old = build("v0.4.9")
    api.curl_upload("v0.4.9", LINUX, old)
    worker = start_worker("known", old, "--auto-update")
    api.until("known", reason="up-to-date")
    worker.process.send_signal(signal.SIGTERM)
    worker.process.wait(30)
    lured = start_worker("known", old, "--auto-update", server_url=stranger.url)
    alarmed(stranger, lured, "sign")


@pytest.mark.parametrize("pin", ["fingerprint", "file"])
def test_a_pinned_worker_takes_nothing_at_its_first_start(
    server: ServerProcess,
    stranger: Api,
    build: Callable[[str], Path],
    start_worker: Callable[..., RunningWorker],
    tmp_path: Path,
    pin: str,
) -> None:
    given = tmp_path / "root.json"
    shutil.copy(server.data_dir / "tuf" / "1.root.json", given)
    fingerprint = f"sha256:{Api(server.url, server.token).get('/api/trust')['fingerprint']}"
    root = str(given) if pin == "file" else fingerprint
    worker = start_worker(
        *("fresh", build("v0.4.9"), "--auto-update", "--trust-root", root),
        server_url=stranger.url,
    )
    alarmed(stranger, worker, "pinned" if pin == "fingerprint" else "sign")


def test_a_worker_without_a_pin_is_lost_at_its_first_start(
    stranger: Api, build: Callable[[str], Path], start_worker: Callable[..., RunningWorker]
) -> None:
    """Trust on first use, and whoever answers first is believed. The log says so."""
    worker = start_worker("lost", build("v0.4.9"), "--auto-update", server_url=stranger.url)
    stranger.until("lost", version="v9.9.9")
    assert "trusting this server's root on first use" in worker.log()
