"""The processes of a workload on Windows: a job object, and a console group of their own.

There is never one left over from an earlier worker: the front keeps all that it has started in a
job that ends with it.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import msgspec

from gaia.worker import jobs_windows as jobs

assert sys.platform == "win32"  # noqa: S101 - for the type checker


class Leader(msgspec.Struct, frozen=True):
    """The first process of a workload, told apart from any later one of the same number.

    Attributes:
        started: time of its creation.
        boot: not needed here.
    """

    pid: int
    started: int
    boot: str = ""


_jobs: dict[int, jobs.Job] = {}
"""By process ID of the first process. Another of this number cannot come while the job is kept."""


def start(
    command: Sequence[str | Path],
    *,
    environment: Mapping[str, str],
    stdout: int,
    stderr: int,
    folder: Path | None = None,
) -> subprocess.Popen[bytes]:
    """Start a program that can be ended together with all that it starts.

    Raises:
        OSError: it cannot be started.
        ValueError: the command holds a NUL.
    """
    job = jobs.Job()
    try:
        process = subprocess.Popen(  # noqa: S603 - the owner's command, or a signed file
            command,
            cwd=folder,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
            creationflags=subprocess.CREATE_NEW_PROCESS_GROUP | jobs.CREATE_SUSPENDED,
        )
        try:
            job.adopt(process)
        except OSError:
            process.kill()
            raise
    except BaseException:
        job.close()
        raise
    _jobs[process.pid] = job
    return process


def ended(process: subprocess.Popen[bytes]) -> int | None:
    """The exit code of a process that has ended."""
    return process.poll()


def end(process: subprocess.Popen[bytes]) -> None:
    """End a process that `start` started, by force, with all that it started."""
    job = _jobs.pop(process.pid, None)
    if job is not None:
        job.end()
        job.close()
    process.wait()


def identify(pid: int) -> Leader | None:
    """The identity of a running process; None when there is no such process."""
    created = jobs.started(pid)
    return None if created is None else Leader(pid, created)


def members(leader: Leader | None, marker: str) -> dict[int, int]:  # noqa: ARG001 - as elsewhere
    """The living processes of a workload: process ID to time of creation."""
    job = None if leader is None else _jobs.get(leader.pid)
    if leader is None or job is None:
        return {}
    found = {pid: created for pid in job.members() if (created := jobs.started(pid)) is not None}
    if not found:
        del _jobs[leader.pid]
        job.close()
    return found


def still_alive(known: dict[int, int]) -> bool:
    """Whether any process that `members` found is alive."""
    return any(jobs.started(pid) == created for pid, created in known.items())


def ask_to_end(known: dict[int, int], leader: Leader | None) -> None:
    """Ctrl+Break, which Python delivers as SIGBREAK, to the group that the leader has begun."""
    if known and leader is not None:
        with suppress(OSError):
            os.kill(leader.pid, signal.CTRL_BREAK_EVENT)


def kill(known: dict[int, int]) -> None:
    """End by force the processes that `members` found."""
    for pid, created in known.items():
        if jobs.started(pid) == created:
            jobs.end(pid)
