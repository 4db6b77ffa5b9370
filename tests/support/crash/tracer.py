"""Runs a program and names each system call of it, and of all its descendants, that changes files.

`python -m support.crash.tracer SETUP COMMAND…`, where SETUP is a `Setup` in JSON. Each such call
below `root` becomes a line of `log`. At one of them, right before the kernel carries it out or
right after, everything is killed at once, as a power cut or a service manager does it.
"""

from __future__ import annotations

import collections
import contextlib
import json
import os
import re
import shutil
import signal
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NoReturn, TextIO

from support.crash.kernel import (
    CALLS,
    CLONE,
    CONT,
    EXEC,
    FLAGS_OF,
    FORK,
    SECCOMP,
    SYSCALL,
    VFORK,
    WALL,
    attach,
    become_traced,
    entry,
    event_message,
    group_of,
    libc,
    link,
    path_of,
    ptrace,
    result_of,
)

_CHANCE = re.compile(r"(?<=[-/])([0-9]+|tmp[a-z0-9_]{8})(?=$|/|\.tmp$)")

KILLED = 99
"""Exit code of the tracer when it has killed what it traced."""


@dataclass(frozen=True)
class Moment:
    """Where to kill: the nth such call on that path by a process of that role."""

    role: str
    call: str
    path: str
    nth: int
    after: bool


@dataclass(frozen=True)
class Setup:
    """What to trace, and where to kill; never, when `kill` is None.

    Attributes:
        executable: whose runs are told apart: `run-1` becomes `run-2` when it is executed again.
        contents: folder for what files held when they were fsynced; empty to keep none.
    """

    root: str
    executable: str
    log: str
    contents: str = ""
    kill: Moment | None = None


@dataclass
class Call:
    """A line of the log. Paths are relative to the root, process IDs in them left out.

    Attributes:
        nth: among those of the same role, call and path.
        other: the second path of a rename or link.
        flags: of an open; of a truncation, the new length.
        synced: name of the file below `contents` that holds what was fsynced.
    """

    role: str
    call: str
    path: str
    nth: int
    result: int = 0
    other: str = ""
    flags: int = 0
    synced: str = ""


@dataclass
class Thread:
    """One that is traced.

    Attributes:
        role: `run-1`, `run-2` when the executable became itself anew, `preflight`, `workload`; a
            stroke for each fork, and a plus when a forked one became the executable.
        at: the call that it is in.
        place: the absolute path of that.
    """

    role: str
    at: Call | None = None
    place: str = ""


class Tracer:
    """One traced tree of processes, from its first to its last."""

    def __init__(self, setup: Setup, log: TextIO) -> None:
        self._setup = setup
        self._log = log
        self._threads: dict[int, Thread] = {}
        self._unannounced: set[int] = set()
        self._counts: collections.Counter[tuple[str, str, str]] = collections.Counter()
        self._synced = 0

    def run(self, command: list[str]) -> int:
        """Trace until all have ended; the exit code of the first."""
        first = os.fork()
        if first == 0:
            become_traced(command)
        attach(first)
        self._threads[first] = Thread("")
        code = 0
        while self._threads:
            thread, status = os.waitpid(-1, WALL)
            if os.WIFSTOPPED(status):
                with contextlib.suppress(ProcessLookupError):
                    self._stopped(thread, status)
                continue
            self._threads.pop(thread, None)
            if thread == first:
                code = os.waitstatus_to_exitcode(status)
        return code

    def kill(self) -> NoReturn:
        """Kill everything, see it dead, and end."""
        doomed = [*self._threads, *self._unannounced]
        with contextlib.suppress(ChildProcessError):
            while True:
                for thread in doomed:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(thread, signal.SIGKILL)
                thread, status = os.waitpid(-1, WALL)
                doomed = [thread] if os.WIFSTOPPED(status) else []
        self._log.flush()
        os._exit(KILLED)

    def _stopped(self, number: int, status: int) -> None:
        thread = self._threads.get(number)
        if thread is None:  # just born; it waits for the word of its parent
            self._unannounced.add(number)
            return
        signalled, event = os.WSTOPSIG(status), status >> 16
        if event == SECCOMP:
            self._enter(number, thread)
            ptrace(SYSCALL if thread.at else CONT, number)
        elif signalled == signal.SIGTRAP | 0x80:
            self._leave(thread, result_of(number))
            ptrace(CONT, number)
        elif event in (FORK, VFORK, CLONE):
            self._born(thread, event_message(number))
            ptrace(CONT, number)
        elif event == EXEC:
            self._leave(thread, 0)
            thread.role = self._role_of_program(thread.role, link(f"/proc/{number}/exe"))
            ptrace(CONT, number)
        else:
            ptrace(CONT, number, 0, signalled)

    def _born(self, parent: Thread, number: int) -> None:
        forked = group_of(number) == number
        self._threads[number] = Thread(parent.role + "'" * forked)
        if number not in self._unannounced:
            os.waitpid(number, WALL)
        self._unannounced.discard(number)
        ptrace(CONT, number)

    def _role_of_program(self, role: str, program: str) -> str:
        if program == self._setup.executable:
            run = re.fullmatch(r"run-([0-9]+)|", role)
            return f"run-{int(run[1] or 0) + 1}" if run else f"{role}+"
        if program == f"{self._setup.executable}.new":
            return "preflight"
        return role if program.startswith(self._setup.root) else "workload"

    def _enter(self, number: int, thread: Thread) -> None:
        code, arguments = entry(number)
        name, places = CALLS[code]
        paths = [path_of(number, how, arguments, at) for how, at in places]
        inside = [self._inside(path) for path in paths]
        if thread.role == "workload" or not any(inside):
            return
        key = thread.role, name, inside[0]
        self._counts[key] += 1
        thread.at = Call(*key, self._counts[key], other=(*inside, "")[1])
        thread.place = paths[0]
        if name in FLAGS_OF:
            thread.at.flags = arguments[FLAGS_OF[name]] & 0xFFFFFFFF
        if self._due(thread.at, after=False):
            self.kill()

    def _leave(self, thread: Thread, result: int) -> None:
        call, thread.at = thread.at, None
        if call is None:
            return
        call.result = result
        if call.call in ("fsync", "fdatasync") and result == 0 and self._setup.contents:
            call.synced = self._keep(thread.place)
        self._log.write(json.dumps(asdict(call)) + "\n")
        self._log.flush()
        if self._due(call, after=True):
            self.kill()

    def _due(self, call: Call, *, after: bool) -> bool:
        return self._setup.kill == Moment(call.role, call.call, call.path, call.nth, after)

    def _keep(self, path: str) -> str:
        if not Path(path).is_file():
            return ""
        self._synced += 1
        shutil.copy2(path, Path(self._setup.contents) / str(self._synced))
        return str(self._synced)

    def _inside(self, path: str) -> str:
        if not path.startswith(self._setup.root + "/"):
            return ""
        return without_process(path.removeprefix(self._setup.root + "/"))


def without_process(path: str) -> str:
    """A path without the process IDs and the chance that are part of temporary names."""
    return _CHANCE.sub("*", path)


def main() -> None:
    """See the module."""
    raw = json.loads(sys.argv[1])
    kill = raw.pop("kill", None)
    setup = Setup(**raw, kill=Moment(**kill) if kill else None)
    with Path(setup.log).open("w", encoding="utf-8") as log:
        tracer = Tracer(setup, log)
        signal.signal(signal.SIGTERM, lambda *_: tracer.kill())
        libc.prctl(1, signal.SIGTERM, 0, 0, 0)  # PR_SET_PDEATHSIG: nothing outlives the harness
        sys.exit(tracer.run(sys.argv[2:]) & 0xFF)


if __name__ == "__main__":
    main()
