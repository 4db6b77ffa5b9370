"""The brief's two curl lines move three running workers from v0.4.9 to v0.5.0."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

from support.fleet import BUNDLE, LINUX, Api, RunningWorker, eventually, sha256

# The second bundle's workload ends with a code that nothing else gives.
ENDS = "open('ran.txt', 'a').write('x'); raise SystemExit(3)"


def test_the_main_job(
    api: Api,
    build: Callable[[str], Path],
    bundle: Callable[..., Path],
    start_worker: Callable[..., RunningWorker],
) -> None:
    old, new = build("v0.4.9"), build("v0.5.0")
    api.curl_upload("v0.4.9", LINUX, old)
    api.curl_upload("v0.4.9", BUNDLE, bundle("first"))
    workers = [
        start_worker(name, old, "--auto-update", "--", sys.executable, "run_all.py")
        for name in ("w1", "w2", "w3")
    ]
    for worker in workers:
        api.until(worker.name, version="v0.4.9", state="idle")
        eventually("the experiments run", (worker.folder / "runs.txt").exists)
        assert (worker.folder / "runs.txt").read_text() == f"first {worker.folder}\n"

    assert api.curl_upload("v0.5.0", LINUX, new)["status"] == "ok"
    assert api.curl_upload("v0.5.0", BUNDLE, bundle("second", ENDS))["status"] == "ok"

    for worker in workers:
        row = api.until(worker.name, version="v0.5.0", state="idle", failure=None)
        assert row["pid"] == worker.process.pid
        assert worker.runs()
        assert sha256(worker.executable) == sha256(new)
        assert sha256(worker.backup) == sha256(old)
        assert "v0.4.9" in _output([str(worker.backup), "--version"])
        eventually("the second experiments ran", (worker.folder / "ran.txt").exists)
        assert (worker.folder / "experiments" / "edition.txt").read_text() == "second"
        eventually("exit codes are reported", partial(_reports, api, worker.name, 3))
        assert "drain" in {outcome["ended_by"] for outcome in api.row(worker.name)["outcomes"]}
        assert Path(f"/proc/{worker.process.pid}/cwd").readlink() == worker.folder


def _reports(api: Api, name: str, exit_code: int) -> bool:
    outcomes = api.row(name)["outcomes"]
    return any((o["exit_code"], o["ended_by"]) == (exit_code, "itself") for o in outcomes)


def _output(command: list[str]) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout
