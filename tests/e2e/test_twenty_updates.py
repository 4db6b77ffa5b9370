"""Twenty updates in a row through the real server: one process, and nothing piles up."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from support.fleet import LINUX, Api, RunningWorker, eventually, session

UPDATES = 20

# It tells what it was started with, then works until it is drained.
WORKLOAD = """
import json, os, signal, sys
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
run = {
    "pid": os.getpid(),
    "parent": os.getppid(),
    "folder": os.getcwd(),
    "environment": dict(os.environ),
    "descriptors": sorted(int(fd) for fd in os.listdir("/proc/self/fd"))[:-1],
}
with open("runs.jsonl", "a") as out:
    out.write(json.dumps(run) + "\\n")
signal.pause()
"""

_RUNTIME = re.compile(r"^[0-9a-f]{32}$")


@dataclass(frozen=True)
class Footprint:
    """What a worker at rest holds of its machine."""

    descriptors: int
    threads: int
    files: tuple[str, ...]
    runtimes: int
    beside: tuple[str, ...]


def test_twenty_updates_leave_one_process_and_nothing_else(
    api: Api, build: Callable[[str], Path], start_worker: Callable[..., RunningWorker]
) -> None:
    owners = {**os.environ, "LD_LIBRARY_PATH": "/opt/owners/lib", "GAIA_TOKEN": api.token}
    first, *later = [f"v1.0.{number}" for number in range(UPDATES + 1)]
    worker = start_worker(
        *("w", _published(api, build, first), "--heartbeat-interval", "0.2", "--auto-update"),
        *("--", sys.executable, "-c", WORKLOAD),
        env=owners,
    )
    _at_rest(api, worker, first, runs=1)
    footprints, sizes = [], []
    for number, version in enumerate(later, 2):
        _published(api, build, version)
        _at_rest(api, worker, version, runs=number)
        footprints.append(_footprint(worker))
        sizes.append(_resident(worker))
    print("resident MB after each update:", *(f"{size:.0f}" for size in sizes))

    assert worker.runs()
    # The first update adds the backup and what belongs to it; none adds anything after that.
    assert set(footprints[1:]) == {footprints[1]}
    assert footprints[1].runtimes == 2
    assert footprints[1].threads == 1

    runs = _runs(worker)
    assert len(runs) == len({run["pid"] for run in runs}) == UPDATES + 1
    assert {run["parent"] for run in runs} == {worker.process.pid}
    assert {run["folder"] for run in runs} == {str(worker.folder)}
    assert {tuple(run["descriptors"]) for run in runs} == {(0, 1, 2)}
    for run in runs:
        given = {**run["environment"]}
        assert Path(given.pop("GAIA_BUSY")).parent.is_relative_to(worker.folder / ".gaia")
        assert given == {name: owners[name] for name in owners if name != "GAIA_TOKEN"}


def _published(api: Api, build: Callable[[str], Path], version: str) -> Path:
    executable = build(version)
    assert api.curl_upload(version, LINUX, executable)["status"] == "ok"
    return executable


def _at_rest(api: Api, worker: RunningWorker, version: str, *, runs: int) -> None:
    """The version is committed, its workload works, and no other process is left."""
    row = api.until("w", version=version, state="idle", reason="up-to-date", failure=None)
    assert row["pid"] == worker.process.pid
    eventually(f"run {runs} of the workload", lambda: len(_runs(worker)) == runs)
    # The workload leads a session of its own.
    eventually("the guard is off duty", lambda: session(row["pid"]) == [row["pid"]])
    assert _children(row["pid"]) == [_runs(worker)[-1]["pid"]]


def _runs(worker: RunningWorker) -> list[dict[str, Any]]:
    file = worker.folder / "runs.jsonl"
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def _children(pid: int) -> list[int]:
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return [int(child) for task in tasks for child in (task / "children").read_text().split()]


def _footprint(worker: RunningWorker) -> Footprint:
    process = Path(f"/proc/{worker.process.pid}")
    private = worker.folder / ".gaia"
    top = [path.name for path in private.iterdir()]
    runtimes = [name for name in top if _RUNTIME.match(name)]
    files = [
        str(path.relative_to(private))
        for path in private.rglob("*")
        if path.relative_to(private).parts[0] not in runtimes
    ]
    return Footprint(
        descriptors=len(list((process / "fd").iterdir())),
        threads=len(list((process / "task").iterdir())),
        files=tuple(sorted(files)),
        runtimes=len(runtimes),
        beside=tuple(sorted(path.name for path in worker.folder.iterdir())),
    )


def _resident(worker: RunningWorker) -> float:
    pages = int(Path(f"/proc/{worker.process.pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6
