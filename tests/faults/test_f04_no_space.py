"""Row 4: no space left, at any write: the old version runs on, nothing partial stays."""

from __future__ import annotations

import hashlib
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gaia.errors import InstallError
from gaia.planning.update import Event
from gaia.worker.durable import write_atomic
from gaia.worker.installation import Installation
from gaia.worker.journal import Journal, Target
from gaia.worker.probation import Marker, Probation
from support.machine import Machine

SMALL = 4 * 1024 * 1024


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A real file system of 4 MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={SMALL}", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("a small file system takes the right to mount one")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


def fill(folder: Path) -> Path:
    """Leave no byte free."""
    ballast = folder / "ballast"
    with ballast.open("wb", buffering=0) as file:
        for block in (64 * 1024, 1):
            try:
                while file.write(bytes(block)):
                    pass
            except OSError:
                continue
    return ballast


@pytest.fixture
def full(disk: Path, monkeypatch: pytest.MonkeyPatch) -> Installation:
    """An installation on a full disk that knows no hard links, so that a backup takes space."""
    executable = disk / "worker"
    executable.write_bytes(b"#!/bin/sh\n" + bytes(10_000))
    executable.chmod(0o755)
    installation = Installation(executable)
    assert installation.obstacle() == ""
    fill(disk)

    def no_links(*_: object, **__: object) -> None:
        raise PermissionError(1, "no hard links here")

    monkeypatch.setattr(os, "link", no_links)
    return installation


def names(installation: Installation) -> set[str]:
    return {
        path.name
        for folder in (installation.folder, installation.private)
        for path in folder.iterdir()
    }


def test_every_write_says_so_and_leaves_nothing(full: Installation) -> None:
    before = names(full)
    journal = Journal(full.beside("journal"))
    target = Target("v2.0.0", "0" * 64, 10)
    digest = hashlib.sha256(full.path.read_bytes()).hexdigest()
    assert full.obstacle() == ""
    writes: list[Callable[[], None]] = [
        lambda: journal.advance(Event.OFFERED, target=target, source=target),
        lambda: full.back_up(digest),
        lambda: Probation(full).begin(Marker({"boots": "0" * 5000})),
    ]
    for write in writes:
        with pytest.raises(InstallError) as caught:
            write()
        assert caught.value.code == "no-space"
        assert names(full) - {"worker.alive"} == before
    with pytest.raises(OSError, match="No space"):
        write_atomic(full.folder / "anything", bytes(5000))
    assert names(full) - {"worker.alive"} == before
    assert journal.state == "idle"


def test_worker_waits_for_space(machine: Machine, disk: Path) -> None:
    machine.move_to(disk / "machine")
    machine.install(machine.release("v0.4.9"))
    process = machine.start()
    machine.reaches(tag="v0.4.9", state="idle")
    ballast = disk / "ballast"
    ballast.write_bytes(bytes(SMALL - 512 * 1024))
    machine.offer("v0.5.0", machine.release("v0.5.0"))
    machine.eventually("the failure", lambda: machine.status().get("failure"))
    assert machine.status()["failure"]["reason"] == "no-space"
    assert machine.status()["failed"] == []
    assert machine.live() == machine.release("v0.4.9")
    assert not (machine.folder / "gaia-worker.new").exists()
    ballast.unlink()
    machine.reaches(tag="v0.5.0", state="idle", pid=process.pid)
