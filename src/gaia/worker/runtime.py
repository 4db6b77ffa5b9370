"""The single-file worker's runtime: the folder that its stub unpacked and that it runs from."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

from gaia.errors import InvalidInput
from gaia.model.payload import FOOTER_SIZE, Footer
from gaia.worker.lock import FileLock

_INSTALL_PATH = "_GAIA_EXE"
_LIBRARIES = "LD_LIBRARY_PATH"
_ORIGINAL_LIBRARIES = "LD_LIBRARY_PATH_ORIG"
_OURS = ("_PYI_", "_GAIA_", "_MEIPASS2")
_SET_BEFORE_LIBRARIES = ("_PYI_", "_MEIPASS2", _INSTALL_PATH)
_RUNTIME_NAME = re.compile(r"[0-9a-f]{32}(?P<unfinished>\.tmp-.+)?")


def install_path() -> Path | None:
    """Absolute path of the single-file executable as it was started; None for other workers.

    `/proc/self/exe` is the runtime's program by now, and would follow a rename anyway.
    """
    path = os.environ.get(_INSTALL_PATH)
    return Path(path) if path and getattr(sys, "frozen", False) else None


def clean_environment(env: Mapping[str, str]) -> dict[str, str]:
    """The environment as the user gave it, for children and for `exec()`.

    PyInstaller's bootloader puts its own libraries first, which other programs must not load.
    """
    clean = {name: value for name, value in env.items() if not name.startswith(_OURS)}
    if any(name.startswith(_SET_BEFORE_LIBRARIES) for name in env):
        clean.pop(_LIBRARIES, None)
        original = clean.pop(_ORIGINAL_LIBRARIES, None)
        if original is not None:
            clean[_LIBRARIES] = original
    return clean


def runtime_id(executable: Path) -> str:
    """Name of the folder that the stub of `executable` unpacks to.

    Raises:
        InvalidInput: `no-payload`.
        OSError: the file cannot be read.
    """
    with executable.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - FOOTER_SIZE))
        return Footer.decode(file.read()).runtime_id


def remove_old_runtimes(keep: Iterable[Path]) -> None:
    """Remove the runtimes beside this worker's that nothing needs any more.

    Kept are this process's, those of the executables in `keep` (the live one, its backup, a
    staged one; missing files are passed over), and those that some process runs from, such as
    the guard of an update. What was cut off while it was unpacked or removed goes as well. Does
    nothing for other than single-file workers, nor while a stub is unpacking: there will be a
    next time.

    Raises:
        OSError: a runtime that is not needed could not be removed.
    """
    own = getattr(sys, "_MEIPASS", None)
    if install_path() is None or own is None:
        return
    here = Path(own).parent
    needed = {here.name}
    for executable in keep:
        with contextlib.suppress(OSError, InvalidInput):
            needed.add(runtime_id(executable))
    unpacking = FileLock(here.parent / "unpack.lock")
    if not unpacking.acquire():
        return
    try:
        needed |= _running(here.parent)
        for folder in sorted(here.parent.iterdir()):
            runtime = _RUNTIME_NAME.fullmatch(folder.name)
            if runtime is None or folder.name in needed:
                continue
            # Renamed first: what is half removed must not look like a runtime.
            doomed = folder if runtime["unfinished"] else folder.rename(_doomed(folder))
            shutil.rmtree(doomed)
    finally:
        unpacking.release()


def _doomed(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}.tmp-removed-{os.getpid()}")


if sys.platform == "win32":

    def _running(root: Path) -> set[str]:
        """Names of the runtimes that some process's program is in."""
        return {program.parent.name for program in root.glob("*/gaia-worker.exe") if _runs(program)}

    def _runs(program: Path) -> bool:
        try:
            os.close(os.open(program, os.O_RDWR | os.O_BINARY))
        except OSError:
            return True
        return False

else:

    def _running(root: Path) -> set[str]:
        """Names of the runtimes that some process's program is in."""
        names = set()
        for process in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError, ValueError):
                program = (process / "exe").readlink()
                names.add(program.relative_to(root).parts[0])
        return names
