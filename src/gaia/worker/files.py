"""What Linux and Windows spell differently about files."""

from __future__ import annotations

import os
import sys
from pathlib import Path

if sys.platform == "win32":
    import ctypes
    import msvcrt
    import shutil
    from ctypes import wintypes

    from gaia import renames

    CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_BINARY
    """Flags of `os.open` for a new file."""

    _GENERIC_READ, _GENERIC_WRITE, _DELETE = 0x80000000, 0x40000000, 0x10000
    _SHARE_ALL = 0x7
    _OPEN_EXISTING = 3
    _THE_LINK_ITSELF = 0x00200000
    _kernel = ctypes.WinDLL("kernel32", use_last_error=True)
    _kernel.CreateFileW.restype = wintypes.HANDLE
    _kernel.CreateFileW.argtypes = [
        wintypes.LPCWSTR,
        wintypes.DWORD,
        wintypes.DWORD,
        ctypes.c_void_p,
        wintypes.DWORD,
        wintypes.DWORD,
        wintypes.HANDLE,
    ]

    def open_to_read(path: Path) -> int:
        """A descriptor of an existing file, which may be renamed and removed meanwhile.

        Raises:
            OSError: it cannot be opened.
        """
        return _open(path, _GENERIC_READ)

    def open_to_sync(path: Path) -> int:
        """As `open_to_read`, for `os.fsync`."""
        return _open(path, _GENERIC_READ | _GENERIC_WRITE)

    def read_at(descriptor: int, size: int, at: int) -> bytes:
        """At most `size` bytes from offset `at`."""
        os.lseek(descriptor, at, os.SEEK_SET)
        return os.read(descriptor, size)

    def fsync_folder(folder: Path) -> None:
        """Nothing: NTFS journals names by itself, and a folder cannot be opened."""

    def await_free(path: Path) -> None:
        """Wait until a file can be renamed.

        Raises:
            OSError: somebody holds it for too long, or it is not there.
        """
        renames.patiently(lambda: os.close(_open(path, _DELETE)))

    def take_owner_and_mode(descriptor: int, like: os.stat_result) -> None:
        """Nothing: rights come from the folder here."""

    def set_mode(descriptor: int, mode: int) -> None:
        """Nothing: what can be executed is a matter of names here."""

    def free_space(folder: Path) -> int:
        """Bytes that may still be written there."""
        return shutil.disk_usage(folder).free

    def user() -> int:
        """The number of this process's user, as `stat` shows it: everybody is 0."""
        return 0

    def _open(path: Path, access: int) -> int:
        handle = _kernel.CreateFileW(
            str(path), access, _SHARE_ALL, None, _OPEN_EXISTING, _THE_LINK_ITSELF, None
        )
        if handle == wintypes.HANDLE(-1).value:
            raise ctypes.WinError(ctypes.get_last_error())
        return msvcrt.open_osfhandle(handle, os.O_RDONLY | os.O_BINARY)

else:
    CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    """Flags of `os.open` for a new file."""

    def open_to_read(path: Path) -> int:
        """A descriptor of an existing file; not of what a symlink there points to.

        Raises:
            OSError: it cannot be opened.
        """
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)

    def open_to_sync(path: Path) -> int:
        """As `open_to_read`, for `os.fsync`."""
        return open_to_read(path)

    def read_at(descriptor: int, size: int, at: int) -> bytes:
        """At most `size` bytes from offset `at`."""
        return os.pread(descriptor, size, at)

    def fsync_folder(folder: Path) -> None:
        """Make renames, links and removals in `folder` survive a power cut."""
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def take_owner_and_mode(descriptor: int, like: os.stat_result) -> None:
        """Give an open file the owner and mode of another; the owner first, as it clears setuid."""
        own = os.fstat(descriptor)
        if (own.st_uid, own.st_gid) != (like.st_uid, like.st_gid):
            os.fchown(descriptor, like.st_uid, like.st_gid)
        os.fchmod(descriptor, like.st_mode & 0o7777)

    def set_mode(descriptor: int, mode: int) -> None:
        """Give an open file its permission bits."""
        os.fchmod(descriptor, mode)

    def free_space(folder: Path) -> int:
        """Bytes that may still be written there."""
        status = os.statvfs(folder)
        return status.f_bavail * status.f_frsize

    def user() -> int:
        """The number of this process's user, as `stat` shows it."""
        return os.geteuid()
