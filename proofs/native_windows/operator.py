"""An operator's Windows: a Python with all that `gaia worker build` runs, under Wine."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import platformdirs

import gaia
from support.wine import SYSTEM, windows_path

_HERE = Path(__file__).parent
_CACHE = platformdirs.user_cache_path("gaia-build")
# What `gaia` imports beside the worker's libraries, and the compiler.
_PACKAGES = (
    *("bcrypt", "cffi", "cryptography", "markdown-it-py", "mdurl", "pycparser", "Pygments"),
    *("rich", "ziglang"),
)
_IN_PLACE_OF = {
    "NtLockFile": "wine_lock",
    "NtUnlockFile": "wine_unlock",
    "NtSetInformationFile": "wine_set",
    "NtQueryAttributesFile": "wine_attributes",
}


class Operator:
    """Kept in the user's cache, always at one place: Zig's own cache goes by where Zig is."""

    def __init__(self) -> None:
        SYSTEM.prepare(print)
        self._kit = SYSTEM.python().parents[1]
        wanted = [f"{name}=={metadata.version(name)}" for name in _PACKAGES]
        recipe = [path.read_text() for path in (*sorted(_HERE.glob("*.c")), Path(__file__))]
        digest = hashlib.sha256("\n".join([self._kit.name, *wanted, *recipe]).encode()).hexdigest()
        self._folder = _CACHE / "operator"
        made_of = self._folder / "made-of"
        if not made_of.exists() or made_of.read_text() != digest:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._make(self._folder, wanted)
            made_of.write_text(digest)

    def gaia(self, *arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
        """Run the operator's command, with GAIA's sources as they are here."""
        source = windows_path(Path(gaia.__file__).parents[1])
        code = f"import sys; sys.path.append({source!r}); from gaia.cli.main import main; main()"
        return subprocess.run(
            SYSTEM.command(self._folder / "python" / "python.exe", "-c", code, *arguments),
            cwd=folder,
            env={
                **SYSTEM.environment(),
                # Compiling the C library anew takes ten times as long as all the rest.
                "ZIG_GLOBAL_CACHE_DIR": windows_path(_CACHE / "zig-windows"),
            },
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            text=True,
        )

    def _make(self, folder: Path, wanted: list[str]) -> None:
        python, site = folder / "python", folder / "site"
        shutil.copytree(SYSTEM.python().parent, python)
        [search_path] = python.glob("python*._pth")
        places = [f"{search_path.stem}.zip", ".", "..\\site", windows_path(self._kit / "site")]
        search_path.write_text("\n".join(places), encoding="utf-8")
        subprocess.run(
            [
                *(sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "-q"),
                *("--no-deps", "--no-compile", "--target", str(site)),
                *("--platform", "win_amd64", "--python-version", "3.13"),
                *("--implementation", "cp", "--only-binary", ":all:", *wanted),
            ],
            check=True,
        )
        _library("wine_random.c", python / "bcryptprimitives.dll", ["ProcessPrng"], "-ladvapi32")
        _close_gaps(site / "ziglang")


def _close_gaps(folder: Path) -> None:
    """Let zig.exe load our library in place of ntdll.dll, which passes on all it does not mend."""
    program = folder / "zig.exe"
    shown = subprocess.run(["objdump", "-p", program], capture_output=True, check=True, text=True)
    imports = shown.stdout.partition("DLL Name: ntdll.dll")[2].partition("\n\n")[0]
    names = re.findall(r"^\s+[0-9a-f]+\s+\d+\s+(\w+)$", imports, re.MULTILINE)
    exports = [f"{name}={_IN_PLACE_OF.get(name, f'ntdll.{name}')}" for name in names]
    _library("wine_gaps.c", folder / "ntgap.dll", exports, "-lntdll")
    content = program.read_bytes()
    old, new = b"\0ntdll.dll\0", b"\0ntgap.dll\0"
    assert content.count(old) == 1
    program.write_bytes(content.replace(old, new))


def _library(source: str, target: Path, exports: list[str], *flags: str) -> None:
    definitions = target.with_suffix(".def")
    definitions.write_text("\n".join(["EXPORTS", *exports, ""]))
    subprocess.run(
        [
            *(sys.executable, "-m", "ziglang", "cc", "-target", "x86_64-windows-gnu", "-shared"),
            *("-O2", "-s", "-fno-sanitize=all", "-nostdlib", "-Wl,--entry=start"),
            *("-o", str(target), str(_HERE / source), str(definitions), *flags),
        ],
        env={**os.environ, "ZIG_LOCAL_CACHE_DIR": str(target.parent / "zig-cache")},
        check=True,
    )
