"""Workers for Windows, under Wine: built once for a state of the sources, started for real."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from dataclasses import dataclass, field
from pathlib import Path

import platformdirs

import gaia
from gaia.cli.build import Builder
from gaia.cli.build.windows import Wine

SYSTEM = Wine()
_SOURCES = Path(gaia.__file__).parent
_PARTS = ("errors", "renames", "model", "planning", "protocol", "trust", "worker", "cli/build")
_BUILDS = platformdirs.user_cache_path("gaia-build") / "builds"
_MOST_BUILDS = 2


def build(version: str, folder: Path) -> Path:
    """The worker of a version; everything but its stamp is built once for all runs."""
    _BUILDS.mkdir(parents=True, exist_ok=True)
    with (_BUILDS / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        builder = Builder(_BUILDS / _state_of_sources(), SYSTEM)
        builder.prepare()
        kept = sorted((p for p in _BUILDS.iterdir() if p.is_dir()), key=lambda p: p.stat().st_mtime)
        for outdated in kept[:-_MOST_BUILDS]:
            shutil.rmtree(outdated)
        return builder.stamp(version, None, folder)


def _state_of_sources() -> str:
    total = hashlib.sha256()
    for part in _PARTS:
        root = _SOURCES / part
        for path in sorted(root.rglob("*")) if root.is_dir() else [root.with_suffix(".py")]:
            if path.is_file() and path.suffix in {".py", ".c", ".h", ".spec"}:
                total.update(str(path.relative_to(_SOURCES)).encode() + path.read_bytes())
    return total.hexdigest()[:16]


@dataclass
class WindowsProcess:
    """A Windows program that runs; its output is collected in a file."""

    log_file: Path
    process: subprocess.Popen[bytes]
    reader: threading.Thread = field(init=False)

    def __post_init__(self) -> None:
        self.reader = threading.Thread(target=self._collect, daemon=True)
        self.reader.start()

    @classmethod
    def start(
        cls, program: Path, *arguments: str, log_file: Path, cwd: Path, env: dict[str, str]
    ) -> WindowsProcess:
        """Start it: to Python under Wine, a file of ours is no standard output, but a pipe is."""
        run_tool(
            "cmd", "/c", "exit"
        )  # so that Wine's own processes, if it starts any, keep no pipe
        process = subprocess.Popen(
            ["wine", str(program), *arguments],
            cwd=cwd,
            env={**SYSTEM.environment(), **env},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        return cls(log_file, process)

    def _collect(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout, self.log_file.open("ab") as log:
            while block := self.process.stdout.read1(65536):  # type: ignore[attr-defined]
                log.write(block)
                log.flush()

    def log(self) -> str:
        return self.log_file.read_text(errors="replace")

    def runs(self) -> bool:
        return self.process.poll() is None

    def press_control_c(self) -> int:
        """Ask it to end, and return its exit code: Wine makes Ctrl+C of SIGINT."""
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(120)

    def kill(self) -> None:
        """End it as the task manager does. What it started is in a job that ends with it."""
        if self.runs():
            self.process.send_signal(signal.SIGKILL)
        self.process.wait(60)
        self.reader.join(60)


@dataclass
class InstallFolder:
    """A folder with a worker's executable."""

    folder: Path

    @property
    def executable(self) -> Path:
        return self.folder / "gaia-worker.exe"

    @property
    def backup(self) -> Path:
        return self.folder / "gaia-worker.exe.bak"


@dataclass
class WindowsWorker(InstallFolder):
    """One worker process in a folder of its own."""

    name: str
    front: WindowsProcess


def compile_program(source: Path, target: Path, *flags: str) -> Path:
    """A Windows program of one C file that needs no C library and begins at `start`."""
    plain = ("-O2", "-s", "-fno-sanitize=all", "-nostdlib", "-Wl,--entry=start")
    subprocess.run(
        [
            *(sys.executable, "-m", "ziglang", "cc", "-target", "x86_64-windows-gnu", *plain),
            *(*flags, "-o", str(target), str(source), "-lkernel32"),
        ],
        env={**os.environ, "ZIG_LOCAL_CACHE_DIR": str(target.parent)},
        check=True,
    )
    return target


def run_tool(*command: str) -> str:
    """What a program of Wine's own writes: to a file, as Wine may leave processes behind."""
    with tempfile.TemporaryFile() as output:
        subprocess.run(
            ["wine", *command],
            env=SYSTEM.environment(),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.DEVNULL,
            check=False,
            timeout=120,
        )
        output.seek(0)
        return output.read().decode(errors="replace")


def run_python(code: str, folder: Path) -> str:
    """What a script writes that Python runs under Wine, with GAIA's sources at hand."""
    script = folder / "script.py"
    script.write_text(f"import sys\nsys.path.insert(0, {windows_path(_SOURCES.parent)!r})\n{code}")
    done = subprocess.run(
        SYSTEM.command(SYSTEM.python(), windows_path(script)),
        cwd=folder,
        env=SYSTEM.environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def processes_in(folder: Path) -> list[str]:
    """Command lines of the living processes that run a program of a folder, or work on it."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            if str(folder) in line.replace("\\", "/"):
                found.append(line)
    return found


def processes_of(program: Path) -> list[int]:
    """Process IDs of those that run an executable; of a folder, any in it."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if str(program) in (entry / "maps").read_text(errors="replace"):
                found.append(int(entry.name))
    return found


def kill_program(folder: Path) -> None:
    """End the worker's own program in a folder, by what it has loaded, and not its front."""
    for pid in processes_of(folder / ".gaia"):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def windows_path(path: Path) -> str:
    """How Windows programs name a file of ours."""
    return SYSTEM.path(path)
