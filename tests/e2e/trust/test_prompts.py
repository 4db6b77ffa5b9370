"""On a terminal: passphrases are asked, not shown, and once; a signature waits for a yes."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from support.desk import PASSPHRASE, Desk
from support.fleet import eventually
from support.server import ServerProcess

GAIA = Path(sys.executable).with_name("gaia")


@dataclass
class Terminal:
    """`gaia` on a terminal of its own."""

    descriptor: int
    process: subprocess.Popen[bytes]
    shown: str = field(default="")

    def type(self, prompt: str, answer: str) -> None:
        """Wait for a prompt, then type."""
        eventually(lambda: f"{prompt}; shown is {self.shown!r}", lambda: prompt in self.look())
        self.shown = self.shown.partition(prompt)[2]
        os.write(self.descriptor, f"{answer}\n".encode())

    def look(self) -> str:
        self.shown += os.read(self.descriptor, 65536).decode()
        return self.shown

    def end(self) -> int:
        """Everything that is left to show; the exit code."""
        while True:
            try:
                self.look()
            except OSError:  # how Linux says that the other side has closed
                return self.process.wait()


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Callable[..., Terminal]]:
    started: list[Terminal] = []

    def start(desk: Desk, *arguments: str | Path) -> Terminal:
        here, there = pty.openpty()
        environment = {k: v for k, v in os.environ.items() if not k.startswith("GAIA_")}
        environment["GAIA_TRUST_DIR"] = str(desk.folder)
        if desk.server is not None:
            environment |= {"GAIA_SERVER": desk.server.url, "GAIA_TOKEN": desk.server.token}
        process = subprocess.Popen(
            ["setsid", "--ctty", str(GAIA), *map(str, arguments)],
            **dict.fromkeys(("stdin", "stdout", "stderr"), there),  # type: ignore[call-overload]
            env=environment,
            cwd=tmp_path,
        )
        os.close(there)
        started.append(Terminal(here, process))
        return started[-1]

    yield start
    for each in started:
        each.process.kill()
        each.process.wait()
        os.close(each.descriptor)


def test_the_ceremony_asks_for_one_passphrase_twice(
    terminal: Callable[..., Terminal], tmp_path: Path
) -> None:
    desk = Desk(tmp_path / "gaia-trust")
    screen = terminal(desk, "trust", "init")
    screen.type("New passphrase for the 7 new keys: ", PASSPHRASE)
    screen.type("The same again: ", PASSPHRASE)
    assert screen.end() == 0
    assert PASSPHRASE not in screen.shown
    assert "root fingerprint" in screen.shown
    assert len(desk.ask("key", "list")["keys"]) == 7


def test_a_weak_passphrase_makes_nothing(terminal: Callable[..., Terminal], tmp_path: Path) -> None:
    desk = Desk(tmp_path / "gaia-trust")
    screen = terminal(desk, "key", "new", "alice")
    screen.type("New passphrase for alice: ", "short")
    screen.type("The same again: ", "short")
    assert screen.end() == 2
    assert "at least 8 characters" in screen.shown
    assert not desk.folder.exists()


def test_a_no_signs_nothing_and_a_yes_signs(
    strict: tuple[Desk, ServerProcess], terminal: Callable[..., Terminal], program: Path
) -> None:
    desk, server = strict
    server.upload("v0.5.0", program.name, program.read_bytes())
    screen = terminal(desk, "release", "sign", "v0.5.0", program)
    screen.type("Sign it? [y/N]: ", "n")
    assert screen.end() == 1
    assert server.get("/releases/latest").status == 404
    screen = terminal(desk, "release", "sign", "v0.5.0", program)
    screen.type("Sign it? [y/N]: ", "y")
    screen.type("Passphrase of release-1: ", PASSPHRASE)
    assert screen.end() == 0
    assert "accepted by the server" in screen.shown
    assert server.get("/releases/latest").status == 200
