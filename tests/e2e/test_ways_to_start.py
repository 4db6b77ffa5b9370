"""However a worker was started, the update finds its file, and the next one does too."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from support.fleet import LINUX, Api, RunningWorker, sha256


@pytest.mark.parametrize("way", ["relative", "symlink", "path", "other-folder"])
def test_two_updates_in_a_row(
    way: str,
    api: Api,
    build: Callable[[str], Path],
    start_worker: Callable[..., RunningWorker],
    tmp_path: Path,
) -> None:
    first = build("v0.4.9")
    folder = tmp_path / "w"
    (folder / "elsewhere").mkdir(parents=True)
    shutil.copy2(first, folder / "gaia-worker")
    (folder / "elsewhere" / "link").symlink_to(folder / "gaia-worker")
    program, cwd, env = {
        "relative": ("../gaia-worker", folder / "elsewhere", {}),
        "symlink": (str(folder / "elsewhere" / "link"), folder, {}),
        "path": ("gaia-worker", tmp_path, {"PATH": f"{folder}:{os.environ['PATH']}"}),
        "other-folder": (str(folder / "gaia-worker"), tmp_path, {}),
    }[way]
    worker = start_worker("w", first, "--auto-update", program=program, cwd=cwd, env=env)
    api.until("w", version="v0.4.9")
    for version in ("v0.5.0", "v0.5.1"):
        executable = build(version)
        api.curl_upload(version, LINUX, executable)
        row = api.until("w", version=version, state="idle")
        assert row["pid"] == worker.process.pid
        assert sha256(worker.executable) == sha256(executable)
    assert (folder / "elsewhere" / "link").is_symlink()
    assert worker.backup.exists()
