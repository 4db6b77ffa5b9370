"""Services of Wine's own service manager."""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass

from support.fleet import eventually
from support.wine import SYSTEM, run_tool


@dataclass(frozen=True)
class WindowsService:
    """A service by its name."""

    name: str

    @classmethod
    def register(cls, name: str, line: str) -> WindowsService:
        """Have the manager know it; `line` is all of its command line."""
        told = run_tool("sc", "create", name, "binPath=", line, "start=", "demand")
        service = cls(name)
        assert service.state() == "STOPPED", told
        return service

    def begin(self) -> None:
        """Start it, whatever comes of it."""
        run_tool("net", "start", self.name)

    def start(self) -> None:
        """Start it, and wait until it runs."""
        self.begin()
        eventually(lambda: f"RUNNING; it is {self.status()}", lambda: self.state() == "RUNNING")

    def ask_to_end(self) -> None:
        run_tool("net", "stop", self.name)

    def stop(self) -> None:
        """Ask it to end, and wait until it has."""
        self.ask_to_end()
        self.await_end()

    def await_end(self) -> None:
        eventually(lambda: f"STOPPED; it is {self.status()}", lambda: self.state() == "STOPPED")

    def state(self) -> str:
        return self.status().get("STATE", "")

    def status(self) -> dict[str, str]:
        """The last word of each line that the manager shows of it."""
        shown = run_tool("sc", "query", self.name)
        return dict(re.findall(r"^\s+(\w+)\s+: .*?(\w+)\)?\s*$", shown, re.MULTILINE))

    def remove(self) -> None:
        run_tool("net", "stop", self.name)
        run_tool("sc", "delete", self.name)


def wait_in_wine() -> subprocess.Popen[bytes]:
    """A program that waits for the end of its input.

    Wine 8 ends all services some seconds after the last other program, as between two versions.
    """
    return subprocess.Popen(
        ["wine", "cmd", "/c", "set /p nothing="],
        env=SYSTEM.environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
