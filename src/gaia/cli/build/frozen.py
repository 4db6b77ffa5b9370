"""The worker's own files: Python, its libraries and the worker, collected by PyInstaller."""

from __future__ import annotations

from pathlib import Path

import gaia
from gaia.cli.build import tools
from gaia.cli.build.system import System

LIBRARIES = "_internal"
"""Folder in the payload that is `sys._MEIPASS` at run time."""

_PACKAGES = Path(gaia.__file__).parents[1]
_RECIPE = Path(__file__).with_name("payload.spec")
_EPOCH = "315532800"  # 1980-01-01, the first day that a zip file knows
_SCRIPT = """\
import sys

from {module} import {function}

sys.exit({function}())
"""


def collect(system: System, folder: Path, entry: str, source: Path) -> Path:
    """Collect the program `entry` (`module:function`) found in `source`; return its folder.

    The same input gives the same bytes, wherever `folder` is.

    Raises:
        Refused: `build-tools-missing`, `build-failed`.
    """
    folder.mkdir(parents=True)
    module, _, function = entry.partition(":")
    script = folder / "gaia_worker.py"
    script.write_text(_SCRIPT.format(module=module, function=function), encoding="utf-8")
    command = system.command(
        system.python(),
        *("-m", "PyInstaller", "--noconfirm", "--log-level", "WARN"),
        *("--distpath", system.path(folder / "dist"), "--workpath", system.path(folder / "work")),
        system.path(_RECIPE),
    )
    env = {
        **system.environment(),
        "GAIA_BUILD_ENTRY": system.path(script),
        "GAIA_BUILD_SOURCES": "|".join(system.path(path) for path in (source, _PACKAGES)),
        "PYINSTALLER_CONFIG_DIR": system.path(folder / "config"),
        "PYINSTALLER_ZLIB_COMPRESSION_LEVEL": "0",
        "PYTHONHASHSEED": "0",
        "SOURCE_DATE_EPOCH": _EPOCH,
        # What marshal writes depends on whether code was compiled or read back: always compile.
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONPYCACHEPREFIX": system.path(folder / "pycache"),
    }
    for name in ("PYTHONPATH", "PYTHONOPTIMIZE", "PYTHONSTARTUP"):
        env.pop(name, None)
    collector = tools.start(command, folder=folder, env=env)
    tools.finish(collector, folder=folder, what="PyInstaller")
    return folder / "dist" / "payload"
