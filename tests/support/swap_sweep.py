"""Kill a swap before each of its calls that change the disk, recover, and see what is there.

Run as a program of one thread, as it forks: `swap_sweep.py FOLDER`. Its last line says how many
kills there were, and how many of them left the old and the new version at the path.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable
from functools import partial
from pathlib import Path
from threading import Event
from typing import Any

from gaia.model.worker import WorkerState
from gaia.planning.probation import Evidence
from gaia.worker import guard
from gaia.worker.background import Background
from gaia.worker.console import Console
from gaia.worker.installation import Installation
from gaia.worker.journal import Target
from gaia.worker.relaunch import Launch
from gaia.worker.trial import Policy, Site
from gaia.worker.update import Update

CALLS = ("link", "rename", "replace", "unlink", "fsync", "fork", "execve")
GOOD = Evidence(5, workload_running=True, workload_ran_before=True, workload_exits=0)
BECAME_NEW = 42


def script(tag: str) -> bytes:
    return f"#!/bin/sh\necho {tag}\n".encode()


OLD, NEW = script("v1.0.0"), script("v2.0.0")
TARGET = Target("v2.0.0", hashlib.sha256(NEW).hexdigest(), len(NEW))


def main(folder: Path) -> None:
    left = {b"v1.0.0\n": 0, b"v2.0.0\n": 0}
    for nth in range(1, 1000):
        place = folder / str(nth)
        place.mkdir()
        executable = place / "worker"
        executable.write_bytes(OLD)
        executable.chmod(0o755)
        status = in_child(partial(swap, executable, nth))
        if os.WIFEXITED(status) and os.WEXITSTATUS(status) == BECAME_NEW:
            break
        assert os.WIFSIGNALED(status), (nth, status)
        version = subprocess.run([executable], capture_output=True, check=True).stdout
        left[version] += 1
        assert in_child(partial(recover, executable)) == 0, nth
        assert subprocess.run([executable], capture_output=True, check=True).stdout == version, nth
        names = {path.name for path in place.iterdir()}
        assert names <= {"worker", "worker.bak", "worker.new", ".gaia"}, (nth, names)
        if executable.read_bytes() == NEW:
            assert (place / "worker.bak").read_bytes() == OLD
    print(sum(left.values()), *left.values())


def swap(executable: Path, nth: int) -> None:
    """Drive an update up to its exec, which ends this process, or to the nth call."""
    background = Background()
    update = update_of(executable, background)
    update.start()
    assert update.offer(TARGET, write_new)
    while update.state is not WorkerState.DRAINING:
        assert update.failure is None, update.failure
        background.poll()
        time.sleep(0.001)
    count = 0

    def counted(name: str) -> Callable[..., Any]:
        call = getattr(os, name)

        def before(*arguments: object, **more: object) -> object:
            nonlocal count
            count += 1
            if count == nth:
                os.killpg(0, signal.SIGKILL)
            if name == "execve":
                os._exit(BECAME_NEW)
            return call(*arguments, **more)

        return before

    for name in CALLS:
        setattr(os, name, counted(name))
    update.swap_and_exec(workload_ran=True)


def recover(executable: Path) -> None:
    """What the next start does. It ends at rest, on one version or the other, without blame."""
    update = update_of(executable, Background())
    update.start()
    if update.state is WorkerState.PROBATION:
        assert guard.on_duty(Installation(executable))
        update.judge(GOOD)
    assert update.state is WorkerState.IDLE, update.state
    assert not update.failed_digests
    assert not (executable.parent / ".gaia" / "worker.probation").exists()


def update_of(executable: Path, background: Background) -> Update:
    launch = Launch.here(executable, dict(os.environ))
    site = Site(launch, Console.adopt({}), Policy(restart_grace=0.0))
    return Update(site, background, "v1.0.0", executable.parent)


def write_new(path: Path, _: Callable[[int], None], __: Event) -> None:
    path.write_bytes(NEW)


def in_child(act: Callable[[], None]) -> int:
    """The wait status of a child, in a process group of its own, that does `act`."""
    child = os.fork()
    if child == 0:
        os.setpgid(0, 0)
        code = 3
        try:
            act()
            code = 0
        finally:
            if code:
                traceback.print_exc()
            os._exit(code)
    status = os.waitpid(child, 0)[1]
    with contextlib.suppress(ProcessLookupError):  # the guard, where there was one
        os.killpg(child, signal.SIGKILL)
    return status


if __name__ == "__main__":
    main(Path(sys.argv[1]))
