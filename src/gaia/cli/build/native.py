"""The native stub: C, compiled by Zig for static musl.

Zig comes from PyPI, so no C compiler is needed, and the result is the same on every machine. Static
musl runs on any Linux of the architecture, whatever libc it has.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from gaia.cli.build import tools

_SOURCES = Path(__file__).parent / "stub"
_FLAGS = (
    *("-target", "x86_64-linux-musl", "-mcpu=x86_64", "-static", "-O2", "-s"),
    *("-std=c11", "-D_GNU_SOURCE", "-fno-sanitize=all", "-Wall", "-Wextra", "-Werror"),
)


def start(folder: Path) -> subprocess.Popen[bytes]:
    """Begin to compile the stub in `folder`; most of the time goes into the C library."""
    return tools.start(
        [
            *(sys.executable, "-m", "ziglang", "cc", *_FLAGS, "-o", str(folder / "stub")),
            *(str(path) for path in sorted(_SOURCES.glob("*.c"))),
        ],
        folder=folder,
        env={
            # Setting this one keeps the compiled C library for the next build: most of its time.
            "ZIG_GLOBAL_CACHE_DIR": str(folder / "cache"),
            **os.environ,
            "ZIG_LOCAL_CACHE_DIR": str(folder / "cache"),
        },
    )


def finish(compiler: subprocess.Popen[bytes], folder: Path) -> Path:
    """Wait for the stub and return its path.

    Raises:
        Refused: `build-failed`.
    """
    tools.finish(compiler, folder=folder, what="Compiling the stub")
    return folder / "stub"
