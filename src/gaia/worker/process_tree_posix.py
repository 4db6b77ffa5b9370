"""The processes of a workload on Linux: started, found and signalled as a whole.

A workload is the leader of a session, and every process that it starts carries a marker in its
environment. The session finds those that changed their environment (setproctitle does), the
marker finds those that made a session of their own, and both find what a killed worker left.

It reads /proc.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import msgspec

assert sys.platform != "win32"  # noqa: S101 - for the type checker

_PROC = Path("/proc")
_STATE, _SESSION, _STARTED = 0, 3, 19
"""Fields of /proc/PID/stat, counted after the program's name (proc(5) counts from 3 there)."""

_DEAD = frozenset("ZXx")


class Leader(msgspec.Struct, frozen=True):
    """The first process of a workload, told apart from any later one of the same number.

    Attributes:
        started: clock ticks since boot.
        boot: the kernel's identity of this boot.
    """

    pid: int
    started: int
    boot: str


@dataclass(frozen=True)
class _Process:
    pid: int
    state: str
    session: int
    started: int


def start(
    command: Sequence[str | Path],
    *,
    environment: Mapping[str, str],
    stdout: int,
    stderr: int,
    folder: Path | None = None,
) -> subprocess.Popen[bytes]:
    """Start a program as the leader of a session.

    Raises:
        OSError: it cannot be started.
        ValueError: the command holds a NUL.
    """
    return subprocess.Popen(  # noqa: S603 - the owner's command, or a signed file
        command,
        cwd=folder,
        env=dict(environment),
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=stderr,
        start_new_session=True,
    )


def ended(process: subprocess.Popen[bytes]) -> int | None:
    """The exit code of a process that has ended, 128 and more for a signal; it is not reaped."""
    found = os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    if found is None:
        return None
    return found.si_status if found.si_code == os.CLD_EXITED else 128 + found.si_status


def end(process: subprocess.Popen[bytes]) -> None:
    """SIGKILL to a process that `start` started, and to all that it started."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def identify(pid: int) -> Leader | None:
    """The identity of a running or unreaped child; None when there is no such process."""
    process = _read(pid)
    return Leader(pid, process.started, _boot()) if process else None


def members(leader: Leader | None, marker: str) -> dict[int, int]:
    """The living processes of a workload: process id to start time.

    Those that run as another user are left out: nothing can be done about them.

    Args:
        leader: None when only the marker is known.
        marker: `NAME=value`, as passed in the environment.
    """
    session = _session_of(leader)
    return {
        process.pid: process.started
        for process in _all()
        if process.state not in _DEAD
        and process.pid != os.getpid()
        and (process.session == session or _is_marked(process.pid, marker))
        and _may_be_signalled(process.pid)
    }


def still_alive(known: dict[int, int]) -> bool:
    """Whether any process that `members` found is alive; much cheaper than finding them anew."""
    return any(
        (process := _read(pid)) and process.started == started and process.state not in _DEAD
        for pid, started in known.items()
    )


def ask_to_end(known: dict[int, int], leader: Leader | None) -> None:  # noqa: ARG001 - as elsewhere
    """SIGTERM to the processes that `members` found."""
    _send(known, signal.SIGTERM)


def kill(known: dict[int, int]) -> None:
    """SIGKILL to the processes that `members` found."""
    _send(known, signal.SIGKILL)


def _send(known: dict[int, int], number: int) -> None:
    """Signal these processes, except where the number now is another's."""
    for pid, started in known.items():
        process = _read(pid)
        if process is not None and process.started == started:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, number)


def _session_of(leader: Leader | None) -> int | None:
    """The leader's session, unless its number has gone to another process since.

    When the leader is gone its number may have been another's in between, so that then only the
    marker counts.
    """
    if leader is None or leader.boot != _boot():
        return None
    process = _read(leader.pid)
    return leader.pid if process and process.started == leader.started else None


def _all() -> Iterator[_Process]:
    for entry in _PROC.iterdir():
        if entry.name.isdigit() and (process := _read(int(entry.name))) is not None:
            yield process


def _read(pid: int) -> _Process | None:
    try:
        text = (_PROC / str(pid) / "stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return None
    # The program's name is in brackets and may itself hold blanks and brackets.
    fields = text.rpartition(")")[2].split()
    return _Process(pid, fields[_STATE], int(fields[_SESSION]), int(fields[_STARTED]))


def _is_marked(pid: int, marker: str) -> bool:
    try:
        environment = (_PROC / str(pid) / "environ").read_bytes()
    except OSError:
        return False
    return os.fsencode(marker) in environment.split(b"\0")


def _may_be_signalled(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except OSError:
        return False
    return True


def _boot() -> str:
    return (_PROC / "sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
