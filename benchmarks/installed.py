"""A single-file worker under test, as a real process, and what the server has heard of it."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.servers import TOKEN, Running

PATIENCE = 120.0
_PAUSE = 0.02

Entry = dict[str, Any]


class Installed:
    """A worker in a folder of its own."""

    def __init__(self, server: Running, folder: Path, executable: Path) -> None:
        self._server = server
        self._folder = folder
        folder.mkdir()
        shutil.copy2(executable, folder / "gaia-worker")

    @contextmanager
    def running(self, *arguments: str) -> Iterator[int]:
        """Start it; its process ID. It is ended in an orderly way."""
        address = f"http://127.0.0.1:{self._server.port}"
        with (self._folder / "log").open("ab") as log:
            process = subprocess.Popen(
                ["./gaia-worker", "--server", address, "--name", self._folder.name, *arguments],
                cwd=self._folder,
                env={**os.environ, "GAIA_TOKEN": TOKEN},
                stdout=log,
                stderr=log,
            )
        try:
            yield process.pid
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(60)

    def entry(self) -> Entry:
        """The fleet's entry; one without heartbeats before the worker registers."""
        entries = self._server.call("GET", "/api/fleet")["workers"]
        ours = (entry for entry in entries if entry["name"] == self._folder.name)
        return next(ours, {"heartbeats": 0})

    def watch(self, until: Callable[[Entry], object]) -> Iterator[Entry]:
        """Entries as they change, up to the first that is as wanted."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            entry = self.entry()
            yield entry
            if until(entry):
                return
            time.sleep(_PAUSE)
        raise SystemExit((self._folder / "log").read_text())

    def wait(self, until: Callable[[Entry], object]) -> Entry:
        """The first entry that is as wanted."""
        *_, entry = self.watch(until)
        return entry

    def acts(self) -> list[list[str]]:
        """What the workload noted in `acts.txt`, split into words."""
        file = self._folder / "acts.txt"
        return [line.split() for line in file.read_text().splitlines()] if file.exists() else []
