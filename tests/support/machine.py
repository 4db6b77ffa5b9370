"""A machine with a miniature worker on it that updates itself with the real code."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

PROGRAM = Path(__file__).with_name("install_program.py")
PATIENCE = 60.0

RELEASE = """#!{python}
import os, runpy, sys
from pathlib import Path
main = runpy.run_path({program!r})["main"]
main({tag!r}, {behaviour!r}, Path(os.path.realpath(__file__)))
"""


class Machine:
    """One install folder, and whoever runs from it."""

    def __init__(self, folder: Path) -> None:
        self.move_to(folder / "machine")
        self.releases = folder / "releases"
        self.releases.mkdir()
        self.console = folder / "console"
        self.environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
        self._processes: list[subprocess.Popen[bytes]] = []

    def move_to(self, folder: Path) -> None:
        """Use another install folder, before anything is installed."""
        folder.mkdir()
        self.folder = folder
        self.executable = self.folder / "gaia-worker"
        self.backup = self.folder / "gaia-worker.bak"
        self.private = self.folder / ".gaia"

    def release(self, tag: str, behaviour: str = "good") -> bytes:
        """The executable of a release."""
        return RELEASE.format(
            python=sys.executable, program=str(PROGRAM), tag=tag, behaviour=behaviour
        ).encode()

    def install(self, content: bytes) -> None:
        """Put an executable at the path, as the machine's owner does."""
        self.executable.write_bytes(content)
        self.executable.chmod(0o755)

    def start(self, *command: str, cwd: Path | None = None) -> subprocess.Popen[bytes]:
        """Start the worker in a session of its own."""
        with self.console.open("ab") as console:
            process = subprocess.Popen(
                command or [str(self.executable), "--name", "one"],
                stdout=console,
                stderr=console,
                cwd=cwd or self.folder,
                env=self.environment,
                start_new_session=True,
            )
        self._processes.append(process)
        return process

    def offer(self, tag: str, content: bytes) -> str:
        """Offer a release to the worker; its digest."""
        file = self.releases / tag
        file.write_bytes(content)
        return self.offer_from(file, tag, content)

    def offer_from(self, file: Path, tag: str, content: bytes) -> str:
        """Offer a release that is to be fetched from `file`, whether it is there or not."""
        digest = sha256(content)
        entry = {"tag": tag, "sha256": digest, "size": len(content), "file": str(file)}
        aside = self.folder / "offer.tmp"
        aside.write_text(json.dumps(entry))
        aside.replace(self.folder / "offer")
        return digest

    def events(self, event: str = "") -> list[dict[str, Any]]:
        """What the worker's versions noted, oldest first."""
        try:
            lines = (self.folder / "events").read_text().splitlines()
        except FileNotFoundError:
            return []
        entries: list[dict[str, Any]] = [json.loads(line) for line in lines]
        return [entry for entry in entries if not event or entry["event"] == event]

    def status(self) -> dict[str, Any]:
        """What the running version says of itself."""
        try:
            status: dict[str, Any] = json.loads((self.folder / "status").read_text())
        except FileNotFoundError:
            return {}
        return status

    def reaches(self, **wanted: object) -> dict[str, Any]:
        """Wait until the status is, in these fields, as wanted."""
        self.eventually(
            f"status {wanted}",
            lambda: wanted.items() <= self.status().items(),
        )
        return self.status()

    def eventually(self, what: str, condition: Callable[[], object]) -> None:
        """Wait for a condition; fail with what is known when it does not come."""
        deadline = time.monotonic() + PATIENCE
        while not condition():
            if time.monotonic() > deadline:
                console = self.console.read_text(errors="replace") if self.console.exists() else ""
                pytest.fail(
                    f"never: {what}\nstatus {self.status()}\nconsole {console[-4000:]}\n"
                    f"events {[(e['event'], e['tag']) for e in self.events()]}"
                )
            time.sleep(0.02)

    def live(self) -> bytes:
        """What is at the path; it must be a runnable file at any time."""
        assert os.access(self.executable, os.X_OK)
        return self.executable.read_bytes()

    def running(self) -> list[int]:
        """Process IDs of all that was started here, guards included."""
        sessions = {process.pid for process in self._processes}
        return [pid for pid, session, _ in _processes() if session in sessions]

    def kill_all(self) -> None:
        """SIGKILL to everything at once, as a service manager or the power cut does."""
        for process in self._processes:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
        while pids := self.running():
            for pid in pids:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            for process in self._processes:
                process.poll()
        for process in self._processes:
            process.wait()


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _processes() -> Iterator[tuple[int, int, str]]:
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except (FileNotFoundError, ProcessLookupError):
                continue
            if fields[0] not in "ZX":
                yield int(entry.name), int(fields[3]), fields[0]
