"""The brief's two curl lines move three running workers from v0.4.9 to v0.5.0."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from support.fleet import BUNDLE, LINUX, Api, RunningWorker, eventually, sha256


def test_the_main_job(
    api: Api,
    build: Callable[[str], Path],
    bundle: Callable[..., Path],
    start_worker: Callable[..., RunningWorker],
) -> None:
    old, new = build("v0.4.9"), build("v0.5.0")
    # A workload that ends shows its exit code; 3 is not a code that anything else gives.
    failing = "import sys; open('ran.txt', 'a').write('x'); sys.exit(3)"
    api.curl_upload("v0.4.9", LINUX, old)
    api.curl_upload("v0.4.9", BUNDLE, bundle("first"))

    workers = [
        start_worker(f"w{number}", old, "--auto-update", "--", sys.executable, "run_all.py")
        for number in (1, 2, 3)
    ]
    for worker in workers:
        eventually(
            f"{worker.name} runs the first experiments",
            lambda worker=worker: (  # type: ignore[misc]
                (runs := worker.folder / "runs.txt").exists()
                and runs.read_text() == f"first {worker.folder}\n"
            ),
        )
        eventually(
            "it reports in",
            lambda worker=worker: api.row(worker.name).get("version") == "v0.4.9",  # type: ignore[misc]
        )

    assert api.curl_upload("v0.5.0", LINUX, new)["status"] == "ok"
    assert api.curl_upload("v0.5.0", BUNDLE, bundle("second", failing))["status"] == "ok"

    for worker in workers:
        eventually(
            f"{worker.name} is committed to v0.5.0",
            lambda worker=worker: (  # type: ignore[misc]
                (row := api.row(worker.name)).get("version") == "v0.5.0" and row["state"] == "idle"
            ),
        )
        row = api.row(worker.name)
        assert row["pid"] == worker.process.pid
        assert worker.runs()
        assert sha256(worker.executable) == sha256(new)
        assert sha256(worker.backup) == sha256(old)
        shown = subprocess.run(
            [str(worker.backup), "--version"], capture_output=True, text=True, check=True
        )
        assert "v0.4.9" in shown.stdout
        eventually(
            "the second experiments ran",
            lambda worker=worker: (worker.folder / "ran.txt").exists(),  # type: ignore[misc]
        )
        assert (worker.folder / "experiments" / "edition.txt").read_text() == "second"
        eventually(
            "the workload's exit code is reported",
            lambda worker=worker: any(  # type: ignore[misc]
                outcome["exit_code"] == 3 and outcome["ended_by"] == "itself"
                for outcome in api.row(worker.name)["outcomes"]
            ),
        )
        drained = [o for o in api.row(worker.name)["outcomes"] if o["ended_by"] == "drain"]
        assert drained, "the first experiments were drained before the change"
        assert os.readlink(f"/proc/{worker.process.pid}/cwd") == str(worker.folder)
