"""The programs that a build runs, and what to do when one of them is missing or fails."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from gaia.errors import Refused

_TAIL_LINES = 20


def check_modules(*more: str) -> None:
    """Whether the packages that a build runs are installed; `more` of them are named as modules.

    Raises:
        Refused: `build-tools-missing`.
    """
    wanted = {"PyInstaller": "pyinstaller", "ziglang": "ziglang", **{name: name for name in more}}
    missing = [name for module, name in wanted.items() if not importlib.util.find_spec(module)]
    if missing:
        raise Refused(
            "build-tools-missing",
            f"Building a worker needs {' and '.join(missing)}.",
            hint=f'Run: {sys.executable} -m pip install "gaia-autoupdate[build]"',
        )


def check_programs(package: str, why: str, *names: str) -> None:
    """Whether these programs of a Debian package are installed.

    Raises:
        Refused: `build-tools-missing`.
    """
    if any(shutil.which(name) is None for name in names):
        raise Refused("build-tools-missing", why, hint=f"Run as root: apt-get install {package}")


def start(
    command: Sequence[str], *, folder: Path, env: Mapping[str, str]
) -> subprocess.Popen[bytes]:
    """Start a tool; its output goes to `folder/tool.log`."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "tool.log").open("wb") as log:
        return subprocess.Popen(  # noqa: S603 - programs and arguments are our own
            command,
            cwd=folder,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            process_group=0,
        )


def stop(tool: subprocess.Popen[bytes]) -> None:
    """End a tool, and what it started, when it still runs."""
    if tool.poll() is None:
        if sys.platform == "win32":
            tool.kill()
        else:
            os.killpg(tool.pid, signal.SIGKILL)
        tool.wait()


def finish(tool: subprocess.Popen[bytes], *, folder: Path, what: str) -> None:
    """Wait for a tool that `start` started in `folder`.

    Raises:
        Refused: `build-tools-missing` for a shared libpython, `build-failed` for all else.
    """
    if tool.wait() == 0:
        return
    output = (folder / "tool.log").read_text(errors="replace")
    if re.search(r"PythonLibraryNotFoundError|[Pp]ython (shared )?library not found", output):
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        raise Refused(
            "build-tools-missing",
            f"This Python has no shared library (libpython{version}.so), which the worker carries.",
            hint=f"Run as root: apt-get install libpython{version}; or build with a Python that "
            "was configured with --enable-shared.",
        )
    tail = "\n".join(output.splitlines()[-_TAIL_LINES:]) or "(It printed nothing.)"
    raise Refused("build-failed", f"{what} failed with status {tool.returncode}:\n{tail}")


def check(
    command: Sequence[str],
    *,
    folder: Path,
    env: Mapping[str, str],
    what: str,
    report: Callable[[str], None],
) -> None:
    """Run a tool that changes nothing, in `folder`; once more when it failed without a word.

    Whoever finds a fault names it. Wine ended a program in its first second with status 1 and
    no output, once in some fifty builds.

    Raises:
        Refused: as `finish`.
    """
    tool = start(command, folder=folder, env=env)
    if tool.wait() != 0 and not (folder / "tool.log").read_bytes():
        report(f"{what} failed with status {tool.returncode} and printed nothing; trying again")
        tool = start(command, folder=folder, env=env)
    finish(tool, folder=folder, what=what)
