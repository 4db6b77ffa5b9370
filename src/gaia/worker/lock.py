"""A lock that ends with the process that holds it, however that ends."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

if sys.platform == "win32":
    import ctypes
    import msvcrt
    from ctypes import wintypes

    _FLAGS = os.O_RDWR | os.O_CREAT | os.O_BINARY
    _kernel = ctypes.WinDLL("kernel32")
    _kernel.LockFile.argtypes = [wintypes.HANDLE, *[wintypes.DWORD] * 4]

    def _lock(descriptor: int) -> None:
        # One byte at the beginning, as the stub does.
        if not _kernel.LockFile(msvcrt.get_osfhandle(descriptor), 0, 0, 1, 0):
            raise BlockingIOError

else:
    import fcntl

    _FLAGS = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC

    def _lock(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


_POLL = 0.05


class FileLock:
    """An exclusive lock on a file. It does not outlive `exec`, and no child inherits it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._held: int | None = None

    def acquire(self, patience: float = 0.0) -> bool:
        """Take the lock; False when another process holds it.

        Args:
            patience: seconds to wait for the other one.

        Raises:
            OSError: the file cannot be opened.
        """
        if self._held is not None:
            return True
        descriptor = os.open(self._path, _FLAGS, 0o600)
        deadline = time.monotonic() + patience
        while True:
            try:
                _lock(descriptor)
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    os.close(descriptor)
                    return False
                time.sleep(_POLL)
            else:
                self._held = descriptor
                return True

    def release(self) -> None:
        """Let another process have it."""
        if self._held is not None:
            os.close(self._held)
            self._held = None
