"""Kill a swap before each of its calls that change the disk, recover, and see what is there.

Run as a program of one thread, as it forks: `swap_sweep.py FOLDER`. Prints how many kills there
were, and how many of them left the old and the new version at the path.
"""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from gaia.model.worker import WorkerState
from gaia.planning.probation import Evidence
from gaia.worker import guard
from gaia.worker.background import Background
from gaia.worker.console import Console
from gaia.worker.durable import digest_of
from gaia.worker.journal import Target
from gaia.worker.relaunch import Launch
from gaia.worker.trial import Policy, Site
from gaia.worker.update import Update

CALLS = ("link", "rename", "replace", "unlink", "fsync", "fork", "execve")
GOOD = Evidence(5, workload_running=True, workload_ran_before=True, workload_exits=0)


def script(tag: str) -> bytes:
    return f"#!/bin/sh\necho {tag}\n".encode()


def site(executable: Path) -> Site:
    launch = Launch.here(executable, dict(os.environ))
    return Site(launch, Console(), Policy(restart_grace=0.0))


def update_of(executable: Path) -> Update:
    return Update(site(executable), Background(), "v1.0.0", executable.parent)


def in_child(act, *arguments) -> int:  # type: ignore[no-untyped-def]
    """The wait status of a child that does `act` and no more."""
    child = os.fork()
    if child == 0:
        os.setpgid(0, 0)
        try:
            act(*arguments)
        except BaseException as error:
            print(f"{act.__name__}: {error!r}", file=sys.stderr)
            os._exit(3)
        os._exit(0)
    status = os.waitpid(child, 0)[1]
    # the guard, where there was one, dies with the session of a real machine
    try:
        os.killpg(child, signal.SIGKILL)
    except ProcessLookupError:
        pass
    return status


def swap(executable: Path, nth: int) -> None:
    """Drive an update up to its exec, which ends this process, or to the nth call."""
    update, count = update_of(executable), 0
    update.start()
    new = executable.parent / "release"
    target = Target("v2.0.0", digest_of(new) or "", new.stat().st_size)
    assert update.offer(target, lambda path, *_: path.write_bytes(new.read_bytes()) and None)
    while update.state is not WorkerState.DRAINING:
        assert update.failure is None, update.failure
        update._background.poll()
        time.sleep(0.001)

    def counting(call):  # type: ignore[no-untyped-def]
        def counted(*arguments, **more):  # type: ignore[no-untyped-def]
            nonlocal count
            count += 1
            if count == nth:
                os.killpg(0, signal.SIGKILL)
            if call.__name__ == "execve":
                os._exit(42)
            return call(*arguments, **more)

        return counted

    for name in CALLS:
        setattr(os, name, counting(getattr(os, name)))
    update.swap_and_exec(workload_ran=True)
    os._exit(4)


def recover(executable: Path, *, again: bool) -> None:
    """What the next start does: it ends at rest, on one version or the other."""
    update = update_of(executable)
    update.start()
    if update.state is WorkerState.PROBATION:
        assert guard.on_duty(update._installation)
        update.judge(GOOD)
    assert update.state is WorkerState.IDLE, update.state
    assert not update.failed_digests
    assert not (executable.parent / ".gaia" / f"{executable.name}.probation").exists()


def check(executable: Path) -> str:
    """The version that starts at the path."""
    return subprocess.run([executable], capture_output=True, text=True, check=True).stdout.strip()


def main(folder: Path) -> None:
    found = {"v1.0.0": 0, "v2.0.0": 0}
    for nth in range(1, 1000):
        place = folder / str(nth)
        place.mkdir()
        executable = place / "worker"
        for path, tag in ((executable, "v1.0.0"), (place / "release", "v2.0.0")):
            path.write_bytes(script(tag))
            path.chmod(0o755)
        status = in_child(swap, executable, nth)
        if os.WIFEXITED(status) and os.WEXITSTATUS(status) == 42:
            break
        assert os.WIFSIGNALED(status), (nth, status)
        found[check(executable)] += 1
        version = check(executable)
        assert in_child(lambda path: recover(path, again=False), executable) == 0, nth
        assert check(executable) == version, nth
        names = {path.name for path in place.iterdir()} - {"release"}
        assert names <= {"worker", "worker.bak", "worker.new", ".gaia"}, (nth, names)
        if version == "v2.0.0":
            assert digest_of(place / "worker.bak") == digest_of_script("v1.0.0")
    print(sum(found.values()), *found.values())


def digest_of_script(tag: str) -> str:
    import hashlib

    return hashlib.sha256(script(tag)).hexdigest()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
