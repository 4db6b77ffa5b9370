"""What the tracer asks of the kernel: to stop at calls that change files, and what one says.

A seccomp filter stops a process at these calls and at no others. x86-64 only.
"""

from __future__ import annotations

import ctypes
import os
import re
import signal
import struct
from pathlib import Path
from typing import Any, NoReturn

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
FLAGS_OF = {"open": 1, "openat": 2, "ftruncate": 1, "truncate": 1}
_CREATING = os.O_CREAT | os.O_TRUNC
_OPENS = {2: 1, 257: 2}
"""Calls that change nothing unless the argument at that place asks for it."""

# <linux/ptrace.h>, <linux/seccomp.h>, <linux/filter.h>
_TRACEME, CONT, _SETOPTIONS, SYSCALL = 0, 7, 0x4200, 24
_GETEVENTMSG, _GET_SYSCALL_INFO = 0x4201, 0x420E
FORK, VFORK, CLONE, EXEC, SECCOMP = 1, 2, 3, 4, 7
_OPTIONS = 1 | sum(1 << e for e in (FORK, VFORK, CLONE, EXEC, SECCOMP)) | 1 << 20
WALL = 0x40000000
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


def attach(child: int) -> None:
    """Begin to trace a child that has come to `become_traced`."""
    os.waitpid(child, WALL)
    ptrace(_SETOPTIONS, child, 0, _OPTIONS)
    ptrace(CONT, child)


def event_message(thread: int) -> int:
    """The number of the process or thread that was born."""
    message = ctypes.c_ulong()
    ptrace(_GETEVENTMSG, thread, 0, ctypes.byref(message))
    return message.value


def group_of(thread: int) -> int:
    """The process that a thread is of."""
    try:
        status = Path(f"/proc/{thread}/status").read_text()
    except OSError:
        return thread
    return int(re.search(r"^Tgid:\t(\d+)", status, re.MULTILINE)[1])  # type: ignore[index]


def entry(thread: int) -> tuple[int, tuple[int, ...]]:
    """Number and arguments of the call that a thread is about to make."""
    info = _info(thread)
    number, *arguments = struct.unpack_from("7Q", info, 24)
    return number, tuple(arguments)


def result_of(thread: int) -> int:
    """What the call that a thread has made returned."""
    result: int = struct.unpack_from("q", _info(thread), 24)[0]
    return result


def _info(thread: int) -> bytes:
    buffer = ctypes.create_string_buffer(96)
    ptrace(_GET_SYSCALL_INFO, thread, len(buffer), buffer)
    return buffer.raw


def path_of(thread: int, how: str, arguments: tuple[int, ...], at: int) -> str:
    """The absolute path that a call names; empty for what has none, such as a socket."""
    if how == _FD:
        return link(f"/proc/{thread}/fd/{arguments[at]}")
    text = _text(thread, arguments[at + (how == _AT)])
    if text.startswith("/"):
        return os.path.normpath(text)
    folder = ctypes.c_int(arguments[at]).value if how == _AT else _AT_FDCWD
    where = "cwd" if folder == _AT_FDCWD else f"fd/{folder}"
    return os.path.normpath(f"{link(f'/proc/{thread}/{where}')}/{text}".rstrip("/"))


def link(path: str) -> str:
    """Where a link of /proc leads to; empty when it is gone."""
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
