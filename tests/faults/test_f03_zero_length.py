"""Rows 3 and 5: what takes the executable's name is on the disk before, in the same folder."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from gaia.worker.installation import Installation
from gaia.worker.journal import Target


def test_file_and_folder_are_synced_before_the_rename(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    executable, new = tmp_path / "worker", b"#!/bin/sh\nnew\n"
    executable.write_bytes(b"#!/bin/sh\nold\n")
    executable.chmod(0o755)
    installation = Installation(executable)
    assert installation.obstacle() == ""
    calls: list[str] = []
    fsync, rename = os.fsync, os.rename

    def recorded_fsync(descriptor: int) -> None:
        calls.append("sync " + Path(f"/proc/self/fd/{descriptor}").readlink().name)
        fsync(descriptor)

    def recorded_rename(source: Path, target: Path) -> None:
        calls.append(f"{Path(source).name} to {Path(target).name}")
        rename(source, target)

    monkeypatch.setattr(os, "fsync", recorded_fsync)
    monkeypatch.setattr(os, "rename", recorded_rename)
    digest = hashlib.sha256(new).hexdigest()
    installation.begin_staging(resume=False)
    assert installation.staged.parent == executable.parent
    installation.staged.write_bytes(new)
    installation.seal(Target("v2.0.0", digest, len(new)))
    installation.install(digest)
    assert calls == [
        "sync worker.new",
        f"sync {tmp_path.name}",
        "worker.new to worker",
        f"sync {tmp_path.name}",
    ]
