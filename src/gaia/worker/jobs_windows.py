"""Job objects: processes of Windows that belong together, with all that they start."""

from __future__ import annotations

import ctypes
import subprocess
import sys
from ctypes import wintypes

assert sys.platform == "win32"  # noqa: S101 - for the type checker

CREATE_SUSPENDED = 0x4
_PROCESS_IDS = 3  # JobObjectBasicProcessIdList
_QUERY = 0x1000  # PROCESS_QUERY_LIMITED_INFORMATION
_TERMINATE = 0x1
_MOST_PROCESSES = 4096
_KILLED = 137
"""Exit code of what was ended by force, as a shell shows it elsewhere."""

_kernel = ctypes.WinDLL("kernel32", use_last_error=True)
_ntdll = ctypes.WinDLL("ntdll")
_kernel.CreateJobObjectW.restype = wintypes.HANDLE
_kernel.CreateJobObjectW.argtypes = [ctypes.c_void_p, wintypes.LPCWSTR]
_kernel.AssignProcessToJobObject.argtypes = [wintypes.HANDLE, wintypes.HANDLE]
_kernel.TerminateJobObject.argtypes = [wintypes.HANDLE, wintypes.UINT]
_kernel.QueryInformationJobObject.argtypes = [
    wintypes.HANDLE,
    ctypes.c_int,
    ctypes.c_void_p,
    wintypes.DWORD,
    ctypes.c_void_p,
]
_kernel.OpenProcess.restype = wintypes.HANDLE
_kernel.OpenProcess.argtypes = [wintypes.DWORD, wintypes.BOOL, wintypes.DWORD]
_kernel.TerminateProcess.argtypes = [wintypes.HANDLE, wintypes.UINT]
_kernel.CloseHandle.argtypes = [wintypes.HANDLE]
_kernel.GetProcessTimes.argtypes = [wintypes.HANDLE, *[ctypes.POINTER(wintypes.FILETIME)] * 4]
_ntdll.NtResumeProcess.argtypes = [wintypes.HANDLE]


class _ProcessIds(ctypes.Structure):
    _fields_ = (
        ("assigned", wintypes.DWORD),
        ("listed", wintypes.DWORD),
        ("ids", ctypes.c_size_t * _MOST_PROCESSES),
    )


class Job:
    """The processes that were put into it, and their children for ever."""

    def __init__(self) -> None:
        self._handle = _kernel.CreateJobObjectW(None, None)
        if not self._handle:
            raise ctypes.WinError(ctypes.get_last_error())

    def adopt(self, process: subprocess.Popen[bytes]) -> None:
        """Take in a process that was created suspended, and let it run.

        Raises:
            OSError: the system refused; the process still waits.
        """
        handle = int(process._handle)  # type: ignore[attr-defined]  # noqa: SLF001
        if not _kernel.AssignProcessToJobObject(self._handle, handle):
            raise ctypes.WinError(ctypes.get_last_error())
        _ntdll.NtResumeProcess(handle)

    def members(self) -> list[int]:
        """Process IDs of those that have not ended."""
        found = _ProcessIds()
        _kernel.QueryInformationJobObject(
            self._handle, _PROCESS_IDS, ctypes.byref(found), ctypes.sizeof(found), None
        )
        return [int(found.ids[number]) for number in range(found.listed)]

    def end(self) -> None:
        """End them all, at once."""
        _kernel.TerminateJobObject(self._handle, _KILLED)

    def close(self) -> None:
        """Let go of it; its processes run on."""
        _kernel.CloseHandle(self._handle)


def started(pid: int) -> int | None:
    """When a living process was created, in the system's own units; None when there is none."""
    handle = _kernel.OpenProcess(_QUERY, False, pid)
    if not handle:
        return None
    times = [wintypes.FILETIME() for _ in range(4)]
    try:
        if not _kernel.GetProcessTimes(handle, *(ctypes.byref(time) for time in times)):
            return None
    finally:
        _kernel.CloseHandle(handle)
    created, ended, _, _ = ((time.dwHighDateTime << 32) | time.dwLowDateTime for time in times)
    return None if ended else created


def end(pid: int) -> None:
    """End one process by force."""
    handle = _kernel.OpenProcess(_TERMINATE, False, pid)
    if handle:
        _kernel.TerminateProcess(handle, _KILLED)
        _kernel.CloseHandle(handle)
