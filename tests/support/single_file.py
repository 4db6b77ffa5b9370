"""Single-file executables under test."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TESTS = Path(__file__).parents[1]
PROBE = "support.probe:main"


@dataclass
class Program:
    """An installed executable, and the environment that its user has."""

    path: Path
    env: dict[str, str]

    def run(
        self,
        *arguments: str,
        called: str | None = None,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
        stdin: bytes = b"",
    ) -> subprocess.CompletedProcess[bytes]:
        """Start it, by the name `called`, and wait for its end."""
        return subprocess.run(
            [called or str(self.path), *arguments],
            cwd=cwd,
            env={**self.env, **(env or {})},
            input=stdin,
            capture_output=True,
            check=False,
            timeout=120,
        )

    def report(
        self,
        *arguments: str,
        called: str | None = None,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
    ) -> dict[str, Any]:
        """What the probe says about its own process."""
        done = self.run("report", *arguments, called=called, cwd=cwd, env=env)
        assert done.returncode == 0, done.stderr.decode()
        seen: dict[str, Any] = json.loads(done.stdout)
        return seen

    def waiting(self) -> subprocess.Popen[bytes]:
        """Start it and return when its Python runs; end it by a signal."""
        process = subprocess.Popen([self.path, "wait"], env=self.env, stdout=subprocess.PIPE)
        assert process.stdout is not None
        assert process.stdout.readline() == b"waiting\n"
        return process

    @property
    def runtimes(self) -> list[Path]:
        """The unpacked payloads, and leftovers of unpacking."""
        return sorted(p for p in (self.path.parent / ".gaia").iterdir() if p.is_dir())
