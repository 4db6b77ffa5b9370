"""The native stub: C, compiled by Zig, for Linux against static musl.

Zig comes from PyPI, so no C compiler is needed, and the result is the same on every machine. Static
musl runs on any Linux of the architecture, whatever libc it has; what the stub for Windows needs is
part of Windows 10.
"""

from __future__ import annotations

import importlib.resources
import os
import subprocess
from pathlib import Path

from gaia.cli.build import tools

_SOURCES = Path(__file__).parent / "stub"
_FLAGS = (
    *("-mcpu=x86_64", "-O2", "-s", "-std=c11", "-fno-sanitize=all"),
    *("-Wall", "-Wextra", "-Werror"),
)
_SHARED = ("payload.c", "runtime.c", "say.c", "sha256.c", "trial.c")
_PARTS = {
    "linux": (
        *("-target", "x86_64-linux-musl", "-static", "-D_GNU_SOURCE"),
        *(str(path) for path in sorted(_SOURCES.glob("*.c"))),
    ),
    "windows": (
        *("-target", "x86_64-windows-gnu", "-include", str(_SOURCES / "windows" / "posix.h")),
        *(str(_SOURCES / name) for name in _SHARED),
        *(str(path) for path in sorted((_SOURCES / "windows").glob("*.c"))),
    ),
}


def start(platform: str, folder: Path) -> subprocess.Popen[bytes]:
    """Begin to compile the stub for `platform` in `folder`. The C library takes the most time."""
    return tools.start(
        [
            *(_zig(), "cc", *_FLAGS, *_PARTS[platform]),
            *("-o", str(folder / "stub")),
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


def _zig() -> str:
    """Zig itself, not `python -m ziglang`: on Windows that would go on when Python is ended."""
    return str(importlib.resources.files("ziglang") / "zig")
