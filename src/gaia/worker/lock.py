"""A lock that ends with the process that holds it, however that ends."""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path

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
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        deadline = time.monotonic() + patience
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
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
