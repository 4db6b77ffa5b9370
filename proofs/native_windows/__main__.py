"""`script/prove native-windows`: Windows builds the bytes that Linux builds, and they start.

Wine takes the place of Windows, and a small library that of what Wine 8 lacks for Zig.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from proofs.native_windows.operator import Operator
from support import wine

_VERSION = "v0.0.1"


def main() -> int:
    """The number of promises that were broken."""
    wine.SYSTEM.check()
    begun = time.monotonic()
    os.environ.setdefault("SOURCE_DATE_EPOCH", "1764000000")
    with tempfile.TemporaryDirectory(prefix="native-windows-") as name:
        folder = Path(name)
        print("the operator's Windows")
        operator = Operator()
        print("the build on Windows")
        native = folder / "native" / "gaia-worker-windows.exe"
        done = operator.gaia(
            *("worker", "build", "--platform", "windows", "--version", _VERSION),
            *("-o", wine.windows_path(native.parent)),
            folder=folder,
        )
        print(done.stdout.strip())
        if done.returncode != 0 or not native.exists():
            return _tell(1, begun)
        print("the build under Wine on Linux")
        crossed = wine.build(_VERSION, folder / "crossed")
        same = native.read_bytes() == crossed.read_bytes()
        print("the same bytes" if same else "other bytes")
        said = _output_of(native, "--version", folder=folder)
        print(said)
        starts = said.endswith(_VERSION.removeprefix("v"))
        return _tell((not same) + (not starts), begun)


def _output_of(program: Path, *arguments: str, folder: Path) -> str:
    done = subprocess.run(
        wine.SYSTEM.command(program, *arguments),
        cwd=folder,
        env=wine.SYSTEM.environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
        text=True,
    )
    return done.stdout.strip()


def _tell(broken: int, begun: float) -> int:
    print(f"{(time.monotonic() - begun) / 60:.0f} min, {broken} promises broken")
    return broken


if __name__ == "__main__":
    sys.exit(main())
