"""`--sync-experiments` on its own: the bundle follows the releases, the executable does not."""

from __future__ import annotations

import io
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path

from support.fleet import BUNDLE, LINUX, Api, RunningWorker, eventually, sha256


def test_the_bundle_changes_without_a_restart_of_the_worker(
    api: Api,
    build: Callable[[str], Path],
    bundle: Callable[..., Path],
    start_worker: Callable[..., RunningWorker],
) -> None:
    old = build("v0.4.9")
    api.curl_upload("v0.4.9", BUNDLE, bundle("first"))
    worker = start_worker("w", old, "--sync-experiments", "--", sys.executable, "run_all.py")
    runs = worker.folder / "runs.txt"
    eventually("the first experiments run", runs.exists)
    (worker.folder / "experiments" / "results.csv").write_text("mine")

    api.curl_upload("v0.5.0", LINUX, build("v0.5.0"))
    second = bundle("second")
    api.curl_upload("v0.5.0", BUNDLE, second)
    eventually("the second ones run", lambda: "second" in runs.read_text())
    assert runs.read_text() == f"first {worker.folder}\nsecond {worker.folder}\n"
    assert (worker.folder / "experiments" / "results.csv").read_text() == "mine"

    row = api.until("w", bundle=sha256(second))
    assert (row["pid"], row["version"]) == (worker.process.pid, "v0.4.9")
    assert row["reason"] == "updates-off"
    assert sha256(worker.executable) == sha256(old)


def test_an_unsafe_bundle_is_refused_and_the_workload_runs_on(
    api: Api,
    build: Callable[[str], Path],
    bundle: Callable[..., Path],
    start_worker: Callable[..., RunningWorker],
    tmp_path: Path,
) -> None:
    first = bundle("first")
    api.curl_upload("v0.4.9", BUNDLE, first)
    worker = start_worker(
        "w", build("v0.4.9"), "--sync-experiments", "--", sys.executable, "run_all.py"
    )
    running = api.until("w", bundle=sha256(first), workload=...)
    eventually("it runs", (worker.folder / "runs.txt").exists)

    climbing = tmp_path / "climbing.tar.gz"
    with tarfile.open(climbing, "w:gz") as archive:
        entry = tarfile.TarInfo("experiments/../../outside.txt")
        entry.size = 4
        archive.addfile(entry, io.BytesIO(b"out!"))
    api.curl_upload("v0.5.0", BUNDLE, climbing)
    eventually("an alarm", lambda: "outside.txt" in api.row("w")["alarm"])
    row = api.more_heartbeats("w", 3)
    assert row["bundle"] == running["bundle"]
    assert row["workload"]["state"] == "running"
    assert not list(tmp_path.rglob("outside.txt"))
    assert (worker.folder / "runs.txt").read_text() == f"first {worker.folder}\n"
