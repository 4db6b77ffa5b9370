"""Standard output and error of a worker on Linux.

What a release on probation writes goes to a file, so that its end can be reported when it is taken
back. The original descriptors travel with it through `exec`; the guard forwards the file to them.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import sys
from collections.abc import MutableMapping
from pathlib import Path

assert sys.platform != "win32"  # noqa: S101 - for the type checker

VARIABLE = "_GAIA_STDIO"
_LOWEST = 20
"""Descriptors that are kept lie above those that programs expect to be theirs."""


class Console:
    """The original standard output and error, under numbers that stay the same.

    Attributes:
        stdout, stderr: what the workload gets, and the guard forwards to. Not inherited as such.
    """

    def __init__(self, stdout: int, stderr: int, *, redirected: bool) -> None:
        self.stdout = stdout
        self.stderr = stderr
        self._redirected = redirected

    @classmethod
    def adopt(cls, environment: MutableMapping[str, str]) -> Console:
        """Take over what the version before handed on, if it did, out of the environment.

        Call it before anything is opened: it also fills the standard descriptors that a daemon was
        started without, lest some file becomes the standard output.
        """
        _fill_standard()
        try:
            out, err = (int(number) for number in environment.pop(VARIABLE, "").split(","))
            for descriptor in (out, err):
                os.set_inheritable(descriptor, False)
        except (ValueError, OSError):
            return cls(_keep(1), _keep(2), redirected=False)
        return cls(out, err, redirected=True)

    def redirect(self, path: Path) -> None:
        """Let what this process, and the next one in its place, writes go to `path`.

        Raises:
            OSError: nothing was changed.
        """
        if self._redirected:
            return
        _flush()
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_CLOEXEC
        file = os.open(path, flags, 0o600)
        os.dup2(file, 1)
        os.dup2(file, 2)
        os.close(file)
        self._redirected = True

    def hand_on(self) -> dict[str, str]:
        """Let the originals outlive `exec`; the variable that tells the next version of them."""
        if not self._redirected:
            return {}
        for descriptor in (self.stdout, self.stderr):
            os.set_inheritable(descriptor, True)
        return {VARIABLE: f"{self.stdout},{self.stderr}"}

    def restore(self) -> None:
        """Write to the originals again, and keep them to oneself."""
        for descriptor in (self.stdout, self.stderr):
            os.set_inheritable(descriptor, False)
        if self._redirected:
            _flush()
            os.dup2(self.stdout, 1)
            os.dup2(self.stderr, 2)
            self._redirected = False

    def close(self) -> None:
        """As `restore`, and give the kept descriptors back. Use it no more."""
        self.restore()
        os.close(self.stdout)
        os.close(self.stderr)


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError, AttributeError):
            stream.flush()


def _keep(descriptor: int) -> int:
    return fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, _LOWEST)


def _fill_standard() -> None:
    while (lowest := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(lowest, True)
    os.close(lowest)
