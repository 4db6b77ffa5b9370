"""A release is taken back by one call, and the fleet goes back by itself."""

from __future__ import annotations

import json
import sys
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from support.fleet import (
    BUNDLE,
    LINUX,
    Api,
    RunningServer,
    RunningWorker,
    eventually,
    sha256,
)
from support.hostile import man_in_the_middle

# It notes the edition that it works with, and how it came to its end.
RUN_ALL = """
import pathlib, signal, sys
edition = pathlib.Path("experiments/edition.txt").read_text()
def note(what):
    with open("runs.txt", "a") as out:
        out.write(f"{edition} {what}\\n")
def drained(*_):
    note("drained")
    sys.exit(0)
signal.signal(signal.SIGTERM, drained)
note("works")
signal.pause()
"""


@dataclass
class Fleet:
    """Workers that run v0.6.0, with v0.5.0 published below it, each with its experiments."""

    api: Api
    workers: list[RunningWorker]
    files: dict[str, Path]
    bundles: dict[str, Path]

    def all_run(self, tag: str, *, runs: list[str]) -> None:
        for worker in self.workers:
            self.api.until(
                worker.name,
                version=tag,
                state="idle",
                reason="up-to-date",
                bundle=sha256(self.bundles[tag]),
                alarm="",
                failure=None,
                pid=worker.process.pid,
            )
            assert sha256(worker.executable) == sha256(self.files[tag])
            noted = worker.folder / "runs.txt"
            eventually(
                lambda noted=noted: f"{runs}; there is {noted.read_text()}",  # type: ignore[misc]
                lambda noted=noted: noted.read_text().splitlines() == runs,  # type: ignore[misc]
            )


def call(api: Api, method: str, path: str, body: object = None) -> Any:
    request = urllib.request.Request(
        api.url + path,
        method=method,
        data=None if body is None else json.dumps(body).encode(),
        headers={"Authorization": f"Bearer {api.token}", "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=30) as response:
        return json.loads(response.read())


@pytest.fixture
def make_fleet(
    api: Api,
    build: Callable[[str], Path],
    bundle: Callable[..., Path],
    start_worker: Callable[..., RunningWorker],
) -> Callable[..., Fleet]:
    def make(*names: str) -> Fleet:
        tags = ("v0.5.0", "v0.6.0")
        files = {tag: build(tag) for tag in tags}
        bundles = {tag: bundle(tag, RUN_ALL) for tag in tags}
        api.curl_upload("v0.5.0", LINUX, files["v0.5.0"])
        api.curl_upload("v0.5.0", BUNDLE, bundles["v0.5.0"])
        workers = [
            start_worker(
                name, files["v0.5.0"], "--auto-update", "--", sys.executable, "-B", "run_all.py"
            )
            for name in names
        ]
        fleet = Fleet(api, workers, files, bundles)
        fleet.all_run("v0.5.0", runs=["v0.5.0 works"])
        # The bundle first: one drain then serves both.
        api.curl_upload("v0.6.0", BUNDLE, bundles["v0.6.0"])
        for name in names:
            api.until(name, bundle=sha256(bundles["v0.6.0"]))
        api.curl_upload("v0.6.0", LINUX, files["v0.6.0"])
        for name in names:
            api.until(name, version="v0.6.0", state="idle", reason="up-to-date")
        return fleet

    return make


def history(fleet: Fleet) -> list[str]:
    """What the first worker's workload has noted; the others' is the same."""
    return (fleet.workers[0].folder / "runs.txt").read_text().splitlines()


def test_a_withdrawal_takes_the_fleet_back(make_fleet: Callable[..., Fleet]) -> None:
    fleet = make_fleet("a", "b", "c")
    fleet.all_run("v0.6.0", runs=BOTH_UP)
    call(fleet.api, "POST", "/api/releases/v0.6.0/withdraw")
    fleet.all_run("v0.5.0", runs=[*BOTH_UP, *BACK])
    for worker in fleet.workers:
        assert worker.runs()
        assert sha256(worker.backup) == sha256(fleet.files["v0.6.0"])
        assert "update committed" in worker.log()
    text = urllib.request.Request(
        fleet.api.url + "/metrics", headers={"Authorization": f"Bearer {fleet.api.token}"}
    )
    with urllib.request.urlopen(text, timeout=30) as response:
        downloads = next(
            line
            for line in response.read().decode().splitlines()
            if line.startswith(f'gaia_downloads_total{{filename="{LINUX}"}}')
        )
    # Each worker fetched v0.6.0, and only that: the way back was beside the executable.
    assert float(downloads.split()[1]) == len(fleet.workers)
    # It stays, and goes up again with the next release.
    fleet.api.more_heartbeats("a", 5)
    assert history(fleet) == [*BOTH_UP, *BACK]


def test_a_lowered_pointer_takes_the_fleet_back_and_up_again(
    make_fleet: Callable[..., Fleet],
) -> None:
    fleet = make_fleet("a")
    call(fleet.api, "PUT", "/api/channels/stable", {"current": "v0.5.0"})
    fleet.all_run("v0.5.0", runs=[*BOTH_UP, *BACK])
    call(fleet.api, "PUT", "/api/channels/stable", {"current": "v0.6.0"})
    fleet.api.until("a", version="v0.6.0", state="idle", reason="up-to-date")


def test_the_floor_holds(make_fleet: Callable[..., Fleet], build: Callable[[str], Path]) -> None:
    fleet = make_fleet("a")
    call(fleet.api, "PUT", "/api/channels/stable", {"floor": "v0.6.0"})
    for method, path, body in (
        ("PUT", "/api/channels/stable", {"current": "v0.5.0"}),
        ("POST", "/api/releases/v0.6.0/withdraw", None),
    ):
        with pytest.raises(urllib.error.HTTPError) as refusal:
            call(fleet.api, method, path, body)
        assert refusal.value.code == 409
        refusal.value.close()
    fleet.api.more_heartbeats("a", 3)
    assert fleet.api.row("a")["version"] == "v0.6.0"
    # With a higher release there is a way out of the withdrawn one, and it leads up.
    fleet.api.curl_upload("v0.6.1", LINUX, build("v0.6.1"))
    fleet.api.until("a", version="v0.6.1", state="idle", reason="up-to-date")
    call(fleet.api, "POST", "/api/releases/v0.6.0/withdraw")
    # Its experiments are withdrawn with it, and there are no others from the floor up.
    row = fleet.api.until("a", alarm=STRANDED)
    assert (row["version"], row["reason"]) == ("v0.6.1", "up-to-date")
    assert row["bundle"] == sha256(fleet.bundles["v0.6.0"])
    fleet.api.curl_upload("v0.6.1", BUNDLE, fleet.bundles["v0.5.0"])
    fleet.api.until("a", alarm="", bundle=sha256(fleet.bundles["v0.5.0"]))


def test_a_way_back_that_fails_is_tried_once_and_told(
    api: Api,
    build: Callable[[str], Path],
    start_worker: Callable[..., RunningWorker],
    tmp_path: Path,
) -> None:
    """The older release ends at its start: the withdrawn one is back, stays, and says so."""
    older = tmp_path / "older"
    older.write_text('#!/bin/sh\n[ "$1" = --self-check ] && exit 0\necho no GPU >&2\nexit 1\n')
    newer = build("v0.6.0")
    api.curl_upload("v0.5.0", LINUX, older)
    api.curl_upload("v0.6.0", LINUX, newer)
    worker = start_worker("w", newer, "--auto-update")
    api.until("w", version="v0.6.0", reason="up-to-date")

    call(api, "POST", "/api/releases/v0.6.0/withdraw")
    row = api.until("w", failure=..., state="idle", reason="way-out-failed")
    assert (row["failure"]["tag"], row["failure"]["reason"]) == ("v0.5.0", "exited")
    row = api.more_heartbeats("w", 5)
    assert (row["version"], row["state"], row["reason"]) == ("v0.6.0", "idle", "way-out-failed")
    assert "failed here before" in row["alarm"]
    assert sha256(worker.executable) == sha256(newer)
    assert worker.log().count("update begun") == 1

    api.curl_upload("v0.7.0", LINUX, build("v0.7.0"))
    api.until("w", version="v0.7.0", state="idle", reason="up-to-date", alarm="")


def test_a_server_that_says_revert_is_refused(
    api: Api,
    server: RunningServer,
    build: Callable[[str], Path],
    start_worker: Callable[..., RunningWorker],
) -> None:
    """Someone in the middle sends the worker to an older release that is signed."""
    old, new = build("v0.5.0"), build("v0.6.0")
    api.curl_upload("v0.5.0", LINUX, old)
    api.curl_upload("v0.6.0", LINUX, new)

    def revert(path: str, body: bytes) -> bytes:
        if not path.startswith("/api/workers/heartbeat/"):
            return body
        answer = json.loads(body)
        answer["channel"] = "beta"
        answer["directive"] = {
            "action": "revert",
            "reason": "release-withdrawn",
            "tag": "v0.5.0",
            "filename": LINUX,
            "sha256": sha256(old),
        }
        return json.dumps(answer).encode()

    with man_in_the_middle(server.url, revert) as middle:
        worker = start_worker("w", new, "--auto-update", server_url=middle)
        api.until("w", reason="revert-not-signed")
        row = api.more_heartbeats("w", 3)
        assert (row["version"], row["channel"]) == ("v0.6.0", "stable")
        assert not worker.backup.exists()
        assert worker.runs()


STRANDED = (
    "The experiments in place were withdrawn, and the channel has no others. Publish a bundle."
)

BOTH_UP = [
    "v0.5.0 works",
    "v0.5.0 drained",
    "v0.6.0 works",
    "v0.6.0 drained",
    "v0.6.0 works",
]
"""The experiments first, then the executable."""

BACK = ["v0.6.0 drained", "v0.5.0 works"]
"""One drain: the older version brings its experiments before it starts the workload."""
