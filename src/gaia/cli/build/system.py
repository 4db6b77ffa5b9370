"""The systems that a worker can be built for, as far as the build differs for them."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from gaia.cli.build import tools
from gaia.errors import InvalidInput

Report = Callable[[str], None]


class System(Protocol):
    """A system, and a Python of it that can be run here.

    Attributes:
        platform: as workers name it.
        program: file name of the worker's own program in its payload.
    """

    platform: str
    program: str

    def check(self) -> None:
        """Whether a worker for it can be built on this machine.

        Raises:
            InvalidInput: `unsupported-platform`.
            Refused: `build-tools-missing`.
        """

    def prepare(self, report: Report) -> None:
        """Fetch what the build needs and this machine has not.

        Raises:
            Refused: `build-tools-missing`, `build-failed`.
        """

    def python(self) -> Path:
        """Its Python, with PyInstaller and the worker's libraries."""

    def command(self, program: Path, *arguments: str) -> Sequence[str]:
        """The command line that runs a program of it."""

    def path(self, path: Path) -> str:
        """How its programs name the file at `path`."""

    def environment(self) -> Mapping[str, str]:
        """What its programs run in."""

    def mode(self, file: Path) -> int:
        """Permission bits of a file of the payload."""


class ThisMachine:
    """The system that runs here is the one to build for."""

    def prepare(self, report: Report) -> None:
        """Nothing is missing."""

    def python(self) -> Path:
        """The one that runs here."""
        return Path(sys.executable)

    def command(self, program: Path, *arguments: str) -> Sequence[str]:
        """See `System`."""
        return [str(program), *arguments]

    def path(self, path: Path) -> str:
        """See `System`."""
        return str(path)

    def environment(self) -> Mapping[str, str]:
        """See `System`."""
        return os.environ


class Linux(ThisMachine):
    """This machine."""

    platform = "linux"
    program = "gaia-worker"

    def check(self) -> None:
        """See `System`."""
        if sys.platform != "linux" or platform.machine() != "x86_64":
            raise InvalidInput(
                "unsupported-platform",
                f"The worker for linux is for x86-64; this machine is {sys.platform} on "
                f"{platform.machine()}, and the worker carries the machine's own Python.",
                hint="Build on Linux on x86-64.",
            )
        tools.check_modules()
        tools.check_programs(
            "binutils",
            "PyInstaller needs objdump, objcopy and strip.",
            "objdump",
            "objcopy",
            "strip",
        )

    def mode(self, file: Path) -> int:
        """See `System`."""
        return 0o755 if os.access(file, os.X_OK) else 0o644
