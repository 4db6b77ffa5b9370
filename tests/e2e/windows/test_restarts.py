"""A service manager that kills everything and starts it again, and who else meddles on Windows."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from support.fleet import WINDOWS, Api, eventually, sha256
from support.wine import WindowsWorker, kill_program, processes_in

pytestmark = [pytest.mark.needs_worker_build, pytest.mark.timeout(900)]


def test_killed_and_restarted_on_probation(
    api: Api, build: Callable[[str], Path], start_worker: Callable[..., WindowsWorker]
) -> None:
    """Rows 20 and 25: the boot counter of the front ends the trial."""
    old, new = build("v0.4.9"), build("v0.5.0")
    api.curl_upload("v0.4.9", WINDOWS, old)
    options = ("--auto-update", "--probation-heartbeats", "1000000")
    worker = start_worker("one", old, *options)
    api.until("one", version="v0.4.9", reason="up-to-date")
    api.curl_upload("v0.5.0", WINDOWS, new)
    for _ in range(2):
        api.until("one", version="v0.5.0", state="probation")
        api.more_heartbeats("one", 2)
        worker.front.kill()
        until_nothing_runs(worker.folder)
        worker = start_worker("one", old, *options)
    failure = api.until("one", version="v0.4.9", failure=..., state="idle")["failure"]
    assert (failure["tag"], failure["reason"]) == ("v0.5.0", "boot-loop")
    assert sha256(worker.executable) == sha256(old)

    second = start_worker("one", old, *options)
    eventually(second.front.log, lambda: "another worker runs from" in second.front.log())


def test_a_lost_backup_is_fetched_again(
    api: Api, build: Callable[[str], Path], start_worker: Callable[..., WindowsWorker]
) -> None:
    """Row 13."""
    old, new = build("v0.4.9"), build("v0.5.0")
    api.curl_upload("v0.4.9", WINDOWS, old)
    worker = start_worker("one", old, "--auto-update", "--probation-heartbeats", "1000000")
    api.until("one", version="v0.4.9", reason="up-to-date")
    api.curl_upload("v0.5.0", WINDOWS, new)
    api.until("one", version="v0.5.0", state="probation")
    worker.backup.unlink()
    kill_program(worker.folder)
    # It is an update like any other, on probation too.
    api.until("one", version="v0.4.9", state="probation")
    assert sha256(worker.executable) == sha256(old)
    assert worker.front.runs()


def until_nothing_runs(folder: Path) -> None:
    eventually("the end of all", lambda: not processes_in(folder))
