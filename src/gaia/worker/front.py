"""The front of a worker for Windows, as seen from behind: the native process that stays.

Windows has no `exec`. A version that put another one in its place ends with `relaunch.RELAUNCH`,
and the front starts what is at the path then. It is the guard of a release on probation as well,
and knows when the worker is to end. All of that is in `gaia/cli/build/stub/windows`.
"""

from __future__ import annotations

import ctypes
import os
import sys
import threading
from collections.abc import Callable
from ctypes import wintypes

from gaia.worker import relaunch
from gaia.worker.console import Console
from gaia.worker.installation import Installation
from gaia.worker.watch import Watch

assert sys.platform == "win32"  # noqa: S101 - for the type checker

NO_GUARD = -1

_STOP = "_GAIA_STOP"
_INFINITE = 0xFFFFFFFF
_kernel = ctypes.WinDLL("kernel32", use_last_error=True)
_kernel.WaitForSingleObject.argtypes = [wintypes.HANDLE, wintypes.DWORD]


def is_there() -> bool:
    """Whether this process was started by a front."""
    return relaunch.FRONT in os.environ


def on_stop(act: Callable[[], None]) -> None:
    """Call `act`, in a thread, when the front wants the worker to end."""
    try:
        event = int(os.environ.get(_STOP, ""))
    except ValueError:
        return

    def wait() -> None:
        if _kernel.WaitForSingleObject(event, _INFINITE) == 0:
            act()

    threading.Thread(target=wait, name="stop", daemon=True).start()


def start(watch: Watch, console: Console) -> int:  # noqa: ARG001 - as elsewhere
    """Nothing: the front is the guard."""
    return NO_GUARD


def end(guard: int) -> None:
    """Nothing: the front leaves a worker alone that is not on probation."""


def on_duty(installation: Installation) -> bool:  # noqa: ARG001 - as elsewhere
    """Always: the front lives as long as the worker."""
    return True
