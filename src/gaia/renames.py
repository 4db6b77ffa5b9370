"""Renames: on Windows, with patience for who holds a file for a moment.

A virus scanner or another reader makes a rename fail there, and lets go soon.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path

PATIENCE = 10.0
"""Seconds that who holds a file gets to let go of it."""

_PAUSE = 0.05


def replace(source: Path, target: Path) -> None:
    """Rename `source` to `target`, whatever was there.

    Raises:
        OSError: nothing was changed.
    """
    patiently(lambda: source.replace(target))


def patiently(act: Callable[[], object]) -> None:
    """Do what fails on Windows for as long as somebody holds a file.

    Raises:
        OSError: as `act`.
    """
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            act()
        except PermissionError:
            if sys.platform != "win32" or time.monotonic() > deadline:
                raise
            time.sleep(_PAUSE)
        else:
            return
