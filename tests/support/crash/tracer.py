"""Runs a program and names each system call of it, and of all its descendants, that changes files.

`tracer.py SETUP COMMAND…`, where SETUP is a `Setup` in JSON. Each such call below `root` becomes a
line of `log`. At one of them, right before the kernel carries it out or right after, everything is
killed at once, as a power cut or a service manager does it. strace's fault injection cannot: it
counts calls by thread and not by file, it kills one process only, and only on the way in.

A seccomp filter stops the processes at the calls in question and at no others. x86-64 only.
"""

from __future__ import annotations

import collections
import contextlib
import ctypes
import json
import os
import re
import shutil
import signal
import struct
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NoReturn, TextIO

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


_PATH, _AT, _FD = "path", "at", "fd"
# Number on x86-64, name, and how each path is told; two of them for what takes two.
CALLS: dict[int, tuple[str, tuple[tuple[str, int], ...]]] = {
    1: ("write", ((_FD, 0),)),
    2: ("open", ((_PATH, 0),)),
    18: ("pwrite64", ((_FD, 0),)),
    20: ("writev", ((_FD, 0),)),
    40: ("sendfile", ((_FD, 0),)),
    59: ("execve", ((_PATH, 0),)),
    74: ("fsync", ((_FD, 0),)),
    75: ("fdatasync", ((_FD, 0),)),
    76: ("truncate", ((_PATH, 0),)),
    77: ("ftruncate", ((_FD, 0),)),
    82: ("rename", ((_PATH, 0), (_PATH, 1))),
    83: ("mkdir", ((_PATH, 0),)),
    84: ("rmdir", ((_PATH, 0),)),
    85: ("creat", ((_PATH, 0),)),
    86: ("link", ((_PATH, 0), (_PATH, 1))),
    87: ("unlink", ((_PATH, 0),)),
    88: ("symlink", ((_PATH, 1),)),
    90: ("chmod", ((_PATH, 0),)),
    91: ("fchmod", ((_FD, 0),)),
    92: ("chown", ((_PATH, 0),)),
    93: ("fchown", ((_FD, 0),)),
    94: ("lchown", ((_PATH, 0),)),
    132: ("utime", ((_PATH, 0),)),
    133: ("mknod", ((_PATH, 0),)),
    188: ("setxattr", ((_PATH, 0),)),
    189: ("lsetxattr", ((_PATH, 0),)),
    190: ("fsetxattr", ((_FD, 0),)),
    235: ("utimes", ((_PATH, 0),)),
    257: ("openat", ((_AT, 0),)),
    258: ("mkdirat", ((_AT, 0),)),
    259: ("mknodat", ((_AT, 0),)),
    260: ("fchownat", ((_AT, 0),)),
    261: ("futimesat", ((_AT, 0),)),
    263: ("unlinkat", ((_AT, 0),)),
    264: ("renameat", ((_AT, 0), (_AT, 2))),
    265: ("linkat", ((_AT, 0), (_AT, 2))),
    266: ("symlinkat", ((_AT, 1),)),
    268: ("fchmodat", ((_AT, 0),)),
    275: ("splice", ((_FD, 2),)),
    277: ("sync_file_range", ((_FD, 0),)),
    280: ("utimensat", ((_AT, 0),)),
    285: ("fallocate", ((_FD, 0),)),
    296: ("pwritev", ((_FD, 0),)),
    306: ("syncfs", ((_FD, 0),)),
    316: ("renameat2", ((_AT, 0), (_AT, 2))),
    322: ("execveat", ((_AT, 0),)),
    326: ("copy_file_range", ((_FD, 2),)),
    328: ("pwritev2", ((_FD, 0),)),
    437: ("openat2", ((_AT, 0),)),
    452: ("fchmodat2", ((_AT, 0),)),
}
_FLAGS_OF = {"open": 1, "openat": 2, "ftruncate": 1, "truncate": 1}
_CREATING = os.O_CREAT | os.O_TRUNC
_OPENS = {2: 1, 257: 2}
"""Calls that change nothing unless the argument at that place asks for it."""

_CHANCE = re.compile(r"(?<=[-/])([0-9]+|tmp[a-z0-9_]{8})(?=$|/|\.tmp$)")

# <linux/ptrace.h>, <linux/seccomp.h>, <linux/filter.h>
_TRACEME, _CONT, _SETOPTIONS, _SYSCALL = 0, 7, 0x4200, 24
_GETEVENTMSG, _GET_SYSCALL_INFO = 0x4201, 0x420E
_FORK, _VFORK, _CLONE, _EXEC, _SECCOMP = 1, 2, 3, 4, 7
_OPTIONS = 1 | sum(1 << e for e in (_FORK, _VFORK, _CLONE, _EXEC, _SECCOMP)) | 1 << 20
_WALL = 0x40000000
_INFO_ENTRY, _INFO_EXIT, _INFO_SECCOMP = 1, 2, 3
_AT_FDCWD = -100

libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
libc.ptrace.restype = ctypes.c_long


def ptrace(request: int, pid: int, address: int = 0, data: Any = 0) -> int:
    """The system call.

    Raises:
        ProcessLookupError: the process was killed meanwhile.
        OSError: any other error of it.
    """
    result: int = libc.ptrace(request, pid, address, data)
    if result == -1 and (code := ctypes.get_errno()):
        raise OSError(code, os.strerror(code))
    return result


def filter_program() -> bytes:
    """The seccomp filter: trace the calls of the table, allow all others."""
    load, equal, bits, give = 0x20, 0x15, 0x45, 0x06
    trace, allow = 0x7FF00000, 0x7FFF0000
    lines: list[tuple[int, int, int, int]] = [(load, 0, 0, 0)]
    for number in CALLS:
        if number in _OPENS:
            lines += [
                (equal, 0, 4, number),
                (load, 0, 0, 16 + 8 * _OPENS[number]),
                (bits, 0, 1, _CREATING),
                (give, 0, 0, trace),
                (give, 0, 0, allow),
            ]
        else:
            lines += [(equal, 0, 1, number), (give, 0, 0, trace)]
    lines.append((give, 0, 0, allow))
    return b"".join(struct.pack("HBBI", *line) for line in lines)


def become_traced(command: list[str]) -> NoReturn:
    """In the child: accept the tracer and the filter, and execute."""
    program = filter_program()
    buffer = ctypes.create_string_buffer(program, len(program))
    fprog = struct.pack("HxxxxxxP", len(program) // 8, ctypes.addressof(buffer))
    ptrace(_TRACEME, 0)
    os.kill(os.getpid(), signal.SIGSTOP)
    libc.prctl(38, 1, 0, 0, 0)  # PR_SET_NO_NEW_PRIVS
    if libc.prctl(22, 2, ctypes.c_char_p(fprog), 0, 0) != 0:  # PR_SET_SECCOMP, by a filter
        os._exit(97)
    os.execv(command[0], command)


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
        os.waitpid(first, _WALL)
        ptrace(_SETOPTIONS, first, 0, _OPTIONS)
        self._threads[first] = Thread("")
        ptrace(_CONT, first)
        code = 0
        while self._threads:
            thread, status = os.waitpid(-1, _WALL)
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
                thread, status = os.waitpid(-1, _WALL)
                doomed = [thread] if os.WIFSTOPPED(status) else []
        self._log.flush()
        os._exit(KILLED)

    def _stopped(self, number: int, status: int) -> None:
        thread = self._threads.get(number)
        if thread is None:  # just born; it waits for the word of its parent
            self._unannounced.add(number)
            return
        signalled, event = os.WSTOPSIG(status), status >> 16
        if event == _SECCOMP:
            self._enter(number, thread)
            ptrace(_SYSCALL if thread.at else _CONT, number)
        elif signalled == signal.SIGTRAP | 0x80:
            self._leave(thread, _result(number))
            ptrace(_CONT, number)
        elif event in (_FORK, _VFORK, _CLONE):
            self._born(thread, _event_message(number))
            ptrace(_CONT, number)
        elif event == _EXEC:
            self._leave(thread, 0)
            thread.role = self._role_of_program(thread.role, _link(f"/proc/{number}/exe"))
            ptrace(_CONT, number)
        else:
            ptrace(_CONT, number, 0, signalled)

    def _born(self, parent: Thread, number: int) -> None:
        forked = _group_of(number) == number
        self._threads[number] = Thread(parent.role + "'" * forked)
        if number not in self._unannounced:
            os.waitpid(number, _WALL)
        self._unannounced.discard(number)
        ptrace(_CONT, number)

    def _role_of_program(self, role: str, program: str) -> str:
        if program == self._setup.executable:
            run = re.fullmatch(r"run-([0-9]+)|", role)
            return f"run-{int(run[1] or 0) + 1}" if run else f"{role}+"
        if program == f"{self._setup.executable}.new":
            return "preflight"
        return role if program.startswith(self._setup.root) else "workload"

    def _enter(self, number: int, thread: Thread) -> None:
        code, arguments = _entry(number)
        name, places = CALLS[code]
        paths = [_path_of(number, how, arguments, at) for how, at in places]
        inside = [self._inside(path) for path in paths]
        if thread.role == "workload" or not any(inside):
            return
        key = thread.role, name, inside[0]
        self._counts[key] += 1
        thread.at = Call(*key, self._counts[key], other=(*inside, "")[1])
        thread.place = paths[0]
        if name in _FLAGS_OF:
            thread.at.flags = arguments[_FLAGS_OF[name]] & 0xFFFFFFFF
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


def _event_message(thread: int) -> int:
    message = ctypes.c_ulong()
    ptrace(_GETEVENTMSG, thread, 0, ctypes.byref(message))
    return message.value


def _group_of(thread: int) -> int:
    try:
        status = Path(f"/proc/{thread}/status").read_text()
    except OSError:
        return thread
    return int(re.search(r"^Tgid:\t(\d+)", status, re.MULTILINE)[1])  # type: ignore[index]


def _entry(thread: int) -> tuple[int, tuple[int, ...]]:
    info = _info(thread)
    number, *arguments = struct.unpack_from("7Q", info, 24)
    return number, tuple(arguments)


def _result(thread: int) -> int:
    result: int = struct.unpack_from("q", _info(thread), 24)[0]
    return result


def _info(thread: int) -> bytes:
    buffer = ctypes.create_string_buffer(96)
    ptrace(_GET_SYSCALL_INFO, thread, len(buffer), buffer)
    return buffer.raw


def _path_of(thread: int, how: str, arguments: tuple[int, ...], at: int) -> str:
    """The absolute path that a call names; empty for what has none, such as a socket."""
    if how == _FD:
        return _link(f"/proc/{thread}/fd/{arguments[at]}")
    text = _text(thread, arguments[at + (how == _AT)])
    if text.startswith("/"):
        return os.path.normpath(text)
    folder = ctypes.c_int(arguments[at]).value if how == _AT else _AT_FDCWD
    where = "cwd" if folder == _AT_FDCWD else f"fd/{folder}"
    return os.path.normpath(f"{_link(f'/proc/{thread}/{where}')}/{text}".rstrip("/"))


def _link(path: str) -> str:
    try:
        return str(Path(path).readlink()).removesuffix(" (deleted)")
    except OSError:
        return ""


def _text(thread: int, address: int) -> str:
    if address == 0:  # utimensat() on the descriptor itself
        return ""
    with Path(f"/proc/{thread}/mem").open("rb", buffering=0) as memory:
        memory.seek(address)
        text = b""
        while b"\0" not in text and len(text) < 4096:
            text += memory.read(256 - address % 256 if not text else 256)
    return os.fsdecode(text.partition(b"\0")[0])


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
