"""What systemd does with Restart=always, KillMode=control-group and a short RestartSec.

`supervisor.py STARTS COMMAND…`. When the main process has ended, everything that it left is ended
as well: SIGTERM, then SIGKILL after a while. Then it is started again. A line of the file STARTS
for each start. What it left is what descends from it: as a subreaper this process stays the
ancestor even of orphans, so that no double fork gets away, as none gets out of a control group.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

RESTART_SEC = 0.1
TIMEOUT_STOP_SEC = 2.0
START_LIMIT = 5
"""Starts in ten seconds after which systemd gives up, unless told otherwise."""

_PR_SET_CHILD_SUBREAPER = 36


def main(starts: Path, command: list[str]) -> None:
    """Supervise until SIGTERM, which ends all that runs."""
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        while True:
            with starts.open("a") as file:
                file.write(f"{time.time()}\n")
            subprocess.Popen(command).wait()
            end_group()
            time.sleep(RESTART_SEC)
    finally:
        end_group()


def end_group() -> None:
    """End all descendants."""
    patience = time.monotonic() + TIMEOUT_STOP_SEC
    for pid in descendants():
        _send(pid, signal.SIGTERM)
    while left := descendants():
        if time.monotonic() > patience:
            for pid in left:
                _send(pid, signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        time.sleep(0.01)


def descendants() -> list[int]:
    """All processes below this one; the dead among its own children until they are reaped."""
    found = [os.getpid()]
    for pid in found:
        with contextlib.suppress(OSError):
            tasks = list(Path(f"/proc/{pid}/task").iterdir())
            found += [int(child) for task in tasks for child in _children(task)]
    return found[1:]


def _children(task: Path) -> list[str]:
    try:
        return (task / "children").read_text().split()
    except OSError:
        return []


def _send(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
