"""A real worker that fails, to be built: the version says how, as in `v0.5.0-segfault.late`.

`once` is before anything of the worker runs. `late` is on probation, after answered heartbeats.
"""

from __future__ import annotations

import ctypes
import itertools
import os
import sys
import time

from gaia.worker.build_info import BuildInfo
from gaia.worker.main import main as work
from gaia.worker.preflight import SELF_CHECK
from gaia.worker.session import Session

LATE = 2
"""Answered heartbeats before a late failure: fewer than a commit needs."""


def main() -> None:
    """Be the worker that the version says."""
    deed, _, when = BuildInfo.load().version.partition("-")[2].partition(".")
    if SELF_CHECK in sys.argv or not when:
        work()
        return
    if when == "once":
        fail(deed)
    beat, count = Session.beat, itertools.count()

    def beat_and_fail(session: Session, *arguments: object) -> object:
        if next(count) >= LATE:
            fail(deed)
        return beat(session, *arguments)  # type: ignore[arg-type]

    Session.beat = beat_and_fail  # type: ignore[method-assign,assignment]
    work()


def fail(deed: str) -> None:
    """End, or never go on."""
    print(f"the release is about to {deed}", file=sys.stderr, flush=True)
    match deed:
        case "exit":
            os._exit(1)
        case "segfault":
            ctypes.string_at(0)
        case _:
            while True:
                time.sleep(1000)
