"""The folder that the executable unpacks itself into."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from support.wine import WindowsProcess

pytestmark = [pytest.mark.needs_worker_build, pytest.mark.timeout(900)]


def test_a_harmed_runtime_is_unpacked_anew(build: Callable[[str], Path], tmp_path: Path) -> None:
    """What a dead process left goes as well."""
    program = tmp_path / "gaia-worker.exe"
    shutil.copy2(build("v0.5.0"), program)
    root = tmp_path / ".gaia"

    def starts() -> bool:
        started = WindowsProcess.start(
            program, "--version", log_file=tmp_path / "log", cwd=tmp_path, env={}
        )
        return started.process.wait(120) == 0

    def runtimes() -> list[Path]:
        return [path for path in root.iterdir() if path.is_dir()]

    assert starts()
    [runtime] = runtimes()
    files = {path for path in runtime.rglob("*") if path.is_file()}
    whole = {path: path.stat().st_size for path in files}
    cut, gone = sorted(files, key=lambda path: path.stat().st_size)[-2:]
    cut.write_bytes(b"half")
    gone.unlink()
    shutil.copytree(runtime, root / f"{runtime.name}.tmp-123")
    assert starts()
    assert runtimes() == [runtime]
    assert {path: path.stat().st_size for path in files} == whole
