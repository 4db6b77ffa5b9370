"""Row 15: the install path is the one recorded at start, however the worker was started."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from support.machine import Machine


@pytest.mark.parametrize("way", ["relative", "symlink", "path", "other-folder"])
def test_twice_updated(machine: Machine, tmp_path: Path, way: str) -> None:
    machine.install(machine.release("v0.4.9"))
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    link = elsewhere / "linked-worker"
    link.symlink_to(machine.executable)
    machine.environment["PATH"] = f"{machine.folder}:{os.environ['PATH']}"
    command, folder = {
        "relative": ("./gaia-worker", machine.folder),
        "symlink": (str(link), elsewhere),
        "path": ("gaia-worker", elsewhere),
        "other-folder": ("../machine/gaia-worker", elsewhere),
    }[way]
    process = machine.start("env", command, cwd=folder)
    for tag in ("v0.5.0", "v0.5.1"):
        machine.offer(tag, machine.release(tag))
        machine.reaches(tag=tag, state="idle", pid=process.pid)
    assert machine.live() == machine.release("v0.5.1")
    assert machine.backup.read_bytes() == machine.release("v0.5.0")
    assert {event["cwd"] for event in machine.events("start")} == {str(folder)}
    assert link.is_symlink()
