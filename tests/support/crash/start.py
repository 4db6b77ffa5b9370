"""One start of a worker under the tracer, watched from the server and from the tracer's end."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from support.crash import tracer
from support.crash.place import Place
from support.crash.tracer import Call
from support.fleet import Api

PATIENCE = 120.0
_POLL = 0.1
_SETTLED = 30
"""Heartbeats after which a moment that was waited for will not come any more."""

Row = dict[str, Any]
"""A worker as the fleet's list shows it."""


class Broken(AssertionError):
    """A promise that was not kept."""


class Start:
    """A worker that runs under the tracer.

    Args:
        done: whether by the row there is nothing more to come.
    """

    def __init__(
        self,
        api: Api,
        name: str,
        place: Place,
        process: subprocess.Popen[bytes],
        done: Callable[[Row], bool],
    ) -> None:
        self._api = api
        self._name = name
        self._place = place
        self._process = process
        self._done = done
        self._id = ""

    def until(self, wanted: Callable[[Row], bool]) -> None:
        """Wait for the fleet's row of it to be as wanted.

        Raises:
            Broken: it never is, or the worker ends.
        """
        deadline = time.monotonic() + PATIENCE
        row: Row = {}
        while not (row and row["workload"] and wanted(row)):
            if self._process.poll() is not None:
                raise Broken(f"the worker ended with {self._process.returncode}; {self._told()}")
            if time.monotonic() > deadline:
                raise Broken(f"it does not come to rest: {row}; {self._told()}")
            time.sleep(_POLL)
            row = self._row()

    def killed(self) -> bool:
        """Wait for the tracer's kill; False when the moment did not come before it was at rest."""
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                return self._process.wait(10 * _POLL) == tracer.KILLED
            except subprocess.TimeoutExpired:
                row = self._row()
                if time.monotonic() > deadline or (
                    row and row["heartbeats"] > _SETTLED and self._done(row)
                ):
                    self.kill()
                    return False

    def _row(self) -> Row:
        """Asked for by ID once that is known, as the list of all is long in the end."""
        if self._id:
            found: Row = self._api.get(f"/api/fleet/{self._id}")
            return found
        row = self._api.row(self._name)
        self._id = row.get("id", "")
        return row

    def stop(self) -> None:
        """End the worker in good order, and the tracer with it."""
        for pid in _traced_by(self._process.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
        try:
            self._process.wait(30)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """End everything at once."""
        self._process.terminate()
        self._process.wait(30)

    def calls(self) -> list[Call]:
        """What the tracer noted."""
        return [
            Call(**json.loads(line))
            for line in (self._place.root.parent / "calls").read_text().splitlines()
        ]

    def _told(self) -> str:
        return (self._place.root.parent / "worker.log").read_text(errors="replace")[-3000:]


def _traced_by(tracer_id: int) -> Iterator[int]:
    """Whoever is traced, wherever in the tree: a guard's child is nobody's."""
    word = f"TracerPid:\t{tracer_id}\n"
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if word in (entry / "status").read_text():
                yield int(entry.name)
