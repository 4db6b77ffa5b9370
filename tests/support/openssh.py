"""OpenSSH's own programs, which `script/test` installs."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from support.fleet import eventually

PASSPHRASE = "five words that chance picked"


def ssh_keygen(*arguments: str | Path) -> str:
    """What ssh-keygen prints."""
    command = ["ssh-keygen", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


class RunningAgent:
    """A real ssh-agent."""

    def __init__(self, address: Path) -> None:
        self.address = address
        self.process = subprocess.Popen(
            ["ssh-agent", "-D", "-a", str(address)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        eventually("the agent's socket", address.exists)

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(30)

    def add(self, path: Path) -> None:
        self._ssh_add(str(path))

    def remove_all(self) -> None:
        self._ssh_add("-D")

    def lock(self, argument: str = "-x") -> None:
        """`-x` locks it, `-X` unlocks it."""
        ask = self.address.with_name("askpass")
        ask.write_text("#!/bin/sh\necho secret\n")
        ask.chmod(0o700)
        self._ssh_add(argument, DISPLAY="none", SSH_ASKPASS=str(ask), SSH_ASKPASS_REQUIRE="force")

    def _ssh_add(self, *arguments: str, **environment: str) -> None:
        subprocess.run(
            ["ssh-add", *arguments],
            env={**os.environ, "SSH_AUTH_SOCK": str(self.address), **environment},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=True,
        )
