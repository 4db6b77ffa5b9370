"""Standard output and error of a worker on Windows.

The front starts a release on probation with a file in their place, forwards what is written there,
and hands on the originals.
"""

from __future__ import annotations

import contextlib
import msvcrt
import os
import sys
from collections.abc import MutableMapping
from pathlib import Path

assert sys.platform == "win32"  # noqa: S101 - for the type checker

VARIABLE = "_GAIA_STDIO"


class Console:
    """The original standard output and error.

    Attributes:
        stdout, stderr: descriptors, for the workload.
    """

    def __init__(self, stdout: int, stderr: int, *, redirected: bool) -> None:
        self.stdout = stdout
        self.stderr = stderr
        self._redirected = redirected

    @classmethod
    def adopt(cls, environment: MutableMapping[str, str]) -> Console:
        """Take over what the front handed on, if it did, out of the environment."""
        try:
            out, err = (int(handle) for handle in environment.pop(VARIABLE, "").split(","))
            return cls(
                msvcrt.open_osfhandle(out, os.O_BINARY),
                msvcrt.open_osfhandle(err, os.O_BINARY),
                redirected=True,
            )
        except (ValueError, OSError):
            return cls(os.dup(1), os.dup(2), redirected=False)

    def redirect(self, path: Path) -> None:
        """Nothing: the front does so when it starts a release on probation."""

    def hand_on(self) -> dict[str, str]:
        """Nothing: the front has the originals."""
        return {}

    def restore(self) -> None:
        """Write to the originals again."""
        if self._redirected:
            for stream in (sys.stdout, sys.stderr):
                with contextlib.suppress(OSError, ValueError, AttributeError):
                    stream.flush()
            os.dup2(self.stdout, 1, inheritable=False)
            os.dup2(self.stderr, 2, inheritable=False)
            self._redirected = False

    def close(self) -> None:
        """As `restore`, and give the kept descriptors back. Use it no more."""
        self.restore()
        os.close(self.stdout)
        os.close(self.stderr)
